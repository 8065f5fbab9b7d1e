package api

import (
	"encoding/csv"
	"os"
	"path/filepath"
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
	// Where decoding differs from what the run of a file ends in: true is refused.
	otherwise := map[string]bool{
		"argo/test/e2e/testdata/malformed/malformed-workflowtemplate-2.yaml": false, // a template without a name: the plan refuses it
		"argo/examples/k8s-jobs.yaml":                                        true,  // neither name nor generateName
		"argo/test/e2e/synchronization/mutex-wf-level.yaml":                  true,  // dbapiVersion: a slip of its author
		"argo/workflow/controller/testdata/steps-failed-retries.yaml":        true,  // neither apiVersion nor kind
	}
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
			refused := row["expected_phase"] == "malformed object"
			if want, ok := otherwise[path]; ok {
				refused = want
			}
			switch err := problems.Err(); {
			case refused && err == nil:
				t.Errorf("%s decodes, want an error", path)
			case !refused && err != nil:
				t.Errorf("%s: %v", path, err)
			}
			for _, p := range problems {
				if p.Line == 0 {
					t.Errorf("no line: %v", p)
				}
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
