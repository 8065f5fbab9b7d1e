package engine

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/pawl-dev/pawl/engine/attempt"
	"github.com/pawl-dev/pawl/engine/executor"
	"github.com/pawl-dev/pawl/engine/executor/fake"
	"github.com/pawl-dev/pawl/engine/sched"
	"github.com/pawl-dev/pawl/store"
)

func everything(string, []byte) bool { return true }

// serve runs an engine until the test or the returned function ends it.
func serve(t *testing.T, e *Engine) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx, everything) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// ended waits until the run is over.
func ended(t *testing.T, st *store.Store, uid string) store.Run {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	changes := st.Subscribe(ctx)
	for {
		run, err := st.RunByUID(ctx, uid)
		if err != nil {
			t.Fatal(err)
		}
		if !run.Status.Finished.IsZero() {
			return run
		}
		if _, ok := <-changes; !ok {
			t.Fatalf("run %s is still %s %q", run.Name, run.Status.Phase, run.Status.Message)
		}
	}
}

// full is a store whose disk is full for a while.
type full struct {
	Store
	mu    sync.Mutex
	fails int
}

func (f *full) Append(ctx context.Context, run string, records ...[]byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fails > 0 {
		f.fails--
		return errors.New("database or disk is full")
	}
	return f.Store.Append(ctx, run, records...)
}

func (f *full) set(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fails = n
}

func TestAFullDiskIsSaidAndTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		st := w.openStore()
		f := &full{Store: st}
		e := w.engine(f)
		uid := submit(t, e, "r", workflow("templates:\n"+pod("main", "FAKE_DURATION=5s")))
		serve(t, e)
		if err := e.Launch(t.Context(), uid); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second) // it runs
		f.set(3)
		time.Sleep(4500 * time.Millisecond) // its end could not be written
		if err := st.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		run, err := st.RunByUID(t.Context(), uid)
		if err != nil || !strings.Contains(run.Status.Message, "disk is full") || run.Status.Phase != "Running" {
			t.Errorf("while the disk is full it is %s %q (%v)", run.Status.Phase, run.Status.Message, err)
		}
		if run := ended(t, st, uid); run.Status.Phase != "Succeeded" || run.Status.Message != "" {
			t.Errorf("it ended %s %q", run.Status.Phase, run.Status.Message)
		}
		w.checkMachine()
	})
}

func TestARunThatRunFindsAndThatIsLaunchedIsCarriedOnOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		st := w.openStore()
		said := &recorder{}
		e := New(Options{Store: st, Executor: w.machine.Executor(), Log: said.log()})
		uid := submit(t, e, "r", workflow("templates:\n"+pod("main", "FAKE_DURATION=5s")))
		serve(t, e)
		synctest.Wait()
		if err := e.Launch(t.Context(), uid); err != nil {
			t.Fatal(err)
		}
		ended(t, st, uid)
		if text := said.String(); text != "" {
			t.Errorf("it said %s", text)
		}
		w.checkMachine()
	})
}

func TestAStopIsNotLostWhereverTheRunIs(t *testing.T) {
	blocked := workflow("templates:\n" + pod("main", "FAKE_BLOCK=1"))
	t.Run("before Run has found the run", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, nil)
			st := w.openStore()
			e := w.engine(st)
			uid := submit(t, e, "r", blocked)
			said := make(chan error, 1)
			go func() { said <- e.Shutdown(t.Context(), uid, sched.Stop, "a test") }()
			synctest.Wait()
			serve(t, e)
			if err := <-said; err != nil {
				t.Error(err)
			}
			if run := ended(t, st, uid); run.Status.Phase != "Failed" {
				t.Errorf("it ended %s %q", run.Status.Phase, run.Status.Message)
			}
		})
	})
	t.Run("while the journal cannot be written it is an error, and can be asked again", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, nil)
			st := w.openStore()
			f := &full{Store: st}
			e := w.engine(f)
			uid := submit(t, e, "r", blocked)
			serve(t, e)
			time.Sleep(time.Second)
			f.set(1)
			if err := e.Shutdown(t.Context(), uid, sched.Stop, "a test"); err == nil || !strings.Contains(err.Error(), "full") {
				t.Errorf("the first stop says %v", err)
			}
			if err := e.Shutdown(t.Context(), uid, sched.Stop, "a test"); err != nil {
				t.Errorf("the second stop says %v", err)
			}
			ended(t, st, uid)
		})
	})
	t.Run("after the end it says so", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, nil)
			st := w.openStore()
			e := w.engine(st)
			uid := submit(t, e, "r", workflow("templates:\n"+pod("main")))
			serve(t, e)
			ended(t, st, uid)
			synctest.Wait()
			if err := e.Shutdown(t.Context(), uid, sched.Stop, "a test"); !errors.Is(err, ErrNotCarried) {
				t.Errorf("a stop says %v", err)
			}
		})
	})
}

// crowded is an executor with room for so many attempts; the others wait in Start.
type crowded struct {
	*fake.Executor
	room chan struct{}
}

func (c crowded) Start(ctx context.Context, s attempt.Spec) (executor.Handle, error) {
	select {
	case c.room <- struct{}{}:
		return c.Executor.Start(ctx, s)
	case <-ctx.Done():
		return executor.Handle{}, ctx.Err()
	}
}

func TestAStopEndsWhatRunsWhatWaitsForRoomAndWhatIsQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		st := w.openStore()
		e := New(Options{Store: st, Executor: crowded{w.machine.Executor(), make(chan struct{}, 2)}, Grace: time.Second})
		uid := submit(t, e, "r", workflow(`
templates:
- name: main
  steps:
  - - {name: a, template: one, withSequence: {count: "300"}}
`+pod("one", "FAKE_BLOCK=1")))
		serve(t, e)
		time.Sleep(time.Second)
		if n := len(w.machine.Started()); n != 2 {
			t.Errorf("%d run, there is room for 2", n)
		}
		if err := e.Shutdown(t.Context(), uid, sched.Stop, "a test"); err != nil {
			t.Fatal(err)
		}
		if run := ended(t, st, uid); run.Status.Phase != "Failed" || run.Status.Progress != "300/300" {
			t.Errorf("it ended %s %q %s", run.Status.Phase, run.Status.Message, run.Status.Progress)
		}
		if n := len(w.machine.Started()); n != 2 {
			t.Errorf("%d were started after all", n)
		}
		synctest.Wait()
		w.checkMachine()
	})
}

// flaky is an executor whose every call fails so many times an attempt.
type flaky struct {
	*fake.Executor
	mu    sync.Mutex
	fails int
	seen  map[string]int
}

func (f *flaky) trouble(call string, k attempt.Key) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.seen == nil {
		f.seen = map[string]int{}
	}
	if f.seen[call+k.String()]++; f.seen[call+k.String()] <= f.fails {
		return errors.New("the machine does not answer")
	}
	return nil
}

func (f *flaky) Start(ctx context.Context, s attempt.Spec) (executor.Handle, error) {
	if err := f.trouble("start", s.Key); err != nil {
		return executor.Handle{}, err
	}
	return f.Executor.Start(ctx, s)
}

func (f *flaky) Wait(ctx context.Context, h executor.Handle) (attempt.Result, error) {
	if err := f.trouble("wait", h.Key); err != nil {
		return attempt.Result{}, err
	}
	return f.Executor.Wait(ctx, h)
}

func (f *flaky) Stop(ctx context.Context, h executor.Handle, grace time.Duration) error {
	if err := f.trouble("stop", h.Key); err != nil {
		return err
	}
	return f.Executor.Stop(ctx, h, grace)
}

func (f *flaky) Remove(ctx context.Context, h executor.Handle) error {
	if err := f.trouble("remove", h.Key); err != nil {
		return err
	}
	return f.Executor.Remove(ctx, h)
}

func TestTroubleWithTheExecutorIsTriedAgainABit(t *testing.T) {
	for _, c := range []struct {
		name, phase string
		fails       int
	}{
		{"a little trouble is not seen", "Failed", callTries - 1},
		{"an executor that never starts anything ends the run as Error", "Error", 1 << 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				st := w.openStore()
				e := New(Options{Store: st, Executor: &flaky{Executor: w.machine.Executor(), fails: c.fails}, Grace: time.Second})
				uid := submit(t, e, "r", workflow("activeDeadlineSeconds: 10\ntemplates:\n"+pod("main", "FAKE_BLOCK=1")))
				state := carry(t, e, uid)
				if string(state.Phase()) != c.phase {
					t.Errorf("it ended %s %q", state.Phase(), state.Message())
				}
				w.checkMachine()
			})
		})
	}
}

// closing is an executor that is shut down under a running engine.
type closing struct {
	*fake.Executor
	closed chan struct{}
}

func (c *closing) Wait(ctx context.Context, h executor.Handle) (attempt.Result, error) {
	select {
	case <-c.closed:
		return attempt.Result{}, executor.ErrClosed
	case <-ctx.Done():
		return attempt.Result{}, ctx.Err()
	}
}

func TestAnExecutorThatIsShutDownEndsNoAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		st := w.openStore()
		c := &closing{Executor: w.machine.Executor(), closed: make(chan struct{})}
		e := New(Options{Store: st, Executor: c})
		uid := submit(t, e, "r", workflow("templates:\n"+pod("main", "FAKE_DURATION=60s")))
		stop := serve(t, e)
		time.Sleep(time.Second)
		close(c.closed)
		time.Sleep(time.Second)
		stop()
		if n := len(journal(t, st, uid)); n != 2 { // the header and RunStarted
			t.Errorf("the journal has %d records", n)
		}
		if state := carry(t, w.engine(st), uid); state.Phase() != sched.Succeeded {
			t.Errorf("the next engine ends it %s", state.Phase())
		}
		w.checkMachine()
	})
}

func TestARunOfAnotherVersionIsShownAndCanBeEndedAndDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		st := w.openStore()
		e := w.engine(st)
		uid, _, err := st.CreateRun(t.Context(), store.Run{
			UID: "u", Namespace: "default", Name: "old", Created: time.Now(), Origin: []byte("{}"),
			Workflow: []byte(`{"workflow":{"apiVersion":"argoproj.io/v1alpha1","kind":"Workflow","metadata":{"name":"w"},"spec":{"entrypoint":"main","templates":[{"name":"main","container":{"image":"x","command":["x"]}}]}}}`),
			Status:   store.RunStatus{UID: "u", Phase: "Running"},
		}, sched.Header{Plan: "of yesterday", Scheduler: sched.Version}.Encode())
		if err != nil {
			t.Fatal(err)
		}
		stop := serve(t, e)
		time.Sleep(time.Second)
		run, err := st.RunByUID(t.Context(), uid)
		if err != nil || run.Status.Phase != "Error" || !strings.Contains(run.Status.Message, "another version of pawl") {
			t.Errorf("it is %s %q (%v)", run.Status.Phase, run.Status.Message, err)
		}
		stop() // that other version would still find it
		if rows, err := st.UnfinishedRuns(t.Context()); err != nil || len(rows) != 1 {
			t.Errorf("unfinished are %d runs, %v", len(rows), err)
		}
		e = w.engine(st)
		serve(t, e)
		if err := e.Shutdown(t.Context(), uid, sched.Terminate, "a test"); err != nil {
			t.Error(err)
		}
		if err := st.DeleteRun(t.Context(), uid); err != nil {
			t.Error(err)
		}
	})
}

func TestAWideFanOutEndsWithinSeconds(t *testing.T) {
	w := newWorld(t, nil)
	st := w.openStore()
	e := w.engine(st)
	uid := submit(t, e, "r", workflow(`
templates:
- name: main
  steps:
  - - {name: a, template: one, withSequence: {count: "10000"}}
`+pod("one")))
	before := time.Now()
	state := carry(t, e, uid)
	took := time.Since(before)
	t.Logf("10,000 attempts took %s", took)
	if state.Phase() != sched.Succeeded || took > 2*time.Minute { // under the race detector on a busy machine
		t.Errorf("%s after %s", state.Phase(), took)
	}
	if run, _ := st.RunByUID(t.Context(), uid); run.Status.Progress != "10000/10000" {
		t.Errorf("its progress is %s", run.Status.Progress)
	}
	w.checkMachine()
}

func TestAnEngineLeavesNoGoroutines(t *testing.T) {
	before := goleak.IgnoreCurrent()
	w := newWorld(t, nil)
	st := w.openStore()
	for i := range 3 {
		e := w.engine(st)
		if i == 0 {
			submit(t, e, "r", workflow("templates:\n"+pod("main", "FAKE_BLOCK=1")))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		if err := e.Run(ctx, everything); err != nil {
			t.Fatal(err)
		}
		cancel()
	}
	for _, s := range w.machine.Started() {
		if err := w.machine.Executor().Remove(t.Context(), executor.Handle{Key: s.Key}); err != nil {
			t.Error(err)
		}
	}
	if n := len(w.machine.Started()); n != 1 {
		t.Errorf("three engines started %d attempts", n)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	goleak.VerifyNone(t, before)
}
