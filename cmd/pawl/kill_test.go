package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pawl-dev/pawl/engine/attempt"
	"github.com/pawl-dev/pawl/engine/sched"
	"github.com/pawl-dev/pawl/store"
)

// sleepers is a workflow whose steps say in the file LOG when they begin and end,
// each with its process id ($$$$ is how Kubernetes spells $$).
const sleepers = `
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {name: sleepers}
spec:
  entrypoint: main
  onExit: bye
  templates:
  - name: main
    dag:
      tasks:
      - {name: first, template: sleep, arguments: {parameters: [{name: s, value: "0.3"}, {name: code, value: "0"}]}}
      - name: many
        template: sleep
        depends: first
        withItems: ["0.2", "0.6", "1.1", "1.6"]
        arguments: {parameters: [{name: s, value: "{{item}}"}, {name: code, value: "0"}]}
      - {name: bad, template: sleep, depends: first, arguments: {parameters: [{name: s, value: "0.9"}, {name: code, value: "7"}]}}
      - {name: last, template: sleep, depends: "many && bad.Failed", arguments: {parameters: [{name: s, value: "0.3"}, {name: code, value: "0"}]}}
  - name: bye
    container: {image: x, command: [sh, -c, "echo begin bye $$$$ >> LOG; echo end bye $$$$ >> LOG"]}
  - name: sleep
    inputs: {parameters: [{name: s}, {name: code}]}
    container:
      image: x
      command: [sh, -c]
      args: ["echo begin $PAWL_NODE $$$$ >> LOG; sleep {{inputs.parameters.s}}; echo end $PAWL_NODE $$$$ >> LOG; exit {{inputs.parameters.code}}"]
      resources: {requests: {cpu: 100m}}
`

// TestAServerThatIsKilledAtAnyMomentGoesOn kills pawl serve with SIGKILL while a
// run is under way, several times, and looks at what its steps have said: each
// began once and ended as the same process. PAWL_LONG=1 plays many rounds.
func TestAServerThatIsKilledAtAnyMomentGoesOn(t *testing.T) {
	rounds := 1
	if os.Getenv("PAWL_LONG") != "" {
		rounds = 30
	}
	for round := range rounds {
		t.Run(fmt.Sprint(round), killOften)
	}
}

func killOften(t *testing.T) {
	w := newKillWorld(t)
	kills := 0
	for kills < 5 {
		serve := w.serve()
		pause := time.Duration(rand.IntN(900)) * time.Millisecond
		t.Logf("killed after %s", pause)
		select {
		case <-time.After(pause): // the moment is what the test is about
		case err := <-serve.ended:
			t.Fatalf("pawl serve ended: %v\n%s", err, serve.said)
		}
		kills++
		if err := serve.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		<-serve.ended
	}
	serve := w.serve()
	run := w.finished(serve)
	w.listens(serve)
	if err := serve.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-serve.ended; err != nil {
		t.Errorf("it ended badly: %v\n%s", err, serve.said)
	}
	w.check(run, serve)
}

type killWorld struct {
	t                     testing.TB
	repo, data, log, home string
}

func newKillWorld(t *testing.T) *killWorld {
	root := t.TempDir()
	w := &killWorld{t: t, repo: filepath.Join(root, "models.git"), data: filepath.Join(root, "data"), log: filepath.Join(root, "steps.log"), home: root}
	work := filepath.Join(root, "work")
	w.git(root, "init", "-q", "--bare", "-b", "main", w.repo)
	w.git(root, "clone", "-q", w.repo, work)
	manifest := strings.ReplaceAll(sleepers, "LOG", w.log)
	if err := os.WriteFile(filepath.Join(work, "run.yaml"), []byte(manifest), 0o644); err != nil {
		t.Fatal(err)
	}
	w.git(work, "add", "-A")
	w.git(work, "commit", "-q", "-m", "first")
	w.git(work, "push", "-q", "origin", "HEAD:main")
	return w
}

func (w *killWorld) git(dir string, args ...string) {
	w.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.com", "GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.com"}
	if out, err := cmd.CombinedOutput(); err != nil {
		w.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

type killedServe struct {
	cmd   *exec.Cmd
	said  *bytes.Buffer // to be read after the end
	ended chan error
}

func (w *killWorld) serve() *killedServe {
	w.t.Helper()
	s := &killedServe{said: &bytes.Buffer{}, ended: make(chan error, 1)}
	s.cmd = exec.Command("pawl", "serve", "--repo", w.repo, "--data", w.data, "--isolation", "none", "--listen=", "--interval", "1s")
	s.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + w.home}
	s.cmd.Stderr = s.said
	s.cmd.WaitDelay = 5 * time.Second
	if err := s.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	go func() { s.ended <- s.cmd.Wait() }()
	w.t.Cleanup(func() { s.cmd.Process.Kill() })
	return s
}

// finished waits until the one run has ended.
func (w *killWorld) finished(serve *killedServe) store.Run {
	w.t.Helper()
	deadline := time.After(time.Minute)
	for {
		if runs := w.runs(); len(runs) > 0 && !runs[0].Status.Finished.IsZero() {
			return runs[0]
		}
		select {
		case err := <-serve.ended:
			w.t.Fatalf("pawl serve ended: %v\n%s", err, serve.said)
		case <-deadline:
			serve.cmd.Process.Kill()
			<-serve.ended
			w.t.Fatalf("the run does not end: %v\n%s", w.runs(), serve.said)
		case <-time.After(50 * time.Millisecond): // another process: nothing to wait on
		}
	}
}

// listens waits until the server answers, and so minds signals.
func (w *killWorld) listens(serve *killedServe) {
	w.t.Helper()
	for range 600 {
		if conn, err := net.Dial("unix", filepath.Join(w.data, "pawl.sock")); err == nil {
			conn.Close()
			return
		}
		select {
		case err := <-serve.ended:
			w.t.Fatalf("pawl serve ended: %v\n%s", err, serve.said)
		case <-time.After(50 * time.Millisecond):
		}
	}
	w.t.Fatal("pawl serve does not listen")
}

func (w *killWorld) runs() []store.Run {
	st, err := store.Open(context.Background(), filepath.Join(w.data, "pawl.db"), store.Options{ReadOnly: true})
	if err != nil {
		return nil // not yet
	}
	defer st.Close()
	runs, err := st.ListRuns(context.Background(), store.RunFilter{})
	if err != nil {
		w.t.Fatal(err)
	}
	return runs
}

func (w *killWorld) check(run store.Run, serve *killedServe) {
	w.t.Helper()
	if n := len(w.runs()); n != 1 {
		w.t.Errorf("there are %d runs", n)
	}
	data, err := os.ReadFile(w.log)
	if err != nil {
		w.t.Fatal(err)
	}
	begun, ended := map[string][]string{}, map[string][]string{}
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		if f[0] == "begin" {
			begun[f[1]] = append(begun[f[1]], f[2])
		} else {
			ended[f[1]] = append(ended[f[1]], f[2])
		}
	}
	if len(begun) != 8 {
		w.t.Errorf("%d steps began", len(begun))
	}
	for node, pids := range begun {
		if len(pids) != 1 || !slices.Equal(pids, ended[node]) {
			w.t.Errorf("%s began as processes %v and ended as %v", node, pids, ended[node])
		}
	}
	w.checkJournal(run)
	if w.t.Failed() {
		w.t.Logf("the run is %s %q; steps said\n%s\nand the server\n%s", run.Status.Phase, run.Status.Message, data, serve.said)
	}
}

// checkJournal says that each step ended once, with its exit code.
func (w *killWorld) checkJournal(run store.Run) {
	w.t.Helper()
	st, err := store.Open(context.Background(), filepath.Join(w.data, "pawl.db"), store.Options{ReadOnly: true})
	if err != nil {
		w.t.Fatal(err)
	}
	defer st.Close()
	codes := map[string]int{}
	for rec, err := range st.Read(context.Background(), run.UID, 1) {
		if err != nil {
			w.t.Fatal(err)
		}
		ev, err := sched.Decode(rec)
		if err != nil {
			w.t.Fatal(err)
		}
		// An attempt that was being made when the server was killed, and had not
		// begun, is lost, and another takes its place.
		if ev.Kind != sched.AttemptEnded || ev.Result.Outcome == attempt.Lost {
			continue
		}
		if _, twice := codes[ev.Node]; twice || ev.Result.ExitCode == nil {
			w.t.Errorf("the journal says %+v of %s", ev.Result, ev.Node)
			continue
		}
		codes[ev.Node] = *ev.Result.ExitCode
	}
	for node, code := range codes {
		want := 0
		if strings.HasSuffix(node, ".bad") {
			want = 7
		}
		if code != want {
			w.t.Errorf("%s ended with exit code %d", node, code)
		}
	}
	if len(codes) != 8 {
		w.t.Errorf("%d steps ended", len(codes))
	}
}
