package render

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/pawl-dev/pawl/api"
	"github.com/pawl-dev/pawl/render/worker"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == worker.Arg {
		os.Exit(worker.Main(os.Args[2:]))
	}
	os.Exit(m.Run())
}

// inProcess renders without a process of its own: for files that are no attack.
func inProcess() *Renderer {
	return New(Config{Build: func(_ context.Context, req worker.Request) (worker.Response, error) {
		return worker.Build(req), nil
	}})
}

// files makes a file system of "name", "content" pairs.
func files(pairs ...string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for i := 0; i+1 < len(pairs); i += 2 {
		fsys[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return fsys
}

func configMap(name string) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: " + name + "\n"
}

func TestGoldenFoldersRenderAsKustomizeDoes(t *testing.T) {
	folders, err := filepath.Glob("testdata/golden/*")
	if err != nil || len(folders) == 0 {
		t.Fatal("no golden folders", err)
	}
	for _, folder := range folders {
		t.Run(filepath.Base(folder), func(t *testing.T) {
			start, err := os.ReadFile(filepath.Join(folder, "path"))
			if err != nil {
				t.Fatal(err)
			}
			set, err := inProcess().Build(t.Context(), Input{FS: os.DirFS(filepath.Join(folder, "repo")), Path: strings.TrimSpace(string(start))})
			if err != nil {
				t.Fatal(err)
			}
			got, err := Marshal(set)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join(folder, "rendered.yaml"), string(got))
			golden(t, filepath.Join(folder, "described.txt"), describe(set))
		})
	}
}

// describe lists a Set's objects with their places, files and problems.
func describe(set *Set) string {
	var b strings.Builder
	for _, o := range set.Objects {
		fmt.Fprintf(&b, "%s: %s\n", o.Origin, o.Title())
		said := o.Origin.Line
		for _, p := range []string{"metadata.name", "data", "spec", "spec.templates[0]", "spec.template", "spec.predictor.model.storageUri"} {
			if at := o.Position(p); at.Line != said && at != o.Origin {
				said = at.Line
				fmt.Fprintf(&b, "  %s: %s\n", at, p)
			}
		}
	}
	fmt.Fprintf(&b, "read: %s\n", strings.Join(set.Files, " "))
	for _, p := range set.Problems {
		fmt.Fprintln(&b, p)
	}
	return b.String()
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", file, diff)
	}
}

func TestFaultsAreSaidInWordsWithFileAndLine(t *testing.T) {
	for name, tc := range map[string]struct {
		fsys fstest.MapFS
		want []string
	}{
		"a resource that is missing":        {files("k/kustomization.yaml", "resources:\n- a.yaml\n"), []string{`k/kustomization.yaml:2: error: resources[0]: "a.yaml" does not exist`}},
		"a folder without kustomization":    {files("k/kustomization.yaml", "resources: [../b]\n", "b/x", ""), []string{"k/kustomization.yaml:1: error: resources[0]: b/ has no kustomization (add a kustomization.yaml to it, or name files)"}},
		"an unknown field":                  {files("k/kustomization.yaml", "\nresource: []\n"), []string{"k/kustomization.yaml:2: error: resource: unknown field (did you mean `resources`?)"}},
		"a field in the wrong case":         {files("k/kustomization.yaml", "Resources: ['https://x/y']\n"), []string{"k/kustomization.yaml:1: error: Resources: unknown field (did you mean `resources`?)"}},
		"a field of the wrong type":         {files("k/kustomization.yaml", "resources: a.yaml\n"), []string{"k/kustomization.yaml:1: error: resources: must be a list of strings, got string"}},
		"a kustomization that is no YAML":   {files("k/kustomization.yaml", "a: b\n\tc\n"), []string{"k/kustomization.yaml:2: error: this is no YAML: found a tab character that violates indentation"}},
		"an empty kustomization":            {files("k/kustomization.yaml", "\n"), []string{"k/kustomization.yaml:1: error: a kustomization must be one map, this file has 0 documents"}},
		"two kustomizations in one folder":  {files("k/kustomization.yaml", "{}", "k/Kustomization", "{}"), []string{"k: error: has both kustomization.yaml and Kustomization (remove one)"}},
		"a kind that is none":               {files("k/kustomization.yaml", "kind: Kustomize\n"), []string{"k/kustomization.yaml:1: error: kind: Kustomize is neither Kustomization nor Component"}},
		"a Component by itself":             {files("k/kustomization.yaml", "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n"), []string{"k/kustomization.yaml:2: error: kind: a Component cannot be built by itself (build a Kustomization that lists it under components)"}},
		"a Component under resources":       {files("k/kustomization.yaml", "resources: [../c]\n", "c/kustomization.yaml", "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n"), []string{"k/kustomization.yaml:1: error: resources[0]: the kustomization of c/ is a Component (list it under components)"}},
		"a resource that is no manifest":    {files("k/kustomization.yaml", "resources: [a.yaml]\n", "k/a.yaml", "\nkind: X\n"), []string{"k/a.yaml:2: error: apiVersion: missing (every manifest needs apiVersion, kind and metadata.name)"}},
		"a resource that is no YAML":        {files("k/kustomization.yaml", "resources: [a.yaml]\n", "k/a.yaml", "a: [\n"), []string{"k/a.yaml:1: error: this is no YAML: did not find expected node content"}},
		"a patch without its target":        {files("k/kustomization.yaml", "resources: [../b]\n", "b/kustomization.yaml", "resources: [a.yaml]\npatches:\n- patch: |\n    apiVersion: v1\n    kind: ConfigMap\n    metadata: {name: z}\n", "b/a.yaml", configMap("a")), []string{`b/kustomization.yaml:1: error: kustomize: no resource matches strategic merge patch "ConfigMap z": no matches for Id ConfigMap z; failed to find unique target for patch ConfigMap z`}},
		"the same object twice":             {files("k/kustomization.yaml", "resources: [a.yaml, b.yaml]\n", "k/a.yaml", configMap("a"), "k/b.yaml", configMap("a")), []string{"k/kustomization.yaml:1: error: kustomize: merging resources from './b.yaml': may not add resource with an already registered id: ConfigMap a"}},
		"a rendered type that does not fit": {files("k/kustomization.yaml", "resources: [w.yaml]\nnamePrefix: x-\n", "k/w.yaml", "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata: {name: w}\nspec:\n  templates:\n  - container: {command: a}\n"), []string{"k/w.yaml:6: error: spec.templates[0].container.command: must be a list of strings, got string"}},
		"a resource without a name":         {files("k/kustomization.yaml", "resources: [a.yaml]\n", "k/a.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {}\n"), []string{"k/a.yaml:3: error: metadata.name: missing (every manifest needs apiVersion, kind and metadata.name)"}},
		"a patch that spoils an object":     {files("k/kustomization.yaml", "resources: [a.yaml]\npatches:\n- path: p.yaml\n", "k/a.yaml", configMap("a"), "k/p.yaml", configMap("a")+"data: 5\n"), []string{"k/a.yaml:1: error: data: must be a map of strings, got number (it is not so in this file: a patch or transformer of the kustomization made it so)"}},
		"a patch that is no JSON":           {files("k/kustomization.yaml", "resources: [a.yaml]\npatches:\n- {target: {kind: Secret}, patch: '[{op: replace, path: /data/x, value: hunter2}]'}\n", "k/a.yaml", configMap("a")), []string{"k/kustomization.yaml:3: error: patches[0].patch: a patch that begins with [ must be JSON (quote its keys and words, or write it as a YAML list of lines with '-')"}},
		"a patch that cannot be read":       {files("k/kustomization.yaml", "resources: [a.yaml]\npatches:\n- {target: {kind: Secret}, patch: 'hunter2: {'}\n", "k/a.yaml", configMap("a")), []string{"k/kustomization.yaml:3: error: patches[0].patch: this is no YAML: did not find expected node content"}},
		"a patch that is text":              {files("k/kustomization.yaml", "resources: [a.yaml]\npatches:\n- {target: {kind: Secret}, patch: 'hunter2'}\n", "k/a.yaml", configMap("a")), []string{"k/kustomization.yaml:1: error: kustomize: unable to parse SM or JSON patch from its text"}},
		"a merge with nothing":              {files("k/kustomization.yaml", "resources: [a.yaml]\nconfigMapGenerator: [{name: z, behavior: merge, literals: [a=b]}]\n", "k/a.yaml", configMap("a")), []string{"k/kustomization.yaml:1: error: kustomize: id ConfigMap z does not exist; cannot merge or replace"}},
		"a replacement from nothing":        {files("k/kustomization.yaml", "resources: [a.yaml]\nreplacements:\n- source: {kind: Foo, name: b}\n  targets: [{select: {kind: ConfigMap}, fieldPaths: [data.x]}]\n", "k/a.yaml", configMap("a")), []string{"k/kustomization.yaml:1: error: kustomize: nothing selected by Foo b"}},
		"a literal without a key":           {files("k/kustomization.yaml", "secretGenerator:\n- name: s\n  literals: [hunter2]\n"), []string{"k/kustomization.yaml:3: error: secretGenerator[0].literals[0]: is not of the form key=value"}},
		"a folder that is missing":          {files("x", ""), []string{"k: error: does not exist"}},
	} {
		t.Run(name, func(t *testing.T) {
			wantProblems(t, inProcess(), Input{FS: tc.fsys, Path: "k"}, tc.want)
		})
	}
}

func wantProblems(t *testing.T, r *Renderer, in Input, want []string) {
	t.Helper()
	_, err := r.Build(t.Context(), in)
	var problems api.Problems
	if !errors.As(err, &problems) {
		t.Fatalf("got %v, want problems", err)
	}
	var got []string
	for _, p := range problems {
		got = append(got, p.String())
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestAFolderWithoutKustomizationIsItsManifests(t *testing.T) {
	fsys := files(
		"train.yaml", configMap("train"),
		"sub/b.json", `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"b"}}`,
		"sub/package.json", `{"name": "x"}`,
		"sub/data.csv", "1,2",
		".github/workflows/ci.yaml", "not: [yaml",
		"deploy.yaml", strings.ReplaceAll(modelDeploy, "PATH", "models/overlays/staging"),
		"models/base/kustomization.yaml", "resources: [is.yaml]\n",
		"models/base/is.yaml", configMap("is"),
		"models/overlays/staging/kustomization.yaml", "resources: [../../base]\n",
		"models/overlays/other/kustomization.yaml", "resources: [../../base]\nnamePrefix: other-\n",
		"models/parts/kustomization.yaml", "kind: Component\napiVersion: kustomize.config.k8s.io/v1alpha1\n",
	)
	set, err := inProcess().Build(t.Context(), Input{FS: fsys, Path: "."})
	if err != nil {
		t.Fatal(err)
	}
	want := `deploy.yaml:1: ModelDeploy m
  deploy.yaml:3: metadata.name
  deploy.yaml:4: spec
sub/b.json:1: Secret b
train.yaml:1: ConfigMap train
  train.yaml:4: metadata.name
models/base/is.yaml:1: ConfigMap other-is
  models/base/is.yaml:4: metadata.name
read: deploy.yaml models/base/is.yaml models/base/kustomization.yaml models/overlays/other/kustomization.yaml models/overlays/staging/kustomization.yaml models/parts/kustomization.yaml sub/b.json train.yaml
sub/package.json: note: not a manifest: it has neither apiVersion nor kind; it is left out
`
	if diff := cmp.Diff(want, describe(set)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

const modelDeploy = `apiVersion: pawl.dev/v1alpha1
kind: ModelDeploy
metadata: {name: m}
spec:
  candidate: {workflowRef: {name: w}, artifact: model, publish: file:///m}
  stages:
  - {name: s, path: PATH, gates: [{name: g, expr: "true"}]}
`

func TestAStageThatIsNamedByAKustomizedModelDeployIsNoInput(t *testing.T) {
	fsys := files(
		"z/kustomization.yaml", "resources: [deploy.yaml]\n",
		"z/deploy.yaml", strings.ReplaceAll(modelDeploy, "PATH", "a/staging"),
		"a/base/kustomization.yaml", "resources: [is.yaml]\n",
		"a/base/is.yaml", configMap("is"),
		"a/staging/kustomization.yaml", "resources: [../base]\n",
	)
	set, err := inProcess().Build(t.Context(), Input{FS: fsys, Path: "."})
	if err != nil {
		t.Fatal(err)
	}
	if len(set.Objects) != 1 || set.Objects[0].Kind != "ModelDeploy" {
		t.Errorf("got %s", describe(set))
	}
}

func TestTwinsInAFolderAreRefused(t *testing.T) {
	fsys := files("a.yaml", configMap("a"), "b.yaml", "\n"+configMap("a"))
	wantProblems(t, inProcess(), Input{FS: fsys, Path: "."}, []string{
		"b.yaml:2: error: metadata.name: ConfigMap a is also in a.yaml:1 (remove or rename one)"})
}

func TestAFileCanBeRendered(t *testing.T) {
	fsys := files("d/a.yaml", configMap("a"), "d/kustomization.yaml", "resources: [a.yaml]\nnamePrefix: x-\n")
	for name, want := range map[string]string{"d/a.yaml": "a", "d/kustomization.yaml": "x-a", "d": "x-a", "d/": "x-a", "./d": "x-a"} {
		set, err := inProcess().Build(t.Context(), Input{FS: fsys, Path: name})
		if err != nil {
			t.Fatal(err)
		}
		if got := set.Objects[0].Name; got != want {
			t.Errorf("%s renders %s, want %s", name, got, want)
		}
	}
}

func TestTheSameContentIsRenderedOnce(t *testing.T) {
	builds := 0
	r := New(Config{CacheSize: 1, Build: func(_ context.Context, req worker.Request) (worker.Response, error) {
		builds++
		return worker.Build(req), nil
	}})
	fsys := files("k/kustomization.yaml", "resources: [a.yaml]\n", "k/a.yaml", configMap("a"))
	for i, step := range []struct {
		key  string
		want int
	}{{"t1", 1}, {"t1", 1}, {"t2", 2}, {"t1", 3}, {"", 4}, {"", 5}} {
		if _, err := r.Build(t.Context(), Input{FS: fsys, Path: "k", Key: step.key}); err != nil {
			t.Fatal(err)
		}
		if builds != step.want {
			t.Errorf("step %d: %d builds, want %d", i, builds, step.want)
		}
	}
}

func TestTheDigestIsOfWhatIsRendered(t *testing.T) {
	render := func(fsys fstest.MapFS) string {
		set, err := inProcess().Build(t.Context(), Input{FS: fsys, Path: "."})
		if err != nil {
			t.Fatal(err)
		}
		return set.Digest
	}
	a := render(files("kustomization.yaml", "resources: [a.yaml]\n", "a.yaml", configMap("a")))
	if b := render(files("kustomization.yaml", "# a comment\nresources: [b.yaml]\n", "b.yaml", configMap("a"))); a != b {
		t.Error("the digest depends on more than what is rendered")
	}
	if c := render(files("kustomization.yaml", "resources: [a.yaml]\n", "a.yaml", configMap("b"))); a == c {
		t.Error("the digest does not depend on what is rendered")
	}
}

func TestGeneratedNamesGoThroughKustomize(t *testing.T) {
	workflow := "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata: {generateName: %s}\nspec: {entrypoint: a}\n"
	fsys := files("k/kustomization.yaml", "namePrefix: x-\nnameSuffix: -y\nresources: [w.yaml]\nconfigMapGenerator: [{name: copy, files: [w.yaml]}]\n",
		"k/w.yaml", fmt.Sprintf(workflow, "w-")+"---\n"+fmt.Sprintf(workflow, "w-")+"---\n"+configMap("c"))
	set, err := inProcess().Build(t.Context(), Input{FS: fsys, Path: "k"})
	if err != nil {
		t.Fatal(err)
	}
	if copied, _ := set.OfKind("ConfigMap")[1].Raw["data"].(map[string]any)["w.yaml"].(string); copied != string(fsys["k/w.yaml"].Data) {
		t.Errorf("the generator is given another file: %q", copied)
	}
	want := `k/w.yaml:11: ConfigMap x-c-y
  k/w.yaml:14: metadata.name
k/kustomization.yaml:4: ConfigMap x-copy-y-24hf87fg7m
k/w.yaml:1: Workflow x-w-y-
  k/w.yaml:3: metadata.name
  k/w.yaml:4: spec
k/w.yaml:6: Workflow x-w-y-
  k/w.yaml:8: metadata.name
  k/w.yaml:9: spec
read: k/kustomization.yaml k/w.yaml
`
	if diff := cmp.Diff(want, describe(set)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFind(t *testing.T) {
	set, err := inProcess().Build(t.Context(), Input{FS: files("a.yaml", configMap("a")), Path: "."})
	if err != nil {
		t.Fatal(err)
	}
	if set.Find("ConfigMap", "", "a") == nil || set.Find("ConfigMap", "x", "a") != nil || len(set.OfKind("ConfigMap")) != 1 {
		t.Error("an object is not found by what it is")
	}
}
