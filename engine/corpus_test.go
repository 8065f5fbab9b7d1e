package engine_test

import (
	"encoding/csv"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/pawl-dev/pawl/api"
	"github.com/pawl-dev/pawl/engine/sched"
)

// corpus is a part of Argo Workflows' own manifests, each with how it ends.
type corpus struct {
	dir     string
	objects []*api.Object // templates and config maps of every file
}

// row is one Workflow of the corpus.
type row struct{ path, want string }

// mayEnd reports whether a run of the row may end in a phase.
func (r row) mayEnd(p sched.Phase) bool {
	want := r.want
	if d, ok := deviations[r.path]; ok {
		want = d
	}
	for _, w := range strings.Split(want, "/") {
		if string(p) == w {
			return true
		}
	}
	return false
}

// mayBeRefused reports whether the row is wrong and need not run: what Argo
// finds out when it begins to run, and calls Error, pawl says before.
func (r row) mayBeRefused() bool {
	switch r.want {
	case "lint error", "malformed object", "Error", "Failed/Error":
		return deviations[r.path] == ""
	}
	return deviations[r.path] == "malformed object"
}

func openCorpus(t *testing.T) *corpus {
	t.Helper()
	dir := os.Getenv("PAWL_CORPUS")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "corpus")
	}
	c := &corpus{dir: filepath.Join(dir, "argo")}
	if _, err := os.Stat(c.dir); err != nil {
		t.Skipf("the corpus is not here (PAWL_CORPUS names it): %v", err)
	}
	err := filepath.WalkDir(c.dir, func(file string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() || filepath.Ext(file) != ".yaml" {
			return err
		}
		rel, _ := filepath.Rel(c.dir, file)
		objects, _ := c.decode(rel) // what is malformed is not there
		for _, o := range objects {
			if o.Kind == "WorkflowTemplate" || o.Kind == "ClusterWorkflowTemplate" || o.Kind == "ConfigMap" {
				c.objects = append(c.objects, o)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *corpus) decode(rel string) ([]*api.Object, api.Problems) {
	data, err := os.ReadFile(filepath.Join(c.dir, rel))
	if err != nil {
		return nil, api.Problems{{Severity: api.SeverityError, Message: err.Error()}}
	}
	return api.Decode(rel, data)
}

// rows are the Workflows that run as local processes: those that need neither
// images of their own nor a store that they name.
func (c *corpus) rows(t *testing.T) []row {
	t.Helper()
	f, err := os.Open(filepath.Join(c.dir, "..", "argo-workflows.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	column := map[string]int{}
	for i, name := range lines[0] {
		column[name] = i
	}
	var rows []row
	for _, l := range lines[1:] {
		get := func(name string) string { return l[column[name]] }
		r := row{path: get("path"), want: get("expected_phase")}
		local := get("class") == "a" && strings.Contains(get("notes"), "local=proc")
		anyStore := get("class") == "b" && !namesStore(get("features")) && !strings.Contains(get("notes"), "non-basic image")
		if get("kind") == "Workflow" && (local || anyStore) && !strings.HasPrefix(r.want, "n/a") {
			rows = append(rows, r)
		}
	}
	return rows
}

// namesStore reports whether features list an artifact store.
func namesStore(features string) bool {
	for _, f := range strings.Split(features, "; ") {
		switch f {
		case "artifact.s3", "artifact.gcs", "artifact.azure", "artifact.oss", "artifact.http", "artifact.git", "artifactRepositoryRef":
			return true
		}
	}
	return false
}

// workflow is the one Workflow of a file.
func (c *corpus) workflow(rel string) (*api.Object, api.Problems) {
	objects, problems := c.decode(rel)
	for _, o := range objects {
		if o.Kind == "Workflow" {
			return o, problems
		}
	}
	return nil, append(problems, api.Problem{Severity: api.SeverityError, Message: rel + " holds no Workflow"})
}

// drawsLots reports whether a file's outcome is random.
func (c *corpus) drawsLots(r row) bool {
	data, err := os.ReadFile(filepath.Join(c.dir, r.path))
	return err == nil && strings.Contains(strings.ToLower(string(data)), "random")
}

// library is what a file's workflow may refer to. Several files of the corpus
// name a template alike: the nearest one is meant, then the first by path.
func (c *corpus) library(rel string) []*api.Object {
	objects := append([]*api.Object(nil), c.objects...)
	near := func(o *api.Object) bool { return path.Dir(o.Origin.File) == path.Dir(rel) }
	sort.SliceStable(objects, func(i, j int) bool { return near(objects[i]) && !near(objects[j]) })
	seen := map[string]bool{}
	var library []*api.Object
	for _, o := range objects {
		if !seen[o.Title()] {
			seen[o.Title()] = true
			library = append(library, o)
		}
	}
	return library
}

// argosay stands in for the program of the image argoproj/argosay:v2.
const argosay = `#!/bin/sh
[ $# = 0 ] && { echo 'hello argo'; exit; }
verb=$1; shift
case $verb in
echo)
	[ $# -lt 2 ] && { echo "$*"; exit; }
	mkdir -p "$(dirname "$2")" && echo "$1" > "$2" ;;
cat) cat "$@" ;;
sleep) sleep "$@" ;;
exit) exit "${1:-0}" ;;
sh) exec sh "$@" ;;
assert_contains)
	grep -qF -- "$2" "$1" || { echo "$1 does not hold $2" >&2; exit 1; } ;;
*) echo "argosay: there is no verb $verb" >&2; exit 64 ;;
esac
`

// cowsay stands in for the program of the image argoproj/argosay:v1.
const cowsay = `#!/bin/sh
printf ' _____\n< %s >\n -----\n' "$*"
`
