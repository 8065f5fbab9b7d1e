//go:build linux

package process_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pawl-dev/pawl/engine/attempt"
	"github.com/pawl-dev/pawl/engine/executor/process"
)

// hostHas counts the host's processes whose command line holds mark.
func hostHas(t *testing.T, mark string) (n int) {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range lines {
		if b, err := os.ReadFile(path); err == nil && strings.Contains(string(b), mark) {
			n++
		}
	}
	return n
}

func TestNothingOutlivesAnAttempt(t *testing.T) {
	e := newExecutor(t, process.Namespaces)
	for name, text := range map[string]string{
		"a background process":            "sleep MARK & exit 0",
		"a session of its own":            "setsid sleep MARK & sleep 0.1; exit 0",
		"a daemon that forked twice":      "(setsid sh -c 'sleep MARK & exit 0' &) ; sleep 0.1; exit 0",
		"a daemon that ignores all":       "(trap '' TERM HUP INT; setsid sleep MARK &) ; sleep 0.1; exit 0",
		"a command that kills everything": "sleep MARK & kill -9 -1; exit 0",
	} {
		t.Run(name, func(t *testing.T) {
			// A length of sleep that is this test's own.
			mark := "98765" + strings.Trim(strings.ReplaceAll(time.Now().Format("05.000000"), ".", ""), "0")
			r := run(t, e, sh(name, strings.ReplaceAll(text, "MARK", mark)))
			if r.ExitCode == nil {
				t.Fatalf("ended %s: %s", r.Outcome, r.Message)
			}
			if n := hostHas(t, mark); n != 0 {
				t.Errorf("%d processes live on", n)
			}
		})
	}
}

func TestKilledWithEverything(t *testing.T) {
	e := newExecutor(t, process.Namespaces)
	s := sh("stubborn", "trap '' TERM; setsid sh -c \"trap '' TERM; sleep 4567891\" & echo up; while :; do sleep 1; done")
	h, err := e.Start(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Stop(t.Context(), h, 100*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	r, err := e.Wait(t.Context(), h)
	if err != nil || r.Outcome != attempt.Failed {
		t.Fatalf("ended %v, %v", r, err)
	}
	if n := hostHas(t, "4567891"); n != 0 {
		t.Errorf("%d processes live on", n)
	}
}

func TestTheHostIsOutOfReach(t *testing.T) {
	secret := filepath.Join(os.Getenv("HOME"), ".pawl-test-secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Skipf("no home folder to write to: %v", err)
	}
	t.Cleanup(func() { os.Remove(secret) })
	data := t.TempDir()
	e := openExecutor(t, process.Options{Data: data, Isolation: process.Namespaces, Path: process.DefaultPath, Home: os.Getenv("HOME")})
	for _, c := range []struct{ name, text, want string }{
		{"files at the root are the attempt's", "echo x > /pawl-test-x && cat /pawl-test-x", "x"},
		{"system folders are read-only", "(echo x > /etc/pawl-test-x) 2>/dev/null || echo no", "no"},
		{"and stay so", "(mount -o remount,bind,rw /etc /etc) 2>/dev/null; (echo x > /etc/pawl-test-x) 2>/dev/null || echo no", "no"},
		{"pawl's data is not there", "ls -A " + data + " 2>/dev/null; cat " + data + "/holder.log 2>/dev/null || echo no", "no"},
		{"nor are home folders", "cat " + secret + " 2>/dev/null || echo no", "no"},
		{"other processes are not seen", "[ $(ls -d /proc/[0-9]* | wc -l) -lt 9 ] && echo few", "few"},
		{"nor can the holder's be read", "cat /proc/1/environ 2>/dev/null | wc -c | tr -d ' '; cat /proc/1/root/etc/hostname >/dev/null 2>&1 || echo no", "0\nno"},
		{"nor can the machine's settings be written", "for f in /proc/sys/kernel/core_pattern /proc/sys/vm/swappiness /proc/sys/net/ipv4/ip_forward /proc/irq/default_smp_affinity; do [ -e $f ] && (: >>$f) 2>/dev/null && echo $f; done; cat /proc/sys/kernel/core_pattern >/dev/null && echo read", "read"},
		{"the machine's network cannot be listened to", "echo $((0x$(grep CapBnd /proc/self/status | cut -f2) >> 13 & 1))", "0"},
		{"no device can be made", "mknod /tmp/d b 254 0 2>/dev/null || echo no", "no"},
		{"devices that are needed are there", "echo x > /dev/null; head -c 3 /dev/zero | wc -c | tr -d ' '; test -c /dev/urandom; echo y > /dev/shm/y; cat /dev/shm/y; echo err > /dev/stderr; ls /dev/fd/0", "3\ny\n/dev/fd/0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := result(run(t, e, sh(c.name, c.text))); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	for _, path := range []string{"/pawl-test-x", "/etc/pawl-test-x"} {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s is on the host", path)
			os.Remove(path)
		}
	}
}

// Event sources name folders that steps are to see. A manifest that names pawl's
// data, a home folder or what holds one of them gets nothing.
func TestAFolderThatHoldsSecretsIsNotShown(t *testing.T) {
	top := t.TempDir()
	for _, dir := range []string{"pawl/data", "home/.ssh", "home/incoming", "incoming"} {
		if err := os.MkdirAll(filepath.Join(top, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{"to-data": "pawl/data", "to-keys": "home/.ssh"} {
		if err := os.Symlink(target, filepath.Join(top, link)); err != nil {
			t.Fatal(err)
		}
	}
	e := openExecutor(t, process.Options{Data: filepath.Join(top, "pawl/data"), Home: filepath.Join(top, "home"), Isolation: process.Namespaces, Path: process.DefaultPath})
	for dir, seen := range map[string]bool{
		"incoming": true, "home/incoming": true,
		"": false, "pawl": false, "pawl/data": false, "pawl/data/attempts": false,
		"home": false, "home/.ssh": false, "to-data": false, "to-keys": false,
		"../../../../../../run": false, "../../../../../../root": false, "../../../../../../home": false,
	} {
		s := sh(dir, "echo seen")
		s.Visible = []string{filepath.Join(top, dir)}
		if _, err := os.Stat(s.Visible[0]); err != nil {
			continue
		}
		if r := run(t, e, s); (r.Outcome == attempt.Succeeded) != seen {
			t.Errorf("%s ended %s: %s", s.Visible[0], r.Outcome, r.Message)
		}
	}
}

// Whatever a volume is called, it holds nothing of pawl's own: not the folder of
// the attempt, nor that of the run with its logs.
func TestNoNameOfAVolumeLeadsOutOfIt(t *testing.T) {
	e := newExecutor(t, process.Namespaces)
	for _, name := range []string{"..", ".", "", "../..", "/", "../../x", "%2E%2E", "a/../.."} {
		for _, shared := range []bool{false, true} {
			s := sh(fmt.Sprint(name, shared), "ls -A /v; echo x > /v/own && echo kept")
			s.Mounts = []attempt.Mount{{Volume: name, Path: "/v", Shared: shared}}
			if got := result(run(t, e, s)); got != "kept" {
				t.Errorf("volume %q, shared %t: %q", name, shared, got)
			}
		}
	}
}

// Steps of one run share volumes. One of them puts a link to a folder of the
// machine where another is about to get a part of the volume, again and again.
func TestAPartOfAVolumeIsNotMountedThroughALink(t *testing.T) {
	outside := t.TempDir()
	e := newExecutor(t, process.Namespaces)
	whole := attempt.Mount{Volume: "v", Path: "/v", Shared: true}
	swap := sh("swap", `import ctypes, os, time
os.mkdir("/v/part")
os.symlink("`+outside+`", "/v/link")
open("/v/ready", "w")
while not os.path.exists("/v/over"):
    ctypes.CDLL(None).renameat2(-100, b"/v/part", -100, b"/v/link", 2)
    time.sleep(0.001)`)
	swap.Command[0] = "python3"
	swap.Mounts = []attempt.Mount{whole}
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("there is no python3 to swap with")
	}
	h, err := e.Start(t.Context(), swap)
	if err != nil {
		t.Fatal(err)
	}
	ready := sh("ready", "until [ -e /v/ready ]; do sleep 0.01; done")
	ready.Mounts = swap.Mounts
	run(t, e, ready)
	mounted := 0
	for i := range 30 {
		s := sh(fmt.Sprint("victim", i), "echo x > /part/x")
		s.Mounts = []attempt.Mount{{Volume: "v", Path: "/part", SubPath: "part", Shared: true}}
		if h, err := e.Start(t.Context(), s); err == nil { // refused when the link is seen
			if r, err := e.Wait(t.Context(), h); err == nil && r.Outcome == attempt.Succeeded {
				mounted++
			}
		}
	}
	over := sh("over", "touch /v/over")
	over.Mounts = swap.Mounts
	run(t, e, over)
	if _, err := e.Wait(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	if found, err := os.ReadDir(outside); err != nil || len(found) > 0 {
		t.Errorf("a step wrote %v outside (%v)", found, err)
	}
	if mounted == 0 {
		t.Error("no step got its part of the volume")
	}
}

// A signal that arrives while a command is about to be executed must not reach
// a handler of the holder, whose memory it shares until then.
func TestStoppedInTheMomentOfStarting(t *testing.T) {
	e := newExecutor(t, process.Namespaces)
	var stops sync.WaitGroup
	for i := range 60 {
		s := sh("brief", "exec sleep 300")
		s.Key.Attempt = i
		h, err := e.Start(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		for range 4 {
			stops.Go(func() { _ = e.Stop(t.Context(), h, time.Minute) })
		}
		stops.Wait()
		if r, err := e.Wait(t.Context(), h); err != nil || r.ExitCode == nil || *r.ExitCode != 143 {
			t.Fatalf("attempt %d ended %v, %v", i, r, err)
		}
		if err := e.Remove(t.Context(), h); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMemoryLimit(t *testing.T) {
	for _, isolation := range []process.Isolation{process.Namespaces, process.None} {
		t.Run(string(isolation), func(t *testing.T) {
			e := newExecutor(t, isolation)
			s := sh("hungry", "exec awk 'BEGIN { s = \"0123456789abcdef\"; while (length(s) < 400000000) s = s s; print length(s) }'")
			s.Resources.MemoryLimit = 64 << 20
			_, notes := e.Check(s)
			r := run(t, e, s)
			if len(notes) > 0 { // process by process
				t.Log(notes)
				if r.Outcome != attempt.Failed {
					t.Errorf("ended %s: %s", r.Outcome, r.Message)
				}
			} else if r.Outcome != attempt.Failed || r.Message != "OOMKilled (exit code 137)" {
				t.Errorf("ended %s: %s", r.Outcome, r.Message)
			}
		})
	}
}

func TestHolderDies(t *testing.T) {
	e := newExecutor(t, process.Namespaces)
	s := sh("orphan", "echo up; sleep 3456789")
	h, err := e.Start(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	e.KillHolder()
	r, err := e.Wait(t.Context(), h)
	if err != nil || r.Outcome != attempt.Lost {
		t.Fatalf("ended %v, %v", r, err)
	}
}
