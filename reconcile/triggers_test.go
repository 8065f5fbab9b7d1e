package reconcile

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pawl-dev/pawl/store"
)

// manual is a clock that a test sets.
type manual struct {
	mu  sync.Mutex
	now time.Time
}

func (m *manual) Now() time.Time { m.mu.Lock(); defer m.mu.Unlock(); return m.now }

func (m *manual) set(t time.Time) { m.mu.Lock(); defer m.mu.Unlock(); m.now = t }

func TestACronWorkflowRunsWhenItIsDueAlsoAfterARestart(t *testing.T) {
	t.Parallel()
	files := only(map[string]string{"deploy/cron.yaml": `
apiVersion: argoproj.io/v1alpha1
kind: CronWorkflow
metadata: {name: nightly}
spec:
  schedules: ["0 2 * * *"]
  timezone: Etc/UTC
  startingDeadlineSeconds: 3600
  workflowSpec: {workflowTemplateRef: {name: train}}
`})
	w := newWorld(t, files)
	clock := &manual{now: noon}
	w.now = clock.Now
	b := w.runs()
	crons := func() []CronStatus {
		cs, err := Crons(t.Context(), b.store)
		if err != nil {
			t.Fatal(err)
		}
		return cs
	}
	b.until("know when it is due", func() bool {
		cs := crons()
		return len(cs) == 1 && cs[0].Next.Equal(time.Date(2026, 3, 2, 2, 0, 0, 0, time.UTC)) && len(b.runs()) == 1
	})
	w.down()
	clock.set(time.Date(2026, 3, 2, 2, 10, 0, 0, time.UTC)) // it was due while nobody served
	b = w.runs()
	b.until("run once", func() bool { return strings.Join(b.runs(), ",") == "fraud Succeeded,nightly Succeeded" })
	rows, _ := b.store.ListRuns(t.Context(), store.RunFilter{Workflow: "nightly"})
	if o := decodeOrigin(t, rows[0]); o.Kind != "cron" || !o.Scheduled.Equal(time.Date(2026, 3, 2, 2, 0, 0, 0, time.UTC)) {
		t.Errorf("it is from %+v", o)
	}
	w.down()
	b = w.runs()
	b.until("look again", func() bool { return len(crons()) == 1 && b.loop.Application().Synced != nil })
	clock.set(time.Date(2026, 3, 3, 2, 0, 1, 0, time.UTC))
	w.push("beside", map[string]string{"README.md": "x\n"})
	b.until("run again", func() bool {
		return strings.Join(b.runs(), ",") == "fraud Succeeded,nightly Succeeded,nightly Succeeded"
	})
	if started, err := b.loop.TriggerCron(t.Context(), "default", "nightly", "ada"); err != nil || started.Existing {
		t.Errorf("triggering by hand: %+v, %v", started, err)
	}
	w.push("gone", map[string]string{"deploy/cron.yaml": ""})
	b.until("forget it", func() bool { return len(crons()) == 0 })
}

func TestAFileDroppedWhileNobodyServesIsNoticedOnce(t *testing.T) {
	t.Parallel()
	inbox := t.TempDir()
	w := newWorld(t, only(map[string]string{"deploy/sensor.yaml": `
apiVersion: argoproj.io/v1alpha1
kind: EventSource
metadata: {name: inbox}
spec:
  file:
    new:
      eventType: CREATE
      watchPathConfig: {directory: "` + inbox + `", pathRegexp: '\.csv$'}
---
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {name: on-data}
spec:
  dependencies: [{name: d, eventSourceName: inbox, eventName: new}]
  triggers:
  - template:
      name: train
      argoWorkflow:
        operation: submit
        source:
          resource:
            apiVersion: argoproj.io/v1alpha1
            kind: Workflow
            metadata: {generateName: on-data-, annotations: {pawl.dev/code: code}}
            spec:
              workflowTemplateRef: {name: train}
              arguments: {parameters: [{name: file, value: ""}]}
        parameters: [{src: {dependencyName: d, dataKey: name}, dest: spec.arguments.parameters.0.value}]
`}))
	b := w.runs()
	drop := func(name string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(inbox, name), []byte("1,2\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	runs := func(n int) func() bool {
		return func() bool {
			return strings.Join(b.runs(), ",") == "fraud Succeeded"+strings.Repeat(",on-data Succeeded", n)
		}
	}
	b.until("watch", func() bool {
		_, ok, _ := b.store.GetDoc(t.Context(), kindCursor, "default/inbox/new")
		return ok && runs(0)()
	})
	drop("a.csv")
	drop("a.txt")
	b.until("notice a file", runs(1))
	w.down()
	drop("b.csv")
	b = w.runs()
	b.until("notice a file of before", runs(2))
	w.down()
	b = w.runs()
	drop("c.csv")
	b.until("notice another one, and the old ones no more", runs(3))
	rows, _ := b.store.ListRuns(t.Context(), store.RunFilter{Limit: 1})
	row, err := b.store.RunByUID(t.Context(), rows[0].UID)
	if err != nil || !strings.Contains(string(row.Workflow), filepath.Join(inbox, "c.csv")) {
		t.Errorf("the run is made from %s, %v", row.Workflow, err)
	}
	facts, err := b.store.Facts(t.Context(), kindTrigger, "default/on-data", 0)
	if err != nil || len(facts) != 3 {
		t.Errorf("%d triggers are recorded, %v", len(facts), err)
	}
	var f Fired
	if err := json.Unmarshal(facts[0].Data, &f); err != nil || f.Run != rows[0].Name {
		t.Errorf("the last trigger is %+v, %v", f, err)
	}
}

func TestARepositoryOverHTTPIsSyncedAndRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, only(nil))
	git, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	backend := &cgi.Handler{Path: git, Args: []string{"http-backend"}, Stderr: io.Discard, Env: []string{
		"PATH=" + os.Getenv("PATH"), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_PROJECT_ROOT=" + w.root, "GIT_HTTP_EXPORT_ALL=1",
	}}
	var gone atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		if gone.Load() {
			http.NotFound(out, r)
			return
		}
		backend.ServeHTTP(out, r)
	}))
	defer server.Close()
	w.url = server.URL + "/models.git"
	b := w.runs()
	b.until("the first run", func() bool { return strings.Join(b.runs(), ",") == "fraud Succeeded" })
	w.model("m2", 0.5)
	b.loop.Refresh()
	b.until("the second run", func() bool { return strings.Join(b.runs(), ",") == "fraud Succeeded,fraud Succeeded" })

	w.push("a model deploy, for which there is no forge", map[string]string{"deploy/model.yaml": repository["deploy/model.yaml"]})
	b.loop.Refresh()
	b.until("a refusal", func() bool {
		r := b.loop.Application().Refused
		return r != nil && strings.Contains(r.Problems.Error(), "pull requests")
	})

	gone.Store(true)
	b.loop.Refresh()
	b.until("say that it is gone", func() bool { return b.loop.Application().GitError != "" })
	w.down()
	b = w.runs()
	b.until("keep the last good state", func() bool { return b.loop.inForce() != nil })
}
