package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"sort"

	"github.com/pawl-dev/pawl/api"
)

// digest is over everything the plan follows from: what the run is called, the
// workflow, and the library objects that it refers to, as they were written.
func (c *compiler) digest() string {
	var library []map[string]any
	for _, o := range c.usedInOrder() {
		library = append(library, o.Raw)
	}
	// Maps are written with sorted keys, so the text is canonical.
	text, err := json.Marshal(struct {
		Name, Namespace, UID, Created, Entrypoint string
		Parameters                                []Parameter
		Workflow                                  map[string]any
		Library                                   []map[string]any
	}{c.plan.Name, c.plan.Namespace, c.plan.UID, c.plan.Created.Format("2006-01-02T15:04:05.999999999Z07:00"),
		c.in.Entrypoint, c.in.Parameters, c.in.Workflow.Raw, library})
	if err != nil {
		text = []byte(err.Error()) // not JSON types: a caller's bug, still one digest
	}
	sum := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// usedInOrder are the library objects that the workflow refers to.
func (c *compiler) usedInOrder() []*api.Object {
	var used []*api.Object
	for o := range c.used {
		used = append(used, o)
	}
	sort.Slice(used, func(i, j int) bool {
		a, b := used[i], used[j]
		if a.Kind != b.Kind {
			return a.Kind < b.Kind
		}
		if a.Namespace != b.Namespace {
			return a.Namespace < b.Namespace
		}
		return a.Name < b.Name
	})
	return used
}
