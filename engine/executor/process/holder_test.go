package process_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pawl-dev/pawl/engine/attempt"
	"github.com/pawl-dev/pawl/engine/executor"
	"github.com/pawl-dev/pawl/engine/executor/executortest"
	"github.com/pawl-dev/pawl/engine/executor/process"
)

func TestRetiredHolderKeepsItsAttempts(t *testing.T) {
	o := process.Options{Data: t.TempDir(), Detached: true, Idle: 3 * time.Second, Path: os.Getenv("PATH")}
	e := openExecutor(t, o)
	h, err := e.Start(t.Context(), sh("long", "trap 'exit 5' TERM; echo up; while :; do sleep 0.05; done"))
	if err != nil {
		t.Fatal(err)
	}
	old := e.HolderPID()
	if err := e.RetireHolder(); err != nil {
		t.Fatal(err)
	}
	_ = e.Close()
	e = openExecutor(t, o)
	if e.HolderPID() == old {
		t.Error("the retired holder is used")
	}
	if r := run(t, e, sh("new", "echo hi")); result(r) != "hi" {
		t.Errorf("a new attempt ended %s: %s", r.Outcome, r.Message)
	}
	if err := e.Stop(t.Context(), h, time.Minute); err != nil {
		t.Fatal(err)
	}
	r, err := e.Wait(t.Context(), h)
	if err != nil || r.Outcome != attempt.Failed || r.ExitCode == nil {
		t.Fatalf("ended %v, %v", r, err)
	}
}

func TestAHolderThatNobodyNeedsEnds(t *testing.T) {
	data := t.TempDir()
	e := openExecutor(t, process.Options{Data: data, Detached: true, Idle: 500 * time.Millisecond, Isolation: process.None})
	socket := filepath.Join(data, "holder.sock")
	_ = e.Close()
	for deadline := time.Now().Add(20 * time.Second); ; {
		if _, err := os.Lstat(socket); err != nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("it still listens")
		}
		time.Sleep(10 * time.Millisecond) // another process's end has no event here
	}
}

func TestWithoutOverlays(t *testing.T) {
	s := suite(t, process.Namespaces)
	s.Reopen = nil
	open := s.New
	s.New = func(t *testing.T) executor.Executor {
		e := open(t).(*process.Executor)
		e.WithoutOverlay()
		return e
	}
	s.ReadOnlyHost = true
	executortest.Run(t, s)
}

func TestRoomIsWaitedFor(t *testing.T) {
	e := openExecutor(t, process.Options{Data: t.TempDir(), Isolation: process.None, Cores: 1, GPUs: 2})
	blocker := sh("blocker", "echo $CUDA_VISIBLE_DEVICES; exec sleep 300")
	blocker.Resources.GPUs = 2
	first, err := e.Start(t.Context(), blocker)
	if err != nil {
		t.Fatal(err)
	}
	started := make(chan error, 1)
	waiting := executor.Handle{Key: attempt.Key{Run: "r", Node: "waiting"}}
	go func() {
		_, err := e.Start(t.Context(), sh("waiting", "echo never"))
		started <- err
	}()
	// Stop ends the waiting whether it came before the Start or after.
	for stopped := false; !stopped; {
		if err := e.Stop(t.Context(), waiting, 0); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-started:
			if err != nil {
				t.Fatal(err)
			}
			stopped = true
		case <-time.After(5 * time.Millisecond):
		}
	}
	if r, err := e.Wait(t.Context(), waiting); err != nil || r.Outcome != attempt.Failed || r.Message != "stopped before it started" {
		t.Errorf("ended %v, %v", r, err)
	}
	log, err := e.Logs(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	if _, err := log.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if err := e.Stop(t.Context(), first, 0); err != nil {
		t.Fatal(err)
	}
	if r, _ := e.Wait(t.Context(), first); result(r) != "0,1" {
		t.Errorf("its GPUs are %s", result(r))
	}
	if r := run(t, e, sh("next", "echo \"[$CUDA_VISIBLE_DEVICES]\"")); result(r) != "[]" {
		t.Errorf("without GPUs it sees %s", result(r))
	}
}

func TestCheck(t *testing.T) {
	e := openExecutor(t, process.Options{Data: t.TempDir(), Isolation: process.None, GPUs: 2, Images: map[string][]string{"known": {"echo", "hello"}}})
	token := attempt.PathToken(attempt.InputArtifactPath, "a")
	for _, c := range []struct {
		name   string
		change func(*attempt.Spec)
		want   string // of each refusal the path, and a part of why
	}{
		{"a plain command", func(*attempt.Spec) {}, ""},
		{"no command for an unknown image", func(s *attempt.Spec) { s.Command, s.Image = nil, "some/image:1" }, "container.command: template t has no command, and what image some/image:1"},
		{"no command for a known image", func(s *attempt.Spec) { s.Command, s.Image = nil, "known:3" }, ""},
		{"too many GPUs", func(s *attempt.Spec) { s.Resources.GPUs = 4 }, "container.resources: asks for 4 nvidia.com/gpu, this machine declares 2 (--gpus)"},
		{"a volume", func(s *attempt.Spec) { s.Mounts = []attempt.Mount{{Volume: "v", Path: "/data"}} }, "container.volumeMounts[0].mountPath: volume v is mounted at /data"},
		{"an absolute input", func(s *attempt.Spec) { s.Inputs = []attempt.InputArtifact{{Name: "a", Path: "/a"}} }, "inputs.artifacts[0].path: input artifact a is at /a"},
		{"an absolute input by its placeholder", func(s *attempt.Spec) {
			s.Inputs, s.Args = []attempt.InputArtifact{{Name: "a", Path: "/a"}}, []string{token}
		}, ""},
		{"a relative input", func(s *attempt.Spec) { s.Inputs = []attempt.InputArtifact{{Name: "a", Path: "a"}} }, ""},
		{"absolute outputs", func(s *attempt.Spec) {
			s.Outputs = []attempt.OutputArtifact{{Name: "o", Path: "/o"}}
			s.OutputParameters = []attempt.OutputParameter{{Name: "p", Path: "/p"}}
		}, "outputs.artifacts[0].path: output artifact o is at /o; outputs.parameters[0].valueFrom.path: output parameter p is at /p"},
		{"an absolute working directory", func(s *attempt.Spec) { s.WorkingDir = "/app" }, "container.workingDir: the working directory /app is absolute"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := sh("n", "true")
			c.change(&s)
			refusals, _ := e.Check(s)
			wants := strings.Split(c.want, "; ")
			if c.want == "" {
				wants = nil
			}
			if len(refusals) != len(wants) {
				t.Fatalf("refused %v, want %v", refusals, wants)
			}
			for i, r := range refusals {
				if got := r.Path + ": " + r.Why; !strings.HasPrefix(got, wants[i]) || r.Hint == "" {
					t.Errorf("refused %q, hint %q; want %q", got, r.Hint, wants[i])
				}
			}
			if r := run(t, e, withKey(s, c.name)); (r.Outcome == attempt.Error && r.ExitCode == nil) != (len(wants) > 0) {
				t.Errorf("run all the same it ended %s: %s", r.Outcome, r.Message)
			}
		})
	}
	s := sh("n", "true")
	s.Image = "python:3.11"
	_, notes := e.Check(s)
	if !slices.ContainsFunc(notes, func(n string) bool { return strings.Contains(n, "images are not used") }) {
		t.Errorf("the notes are %q", notes)
	}
}

func withKey(s attempt.Spec, node string) attempt.Spec {
	s.Key.Node = node
	return s
}
