package promotion

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/pawl-dev/pawl/api"
	"github.com/pawl-dev/pawl/api/v1alpha1"
	"github.com/pawl-dev/pawl/testdata/demo"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// kustomize is a Renderer with the real kustomize.
func kustomize(_ context.Context, files fs.FS, folder string) ([]*api.Object, error) {
	memory := filesys.MakeFsInMemory()
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		return memory.WriteFile("/"+name, data)
	})
	if err != nil {
		return nil, err
	}
	rendered, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(memory, "/"+folder)
	if err != nil {
		return nil, err
	}
	var objects []*api.Object
	for _, r := range rendered.Resources() {
		raw, err := r.Map()
		if err != nil {
			return nil, err
		}
		id := r.CurId()
		objects = append(objects, &api.Object{APIVersion: id.ApiVersion(), Kind: id.Kind, Namespace: id.Namespace, Name: id.Name, Raw: raw})
	}
	return objects, nil
}

const (
	kustomizationHead = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
	head              = "apiVersion: serving.kserve.io/v1beta1\nkind: InferenceService\nmetadata:\n  name: iris\n"
	otherDigest       = "1111111111111111111111111111111111111111111111111111111111111111"
	oldURI            = "s3://models/iris/" + otherDigest
)

var newURI = "file:///models/iris/" + strings.Repeat("ab", 32)

// base is a folder that an overlay can build on.
var base = map[string]string{
	"base/kustomization.yaml": kustomizationHead + "resources:\n- isvc.yaml\n",
	"base/isvc.yaml":          head + "spec:\n  predictor:\n    model:\n      modelFormat: {name: sklearn}\n      storageUri: \"\"\n",
}

// The value is found where it really comes from, and nothing but it changes: the
// wanted file is the given one with OLD replaced by NEW.
func TestMakeEditChangesTheValueAndNothingElse(t *testing.T) {
	overlay := kustomizationHead + "resources: [../base]\npatches:\n"
	for name, tc := range map[string]struct {
		files    map[string]string // in stage/; OLD marks the value
		file     string            // the one to be edited
		old, new string            // what stands in place of OLD
	}{
		"a plain resource, plain scalar, comment kept": {
			files: map[string]string{
				"kustomization.yaml": kustomizationHead + "resources: [isvc.yaml]\n",
				"isvc.yaml":          "# served\n" + head + "spec:\n  predictor:\n    model:\n      storageUri:   OLD   # pawl's\n      modelFormat: {name:   sklearn}\n",
			}, file: "isvc.yaml", old: oldURI, new: newURI},
		"a strategic-merge patch file, empty at first": {
			files: map[string]string{
				"kustomization.yaml": overlay + "- path: model.yaml\n",
				"model.yaml":         head + "spec:\n  predictor:\n    model:\n      storageUri: OLD # nothing yet\n",
			}, file: "model.yaml", old: `""`, new: `"` + newURI + `"`},
		"a key with nothing after it": {
			files: map[string]string{
				"kustomization.yaml": kustomizationHead + "resources: [isvc.yaml]\n",
				"isvc.yaml":          head + "spec:\n  predictor:\n    model:\n      storageUri:OLD\n      modelFormat: {name: sklearn}\n",
			}, file: "isvc.yaml", old: "", new: " " + newURI},
		"a null": {
			files: map[string]string{
				"kustomization.yaml": kustomizationHead + "resources: [isvc.yaml]\n",
				"isvc.yaml":          head + "spec:\n  predictor:\n    model: {storageUri: OLD, modelFormat: {name: sklearn}}\n",
			}, file: "isvc.yaml", old: "~", new: newURI},
		"single quotes, Windows line ends, no final newline": {
			files: map[string]string{
				"kustomization.yaml": overlay + "- path: model.yaml\n",
				"model.yaml":         strings.ReplaceAll(head, "\n", "\r\n") + "spec:\r\n  predictor:\r\n    model:\r\n      storageUri: OLD",
			}, file: "model.yaml", old: "'" + oldURI + "'", new: "'" + newURI + "'"},
		"characters of several bytes before it on the line": {
			files: map[string]string{
				"kustomization.yaml": overlay + "- path: model.yaml\n",
				"model.yaml":         "# größer, 日本\n" + head + "spec: {predictor: {\"model\": {name: \"größer 日本 🌸\", storageUri: OLD}}}\n",
			}, file: "model.yaml", old: oldURI, new: newURI},
		"the older schema": {
			files: map[string]string{
				"kustomization.yaml": kustomizationHead + "resources: [isvc.yaml]\n",
				"isvc.yaml":          head + "spec:\n  predictor:\n    sklearn:\n      storageUri: OLD\n      protocolVersion: v2\n",
			}, file: "isvc.yaml", old: oldURI, new: newURI},
		"an inline strategic-merge patch": {
			files: map[string]string{
				"kustomization.yaml": overlay + "- patch: |-\n    # says which model\n" + indent("    ", head) + "    spec:\n      predictor:\n        model: # größer\n          storageUri: OLD\n  target: {kind: InferenceService}\nnamespace: x\n",
			}, file: "kustomization.yaml", old: oldURI, new: newURI},
		"an inline JSON patch in YAML": {
			files: map[string]string{
				"kustomization.yaml": overlay + "- target:\n    kind: InferenceService\n  patch: |\n\n    - op: add\n      path: /metadata/labels\n      value: {a: b}\n    - op: replace\n      path: /spec/predictor/model/storageUri\n      value: OLD\n",
			}, file: "kustomization.yaml", old: `"` + oldURI + `"`, new: `"` + newURI + `"`},
		"an inline JSON patch in JSON": {
			files: map[string]string{
				"kustomization.yaml": overlay + "- target: {kind: InferenceService}\n  patch: |\n    [{\"op\": \"replace\", \"path\": \"/spec/predictor/model/storageUri\", \"value\": OLD}]\n",
			}, file: "kustomization.yaml", old: `"` + oldURI + `"`, new: `"` + newURI + `"`},
		"a JSON patch in a file": {
			files: map[string]string{
				"kustomization.yaml": overlay + "- target: {kind: InferenceService}\n  path: patch.json\n",
				"patch.json":         "[\n  {\"op\":\"add\",\"path\":\"/spec/predictor/model/storageUri\",\"value\":OLD}\n]\n",
			}, file: "patch.json", old: `"` + oldURI + `"`, new: `"` + newURI + `"`},
		"a JSON patch that adds the model whole": {
			files: map[string]string{
				"kustomization.yaml": overlay + "- target: {kind: InferenceService}\n  path: patch.yaml\n",
				"patch.yaml":         "- op: replace\n  path: /spec/predictor/model\n  value:\n    storageUri: OLD\n    modelFormat: {name: sklearn}\n",
			}, file: "patch.yaml", old: oldURI, new: newURI},
		"the older patch fields, in the second of two documents": {
			files: map[string]string{
				"kustomization.yaml": kustomizationHead + "resources: [../base]\npatchesStrategicMerge:\n- model.yaml\n",
				"model.yaml":         head + "  labels: {team: flowers}\n---\n" + head + "spec: {predictor: {model: {storageUri: OLD}}}\n",
			}, file: "model.yaml", old: oldURI, new: newURI},
		"two that say the same: the one that counts": {
			files: map[string]string{
				"kustomization.yaml": overlay + "- path: model.yaml\n",
				"aaa-unused.yaml":    head + "spec: {predictor: {model: {storageUri: " + oldURI + "}}}\n",
				"model.yaml":         head + "spec: {predictor: {model: {storageUri: OLD}}}\n",
			}, file: "model.yaml", old: oldURI, new: newURI},
		"one of two services": {
			files: map[string]string{
				"kustomization.yaml": kustomizationHead + "resources: [two.yaml]\n",
				"two.yaml": strings.Replace(head, "iris", "tulip", 1) + "spec: {predictor: {model: {storageUri: " + oldURI + "}}}\n---\n" +
					head + "spec: {predictor: {model: {storageUri: OLD}}}\n",
			}, file: "two.yaml", old: oldURI, new: newURI},
	} {
		t.Run(name, func(t *testing.T) {
			files := tree(base, tc.files, tc.old)
			stage := v1alpha1.Stage{Name: "staging", Path: "stage", Target: &v1alpha1.Target{Kind: "InferenceService", Name: "iris"}}
			got, err := MakeEdit(context.Background(), EditRequest{Files: files, Stage: stage, URI: newURI, Render: kustomize})
			if err != nil {
				t.Fatal(err)
			}
			if want := "stage/" + tc.file; got.File != want {
				t.Fatalf("edited %s, want %s", got.File, want)
			}
			if want := strings.Replace(tc.files[tc.file], "OLD", tc.new, 1); string(got.Content) != want {
				t.Errorf("edited text is\n%s\nwant\n%s", got.Content, want)
			}
			before, _, _ := strings.Cut(tc.files[tc.file], "OLD")
			if want := 1 + strings.Count(before, "\n"); got.Line != want {
				t.Errorf("line is %d, want %d", got.Line, want)
			}
			if got.To != newURI || !strings.Contains(got.Diff, "\n+      storageUri: "+newURI+"\n") || !strings.Contains(got.FileDiff, newURI) {
				t.Errorf("To %q, diffs\n%s%s", got.To, got.Diff, got.FileDiff)
			}
			files[got.File] = &fstest.MapFile{Data: got.Content}
			if d, err := ReadDeployed(context.Background(), files, stage, kustomize); err != nil || d.URI != newURI || d.Digest != "sha256:"+strings.Repeat("ab", 32) {
				t.Errorf("after the edit the stage has %+v, %v", d, err)
			}
			_, err = MakeEdit(context.Background(), EditRequest{Files: files, Stage: stage, URI: newURI, Render: kustomize})
			if !errors.Is(err, ErrAlreadyDeployed) {
				t.Errorf("the same edit again: %v, want that it is deployed already", err)
			}
		})
	}
}

func TestMakeEditRefusesInWords(t *testing.T) {
	plain := kustomizationHead + "resources: [isvc.yaml]\n"
	isvc := func(spec string) map[string]string {
		return map[string]string{"kustomization.yaml": plain, "isvc.yaml": head + spec}
	}
	good := isvc("spec: {predictor: {model: {storageUri: " + oldURI + "}}}\n")
	for name, tc := range map[string]struct {
		files  map[string]string
		target *v1alpha1.Target
		uri    string
		says   []string
	}{
		"an address without a digest":      {files: good, uri: "s3://models/iris/latest", says: []string{"names no sha256"}},
		"an address without a scheme":      {files: good, uri: "models/" + otherDigest, says: []string{"no scheme"}},
		"an address with a password":       {files: good, uri: "https://u:secret@h/" + otherDigest, says: []string{"credentials"}},
		"an address with a line end":       {files: good, uri: "s3://m/" + otherDigest + "\n", says: []string{"checking the model's address"}},
		"a broken kustomization":           {files: map[string]string{"kustomization.yaml": "resources: [gone.yaml]\n"}, says: []string{"rendering stage", "gone.yaml"}},
		"no such target":                   {files: good, target: &v1alpha1.Target{Kind: "InferenceService", Name: "tulip"}, says: []string{"renders no InferenceService/tulip, only InferenceService/iris"}},
		"a kind that has no known address": {files: good, target: &v1alpha1.Target{Kind: "Deployment", Name: "iris"}, says: []string{"not of a Deployment yet"}},
		"two that fit and none named": {
			files: map[string]string{"kustomization.yaml": plain, "isvc.yaml": head + "---\n" + strings.Replace(head, "iris", "tulip", 1)},
			says:  []string{"renders an InferenceService 2 times", "target of stage"}},
		"two frameworks":             {files: isvc("spec: {predictor: {model: {}, sklearn: {}}}\n"), says: []string{"model, sklearn", "exactly one"}},
		"no model at all":            {files: isvc("spec: {predictor: {minReplicas: 1}}\n"), says: []string{"nothing under spec.predictor"}},
		"storage in place of an URI": {files: isvc("spec: {predictor: {model: {storage: {key: a}}}}\n"), says: []string{"write storageUri instead"}},
		"an alias":                   {files: isvc("  annotations: {a: &uri " + oldURI + "}\nspec: {predictor: {model: {storageUri: *uri}}}\n"), says: []string{"stands in no file of stage as it is"}},
		"an anchor":                  {files: isvc("spec: {predictor: {model: {storageUri: &uri " + oldURI + "}}}\n"), says: []string{"stage/isvc.yaml:5: it has an anchor"}},
		"a value over two lines":     {files: isvc("spec:\n  predictor:\n    model:\n      storageUri: \"s3://models/iris/\\\n        " + otherDigest + "\"\n"), says: []string{"stage/isvc.yaml:8: it goes over more than one line"}},
		"a folded inline patch": {
			files: map[string]string{"kustomization.yaml": kustomizationHead + "resources: [../base]\npatches:\n- target: {kind: InferenceService}\n  patch: \"" + `- {op: replace, path: /spec/predictor/model/storageUri, value: '` + oldURI + `'}` + "\"\n"},
			says:  []string{"no literal block"}},
		"the base, which others share": {
			files: map[string]string{"kustomization.yaml": kustomizationHead + "resources: [../base]\n"},
			says:  []string{"comes from base/isvc.yaml:9, outside of stage", "write it into a patch in stage"}},
		"one value for two objects": {
			files: map[string]string{
				"kustomization.yaml": kustomizationHead + "resources: [two.yaml]\npatches:\n- target: {kind: InferenceService}\n  path: model.yaml\n",
				"two.yaml":           head + "spec: {predictor: {model: {}}}\n---\n" + strings.Replace(head, "iris", "tulip", 1) + "spec: {predictor: {model: {}}}\n",
				"model.yaml":         "- {op: add, path: /spec/predictor/model/storageUri, value: " + oldURI + "}\n",
			},
			target: &v1alpha1.Target{Kind: "InferenceService", Name: "iris"},
			says:   []string{"stage/model.yaml:1", "InferenceService/tulip too"}},
	} {
		t.Run(name, func(t *testing.T) {
			uri := tc.uri
			if uri == "" {
				uri = newURI
			}
			stage := v1alpha1.Stage{Name: "staging", Path: "stage", Target: tc.target}
			got, err := MakeEdit(context.Background(), EditRequest{Files: tree(base, tc.files, ""), Stage: stage, URI: uri, Render: kustomize})
			if err == nil {
				t.Fatalf("edited %s to\n%s", got.File, got.Content)
			}
			for _, want := range tc.says {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error is %q, want it to say %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("error tells the password: %v", err)
			}
		})
	}
}

// The demo's own overlays must be editable, one stage without the other.
func TestTheDemosOverlaysAreEditable(t *testing.T) {
	repo, err := demo.Repository("/srv/demo")
	if err != nil {
		t.Fatal(err)
	}
	files := fstest.MapFS{}
	for name, data := range repo {
		files[name] = &fstest.MapFile{Data: data}
	}
	for _, name := range []string{"staging", "production"} {
		stage := v1alpha1.Stage{Name: name, Path: "models/iris/overlays/" + name, Target: &v1alpha1.Target{Kind: "InferenceService", Name: "iris"}}
		got, err := MakeEdit(context.Background(), EditRequest{Files: files, Stage: stage, URI: newURI, Render: kustomize})
		if err != nil {
			t.Fatal(err)
		}
		if want := path.Join(stage.Path, "model.yaml"); got.File != want || got.URI != "" || strings.Count(got.FileDiff, "\n-") != 1 {
			t.Errorf("edit of %s from %q:\n%s", got.File, got.URI, got.FileDiff)
		}
	}
}

// tree joins files in folders base and stage.
func tree(base, stage map[string]string, old string) fstest.MapFS {
	files := fstest.MapFS{}
	for name, text := range base {
		files[name] = &fstest.MapFile{Data: []byte(text)}
	}
	for name, text := range stage {
		files["stage/"+name] = &fstest.MapFile{Data: []byte(strings.Replace(text, "OLD", old, 1))}
	}
	return files
}

func indent(by, text string) string {
	return by + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n"+by) + "\n"
}
