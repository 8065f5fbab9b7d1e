package render

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/pawl-dev/pawl/api"
	"github.com/pawl-dev/pawl/api/v1alpha1"
)

// manifests renders a folder without a kustomization: the *.yaml, *.yml and
// *.json files in it and below that hold manifests, but for hidden ones. A
// folder below that has a kustomization is built by kustomize with all below it,
// unless another one builds on it, it is a Component, or it is a stage of a
// ModelDeploy found here: those are not inputs but what others make of them.
func (b *build) manifests(ctx context.Context, dir string) error {
	found, err := b.walk(dir)
	if err != nil {
		return err
	}
	for _, name := range found.files {
		if err := b.file(name); err != nil {
			return err
		}
	}
	return b.foldersBelow(ctx, b.tops(found.kustomizations))
}

// foldersBelow builds the folders with kustomizations. Any of them may hold the
// ModelDeploy that says that another one is a stage.
func (b *build) foldersBelow(ctx context.Context, folders []string) error {
	type result struct {
		folder   string
		objects  []*api.Object
		problems api.Problems
	}
	var results []result
	stages := stageFolders(b.objects)
	for _, folder := range folders {
		if within(folder, stages) {
			continue
		}
		objects, problems, err := b.kustomize(ctx, folder)
		if err != nil {
			return err
		}
		results = append(results, result{folder, objects, problems})
		stages = append(stages, stageFolders(objects)...)
	}
	inStage := func(file string) bool { return within(file, stages) }
	b.objects = slices.DeleteFunc(b.objects, func(o *api.Object) bool { return inStage(o.Origin.File) })
	b.problems = slices.DeleteFunc(b.problems, func(p api.Problem) bool { return inStage(p.File) })
	for _, r := range results {
		if !within(r.folder, stages) {
			b.objects = append(b.objects, r.objects...)
			b.problems = append(b.problems, r.problems...)
		}
	}
	return nil
}

// found is what a walk saw, each in order.
type found struct {
	files          []string
	kustomizations []string // folders
}

func (b *build) walk(dir string) (found, error) {
	var f found
	err := fs.WalkDir(b.tree.fsys, dir, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return fmt.Errorf("reading %s: %w", name, err)
		case name != dir && strings.HasPrefix(d.Name(), "."):
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir():
			kustomization, err := b.tree.kustomization(name)
			if err != nil {
				return problem(api.Position{File: name}, err)
			}
			if kustomization != "" {
				f.kustomizations = append(f.kustomizations, name)
				return fs.SkipDir
			}
			return nil
		case !slices.Contains([]string{".yaml", ".yml", ".json"}, path.Ext(name)):
			return nil
		}
		return b.found(&f, name, d)
	})
	return f, err
}

func (b *build) found(f *found, name string, d fs.DirEntry) error {
	if d.Type()&fs.ModeSymlink != 0 {
		_, info, err := b.tree.resolve(name)
		if err != nil {
			return problem(api.Position{File: name}, err)
		}
		if info.IsDir() {
			b.note(name, "a link to a folder is not followed", "render that folder by its own path")
			return nil
		}
	}
	f.files = append(f.files, name)
	return nil
}

func (b *build) note(file, message, hint string) {
	b.problems = append(b.problems, api.Problem{Severity: api.SeverityNote, Position: api.Position{File: file}, Message: message, Hint: hint})
}

// file decodes one file of manifests.
func (b *build) file(name string) error {
	resolved, _, err := b.tree.resolve(name)
	var data []byte
	if err == nil {
		data, err = b.tree.file(resolved)
	}
	if err != nil {
		return problem(api.Position{File: name}, err)
	}
	if err := b.tree.fewDocuments(data); err != nil {
		return problem(api.Position{File: name}, err)
	}
	docs, problems := api.Parse(name, data)
	if problems.Err() == nil && !slices.ContainsFunc(docs, func(d *api.Object) bool { return d.APIVersion != "" || d.Kind != "" }) {
		delete(b.tree.read, resolved)
		b.note(name, "not a manifest: it has neither apiVersion nor kind; it is left out", "")
		return nil
	}
	b.problems = append(b.problems, problems...)
	for _, doc := range docs {
		o, problems := doc.Decode()
		if o != nil {
			b.objects = append(b.objects, o)
		}
		b.problems = append(b.problems, problems...)
	}
	if limit := b.tree.limits.Objects; len(b.objects) > limit {
		return problem(api.Position{File: name}, refuse("sync it in several folders",
			"brings the objects over the %d that one build may have", limit))
	}
	return nil
}

// tops are the folders on which no other one builds. What is wrong in a folder
// is said when it is built; here it only makes it build on nothing.
func (b *build) tops(folders []string) []string {
	under := map[string]bool{}
	for _, folder := range folders {
		s := newScan(b.tree)
		s.root(folder)
		for _, name := range s.reached(folder) {
			under[name] = true
		}
		if f := s.folders[folder]; f != nil && f.component {
			under[folder] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(folders), func(name string) bool { return under[name] })
}

// stageFolders are the folders that the ModelDeploys among objects own.
func stageFolders(objects []*api.Object) []string {
	var folders []string
	for _, o := range objects {
		if deploy, ok := o.Typed.(*v1alpha1.ModelDeploy); ok {
			for _, stage := range deploy.Spec.Stages {
				folders = append(folders, path.Clean(stage.Path))
			}
		}
	}
	return folders
}

func within(name string, folders []string) bool {
	return slices.ContainsFunc(folders, func(f string) bool { return name == f || strings.HasPrefix(name, f+"/") })
}
