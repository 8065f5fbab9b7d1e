package render

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/types"

	"github.com/pawl-dev/pawl/api"
	"github.com/pawl-dev/pawl/render/worker"
)

// scan walks every kustomization that a folder reaches, before kustomize sees
// any. Each path must be of this repository and there; what could execute or
// fetch is refused by name. What passed is written anew: kustomize is given
// what was scanned, in one plain form, and no other file.
type scan struct {
	tree    *tree
	folders map[string]*folder
	// files are what kustomize gets, documents the manifests in them by file.
	files     map[string][]byte
	documents map[string][]*api.Object
	rendered  map[*api.Object]int // how often a document was found rendered
	problems  api.Problems
	err       error // a failure of the machine, not of the user's files
	keepOwn   bool  // the user asked for the origin annotations
	standIns  int   // names given, see named
}

// folder is one scanned kustomization.
type folder struct {
	open      bool
	doc       *api.Object // the kustomization
	component bool
	uses      []string // folders it builds on
	// objects and visits count what is below, each as often as it is used.
	objects, visits int
}

// place is where in which file a path is written.
type place struct {
	doc   *api.Object
	field string
}

func newScan(t *tree) *scan {
	return &scan{tree: t, folders: map[string]*folder{}, files: map[string][]byte{}, documents: map[string][]*api.Object{}, rendered: map[*api.Object]int{}}
}

// root scans the folder to build and all that it reaches.
func (s *scan) root(dir string) {
	from := place{doc: &api.Object{Origin: api.Position{File: dir}}}
	f := s.folder(dir, from, 1)
	if f == nil || s.failed() {
		return
	}
	if f.component {
		s.report(place{doc: f.doc, field: "kind"}, "a Component cannot be built by itself", "build a Kustomization that lists it under components")
	}
	limits := s.tree.limits
	if f.objects > limits.Objects {
		s.report(from, fmt.Sprintf("renders %d objects, more than the %d that one build may have", f.objects, limits.Objects), "sync it in several folders")
	}
	if f.visits > limits.Folders {
		s.report(from, fmt.Sprintf("builds %d kustomizations, more than the %d that one build may have", f.visits, limits.Folders), "sync it in several folders")
	}
	s.askForOrigins(dir, f)
}

// askForOrigins makes kustomize say where each object is from.
func (s *scan) askForOrigins(dir string, f *folder) {
	options, _ := f.doc.Raw["buildMetadata"].([]any)
	if slices.Contains(options, any(worker.OriginAnnotations)) {
		s.keepOwn = true
	} else {
		f.doc.Raw["buildMetadata"] = append(slices.Clone(options), worker.OriginAnnotations)
	}
	s.write(f)
}

func (s *scan) failed() bool { return s.err != nil || s.problems.Err() != nil }

func (s *scan) report(at place, message, hint string) {
	s.problems = append(s.problems, api.Problem{Severity: api.SeverityError, Position: at.doc.Position(at.field),
		Path: at.field, Message: message, Hint: hint})
}

// refused reports why the path at a place is not followed.
func (s *scan) refused(at place, value string, err error) {
	var no *refusal
	if !errors.As(err, &no) {
		s.err = errors.Join(s.err, err)
		return
	}
	message := no.message
	if value != "" {
		message = fmt.Sprintf("%q %s", value, no.message)
	}
	s.report(at, message, no.hint)
}

// folder scans one kustomization, once; dir is resolved. It returns nil when it
// is none, and has reported why.
func (s *scan) folder(dir string, from place, depth int) *folder {
	if f, ok := s.folders[dir]; ok {
		if f.open {
			s.report(from, "the kustomization of "+shownFolder(dir)+" builds on itself", "remove one of the references")
			return nil
		}
		return f
	}
	if depth > s.tree.limits.Depth {
		s.report(from, fmt.Sprintf("is kustomization %d in a row, more than the %d that may build on one another", depth, s.tree.limits.Depth), "")
		return nil
	}
	if len(s.folders) >= s.tree.limits.Folders {
		s.report(from, fmt.Sprintf("is one more than the %d kustomizations that one build may have", s.tree.limits.Folders), "")
		return nil
	}
	doc := s.kustomization(dir, from)
	if doc == nil {
		return nil
	}
	f := &folder{open: true, doc: doc, component: doc.Kind == types.ComponentKind, visits: 1}
	s.folders[dir] = f
	(&fields{scan: s, dir: dir, folder: f, depth: depth}).all()
	f.open = false
	s.write(f)
	return f
}

// kustomization reads the kustomization of a folder and checks its form.
func (s *scan) kustomization(dir string, from place) *api.Object {
	name, err := s.tree.kustomization(dir)
	if err != nil {
		s.refused(from, shownFolder(dir), err)
		return nil
	}
	if name == "" {
		s.report(from, shownFolder(dir)+" has no kustomization", "add a kustomization.yaml to it, or name files")
		return nil
	}
	at := path.Join(dir, name)
	resolved, _, err := s.tree.resolve(at)
	if err == nil {
		var data []byte
		if data, err = s.tree.file(resolved); err == nil {
			return s.parseKustomization(at, data)
		}
	}
	s.refused(from, at, err)
	return nil
}

func (s *scan) parseKustomization(file string, data []byte) *api.Object {
	docs, problems := api.Parse(file, data)
	s.problems = append(s.problems, problems...)
	if problems.Err() != nil {
		return nil
	}
	if len(docs) != 1 || docs[0].Raw == nil {
		at := place{doc: &api.Object{Origin: api.Position{File: file, Line: 1}}}
		s.report(at, fmt.Sprintf("a kustomization must be one map, this file has %d documents", len(docs)), "")
		return nil
	}
	doc := docs[0]
	problems = doc.Into(&types.Kustomization{})
	s.problems = append(s.problems, problems...)
	if problems.Err() != nil {
		return nil
	}
	switch doc.Kind {
	case "", types.KustomizationKind, types.ComponentKind:
		return doc
	}
	s.report(place{doc: doc, field: "kind"}, doc.Kind+" is neither Kustomization nor Component", "")
	return nil
}

// write lays the scanned kustomization down for kustomize, as JSON: no aliases,
// no merges, no doubled or oddly written keys are left to be read in two ways.
func (s *scan) write(f *folder) {
	data, err := json.Marshal(f.doc.Raw)
	if err != nil {
		s.err = errors.Join(s.err, fmt.Errorf("writing %s: %w", f.doc.Origin.File, err))
		return
	}
	s.files[f.doc.Origin.File] = data
}

// reached are the folders that others build on.
func (s *scan) reached(dir string) []string {
	var found []string
	for name := range s.folders {
		if name != dir {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	return found
}

func shownFolder(dir string) string {
	if dir == "." {
		return "the root folder"
	}
	return strings.TrimSuffix(dir, "/") + "/"
}
