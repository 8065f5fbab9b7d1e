package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pawl-dev/pawl/api"
	"github.com/pawl-dev/pawl/engine/attempt"
	"github.com/pawl-dev/pawl/engine/executor"
	"github.com/pawl-dev/pawl/engine/executor/fake"
	"github.com/pawl-dev/pawl/engine/sched"
	"github.com/pawl-dev/pawl/store"
)

// world is a store and a machine that outlive the engines on them, as a disk and
// the processes of a holder do.
type world struct {
	t       testing.TB
	dir     string
	machine *fake.Machine
}

func newWorld(t testing.TB, act fake.Act) *world {
	return &world{t: t, dir: t.TempDir(), machine: fake.NewMachine(act, nil)}
}

func (w *world) openStore() *store.Store {
	w.t.Helper()
	st, err := store.Open(context.Background(), filepath.Join(w.dir, "pawl.db"), store.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { st.Close() })
	return st
}

// engine is one on the world, with a short grace.
func (w *world) engine(st Store) *Engine {
	return New(Options{Store: st, Executor: w.machine.Executor(), Grace: time.Second, Log: testLog(w.t)})
}

func testLog(t testing.TB) *slog.Logger {
	if testing.Verbose() {
		return slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	return slog.New(slog.DiscardHandler)
}

// workflow wraps a spec into a Workflow with the entrypoint main.
func workflow(spec string) string {
	return "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata: {name: w}\nspec:\n  entrypoint: main\n" + indent(spec)
}

func indent(s string) string {
	var b strings.Builder
	for line := range strings.Lines(strings.Trim(s, "\n") + "\n") {
		b.WriteString("  " + line)
	}
	return b.String()
}

// pod is a container template with an environment for the fake executor.
func pod(name string, env ...string) string {
	s := "- name: " + name + "\n  container:\n    image: x\n    command: [x]\n"
	if len(env) > 0 {
		s += "    env:\n"
	}
	for _, e := range env {
		k, v, _ := strings.Cut(e, "=")
		s += fmt.Sprintf("    - {name: %s, value: %q}\n", k, v)
	}
	return s
}

// submit records a run and returns its UID.
func submit(t testing.TB, e *Engine, name, manifest string) string {
	t.Helper()
	objects, problems := api.Decode("wf.yaml", []byte(manifest))
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	s := Submission{Workflow: objects[0], Library: objects[1:], Namespace: "default", Name: name, WorkflowName: "w"}
	p, problems := e.Compile(s)
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	uid, existing, err := e.Create(t.Context(), s, p)
	if err != nil || existing {
		t.Fatalf("creating %s: existing %t, %v", name, existing, err)
	}
	return uid
}

// carry carries the run on to its end.
func carry(t testing.TB, e *Engine, uid string) *sched.State {
	t.Helper()
	run, err := e.Load(t.Context(), uid)
	if err != nil {
		t.Fatal(err)
	}
	state, err := e.Carry(t.Context(), run)
	if err != nil {
		t.Fatal(err)
	}
	return state
}

// errCrashed is what a store says after the crash.
var errCrashed = errors.New("crashed")

// mortal is a store that everything stops with after its n-th Append: what had
// been appended is kept, and nothing else happens any more.
type mortal struct {
	Store
	mu     sync.Mutex
	left   int
	before bool // it stops before the Append that it stops with is written
	kill   context.CancelFunc
	dead   bool
}

func (m *mortal) Append(ctx context.Context, run string, records ...[]byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead {
		return errCrashed
	}
	m.left--
	if m.left == 0 && m.before {
		m.dead = true
		m.kill()
		return errCrashed
	}
	err := m.Store.Append(ctx, run, records...)
	if m.left == 0 {
		m.dead = true
		m.kill()
		return errCrashed
	}
	return err
}

func (m *mortal) alive() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead {
		return errCrashed
	}
	return nil
}

func (m *mortal) UpdateRun(ctx context.Context, s store.RunStatus) error {
	if err := m.alive(); err != nil {
		return err
	}
	return m.Store.UpdateRun(ctx, s)
}

func (m *mortal) UpdateRunSoon(ctx context.Context, s store.RunStatus) error {
	if err := m.alive(); err != nil {
		return err
	}
	return m.Store.UpdateRunSoon(ctx, s)
}

func (m *mortal) PutNodes(ctx context.Context, uid string, nodes []store.Node) error {
	if err := m.alive(); err != nil {
		return err
	}
	return m.Store.PutNodes(ctx, uid, nodes)
}

// outcome is what of a run must not depend on crashes: everything but times.
func outcome(t testing.TB, st *store.Store, uid string) string {
	t.Helper()
	var b strings.Builder
	run, err := st.RunByUID(t.Context(), uid)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&b, "run %s %q %s finished=%t %s\n", run.Status.Phase, run.Status.Message, run.Status.Progress, !run.Status.Finished.IsZero(), run.Status.Outputs)
	nodes, err := st.Nodes(t.Context(), uid, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, n := range nodes {
		var in IndexedNode
		if err := json.Unmarshal(n.Data, &in); err != nil {
			t.Fatal(err)
		}
		out, _ := json.Marshal(in.Outputs)
		lines = append(lines, fmt.Sprintf("node %s %s %q %s", n.Name, n.Phase, in.Message, out))
	}
	for i, rec := range journal(t, st, uid) {
		if ev, err := sched.Decode(rec); i > 0 && err == nil && ev.Kind == sched.AttemptEnded {
			lines = append(lines, fmt.Sprintf("ended %s#%d %s %q", ev.Node, ev.Attempt, ev.Result.Outcome, ev.Result.Message))
		}
	}
	slices.Sort(lines) // of what runs at once, either may come first
	return b.String() + strings.Join(lines, "\n")
}

func journal(t testing.TB, st *store.Store, uid string) [][]byte {
	t.Helper()
	var all [][]byte
	for rec, err := range st.Read(t.Context(), uid, 0) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, rec)
	}
	return all
}

// checkMachine says that nothing was started twice and nothing is left.
func (w *world) checkMachine() {
	w.t.Helper()
	seen := map[attempt.Key]bool{}
	for _, s := range w.machine.Started() {
		if seen[s.Key] {
			w.t.Errorf("%s was started twice", s.Key)
		}
		seen[s.Key] = true
		res, err := w.machine.Executor().Wait(w.t.Context(), executor.Handle{Key: s.Key})
		if err != nil || res.Outcome != attempt.Lost {
			w.t.Errorf("%s was not removed: %v, %v", s.Key, res.Outcome, err)
		}
	}
}

// recorder keeps what is logged as a warning or worse.
type recorder struct {
	mu   sync.Mutex
	text strings.Builder
}

func (r *recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *recorder) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

func (r *recorder) log() *slog.Logger {
	return slog.New(slog.NewTextHandler(r, &slog.HandlerOptions{Level: slog.LevelWarn}))
}
