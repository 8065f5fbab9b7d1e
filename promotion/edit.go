package promotion

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"reflect"
	"strings"

	"github.com/pawl-dev/pawl/api"
	"github.com/pawl-dev/pawl/api/v1alpha1"
	"sigs.k8s.io/yaml"
)

// ErrAlreadyDeployed says that the stage's files name the model already.
var ErrAlreadyDeployed = errors.New("the model is deployed already")

// Edit is a change of one value in one file.
type Edit struct {
	Deployed        // what the stage renders before
	To       string // the new address
	File     string
	Line     int
	// Content is the whole new text of File.
	Content []byte
	// Diff is the change of the rendered target, FileDiff that of the file, both
	// as unified diffs.
	Diff, FileDiff string
}

// EditRequest asks for the edit that makes a stage serve the model at URI.
type EditRequest struct {
	Files  fs.FS // a repository's files at the commit that the edit goes on top of
	Stage  v1alpha1.Stage
	URI    string
	Render Renderer
}

// Limits of what is searched below a stage's folder.
const (
	maxFiles    = 1000
	maxFileSize = 1 << 20
)

// MakeEdit finds the value in the stage's folder that the rendered target takes
// its model's address from, and changes it and not a byte besides. It does not
// guess: what looks right is tried, rendered again, and taken only if the whole
// Set differs in that address alone. Otherwise the error says where the address
// comes from and what to do.
func MakeEdit(ctx context.Context, r EditRequest) (Edit, error) {
	if err := CheckURI(r.URI); err != nil {
		return Edit{}, err
	}
	before, err := r.Render(ctx, r.Files, r.Stage.Path)
	if err != nil {
		return Edit{}, fmt.Errorf("rendering %s: %w", r.Stage.Path, err)
	}
	from, err := locate(before, r.Stage)
	if err != nil {
		return Edit{}, err
	}
	edit := Edit{Deployed: from.deployed(), To: r.URI}
	if from.uri == r.URI {
		return edit, fmt.Errorf("%s of %s: %w", r.Stage.Path, edit.Target, ErrAlreadyDeployed)
	}
	spots, err := spotsBelow(r.Files, r.Stage.Path, from.uri)
	if err != nil {
		return Edit{}, err
	}
	var refusals []string
	for _, s := range spots {
		why, err := edit.try(ctx, r, s, before, from)
		if err != nil {
			return Edit{}, err
		}
		if why == "" {
			return edit, nil
		}
		refusals = append(refusals, fmt.Sprintf("%s: %s", s, why))
	}
	return Edit{}, r.refuse(from, refusals)
}

// try makes the edit at a spot and renders again. It returns why the spot is not
// the one.
func (e *Edit) try(ctx context.Context, r EditRequest, s spot, before []*api.Object, from location) (why string, err error) {
	if s.cannot != "" {
		return s.cannot, nil
	}
	data, err := fs.ReadFile(r.Files, s.file)
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", s.file, err)
	}
	content := s.replace(data, r.URI)
	after, err := r.Render(ctx, overlay{r.Files, s.file, content}, r.Stage.Path)
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if err != nil {
		return fmt.Sprintf("changing it breaks the rendering: %v", err), nil
	}
	if why := differsOnlyAt(before, after, from, r.URI); why != "" {
		return why, nil
	}
	e.File, e.Line, e.Content = s.file, s.line, content
	e.FileDiff = diff(s.file, string(data), string(content))
	e.Diff, err = objectDiff(before[from.index], after[from.index])
	return "", err
}

// differsOnlyAt returns "" if after is before with another address at from.
func differsOnlyAt(before, after []*api.Object, from location, uri string) string {
	if len(before) != len(after) {
		return fmt.Sprintf("changing it makes the stage render %d objects, not %d", len(after), len(before))
	}
	got, _ := at(after[from.index].Raw, from.field).(string)
	if got != uri {
		return fmt.Sprintf("changing it does not change %s of %s", strings.Join(from.field, "."), from.name())
	}
	for i, b := range before {
		want := b.Raw
		if i == from.index {
			want = with(want, from.field, uri)
		}
		if !reflect.DeepEqual(want, after[i].Raw) {
			return fmt.Sprintf("changing it changes more than the address of %s: %s/%s too", from.name(), b.Kind, b.Name)
		}
	}
	return ""
}

// spotsBelow lists the spots in a folder whose value is uri.
func spotsBelow(files fs.FS, folder, uri string) ([]spot, error) {
	var spots []spot
	seen := 0
	err := fs.WalkDir(files, path.Clean(folder), func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !d.Type().IsRegular() || !holdsYAML(name) {
			return nil
		}
		if seen++; seen > maxFiles {
			return fmt.Errorf("more than %d manifests; make the stage's path a smaller folder", maxFiles)
		}
		if info, err := d.Info(); err != nil || info.Size() > maxFileSize {
			return err
		}
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		found, err := findSpots(name, data)
		if err != nil {
			return nil // no YAML: the rendering, which came first, did not need it
		}
		for _, s := range found {
			if s.value == uri {
				spots = append(spots, s)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("searching %s: %w", folder, err)
	}
	return spots, nil
}

func holdsYAML(name string) bool {
	switch path.Ext(name) {
	case ".yaml", ".yml", ".json":
		return true
	}
	return isKustomization(name)
}

// refuse says why no spot is the one, and what to do.
func (r EditRequest) refuse(from location, refusals []string) error {
	what := fmt.Sprintf("cannot edit the model of stage %s: %s of %s is %q", r.Stage.Name, strings.Join(from.field, "."), from.name(), from.uri)
	if len(refusals) > 0 {
		return fmt.Errorf("%s\n%s", what, strings.Join(refusals, "\n"))
	}
	hint := fmt.Sprintf("write it into a patch in %s: %s: %q", r.Stage.Path, strings.Join(from.field, "."), from.uri)
	if where := elsewhere(r.Files, r.Stage.Path, from.uri); where != "" {
		return fmt.Errorf("%s, which comes from %s, outside of %s: other stages may share it; %s", what, where, r.Stage.Path, hint)
	}
	return fmt.Errorf("%s, which stands in no file of %s as it is; %s", what, r.Stage.Path, hint)
}

// elsewhere finds the address in a folder that the stage's kustomization builds
// on, to tell the user where it comes from.
func elsewhere(files fs.FS, folder, uri string) string {
	seen := map[string]bool{}
	var visit func(dir string) string
	visit = func(dir string) string {
		if seen[dir] || len(seen) > 100 {
			return ""
		}
		seen[dir] = true
		for _, name := range [...]string{"kustomization.yaml", "kustomization.yml", "Kustomization"} {
			data, err := fs.ReadFile(files, path.Join(dir, name))
			if err != nil {
				continue
			}
			var k struct{ Resources, Bases, Components []string }
			if yaml.Unmarshal(data, &k) != nil {
				return ""
			}
			for _, ref := range append(append(k.Resources, k.Bases...), k.Components...) {
				next := path.Join(dir, ref)
				if spots, err := spotsBelow(files, next, uri); err == nil && len(spots) > 0 && !strings.HasPrefix(next+"/", folder+"/") {
					return spots[0].String()
				}
				if found := visit(next); found != "" {
					return found
				}
			}
		}
		return ""
	}
	return visit(path.Clean(folder))
}

// objectDiff is the change of a rendered object as a unified diff.
func objectDiff(before, after *api.Object) (string, error) {
	a, err := yaml.Marshal(before.Raw)
	if err != nil {
		return "", fmt.Errorf("printing %s/%s: %w", before.Kind, before.Name, err)
	}
	b, err := yaml.Marshal(after.Raw)
	if err != nil {
		return "", fmt.Errorf("printing %s/%s: %w", after.Kind, after.Name, err)
	}
	return diff(before.Kind+"/"+before.Name, string(a), string(b)), nil
}
