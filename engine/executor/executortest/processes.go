package executortest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pawl-dev/pawl/engine/attempt"
)

// runProcess holds what is about real processes.
func (s Suite) runProcess(t *testing.T) {
	t.Run("a signal's number is in the exit code", func(t *testing.T) {
		want(t, run(t, s.shared, script("kill -USR1 $$$$")), attempt.Failed, 138, "exit code 138")
	})
	t.Run("SIGTERM means to the command what it means anywhere", func(t *testing.T) {
		e := s.shared
		h := start(t, e, script("trap 'echo bye; exit 9' TERM; echo up; while :; do sleep 0.05; done"))
		awaitLog(t, e, h, "up")
		stop(t, e, h, limit)
		want(t, wait(t, e, h), attempt.Failed, 9, "exit code 9")
		// The shell may have said before that the sleep was terminated too.
		if got := logs(t, e, h); !strings.HasPrefix(got, "up\n") || !strings.HasSuffix(got, "bye\n") {
			t.Errorf("the log is %q", got)
		}
	})
	t.Run("a command that is not there fails, and says so in words", func(t *testing.T) {
		e := s.shared
		sp := script("")
		sp.Command, sp.Args = []string{"no-such-command"}, nil
		want(t, run(t, e, sp), attempt.Failed, 127, `command "no-such-command" not found in PATH`)
		sp.Key.Attempt, sp.Command = 1, []string{"/no/such/command"}
		want(t, run(t, e, sp), attempt.Failed, 127, `command "/no/such/command" not found`)
	})
	t.Run("ten megabytes of output arrive whole and in order", func(t *testing.T) {
		e := s.shared
		sp := script("awk 'BEGIN { for (i = 0; i < 100000; i++) printf \"%08d %s\\n\", i, \"" + strings.Repeat("x", 90) + "\" }'")
		sp.CaptureResult = true
		h := start(t, e, sp)
		r := wait(t, e, h)
		want(t, r, attempt.Succeeded, 0, "")
		var b strings.Builder
		for i := range 100000 {
			fmt.Fprintf(&b, "%08d %s\n", i, strings.Repeat("x", 90))
		}
		if got := logs(t, e, h); got != b.String() {
			t.Errorf("the log has %d bytes, want %d", len(got), b.Len())
		}
		whole := strings.TrimSuffix(b.String()[b.Len()-256<<10:], "\n")
		if r.Result == nil || *r.Result != whole {
			t.Errorf("the result is not the last 256 KiB")
		}
	})
	t.Run("a script template's source is what its command gets", func(t *testing.T) {
		sp := script("")
		src := "echo \"$0\" > /dev/null; echo source \"$1\"\n"
		sp.Command, sp.Args, sp.Script = []string{"sh"}, nil, &src
		sp.CaptureResult = true
		r := run(t, s.shared, sp)
		if r.Result == nil || *r.Result != "source " {
			t.Errorf("ended %s (%s) with result %s", r.Outcome, r.Message, deref(r.Result))
		}
	})
	t.Run("an attempt starts in a private copy of the code folder", func(t *testing.T) {
		e := s.shared
		code := write(t, map[string]string{"train.sh": "echo training\n", "lib/data.txt": "data\n"})
		sp := script("sh train.sh && cat lib/data.txt && echo changed > lib/data.txt && rm train.sh && rm -r lib && mkdir lib")
		sp.CodeDir = code
		for i := range 2 {
			sp.Key.Attempt = i
			h := start(t, e, sp)
			want(t, wait(t, e, h), attempt.Succeeded, 0, "")
			if got := logs(t, e, h); got != "training\ndata\n" {
				t.Errorf("attempt %d printed %q", i, got)
			}
			remove(t, e, h)
		}
		if b, err := os.ReadFile(filepath.Join(code, "lib/data.txt")); err != nil || string(b) != "data\n" {
			t.Errorf("the code folder was changed: %q, %v", b, err)
		}
	})
	t.Run("a relative working directory is below the code folder", func(t *testing.T) {
		sp := script("cat here")
		sp.CodeDir, sp.WorkingDir, sp.CaptureResult = write(t, map[string]string{"sub/here": "yes"}), "sub", true
		if r := run(t, s.shared, sp); r.Result == nil || *r.Result != "yes" {
			t.Errorf("ended %s (%s) with %s", r.Outcome, r.Message, deref(r.Result))
		}
	})
}

// runEnvironment holds what is about variables.
func (s Suite) runEnvironment(t *testing.T) {
	t.Run("the environment is the manifest's and pawl's own, and nothing leaks", func(t *testing.T) {
		t.Setenv("LEAK", "secret")
		sp := script("env", "A", "1", "B", "$(A)2 $$(A) $(C)", "A", "3")
		sp.CaptureResult, sp.Namespace = true, "ns"
		r := run(t, s.shared, sp)
		if r.Result == nil {
			t.Fatalf("ended %s: %s", r.Outcome, r.Message)
		}
		got := map[string]string{}
		for _, line := range strings.Split(*r.Result, "\n") {
			name, value, _ := strings.Cut(line, "=")
			got[name] = value
		}
		wanted := map[string]string{"A": "3", "B": "12 $(A) $(C)", "PAWL_RUN": "run-1", "PAWL_WORKFLOW": "run",
			"PAWL_NAMESPACE": "ns", "PAWL_TEMPLATE": "step", "PAWL_NODE": sp.Key.Node, "PAWL_ATTEMPT": "0"}
		for name, value := range wanted {
			if got[name] != value {
				t.Errorf("%s is %q, want %q", name, got[name], value)
			}
			delete(got, name)
		}
		for _, name := range []string{"PATH", "HOME", "TMPDIR"} {
			if got[name] == "" {
				t.Errorf("%s is not set", name)
			}
			delete(got, name)
		}
		for _, shells := range []string{"PWD", "SHLVL", "_", "OLDPWD"} {
			delete(got, shells)
		}
		if len(got) > 0 {
			t.Errorf("there is more: %v", got)
		}
	})
	t.Run("HOME and TMPDIR can be written to and are empty", func(t *testing.T) {
		sp := script("ls -A \"$HOME\" \"$TMPDIR\" | grep -v : | grep -v '^\\.' ; touch \"$HOME/a\" \"$TMPDIR/b\"")
		h := s.shared
		r := run(t, h, sp)
		want(t, r, attempt.Succeeded, 0, "")
	})
	t.Run("stdin is empty and no other file is open", func(t *testing.T) {
		sp := script("cat; ls /proc/self/fd | wc -l")
		sp.CaptureResult = true
		if _, err := os.Stat("/proc/self/fd"); err != nil {
			t.Skip("there is no /proc")
		}
		if r := run(t, s.shared, sp); r.Result == nil || strings.TrimSpace(*r.Result) != "4" { // ls has one open itself
			t.Errorf("ended %s with %s open files", r.Outcome, deref(r.Result))
		}
	})
}
