package reconcile

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pawl-dev/pawl/store"
)

// only is the repository without model deploys.
func only(files map[string]string) map[string]string {
	m := changed(files)
	delete(m, "deploy/model.yaml")
	return m
}

func TestWhatAPushRuns(t *testing.T) {
	t.Parallel()
	configured := map[string]string{
		"deploy/template.yaml": strings.Replace(repository["deploy/template.yaml"], "container: {image: x, command: [train]}",
			"container: {image: x, command: [train], env: [{name: E, valueFrom: {configMapKeyRef: {name: settings, key: epochs}}}]}", 1),
		"deploy/settings.yaml": settings(5),
	}
	for _, c := range []struct {
		name   string
		first  map[string]string
		push   map[string]string
		starts bool
	}{
		{"scripts alone start a run", nil, map[string]string{"code/model.env": "model=m2\naccuracy=0.5\n"}, true},
		{"a new script starts a run", nil, map[string]string{"code/new.sh": "true\n"}, true},
		{"what is neither code nor manifest starts nothing", nil, map[string]string{"README.md": "hello again\n"}, false},
		{"the workflow itself starts a run", nil, map[string]string{"deploy/run.yaml": strings.Replace(repository["deploy/run.yaml"], "spec: {", "spec: {parallelism: 3, ", 1)}, true},
		{"a comment in the workflow starts nothing", nil, map[string]string{"deploy/run.yaml": "# a comment\n" + repository["deploy/run.yaml"]}, false},
		{"its template starts a run", nil, map[string]string{"deploy/template.yaml": strings.Replace(repository["deploy/template.yaml"], "[train]", "[train, more]", 1)}, true},
		{"a template of others starts nothing", nil, map[string]string{"deploy/other.yaml": strings.Replace(repository["deploy/template.yaml"], "name: train", "name: other", 1)}, false},
		{"a config map that it uses starts a run", configured, map[string]string{"deploy/settings.yaml": settings(6)}, true},
		{"a config map that it does not use starts nothing", map[string]string{"deploy/settings.yaml": settings(5)}, map[string]string{"deploy/settings.yaml": settings(6)}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, only(c.first))
			b := w.steps()
			b.settle()
			want(t, "runs", b.runs(), []string{"fraud Succeeded"})
			w.push("second", c.push)
			b.settle()
			runs := []string{"fraud Succeeded"}
			if c.starts {
				runs = append(runs, "fraud Succeeded")
			}
			want(t, "runs", b.runs(), runs)
			w.down()
			b = w.steps()
			b.settle()
			want(t, "runs after a restart", b.runs(), runs)
			w.git("revert", "--no-edit", "HEAD")
			w.git("push", "-q", "origin", "HEAD:main")
			b.settle()
			want(t, "runs after a revert", b.runs(), runs)
		})
	}
}

func settings(epochs int) string {
	return fmt.Sprintf("\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {epochs: %q}\n", fmt.Sprint(epochs))
}

func TestARunSaysWhatItIsFrom(t *testing.T) {
	t.Parallel()
	w := newWorld(t, only(map[string]string{
		"deploy/run.yaml": strings.Replace(repository["deploy/run.yaml"], "name: fraud", "generateName: nightly-", 1),
	}))
	b := w.steps()
	b.settle()
	rows, err := b.store.ListRuns(t.Context(), store.RunFilter{})
	if err != nil || len(rows) != 1 {
		t.Fatalf("%d runs, %v", len(rows), err)
	}
	r := rows[0]
	if r.Name != "nightly-"+r.Key[:8] || r.WorkflowName != "nightly" || r.Labels[LabelTemplate] != "train" || r.App != "models" {
		t.Errorf("the run is %+v", r)
	}
	if o := decodeOrigin(t, r); o.Kind != "push" || o.Commit != w.git("rev-parse", "HEAD") {
		t.Errorf("it is from %+v", o)
	}
}

func TestAMergeStartsNothingEvenIfTheCodeFolderHoldsTheStages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, changed(map[string]string{
		"deploy/template.yaml": strings.Replace(repository["deploy/template.yaml"], "pawl.dev/code: code", `pawl.dev/code: "."`, 1),
		"model.env":            "model=m1\naccuracy=0.97\n",
	}))
	b := w.steps()
	b.settle()
	b.merge()
	b.settle()
	if got := w.deployed("staging"); got != "1: the model m1" {
		t.Errorf("staging serves %s", got)
	}
	want(t, "runs", b.runs(), []string{"fraud Succeeded"})
	w.push("a file beside", map[string]string{"README.md": "hello again\n"})
	b.settle()
	want(t, "runs after a change of the code folder, which is all the rest", b.runs(), []string{"fraud Succeeded", "fraud Succeeded"})
}

// concurrent is a repository whose run blocks, with a concurrency.
func concurrent(how Concurrency) map[string]string {
	return only(map[string]string{
		"code/model.env":  "block=0\n",
		"deploy/run.yaml": strings.Replace(repository["deploy/run.yaml"], "name: fraud", "name: fraud, annotations: {pawl.dev/concurrency: "+string(how)+"}", 1),
	})
}

func TestANewKeyWhileAnOlderRunIsUnfinished(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		how              Concurrency
		then, afterwards []string
	}{
		{Replace, []string{"fraud Failed", "fraud Running"}, []string{"fraud Failed", "fraud Failed", "fraud Succeeded"}},
		{Queue, []string{"fraud Running"}, []string{"fraud Failed", "fraud Succeeded"}},
		{Parallel, []string{"fraud Running", "fraud Running"}, []string{"fraud Failed", "fraud Running", "fraud Succeeded"}},
	} {
		t.Run(string(c.how), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, concurrent(c.how))
			b := w.runs()
			running := func(n int) func() bool {
				return func() bool {
					for _, s := range w.machine.Started() {
						if b.artifacts != nil && strings.Contains(s.Key.Node, "fraud") {
							n--
						}
					}
					return n <= 0
				}
			}
			b.until("the first run", func() bool { return running(1)() && len(b.runs()) == 1 && b.runs()[0] == "fraud Running" })
			w.push("second", map[string]string{"code/model.env": "block=1\n"})
			b.until("what is to be after the second push", func() bool {
				return strings.Join(b.runs(), ",") == strings.Join(c.then, ",") && b.loop.Application().Synced.Commit == w.git("rev-parse", "HEAD")
			})
			w.model("m3", 0.9)
			b.until("the third push", func() bool { return b.loop.Application().Synced.Commit == w.git("rev-parse", "HEAD") })
			if c.how != Replace { // somebody ends the first
				rows, err := b.store.ListRuns(t.Context(), store.RunFilter{})
				if err != nil {
					t.Fatal(err)
				}
				if err := b.loop.stopRun(t.Context(), "default", rows[len(rows)-1].Name, "Stop", "a test"); err != nil {
					t.Fatal(err)
				}
			}
			b.until("what is to be afterwards", func() bool { return strings.Join(b.runs(), ",") == strings.Join(c.afterwards, ",") })
		})
	}
}

func TestTenQuickPushesEndWithTheNewest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, concurrent(Replace))
	b := w.runs()
	for i := range 9 {
		w.push("quick", map[string]string{"code/model.env": fmt.Sprintf("block=%d\n", i+1)})
	}
	w.model("last", 0.9)
	b.until("the last run", func() bool {
		runs := b.runs()
		return len(runs) > 0 && runs[len(runs)-1] == "fraud Succeeded"
	})
	b.until("the end of all others", func() bool { return !strings.Contains(strings.Join(b.runs(), ","), "Running") })
	rows, err := b.store.ListRuns(t.Context(), store.RunFilter{})
	if err != nil {
		t.Fatal(err)
	}
	if o := decodeOrigin(t, rows[0]); o.Commit != w.git("rev-parse", "HEAD") {
		t.Errorf("the newest run is of %s", o.Commit)
	}
	for _, r := range rows[1:] {
		if r.Status.Phase != "Failed" || !strings.Contains(r.Status.Message, "Stop") {
			t.Errorf("an older run is %s %q", r.Status.Phase, r.Status.Message)
		}
	}
	t.Logf("%d of 10 pushes were run", len(rows))
}

func TestARunOfAnotherApplicationWithTheNameIsInNobodysWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, only(nil))
	b := w.up(&gate{})
	b.loop.Name = "other"
	b.restore()
	b.settle()
	w.down()
	b = w.steps()
	b.settle()
	want(t, "runs", b.runs(), []string{"fraud Succeeded", "fraud Succeeded"})
}
