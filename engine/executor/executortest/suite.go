// Package executortest is the one suite that every executor passes. Its steps
// are POSIX shell scripts; an executor that runs no processes is told in
// variables (see the package fake) what a script would do, and is spared the
// tests that are about processes.
package executortest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pawl-dev/pawl/engine/attempt"
	"github.com/pawl-dev/pawl/engine/executor"
)

// Suite says what is tested.
type Suite struct {
	// New returns an executor with nothing on it, and ends it with the test.
	New func(t *testing.T) executor.Executor
	// Reopen ends e as an engine that is killed does, and returns an executor
	// that finds e's attempts. Nil: its attempts end with it.
	Reopen func(t *testing.T, e executor.Executor) executor.Executor
	// Put and Path are the executor's artifact store. Nil: it has none.
	Put  func(ctx context.Context, path string) (attempt.ArtifactRef, error)
	Path func(ref attempt.ArtifactRef) (string, error)
	// Processes says that the scripts really run.
	Processes bool
	// AbsolutePaths says that paths of the manifest are real.
	AbsolutePaths bool
	// ReadOnlyHost says that, all the same, nothing can be written below
	// folders of the machine such as /usr.
	ReadOnlyHost bool

	shared executor.Executor // by all tests that do not end theirs
}

// limit is how long a single test waits for what must come soon.
const limit = 30 * time.Second

// Run runs the whole suite.
func Run(t *testing.T, s Suite) {
	s.shared = s.New(t)
	s.runLife(t)
	s.runLogs(t)
	s.runOutputs(t)
	if s.Processes {
		s.runProcess(t)
		s.runEnvironment(t)
	}
	if s.Processes && s.Put != nil {
		s.runArtifacts(t)
	}
	if s.Processes && s.Put != nil && s.AbsolutePaths {
		s.runPaths(t)
	}
}

var count atomic.Int64

// script is a Spec that runs a shell script, with the variables that tell a
// fake what it does.
func script(text string, env ...string) attempt.Spec {
	s := attempt.Spec{
		Key:      attempt.Key{Run: "run-1", Node: fmt.Sprintf("run.step(%d)", count.Add(1))},
		Workflow: "run", Template: "step",
		Command: []string{"sh", "-c"}, Args: []string{text},
	}
	for i := 0; i < len(env); i += 2 {
		s.Env = append(s.Env, attempt.EnvVar{Name: env[i], Value: env[i+1]})
	}
	return s
}

// run runs s to its end.
func run(t *testing.T, e executor.Executor, s attempt.Spec) attempt.Result {
	t.Helper()
	return wait(t, e, start(t, e, s))
}

func start(t *testing.T, e executor.Executor, s attempt.Spec) executor.Handle {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	h, err := e.Start(ctx, s)
	if err != nil {
		t.Fatalf("Start: %v", err)
	}
	if h.Key != s.Key {
		t.Fatalf("Start returned a handle of %v, not of %v", h.Key, s.Key)
	}
	return h
}

func wait(t *testing.T, e executor.Executor, h executor.Handle) attempt.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	r, err := e.Wait(ctx, h)
	if err != nil {
		t.Fatalf("Wait: %v", err)
	}
	return r
}

// logs reads the whole log, to its end.
func logs(t *testing.T, e executor.Executor, h executor.Handle) string {
	t.Helper()
	r, err := e.Logs(t.Context(), h)
	if err != nil {
		t.Fatalf("Logs: %v", err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("reading the log: %v", err)
	}
	return string(b)
}

// awaitLog reads the log until it holds text, by which a test knows how far
// the attempt is.
func awaitLog(t *testing.T, e executor.Executor, h executor.Handle, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	r, err := e.Logs(ctx, h)
	if err != nil {
		t.Fatalf("Logs: %v", err)
	}
	defer r.Close()
	var b strings.Builder
	buf := make([]byte, 4096)
	for !strings.Contains(b.String(), text) {
		n, err := r.Read(buf)
		b.Write(buf[:n])
		if err != nil {
			t.Fatalf("the log ended (%v) without %q:\n%s", err, text, b.String())
		}
	}
}

// want checks an end; an exit code of -1 means that no command may have ended.
func want(t *testing.T, r attempt.Result, o attempt.Outcome, code int, message string) {
	t.Helper()
	got := -1
	if r.ExitCode != nil {
		got = *r.ExitCode
	}
	if r.Outcome != o || got != code || !strings.Contains(r.Message, message) || (message == "" && r.Message != "") {
		t.Errorf("ended %s, exit code %d, message %q; want %s, %d, %q", r.Outcome, got, r.Message, o, code, message)
	}
}

func (s Suite) runLife(t *testing.T) {
	t.Run("a command that exits 0 has succeeded, between its two times", func(t *testing.T) {
		e := s.shared
		before := time.Now()
		r := run(t, e, script("exit 0"))
		want(t, r, attempt.Succeeded, 0, "")
		if r.StartedAt.Before(before.Add(-time.Second)) || r.FinishedAt.Before(r.StartedAt) || r.FinishedAt.After(time.Now().Add(time.Second)) {
			t.Errorf("started %v, finished %v", r.StartedAt, r.FinishedAt)
		}
	})
	t.Run("an exit code is told as Argo does", func(t *testing.T) {
		want(t, run(t, s.shared, script("exit 3", "FAKE_EXIT", "3")), attempt.Failed, 3, "Error (exit code 3)")
	})
	t.Run("started twice it runs once", func(t *testing.T) {
		e := s.shared
		sp := script("echo once", "FAKE_PRINT", "once\n")
		h := start(t, e, sp)
		start(t, e, sp)
		want(t, wait(t, e, h), attempt.Succeeded, 0, "")
		start(t, e, sp)
		want(t, wait(t, e, h), attempt.Succeeded, 0, "")
		if got := logs(t, e, h); got != "once\n" {
			t.Errorf("it printed %q", got)
		}
	})
	t.Run("two attempts of one node are two", func(t *testing.T) {
		e := s.shared
		first, second := script("echo a; exit 1", "FAKE_PRINT", "a\n", "FAKE_EXIT", "1"), script("echo b", "FAKE_PRINT", "b\n")
		second.Key = attempt.Key{Run: first.Key.Run, Node: first.Key.Node, Attempt: 1}
		want(t, run(t, e, first), attempt.Failed, 1, "exit code 1")
		want(t, run(t, e, second), attempt.Succeeded, 0, "")
	})
	t.Run("waiting can be given up and taken up again", func(t *testing.T) {
		e := s.shared
		h := start(t, e, script("echo up; exec sleep 300", "FAKE_PRINT", "up\n", "FAKE_BLOCK", "1"))
		awaitLog(t, e, h, "up")
		gaveUp := errors.New("gave up")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(gaveUp)
		if _, err := e.Wait(ctx, h); !errors.Is(err, gaveUp) {
			t.Errorf("Wait with an ended context: %v", err)
		}
		stop(t, e, h, time.Minute)
		want(t, wait(t, e, h), attempt.Failed, 143, "exit code 143")
		want(t, wait(t, e, h), attempt.Failed, 143, "exit code 143")
	})
	t.Run("what ignores the request to stop is killed after grace", func(t *testing.T) {
		e := s.shared
		h := start(t, e, script("trap '' TERM; echo up; while :; do sleep 1; done", "FAKE_PRINT", "up\n", "FAKE_IGNORE_TERM", "1"))
		awaitLog(t, e, h, "up")
		stop(t, e, h, 50*time.Millisecond)
		want(t, wait(t, e, h), attempt.Failed, 137, "exit code 137")
	})
	t.Run("stopping what never started or has ended is no error", func(t *testing.T) {
		e := s.shared
		stop(t, e, executor.Handle{Key: attempt.Key{Run: "run-1", Node: "never"}}, time.Second)
		h := start(t, e, script("exit 0"))
		want(t, wait(t, e, h), attempt.Succeeded, 0, "")
		stop(t, e, h, time.Second)
		want(t, wait(t, e, h), attempt.Succeeded, 0, "")
	})
	t.Run("an attempt that nobody knows is lost", func(t *testing.T) {
		want(t, wait(t, s.shared, executor.Handle{Key: attempt.Key{Run: "run-1", Node: "never"}}), attempt.Lost, -1, "cannot be found")
	})
	t.Run("an attempt that runs too long fails with Argo's words", func(t *testing.T) {
		sp := script("exec sleep 300", "FAKE_BLOCK", "1")
		sp.MaxRun = 100 * time.Millisecond
		r := run(t, s.shared, sp)
		if r.Outcome != attempt.Failed || r.Message != "Pod was active on the node longer than the specified deadline" {
			t.Errorf("ended %s: %s", r.Outcome, r.Message)
		}
	})
	t.Run("a removed attempt is gone, and may run again", func(t *testing.T) {
		e := s.shared
		sp := script("exec sleep 300", "FAKE_BLOCK", "1")
		h := start(t, e, sp)
		remove(t, e, h)
		want(t, wait(t, e, h), attempt.Lost, -1, "cannot be found")
		remove(t, e, h)
	})
	s.runReopen(t)
}

func (s Suite) runReopen(t *testing.T) {
	if s.Reopen == nil {
		return
	}
	t.Run("a new engine finds what runs, and its end", func(t *testing.T) {
		e := s.New(t)
		sp := script("echo up; exec sleep 300", "FAKE_PRINT", "up\n", "FAKE_BLOCK", "1")
		h := start(t, e, sp)
		awaitLog(t, e, h, "up")
		e = s.Reopen(t, e)
		start(t, e, sp)
		stop(t, e, h, time.Minute)
		want(t, wait(t, e, h), attempt.Failed, 143, "exit code 143")
		if got := logs(t, e, h); got != "up\n" {
			t.Errorf("it printed %q", got)
		}
	})
	t.Run("a new engine finds what ended, told or not", func(t *testing.T) {
		e := s.New(t)
		told, untold := start(t, e, script("exit 7", "FAKE_EXIT", "7")), executor.Handle{}
		want(t, wait(t, e, told), attempt.Failed, 7, "exit code 7")
		untold = start(t, e, script("exit 8", "FAKE_EXIT", "8"))
		e = s.Reopen(t, e)
		want(t, wait(t, e, told), attempt.Failed, 7, "exit code 7")
		want(t, wait(t, e, untold), attempt.Failed, 8, "exit code 8")
	})
}

func stop(t *testing.T, e executor.Executor, h executor.Handle, grace time.Duration) {
	t.Helper()
	if err := e.Stop(t.Context(), h, grace); err != nil {
		t.Fatalf("Stop: %v", err)
	}
}

func remove(t *testing.T, e executor.Executor, h executor.Handle) {
	t.Helper()
	if err := e.Remove(t.Context(), h); err != nil {
		t.Fatalf("Remove: %v", err)
	}
}

func (s Suite) runLogs(t *testing.T) {
	t.Run("a log can be read while it is written and again after the end", func(t *testing.T) {
		e := s.shared
		h := start(t, e, script("echo one; echo two >&2; exec sleep 300", "FAKE_PRINT", "one\ntwo\n", "FAKE_BLOCK", "1"))
		awaitLog(t, e, h, "one\ntwo\n")
		stop(t, e, h, time.Minute)
		wait(t, e, h)
		for range 2 {
			if got := logs(t, e, h); got != "one\ntwo\n" {
				t.Errorf("the log is %q", got)
			}
		}
	})
	t.Run("closing a log ends who reads it", func(t *testing.T) {
		e := s.shared
		h := start(t, e, script("exec sleep 300", "FAKE_BLOCK", "1"))
		r, err := e.Logs(t.Context(), h)
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() {
			_, err := r.Read(make([]byte, 1))
			ended <- err
		}()
		r.Close()
		if err := <-ended; err == nil {
			t.Error("a closed log could be read")
		}
		stop(t, e, h, 0)
		wait(t, e, h)
	})
}

func (s Suite) runOutputs(t *testing.T) {
	t.Run("stdout is the result when somebody reads it, less one newline", func(t *testing.T) {
		sp := script("printf 'a\\nb\\n\\n'; echo not >&2", "FAKE_PRINT", "a\nb\n\n")
		if r := run(t, s.shared, sp); r.Result != nil {
			t.Errorf("nobody asked for the result %q", *r.Result)
		}
		sp.Key.Attempt, sp.CaptureResult = 1, true
		r := run(t, s.shared, sp)
		if r.Result == nil || *r.Result != "a\nb\n" {
			t.Errorf("the result is %v", deref(r.Result))
		}
	})
	t.Run("output parameters are read also when the command failed", func(t *testing.T) {
		sp := script("printf '0.97\\n\\n' > "+attempt.PathToken(attempt.OutputParameterPath, "acc")+"; exit 4",
			"FAKE_OUTPUT_acc", "0.97\n", "FAKE_EXIT", "4")
		sp.OutputParameters = []attempt.OutputParameter{{Name: "acc", Path: "/tmp/acc"}}
		r := run(t, s.shared, sp)
		want(t, r, attempt.Failed, 4, "exit code 4")
		if r.Parameters["acc"] != "0.97\n" {
			t.Errorf("the parameter is %q", r.Parameters["acc"])
		}
	})
	t.Run("a missing parameter is an error, or its default", func(t *testing.T) {
		sp := script(": " + attempt.PathToken(attempt.OutputParameterPath, "acc"))
		sp.OutputParameters = []attempt.OutputParameter{{Name: "acc", Path: "/tmp/acc"}}
		want(t, run(t, s.shared, sp), attempt.Error, 0, "cannot read output parameter acc: /tmp/acc: no such file")
		none := "none"
		sp.Key.Attempt, sp.OutputParameters[0].Default = 1, &none
		r := run(t, s.shared, sp)
		want(t, r, attempt.Succeeded, 0, "")
		if r.Parameters["acc"] != "none" {
			t.Errorf("the parameter is %q", r.Parameters["acc"])
		}
	})
	t.Run("a missing artifact is an error unless it is optional or the command failed", func(t *testing.T) {
		sp := script(": " + attempt.PathToken(attempt.OutputArtifactPath, "model"))
		sp.Outputs = []attempt.OutputArtifact{{Name: "model", Path: "/tmp/model"}}
		want(t, run(t, s.shared, sp), attempt.Error, 0, "model")
		failing := script("exit 5 "+attempt.PathToken(attempt.OutputArtifactPath, "model"), "FAKE_EXIT", "5")
		failing.Outputs = sp.Outputs
		want(t, run(t, s.shared, failing), attempt.Failed, 5, "exit code 5")
		sp.Key.Attempt, sp.Outputs = 1, []attempt.OutputArtifact{{Name: "model", Path: "/tmp/model", Optional: true}}
		want(t, run(t, s.shared, sp), attempt.Succeeded, 0, "")
	})
}

func deref(s *string) string {
	if s == nil {
		return "(nothing)"
	}
	return fmt.Sprintf("%q", *s)
}

// write makes files below a new folder and returns it.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "content")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
