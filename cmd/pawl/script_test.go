package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/itchyny/gojq"
	"github.com/rogpeppe/go-internal/testscript"
	"sigs.k8s.io/yaml"

	"github.com/pawl-dev/pawl/engine/executor/process"
	"github.com/pawl-dev/pawl/render/worker"
)

// TestMain is pawl itself when it is called so: by scripts under the name pawl,
// and by pawl for its two helper processes.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == process.HolderArg || os.Args[1] == worker.Arg) {
		main()
	}
	testscript.Main(m, map[string]func(){"pawl": main})
}

// TestScripts runs testdata/script: one promise a script, to be read as a manual.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireUniqueNames:  true,
		RequireExplicitExec: false,
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("PAWL_DATA", filepath.Join(env.WorkDir, ".data"))
			env.Setenv("USER", "ada")
			pawl, err := exec.LookPath("pawl")
			if err != nil {
				return err
			}
			env.Setenv("PAWL", pawl)
			for _, who := range []string{"AUTHOR", "COMMITTER"} {
				env.Setenv("GIT_"+who+"_NAME", "Ada")
				env.Setenv("GIT_"+who+"_EMAIL", "ada@example.com")
			}
			env.Setenv("GIT_CONFIG_NOSYSTEM", "1")
			port, err := freePort()
			if err != nil {
				return err
			}
			env.Setenv("ADDRESS", "127.0.0.1:"+port)
			source, err := filepath.Abs("testdata/source")
			if err != nil {
				return err
			}
			env.Setenv("SOURCE", source)
			return nil
		},
		Condition: func(cond string) (bool, error) {
			if cond == "long" {
				return os.Getenv("PAWL_LONG") != "", nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "until": waitFor, "signal": signalled, "tty": tty,
			"gone": gone, "jq": jq, "fromyaml": fromYAML, "append": appendTo, "http": ask,
		},
	})
}

// scriptPatience is how long a script waits for what must come.
const scriptPatience = 40 * time.Second

// exits runs a command and wants a certain exit code: exits CODE COMMAND…
func exits(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	if neg || err != nil || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND…")
	}
	got := 0
	err = ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// waitFor runs a command again and again until what it prints matches a pattern:
// until PATTERN COMMAND…; with ! until it does not match any more.
func waitFor(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: until PATTERN COMMAND…")
	}
	re := regexp.MustCompile("(?m)" + args[0])
	var out []byte
	for end := time.Now().Add(scriptPatience); time.Now().Before(end); time.Sleep(30 * time.Millisecond) {
		cmd := command(ts, args[1:])
		out, _ = cmd.CombinedOutput()
		if re.Match(out) != neg {
			ts.Stdout().Write(out)
			return
		}
	}
	ts.Fatalf("%s: nothing like %s came; at last:\n%s", strings.Join(args[1:], " "), args[0], out)
}

// signalled starts a command, waits until it prints what matches a pattern,
// sends it a signal and wants an exit code (-1: killed):
// signal SIGNAL PATTERN CODE COMMAND…
func signalled(ts *testscript.TestScript, neg bool, args []string) {
	signals := map[string]syscall.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "KILL": syscall.SIGKILL}
	if neg || len(args) < 4 || signals[args[0]] == 0 {
		ts.Fatalf("usage: signal INT|TERM|KILL PATTERN CODE COMMAND…")
	}
	re := regexp.MustCompile("(?m)" + args[1])
	seen := make(chan bool, 1)
	var out bytes.Buffer
	cmd := command(ts, args[3:])
	// Both streams are one value that can be compared: os/exec then copies them
	// by one goroutine.
	cmd.Stdout = &writerFunc{func(p []byte) (int, error) {
		out.Write(p)
		if re.Match(out.Bytes()) {
			select {
			case seen <- true:
			default:
			}
		}
		return len(p), nil
	}}
	cmd.Stderr = cmd.Stdout
	ts.Check(cmd.Start())
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case <-seen:
		ts.Check(cmd.Process.Signal(signals[args[0]]))
	case err := <-done:
		ts.Fatalf("it ended before the signal: %v\n%s", err, &out)
	case <-time.After(scriptPatience):
		cmd.Process.Kill()
		<-done
		ts.Fatalf("nothing like %s came:\n%s", args[1], &out)
	}
	<-done
	ts.Stdout().Write(out.Bytes())
	if got := strconv.Itoa(cmd.ProcessState.ExitCode()); got != args[2] {
		ts.Fatalf("exit code %s, want %s\n%s", got, args[2], &out)
	}
}

type writerFunc struct{ write func(p []byte) (int, error) }

func (f *writerFunc) Write(p []byte) (int, error) { return f.write(p) }

// command is one that a script's own commands start, in the script's folder and
// environment.
func command(ts *testscript.TestScript, args []string) *exec.Cmd {
	name := args[0]
	if name == "pawl" {
		name, _ = exec.LookPath(name)
	}
	cmd := exec.Command(name, args[1:]...)
	cmd.Dir = ts.MkAbs(".")
	for _, v := range []string{"HOME", "PATH", "PAWL_DATA", "USER", "TMPDIR", "WORK"} {
		cmd.Env = append(cmd.Env, v+"="+ts.Getenv(v))
	}
	return cmd
}

// gone waits until no process has a text in its command line.
func gone(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: gone TEXT")
	}
	var left []string
	for end := time.Now().Add(scriptPatience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if left = running(args[0]); len(left) == 0 {
			return
		}
	}
	ts.Fatalf("still there: %s", strings.Join(left, "; "))
}

// running are the command lines that hold a text.
func running(text string) []string {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	var found []string
	for _, f := range files {
		line, err := os.ReadFile(f)
		if err == nil && f != fmt.Sprintf("/proc/%d/cmdline", os.Getpid()) && bytes.Contains(line, []byte(text)) {
			found = append(found, strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return found
}

// jq asks the JSON that was printed last, and wants an answer: jq EXPRESSION
// WANT. An answer that is no text is compared as JSON.
func jq(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: jq EXPRESSION WANT")
	}
	var in any
	if err := yaml.Unmarshal([]byte(ts.ReadFile("stdout")), &in); err != nil {
		ts.Fatalf("standard output is no JSON: %v", err)
	}
	q, err := gojq.Parse(args[0])
	ts.Check(err)
	var got []string
	for it := q.Run(in); ; {
		v, ok := it.Next()
		if !ok {
			break
		}
		if err, ok := v.(error); ok {
			ts.Fatalf("jq %s: %v", args[0], err)
		}
		if s, ok := v.(string); ok {
			got = append(got, s)
			continue
		}
		text, err := gojq.Marshal(v)
		ts.Check(err)
		got = append(got, string(text))
	}
	if text := strings.Join(got, " "); (text == args[1]) == neg {
		ts.Fatalf("jq %s: %s, want %s", args[0], text, args[1])
	}
}

// fromYAML wants the last output to be YAML and no JSON.
func fromYAML(ts *testscript.TestScript, _ bool, _ []string) {
	out := ts.ReadFile("stdout")
	var v any
	if err := yaml.Unmarshal([]byte(out), &v); err != nil || strings.HasPrefix(out, "{") {
		ts.Fatalf("standard output is no YAML (%v)", err)
	}
}

// appendTo adds files to the end of a file: append FILE MORE…
func appendTo(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: append FILE MORE…")
	}
	text := ts.ReadFile(args[0])
	for _, more := range args[1:] {
		text += ts.ReadFile(more)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o644))
}

// freePort is a port of loopback that nobody listens on.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

// ask sends a request and wants a status; the answer's body is the standard
// output: http STATUS METHOD URL [HEADER:VALUE…]
func ask(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: http STATUS METHOD URL [HEADER:VALUE…]")
	}
	req, err := http.NewRequest(args[1], args[2], nil)
	ts.Check(err)
	for _, h := range args[3:] {
		name, value, _ := strings.Cut(h, ":")
		if name == "Host" {
			req.Host = value
		}
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	ts.Check(err)
	ts.Stdout().Write(body)
	if strconv.Itoa(resp.StatusCode) != args[0] {
		ts.Fatalf("%s, want %s\n%s", resp.Status, args[0], body)
	}
}
