package promotion

import (
	"testing"

	"go.yaml.in/yaml/v3"
)

// Whatever the file: an edit at a spot gives that spot the new value, gives no
// other spot another one, and leaves a file that is read as before.
func FuzzSpots(f *testing.F) {
	for _, seed := range []string{
		"a: {storageUri: x, b: [{storageUri: 'it''s'}]}\n",
		"storageUri:\nother: \"storageUri: \\\" x\"\n",
		"- op: add\n  path: /a/storageUri\n  value: \"\\u00e4\"\n---\nstorageUri: ~ # c\n",
		"patches:\n- patch: |2-\n      storageUri: ä # storageUri\n\n    - no\n- patch: >\n    storageUri: x\n",
		"patches:\n- patch: |\n   # größer\n\n   {\"storageUri\": \"x\"}\r\n- patch: \"storageUri: x\"\n",
		"\ufeffstorageUri: x\r\n", "? storageUri\n: x\n", "\"storageUri\" : &a x\nb: {storageUri: *a}\n", "storageUri: !!str x\n", "\tstorageUri: x", "storageUri: >\n x\n",
	} {
		f.Add([]byte(seed))
	}
	const value = "s3://b/größer, [x]: #1"
	f.Fuzz(func(t *testing.T, data []byte) {
		before, err := findSpots("kustomization.yaml", data)
		if err != nil {
			return
		}
		for i, s := range before {
			if s.cannot != "" {
				continue
			}
			edited := s.replace(data, value)
			after, err := findSpots("kustomization.yaml", edited)
			if err != nil || len(after) != len(before) {
				t.Fatalf("%q at %+v: edited to %q: %d spots, were %d: %v", data, s, edited, len(after), len(before), err)
			}
			for j := range after {
				want := before[j].value
				if i == j {
					want = value
				}
				if after[j].value != want {
					t.Errorf("%q at %+v: edited to %q: spot %d is %q, want %q", data, s, edited, j, after[j].value, want)
				}
			}
			var node yaml.Node
			if err := yaml.Unmarshal(edited, &node); err != nil {
				t.Errorf("%q at %+v: edited to %q: %v", data, s, edited, err)
			}
		}
	})
}
