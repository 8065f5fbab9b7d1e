package engine_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pawl-dev/pawl/api"
	"github.com/pawl-dev/pawl/engine"
	"github.com/pawl-dev/pawl/engine/artifact"
	"github.com/pawl-dev/pawl/engine/executor/process"
	"github.com/pawl-dev/pawl/engine/sched"
	"github.com/pawl-dev/pawl/store"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == process.HolderArg {
		os.Exit(process.HolderMain(os.Args[2:]))
	}
	os.Exit(m.Run())
}

// deviations are the rows of the corpus that pawl decides otherwise on purpose;
// docs/compatibility.md gives the reasons.
var deviations = map[string]string{
	// An unknown field is a warning.
	"test/e2e/lintfail/disallow-unknown.yaml": "Succeeded",
	// The list says how the step ends; of a step that ends in Error Argo too
	// says that the steps around it Failed.
	"test/e2e/expectedfailures/output-artifact-not-optional.yaml": "Failed",
	// Their authors slipped: no apiVersion, and neither apiVersion nor kind.
	"test/e2e/synchronization/mutex-wf-level.yaml":           "malformed object",
	"workflow/controller/testdata/steps-failed-retries.yaml": "malformed object",
}

// slow are the rows that take longer than 20 seconds; PAWL_LONG=1 runs them.
var slow = map[string]bool{
	"examples/colored-logs.yaml":                                    true,
	"examples/dag-disable-failFast.yaml":                            true,
	"examples/dag-task-level-timeout.yaml":                          true,
	"examples/parallelism-nested-dag.yaml":                          true,
	"examples/parallelism-nested-workflow.yaml":                     true,
	"examples/parallelism-nested.yaml":                              true,
	"examples/parallelism-template-limit.yaml":                      true,
	"examples/timeouts-workflow.yaml":                               true,
	"test/e2e/expectedfailures/dag-disable-failFast.yaml":           true,
	"test/e2e/expectedfailures/dag-disbale-failFast-2.yaml":         true,
	"test/e2e/expectedfailures/dag-failFast-hang.yaml":              true,
	"test/e2e/testdata/sleepy-workflow.yaml":                        true,
	"test/stress/pod-limits.yaml":                                   true,
	"workflow/controller/testdata/dag-exhausted-retries-xfail.yaml": true,
}

// stopped are the rows whose phase is reached by somebody stopping the run.
var stopped = map[string]sched.Shutdown{
	"test/e2e/functional/stop-terminate-2.yaml":            sched.Stop,
	"test/e2e/functional/workflow-exit-handler-sleep.yaml": sched.Terminate,
}

// TestManifestsOfOthersRun runs the corpus of manifests that others wrote and
// compares how each run ends with what Argo says about it. Rows that name a
// field that is not run yet are listed, not failed; a row that is accepted must
// end as it ends with Argo.
func TestManifestsOfOthersRun(t *testing.T) {
	c := openCorpus(t)
	rows := c.rows(t)
	results := make([]outcome, len(rows))
	m := newMachine(t)
	var wg sync.WaitGroup
	next := make(chan int)
	for range 4 {
		wg.Go(func() {
			for i := range next {
				results[i] = m.judge(t.Context(), c, rows[i])
			}
		})
	}
	for i := range rows {
		next <- i
	}
	close(next)
	wg.Wait()
	counts := map[verdict]int{}
	sort.SliceStable(results, func(i, j int) bool { return results[i].verdict < results[j].verdict })
	for _, o := range results {
		counts[o.verdict]++
		if o.verdict == failed {
			t.Errorf("%s: want %s: %s", o.row.path, o.row.want, o.why)
		} else {
			t.Logf("%-8s %-70s %-10s %5.1fs %s", o.verdict, o.row.path, o.row.want, o.took.Seconds(), o.why)
		}
	}
	t.Logf("%d passed, %d failed, %d not run yet, %d skipped", counts[passed], counts[failed], counts[notYet], counts[skipped])
}

type verdict string

const (
	failed  verdict = "FAILED"
	notYet  verdict = "not yet"
	passed  verdict = "passed"
	skipped verdict = "skipped"
)

type outcome struct {
	row     row
	verdict verdict
	why     string
	took    time.Duration
}

// machine is a store, artifacts and a process executor to run the corpus with.
type machine struct {
	engine   *engine.Engine
	executor *process.Executor
	bin      string // folder of the programs that stand in for those of images
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	data := t.TempDir()
	// Not below /tmp, which some of the rows take as an artifact.
	bin, err := os.MkdirTemp("/var/tmp", "pawl-bin-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(bin) })
	if err := os.Chmod(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"argosay": argosay, "cowsay": cowsay} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// The shell of these images knows $RANDOM; not every machine's sh does.
	if bash, err := exec.LookPath("bash"); err == nil {
		if err := os.Symlink(bash, filepath.Join(bin, "sh")); err != nil {
			t.Fatal(err)
		}
	}
	st, err := store.Open(t.Context(), filepath.Join(data, "pawl.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	artifacts, err := artifact.Open(filepath.Join(data, "artifacts"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = artifacts.Close() })
	x, err := process.New(process.Options{
		Data: data, Artifacts: artifacts, Cores: 64, // most of them sleep
		Images: map[string][]string{"argoproj/argosay": {filepath.Join(bin, "argosay")}, "alpine": {"sh"}},
		Path:   bin + string(filepath.ListSeparator) + os.Getenv("PATH"), Home: os.Getenv("HOME"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = x.Close() })
	return &machine{
		engine:   engine.New(engine.Options{Store: st, Executor: x, Artifacts: artifacts, Grace: time.Second}),
		executor: x, bin: bin,
	}
}

// judge runs a row and compares.
func (m *machine) judge(ctx context.Context, c *corpus, r row) outcome {
	o := outcome{row: r}
	if slow[r.path] && os.Getenv("PAWL_LONG") == "" {
		o.verdict, o.why = skipped, "takes longer than 20 s: set PAWL_LONG=1"
		return o
	}
	began := time.Now()
	var state *sched.State
	var refusals []string
	var err error
	// What draws lots may lose: it has three tries.
	for try := 0; try < 3; try++ {
		state, refusals, err = m.run(ctx, c, r, try)
		if !c.drawsLots(r) || state == nil || r.mayEnd(state.Phase()) {
			break
		}
	}
	o.took = time.Since(began)
	switch {
	case err != nil:
		o.verdict, o.why = failed, err.Error()
	case len(refusals) > 0 && r.mayBeRefused():
		o.verdict, o.why = passed, refusals[0]
	case len(refusals) > 0 && notRunYet(refusals):
		o.verdict, o.why = notYet, strings.Join(refusals, "; ")
	case len(refusals) > 0:
		o.verdict, o.why = failed, "refused: "+strings.Join(refusals, "; ")
	case !r.mayEnd(state.Phase()):
		o.verdict, o.why = failed, fmt.Sprintf("%s: %s", state.Phase(), messages(state))
	default:
		o.verdict = passed
	}
	return o
}

// run carries one row to its end, or says why it is refused.
func (m *machine) run(ctx context.Context, c *corpus, r row, try int) (*sched.State, []string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	wf, problems := c.workflow(r.path)
	if refusals := errorsOf(problems); len(refusals) > 0 {
		return nil, refusals, nil
	}
	s := engine.Submission{
		Workflow: wf, Library: c.library(r.path), Namespace: "argo", Name: fmt.Sprintf("%s-%d", strings.ReplaceAll(r.path, "/", "-"), try),
		WorkflowName: wf.Name, Visible: []string{m.bin},
	}
	p, problems := m.engine.Compile(s)
	if problems.Err() == nil {
		problems = append(problems, engine.CheckExecutor(p, m.executor)...)
	}
	if refusals := errorsOf(problems); len(refusals) > 0 {
		return nil, refusals, nil
	}
	uid, _, err := m.engine.Create(ctx, s, p)
	if err != nil {
		return nil, nil, err
	}
	run, err := m.engine.Load(ctx, uid)
	if err != nil {
		return nil, nil, err
	}
	if how, ok := stopped[r.path]; ok {
		stop := time.AfterFunc(time.Second, func() { m.engine.Shutdown(ctx, uid, how, "the test") })
		defer stop.Stop()
	}
	state, err := m.engine.Carry(ctx, run)
	return state, nil, err
}

func errorsOf(problems api.Problems) []string {
	var texts []string
	for _, p := range problems {
		if p.Severity == api.SeverityError {
			texts = append(texts, p.String())
		}
	}
	return texts
}

// notRunYet reports whether a row is refused for nothing but fields that a
// later version runs.
func notRunYet(refusals []string) bool {
	for _, r := range refusals {
		if !strings.Contains(r, "is not run by pawl yet") {
			return false
		}
	}
	return true
}

// messages are what a run and its nodes say about how they ended.
func messages(s *sched.State) string {
	texts := []string{s.Message()}
	for _, n := range s.Nodes() {
		if n.Message != "" && n.Type == sched.TypePod {
			texts = append(texts, n.DisplayName+": "+n.Message)
		}
	}
	return strings.Join(texts, "; ")
}
