package render

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pawl-dev/pawl/api"
	"github.com/pawl-dev/pawl/render/worker"
)

// object decodes one rendered object; its positions are in the document that it
// comes from, as far as that has the field.
func (s *scan) object(rendered worker.Object) (*api.Object, api.Problems, error) {
	docs, problems := api.Parse("", rendered.JSON)
	if len(docs) != 1 || docs[0].Raw == nil {
		return nil, nil, fmt.Errorf("kustomize wrote no object: %w", problems.Err())
	}
	o := docs[0]
	rendered.File = strings.TrimSuffix(rendered.File, namedSuffix)
	rendered.Origin = strings.ReplaceAll(rendered.Origin, namedSuffix, "")
	if s.keepOwn {
		s.restoreOrigin(o.Raw, rendered)
	}
	unnamed(o.Raw)
	source := s.source(o, rendered)
	made, problems := api.FromRaw(o.Raw, source)
	if len(problems) > 0 {
		blamePatches(problems, source)
	}
	return made, problems, nil
}

// blamePatches says of problems that the object as it is written does not have
// that something else is at fault.
func blamePatches(problems api.Problems, source *api.Object) {
	if source.Raw == nil {
		return
	}
	_, own := source.Decode()
	for i, p := range problems {
		if slices.ContainsFunc(own, func(o api.Problem) bool { return o.Path == p.Path && o.Message == p.Message }) {
			continue
		}
		hint := "it is not so in this file: a patch or transformer of the kustomization made it so"
		if p.Hint != "" {
			hint = p.Hint + "; " + hint
		}
		problems[i].Hint = hint
	}
}

// restoreOrigin puts the annotation back for users who asked for it themselves.
func (s *scan) restoreOrigin(raw map[string]any, rendered worker.Object) {
	meta, ok := raw["metadata"].(map[string]any)
	if !ok || rendered.Origin == "" {
		return
	}
	annotations, ok := meta["annotations"].(map[string]any)
	if !ok {
		annotations = map[string]any{}
		meta["annotations"] = annotations
	}
	annotations[worker.OriginAnnotation] = rendered.Origin
}

// source finds the document that a rendered object comes from: of those of its
// file with its kind, the one whose name is the longest part of the rendered
// name, since kustomize adds to names at both ends; of equals the one that was
// found least often.
func (s *scan) source(o *api.Object, rendered worker.Object) *api.Object {
	if rendered.GeneratedBy != "" {
		return s.generated(o, rendered)
	}
	var best *api.Object
	bestScore := -1
	for _, doc := range s.documents[rendered.File] {
		score := likeness(doc, o)
		if score > bestScore || score == bestScore && s.rendered[doc] < s.rendered[best] {
			best, bestScore = doc, score
		}
	}
	if best == nil {
		return &api.Object{Origin: api.Position{File: rendered.File}}
	}
	s.rendered[best]++
	return best
}

// likeness is how much a document looks like the source of an object.
func likeness(doc, o *api.Object) int {
	const sameKind, partOfName, sameName = 1, 2, 1000
	score := 0
	if doc.Kind == o.Kind && doc.Group() == o.Group() {
		score += sameKind
	}
	wrote, is := doc.Name+doc.GenerateName, o.Name+o.GenerateName
	switch {
	case score == 0:
	case wrote == is:
		score += sameName
	case wrote != "" && strings.Contains(is, wrote):
		score += partOfName + len(wrote)
	}
	return score
}

// generated finds the entry of the kustomization that generated an object.
func (s *scan) generated(o *api.Object, rendered worker.Object) *api.Object {
	at := &api.Object{Origin: api.Position{File: rendered.GeneratedBy}}
	field := map[string]string{"ConfigMapGenerator": "configMapGenerator", "SecretGenerator": "secretGenerator"}[rendered.GeneratedKind]
	for _, f := range s.folders {
		if f.doc.Origin.File != rendered.GeneratedBy {
			continue
		}
		at.Origin = f.doc.Position(field)
		longest := 0
		list, _ := f.doc.Raw[field].([]any)
		for i, item := range list {
			entry, _ := item.(map[string]any)
			name, _ := entry["name"].(string)
			if len(name) > longest && strings.Contains(o.Name, name) {
				longest = len(name)
				at.Origin = f.doc.Position(api.IndexPath(field, i))
			}
		}
	}
	return at
}
