// Package demo carries the example repository that "pawl demo" commits and
// plays with, so that the binary needs no files beside it.
package demo

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// root is the folder that the manifests name; Repository puts another in its place.
const root = "/srv/pawl"

//go:embed README.md kustomization.yaml all:models all:training all:workflows
var files embed.FS

//go:embed new-iris.csv
var newData []byte

// Repository returns the files of the repository by slash-separated path, with
// the inbox that new data is dropped into at dir/inbox and the published models
// below dir/models. dir is an absolute path.
func Repository(dir string) (map[string][]byte, error) {
	if !path.IsAbs(dir) {
		return nil, fmt.Errorf("preparing the demo's repository: %q is not an absolute path", dir)
	}
	for _, r := range dir {
		if r < ' ' || strings.ContainsRune(`"\%#?`, r) {
			return nil, fmt.Errorf("preparing the demo's repository: the path %q holds %q, which a URL or a YAML string cannot hold as it is; choose another folder", dir, r)
		}
	}
	repo := map[string][]byte{}
	err := fs.WalkDir(files, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := files.ReadFile(p)
		if err != nil {
			return err
		}
		if path.Ext(p) == ".yaml" {
			data = []byte(strings.ReplaceAll(string(data), root+"/", strings.TrimSuffix(dir, "/")+"/"))
		}
		repo[p] = data
		return nil
	})
	return repo, err
}

// NewData is a file of further flowers to drop into the inbox. It is not part
// of the repository; training/data/README.md says where it comes from.
func NewData() []byte { return append([]byte(nil), newData...) }
