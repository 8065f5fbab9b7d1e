// Package render makes a Set of a folder of a Snapshot: the objects that its
// kustomization, or the manifests in it, describe. It reads nothing outside the
// Snapshot and fetches nothing.
package render

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"sigs.k8s.io/yaml"

	"github.com/pawl-dev/pawl/api"
)

// Set is the rendered objects of one folder. It is shared and never changed.
type Set struct {
	// Objects are in the order of kustomize, or of the files. Their positions
	// are in the files that they are written in.
	Objects []*api.Object
	// Digest is the sha256, in hex, of what Marshal writes.
	Digest string
	// Files are the files of the Snapshot that were read, sorted: no other one
	// can change the Set, but a new one in a folder without kustomization.
	Files []string
	// Problems are warnings and notes; a Set has no errors.
	Problems api.Problems
}

// Find is the object with that kind, namespace and name, nil when there is none.
func (s *Set) Find(kind, namespace, name string) *api.Object {
	for _, o := range s.Objects {
		if o.Kind == kind && o.Namespace == namespace && o.Name == name {
			return o
		}
	}
	return nil
}

// OfKind are the objects of a kind, in the order of the Set.
func (s *Set) OfKind(kind string) []*api.Object {
	var found []*api.Object
	for _, o := range s.Objects {
		if o.Kind == kind {
			found = append(found, o)
		}
	}
	return found
}

// Marshal writes the Set as YAML documents, byte for byte as kustomize does.
func Marshal(s *Set) ([]byte, error) {
	return marshal(s.Objects)
}

func marshal(objects []*api.Object) ([]byte, error) {
	var b bytes.Buffer
	for i, o := range objects {
		if i > 0 {
			b.WriteString("---\n")
		}
		data, err := yaml.Marshal(o.Raw)
		if err != nil {
			return nil, fmt.Errorf("writing %s: %w", o.Title(), err)
		}
		b.Write(data)
	}
	return b.Bytes(), nil
}

func digest(objects []*api.Object) (string, error) {
	data, err := marshal(objects)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), nil
}
