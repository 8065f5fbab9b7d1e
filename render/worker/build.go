// Package worker runs kustomize, in a process of its own: kustomize can be made
// to need more memory than there is, and a Go program cannot survive that.
package worker

import (
	"encoding/json"
	"fmt"
	"path"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resource"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// Root is where the files of a Request are while they are built; messages of
// kustomize name them below it.
const Root = "/repo"

// Request is one folder to build and all the files that it may read: the
// worker sees no others, and no links.
type Request struct {
	// Folder is the one to build, relative to the files' root.
	Folder string `json:"folder"`
	// Files are contents by path.
	Files map[string][]byte `json:"files"`
}

// Response is what was built, or why it was not.
type Response struct {
	Objects []Object `json:"objects,omitempty"`
	// Error is kustomize's own message; empty when the build succeeded.
	Error string `json:"error,omitempty"`
}

// Object is one rendered object.
type Object struct {
	// JSON is the object without the annotation that says where it is from.
	JSON json.RawMessage `json:"json"`
	// File is the file it is written in; empty for a generated one.
	File string `json:"file,omitempty"`
	// GeneratedBy is the kustomization that generated it, GeneratedKind the
	// generator: ConfigMapGenerator or SecretGenerator.
	GeneratedBy   string `json:"generatedBy,omitempty"`
	GeneratedKind string `json:"generatedKind,omitempty"`
	// Origin is the value of the annotation as kustomize wrote it.
	Origin string `json:"origin,omitempty"`
}

// OriginAnnotations is the build option that each folder to build must ask for
// in its kustomization.
const OriginAnnotations = types.OriginAnnotations

// OriginAnnotation is where kustomize writes an origin.
const OriginAnnotation = "config.kubernetes.io/origin"

// Build builds in this process. It reads nothing but the request.
func Build(req Request) Response {
	fsys := filesys.MakeFsInMemory()
	for name, content := range req.Files {
		if err := fsys.WriteFile(path.Join(Root, name), content); err != nil {
			return Response{Error: fmt.Sprintf("laying down %s: %v", name, err)}
		}
	}
	options := krusty.MakeDefaultOptions() // no plugins, no helm, no functions
	options.Reorder = krusty.ReorderOptionUnspecified
	// There are no other files than those that may be read.
	options.LoadRestrictions = types.LoadRestrictionsNone
	built, err := krusty.MakeKustomizer(options).Run(fsys, path.Join(Root, req.Folder))
	if err != nil {
		return Response{Error: err.Error()}
	}
	var res Response
	for _, r := range built.Resources() {
		o, err := object(req.Folder, r)
		if err != nil {
			return Response{Error: err.Error()}
		}
		res.Objects = append(res.Objects, o)
	}
	return res
}

func object(folder string, r *resource.Resource) (Object, error) {
	var o Object
	origin, err := r.GetOrigin()
	if err != nil {
		return o, fmt.Errorf("reading the origin of %s: %w", r.CurId(), err)
	}
	if origin != nil {
		if origin.Path != "" {
			o.File = path.Join(folder, origin.Path)
		}
		if origin.ConfiguredIn != "" {
			o.GeneratedBy = path.Join(folder, origin.ConfiguredIn)
			o.GeneratedKind = origin.ConfiguredBy.Kind
		}
	}
	annotations := r.GetAnnotations()
	if o.Origin = annotations[OriginAnnotation]; o.Origin != "" {
		delete(annotations, OriginAnnotation)
		if err := r.SetAnnotations(annotations); err != nil {
			return o, fmt.Errorf("removing the origin of %s: %w", r.CurId(), err)
		}
	}
	o.JSON, err = r.MarshalJSON()
	if err != nil {
		return o, fmt.Errorf("writing %s: %w", r.CurId(), err)
	}
	return o, nil
}
