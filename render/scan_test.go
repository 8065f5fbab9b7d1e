package render

import (
	"encoding/json"
	"io/fs"
	"strings"
	"testing"
)

// FuzzScan holds that whatever a repository says, kustomize is given nothing
// but files of the repository, named by paths that are nothing but paths.
func FuzzScan(f *testing.F) {
	f.Add("resources: [../b, a.yaml]\npatches: [{path: a.yaml}]\n", configMap("a"))
	f.Add("generators: [a.yaml]\nconfigMapGenerator: [{files: [x=a.yaml]}]\n", "apiVersion: builtin\nkind: X\n")
	f.Add("components: ['github.com/a/b']\nresources: [&a '-x', *a]\n", "- 1\n")
	f.Fuzz(func(t *testing.T, kustomization, manifest string) {
		fsys := files("k/kustomization.yaml", kustomization, "k/a.yaml", manifest, "b/kustomization.yaml", "resources: [../k/a.yaml]\n")
		s := newScan(newTree(fsys, Limits{}.filled()))
		s.root("k")
		if s.failed() {
			return
		}
		for name := range s.files {
			if !fs.ValidPath(name) {
				t.Errorf("kustomize is given %q", name)
			}
		}
		var written struct{ Resources, Bases, Components, Crds []string }
		if err := json.Unmarshal(s.files["k/kustomization.yaml"], &written); err != nil {
			t.Fatal(err)
		}
		for _, paths := range [][]string{written.Resources, written.Bases, written.Components, written.Crds} {
			for _, p := range paths {
				if !strings.HasPrefix(p, "./") {
					t.Errorf("kustomize is given the path %q", p)
				}
			}
		}
	})
}
