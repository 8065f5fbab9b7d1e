package render

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/pawl-dev/pawl/api"
	"github.com/pawl-dev/pawl/render/worker"
)

const remoteWords = "is remote: nothing is fetched while rendering (copy it into the repository and write its path relative to this file)"

func TestNoFieldReachesOutOfTheRepository(t *testing.T) {
	fetched := false
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { fetched = true }))
	defer server.Close()
	trap := filepath.Join(t.TempDir(), "executed")

	values := map[string]string{
		server.URL + "/a.yaml":                                 remoteWords,
		"https://h/o/r.git//p?ref=--upload-pack=touch " + trap: remoteWords,
		"git@github.com:o/r.git":                               remoteWords,
		"github.com/o/r":                                       remoteWords,
		"GitHub.com/o/r":                                       remoteWords,
		"gh:o/r":                                               remoteWords,
		"git::https://h/r":                                     remoteWords,
		"ext::sh -c touch% " + trap:                            remoteWords,
		"host:o/r":                                             remoteWords,
		"file:///etc":                                          remoteWords,
		"o/r?ref=main":                                         remoteWords,
		"h/_git/r":                                             remoteWords,
		"--upload-pack=touch":                                  "begins with '-', which a command would take for an option (write ./--upload-pack=touch)",
		"/etc/passwd":                                          "is absolute (copy it into the repository and write its path relative to this file)",
		"../../etc/passwd":                                     "leads out of the repository (copy what is needed into the repository)",
		"../../repo-evil/x.yaml":                               "leads out of the repository (copy what is needed into the repository)",
		"base - ../x":                                          `holds ".." within a name (look at the indentation around it)`,
		"passwd":                                               "leads out of the repository by the link k/passwd to /etc/passwd (copy what is needed into the repository)",
		"up":                                                   "leads out of the repository (copy what is needed into the repository)",
		"chain":                                                "leads out of the repository by the link k/passwd to /etc/passwd (copy what is needed into the repository)",
		"folder/x.yaml":                                        "leads out of the repository (copy what is needed into the repository)",
		"round":                                                "is a link that leads to itself",
		"a\\b":                                                 "holds characters that no path should have",
		"none.yaml":                                            "does not exist",
	}
	for field, manifest := range map[string]string{
		"resources[0]":                   "resources: [%s]",
		"bases[0]":                       "bases: [%s]",
		"components[0]":                  "components: [%s]",
		"crds[0]":                        "crds: [%s]",
		"configurations[0]":              "configurations: [%s]",
		"generators[0]":                  "generators: [%s]",
		"transformers[0]":                "transformers: [%s]",
		"validators[0]":                  "validators: [%s]",
		"patches[0].path":                "patches: [{path: %s}]",
		"patchesStrategicMerge[0]":       "patchesStrategicMerge: [%s]",
		"patchesJson6902[0].path":        "patchesJson6902: [{path: %s}]",
		"replacements[0].path":           "replacements: [{path: %s}]",
		"configMapGenerator[0].files[0]": "configMapGenerator: [{name: x, files: [%s]}]",
		"configMapGenerator[0].envs[0]":  "configMapGenerator: [{name: x, envs: [%s]}]",
		"configMapGenerator[0].env":      "configMapGenerator: [{name: x, env: %s}]",
		"secretGenerator[0].files[0]":    "secretGenerator: [{name: x, files: [%s]}]",
		"secretGenerator[0].envs[0]":     "secretGenerator: [{name: x, envs: [%s]}]",
	} {
		for value, words := range values {
			if strings.HasSuffix(field, "files[0]") && strings.Contains(value, "=") {
				continue // the part before it is a key
			}
			fsys := files("k/kustomization.yaml", fmt.Sprintf(manifest, fmt.Sprintf("%q", value)))
			for name, target := range map[string]string{"passwd": "/etc/passwd", "up": "../../x", "chain": "passwd", "folder": "../..", "round": "round"} {
				fsys["k/"+name] = &fstest.MapFile{Data: []byte(target), Mode: fs.ModeSymlink | 0o777}
			}
			want := fmt.Sprintf("k/kustomization.yaml:1: error: %s: %q %s", field, value, words)
			wantProblems(t, New(Config{}), Input{FS: fsys, Path: "k"}, []string{want})
		}
	}
	if _, err := os.Stat(trap); fetched || err == nil {
		t.Error("something was fetched or executed")
	}
}

func TestTheFolderToBuildStaysInside(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"repo/x": "", "repo-evil/kustomization.yaml": "{}", "kustomization.yaml": "{}"} {
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644))
	}
	must(t, os.Symlink("../repo-evil", filepath.Join(dir, "repo", "link")))
	for name, want := range map[string]string{
		"..": "leads out of the repository", "../repo-evil": "leads out of the repository",
		"link": "leads out of the repository", "a/../..": "leads out of the repository", "/etc": "is absolute", "-x": "begins with '-'",
	} {
		// Even a file system that follows every link.
		_, err := New(Config{}).Build(t.Context(), Input{FS: os.DirFS(filepath.Join(dir, "repo")), Path: name})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", name, err, want)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestNothingIsExecutedWhileRendering(t *testing.T) {
	resource := func(y string) []string { return []string{"resources: [a.yaml]\n" + y, configMap("a")} }
	for name, tc := range map[string]struct{ kustomization, want string }{
		"a chart":                 {"helmCharts: [{name: x, repo: 'https://x'}]\n", "k/kustomization.yaml:2: error: helmCharts: charts are not rendered: helm would have to be executed (render the chart yourself and commit the result)"},
		"the globals of charts":   {"helmGlobals: {configHome: /tmp}\n", "k/kustomization.yaml:2: error: helmGlobals: charts are not rendered: helm would have to be executed (render the chart yourself and commit the result)"},
		"an old chart":            {"helmChartInflationGenerator: [{chartName: x}]\n", "k/kustomization.yaml:2: error: helmChartInflationGenerator: charts are not rendered: helm would have to be executed (render the chart yourself and commit the result)"},
		"a schema":                {"openapi: {path: s.json}\n", "k/kustomization.yaml:2: error: openapi.path: schemas of one's own are not read: they would change other builds (patch by JSON 6902 where lists must be merged)"},
		"a plugin in place":       {"transformers:\n- |\n  apiVersion: someteam/v1\n  kind: Exec\n  metadata: {name: x}\n", "k/kustomization.yaml:3: error: transformers[0]: Exec of someteam/v1 is not built in: plugins are not executed (use the fields of the kustomization)"},
		"a chart as a generator":  {"generators:\n- |\n  apiVersion: builtin\n  kind: HelmChartInflationGenerator\n  metadata: {name: x}\n", "k/kustomization.yaml:3: error: generators[0]: HelmChartInflationGenerator of builtin is not built in: plugins are not executed (use the fields of the kustomization)"},
		"a function":              {"validators:\n- |\n  apiVersion: builtin\n  kind: LabelTransformer\n  metadata: {name: x, annotations: {config.kubernetes.io/function: 'exec: {path: ./x}'}}\n", "k/kustomization.yaml:3: error: validators[0]: functions are not executed (use the fields of the kustomization)"},
		"a path in a transformer": {"transformers:\n- |\n  apiVersion: builtin\n  kind: PatchTransformer\n  metadata: {name: x}\n  path: /etc/passwd\n", "k/kustomization.yaml:3: error: transformers[0]: path of a configuration under transformers may name no files (use the fields of the kustomization)"},
		"a folder of plugins":     {"transformers: [../k2]\n", "k/kustomization.yaml:2: error: transformers[0]: \"../k2\" is a folder; its configurations could not be checked (list its files)"},
	} {
		t.Run(name, func(t *testing.T) {
			kustomization := resource(tc.kustomization)
			fsys := files("k/kustomization.yaml", kustomization[0], "k/a.yaml", kustomization[1], "k2/kustomization.yaml", "{}")
			wantProblems(t, New(Config{}), Input{FS: fsys, Path: "k"}, []string{tc.want})
		})
	}
}

func bomb() string {
	var b strings.Builder
	b.WriteString(configMap("bomb") + "data:\n  x: y\na0: &a0 [x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i <= 9; i++ {
		fmt.Fprintf(&b, "a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 9), ", "))
	}
	return b.String()
}

func TestABombIsRefusedWhereverItIs(t *testing.T) {
	for name, fsys := range map[string]fstest.MapFS{
		"in a resource":       files("k/kustomization.yaml", "resources: [a.yaml]", "k/a.yaml", bomb()),
		"in a kustomization":  files("k/kustomization.yaml", bomb()),
		"in a patch":          files("k/kustomization.yaml", "patches: [{path: a.yaml}]", "k/a.yaml", bomb()),
		"in a patch in place": files("k/kustomization.yaml", "patches:\n- patch: |\n    "+strings.ReplaceAll(bomb(), "\n", "\n    ")),
		"in a transformer":    files("k/kustomization.yaml", "transformers: [a.yaml]", "k/a.yaml", bomb()),
		"in a configuration":  files("k/kustomization.yaml", "configurations: [a.yaml]", "k/a.yaml", bomb()),
		"in a plain manifest": files("k/a.yaml", bomb()),
		"in a merge by place": files("k/kustomization.yaml", "patchesStrategicMerge:\n- |\n    "+strings.ReplaceAll(bomb(), "\n", "\n    ")),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(Config{}).Build(t.Context(), Input{FS: fsys, Path: "k"})
			if err == nil || !strings.Contains(err.Error(), "aliases of this file stand for more than") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestLimitsRefuseWhatWouldTakeForever(t *testing.T) {
	many := strings.Repeat("---\n"+configMap("a"), 100_000)
	list := strings.Repeat("---\n"+configMap("a"), 1200)
	deep := files()
	for i := range 30 {
		deep[fmt.Sprintf("k%d/kustomization.yaml", i)] = &fstest.MapFile{Data: fmt.Appendf(nil, "resources: [../k%d]\n", i+1)}
	}
	// Each level builds the next one twice, under two names.
	wide := files("c18/kustomization.yaml", "resources: [x.yaml]\n", "c18/x.yaml", configMap("x"))
	for i := range 9 {
		wide[fmt.Sprintf("c%d/kustomization.yaml", 2*i)] = &fstest.MapFile{Data: fmt.Appendf(nil, "resources: [../a%d, ../b%d]\n", i, i)}
		for _, side := range []string{"a", "b"} {
			wide[fmt.Sprintf("%s%d/kustomization.yaml", side, i)] = &fstest.MapFile{Data: fmt.Appendf(nil, "namePrefix: %s\nresources: [../c%d]\n", side, 2*i+2)}
		}
	}
	for name, tc := range map[string]struct {
		fsys fstest.MapFS
		path string
		want []string
	}{
		"a hundred thousand objects":             {files("k/kustomization.yaml", "resources: [a.yaml]", "k/a.yaml", many), "k", []string{`k/kustomization.yaml:1: error: resources[0]: "a.yaml" has 99999 documents, more than the 2000 objects that one build may have (sync them in several folders)`}},
		"a hundred thousand objects in a folder": {files("k/a.yaml", many), "k", []string{"k/a.yaml: error: has 99999 documents, more than the 2000 objects that one build may have (sync them in several folders)"}},
		"too many objects in files":              {files("k/kustomization.yaml", "resources: [a.yaml, b.yaml]", "k/a.yaml", list, "k/b.yaml", list), "k", []string{"k: error: renders 2400 objects, more than the 2000 that one build may have (sync it in several folders)"}},
		"too many objects in a folder":           {files("k/a.yaml", list, "k/b.yaml", list), "k", []string{"k/b.yaml: error: brings the objects over the 2000 that one build may have (sync it in several folders)"}},
		"kustomizations in a row":                {deep, "k0", []string{"k19/kustomization.yaml:1: error: resources[0]: is kustomization 21 in a row, more than the 20 that may build on one another"}},
		"doubling":                               {wide, "c0", []string{"c0: error: builds 2045 kustomizations, more than the 500 that one build may have (sync it in several folders)"}},
		"a circle":                               {files("a/kustomization.yaml", "resources: [../b]", "b/kustomization.yaml", "resources: [../a]"), "a", []string{"b/kustomization.yaml:1: error: resources[0]: the kustomization of a/ builds on itself (remove one of the references)"}},
		"itself":                                 {files("a/kustomization.yaml", "resources: [.]"), "a", []string{"a/kustomization.yaml:1: error: resources[0]: is this folder itself (remove it)"}},
		"a file that is too large":               {files("k/kustomization.yaml", "resources: [a.yaml]", "k/a.yaml", strings.Repeat("#", 11<<20)), "k", []string{`k/kustomization.yaml:1: error: resources[0]: "a.yaml" has 11534336 bytes, more than the 10485760 that a file may have`}},
	} {
		t.Run(name, func(t *testing.T) {
			wantProblems(t, New(Config{}), Input{FS: tc.fsys, Path: tc.path}, tc.want)
		})
	}
}

func TestAWorkerThatWantsTooMuchIsEndedAndItsCallerLives(t *testing.T) {
	// The scan would refuse it: this is the wall behind.
	req := worker.Request{Folder: "k", Files: map[string][]byte{
		"k/kustomization.yaml": []byte("resources: [a.yaml]\n"), "k/a.yaml": []byte(bomb())}}
	for name, tc := range map[string]struct {
		cfg  worker.Config
		want string
	}{
		"memory": {worker.Config{Memory: 128 << 20}, "the build was ended: it needs more than 128 MiB of memory"},
		"time":   {worker.Config{Timeout: 50 * time.Millisecond}, "the build was ended after 50ms"},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "memory" && raceDetector {
				t.Skip("the race detector needs more memory than the limit before the build begins")
			}
			_, err := worker.Run(t.Context(), tc.cfg, req)
			if !errors.Is(err, worker.ErrLimit) || err.Error() != tc.want {
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}
}

func TestABuildThatWasEndedIsAProblemOfItsFolder(t *testing.T) {
	r := New(Config{Build: func(context.Context, worker.Request) (worker.Response, error) {
		return worker.Response{}, fmt.Errorf("%w after 60s", worker.ErrLimit)
	}})
	wantProblems(t, r, Input{FS: files("k/kustomization.yaml", "namePrefix: x-\n"), Path: "k"}, []string{
		"k/kustomization.yaml:1: error: the build was ended after 60s (sync it in several smaller folders)"})
}

func TestACallerThatGivesUpGetsItsOwnError(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := New(Config{}).Build(ctx, Input{FS: files("kustomization.yaml", "namePrefix: x"), Path: "."})
	var problems api.Problems
	if !errors.Is(err, context.Canceled) || errors.As(err, &problems) {
		t.Errorf("got %v", err)
	}
}

func TestAWorkerProcessRendersWhatThisProcessDoes(t *testing.T) {
	in := Input{FS: os.DirFS("testdata/golden/overlay/repo"), Path: "models/overlays/staging"}
	t.Setenv("SECRET", "x")
	here, err := inProcess().Build(t.Context(), in)
	must(t, err)
	there, err := New(Config{}).Build(t.Context(), in)
	must(t, err)
	if here.Digest != there.Digest || describe(here) != describe(there) {
		t.Errorf("got\n%s\nwant\n%s", describe(there), describe(here))
	}
}

func BenchmarkBuildInAWorkerProcess(b *testing.B) {
	r := New(Config{})
	for b.Loop() {
		if _, err := r.Build(b.Context(), Input{FS: os.DirFS("testdata/golden/overlay/repo"), Path: "models/overlays/staging"}); err != nil {
			b.Fatal(err)
		}
	}
}
