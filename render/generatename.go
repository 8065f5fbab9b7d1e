package render

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	"github.com/pawl-dev/pawl/api"
)

// kustomize refuses objects that have no name but a generateName, which is how
// many a Workflow is written. They get a name for the time of the build: the
// generateName and a word that nobody writes.

// standInWord begins the stand-in, a number makes each different.
const standInWord = "pawl-generates-"

// namedSuffix ends the name of the copy of a file in which all have names.
const namedSuffix = ".named-by-pawl"

// named gives the documents of a file names where they have none. It returns
// the file anew, or nil when there is nothing to do.
func (s *scan) named(docs []*api.Object) ([]byte, error) {
	var b strings.Builder
	standIns := 0
	for _, doc := range docs {
		raw := doc.Raw
		if doc.Name == "" && doc.GenerateName != "" {
			meta := maps.Clone(raw["metadata"].(map[string]any))
			delete(meta, "generateName")
			meta["name"] = fmt.Sprintf("%s%s%d.", doc.GenerateName, standInWord, s.standIns)
			raw = maps.Clone(raw)
			raw["metadata"] = meta
			s.standIns++
			standIns++
		}
		data, err := json.Marshal(raw)
		if err != nil {
			return nil, fmt.Errorf("writing %s: %w", doc.Origin, err)
		}
		b.WriteString("---\n")
		b.Write(data)
		b.WriteString("\n")
	}
	if standIns == 0 {
		return nil, nil
	}
	return []byte(b.String()), nil
}

// unnamed puts the generateName back. What kustomize put before the name stays
// before it; what it put after it comes before the end that is generated.
func unnamed(raw map[string]any) {
	meta, _ := raw["metadata"].(map[string]any)
	name, _ := meta["name"].(string)
	before, after, is := strings.Cut(name, standInWord)
	if !is {
		return
	}
	_, after, _ = strings.Cut(after, ".") // its number
	if after = strings.Trim(after, "-"); after != "" {
		before += after + "-"
	}
	delete(meta, "name")
	meta["generateName"] = before
}
