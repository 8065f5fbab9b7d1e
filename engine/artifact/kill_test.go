package artifact

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/pawl-dev/pawl/engine/attempt"
)

// A process that is killed while it puts leaves nothing under a digest that is
// not whole, and the next Open removes what it took in; what a living process
// is taking in stays.
func TestAfterAKillNothingIsHalf(t *testing.T) {
	root := os.Getenv("PAWL_TEST_PUT_INTO")
	if root != "" {
		putUntilKilled(root)
	}
	root = filepath.Join(t.TempDir(), "artifacts")
	living := openAt(t, root)
	box, err := living.tmp.box()
	must(t, err)
	kills := 5
	if os.Getenv("PAWL_LONG") != "" {
		kills = 100
	}
	for i := range kills {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), "PAWL_TEST_PUT_INTO="+root, "TMPDIR="+t.TempDir())
		out, err := cmd.StdoutPipe()
		must(t, err)
		must(t, cmd.Start())
		// It prints a byte after every Put, and is killed while at the next.
		_, err = io.ReadFull(out, make([]byte, 1+i%7))
		must(t, err)
		must(t, cmd.Process.Kill())
		cmd.Wait()
		verifyAll(t, living)
	}
	again := openAt(t, root)
	left, err := os.ReadDir(filepath.Join(root, "tmp"))
	must(t, err)
	if len(left) != 2 {
		t.Errorf("%d folders are left in tmp, want those of the 2 open stores", len(left))
	}
	if _, err := os.Stat(box); err != nil {
		t.Error("what a living process takes in was removed:", err)
	}
	verifyAll(t, again)
}

func putUntilKilled(root string) {
	s, err := Open(root)
	for i := 0; err == nil; i++ {
		var dir string
		if dir, err = os.MkdirTemp("", ""); err != nil {
			break
		}
		for f := range 5 {
			text := bytes.Repeat(fmt.Append(nil, os.Getpid(), i, f), 20_000)
			err = errors.Join(err, os.WriteFile(filepath.Join(dir, fmt.Sprint(f)), text, 0o644))
		}
		if err == nil {
			_, err = s.Put(context.Background(), dir)
		}
		fmt.Print(".")
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// verifyAll verifies everything that has a name.
func verifyAll(tb testing.TB, s *Store) {
	tb.Helper()
	objects, err := filepath.Glob(filepath.Join(s.Root(), "sha256/*/*/*"))
	must(tb, err)
	for _, o := range objects {
		ref := attempt.ArtifactRef{Digest: "sha256:" + filepath.Base(filepath.Dir(o)), Dir: filepath.Base(o) == "tree"}
		if err := s.Verify(tb.Context(), ref); err != nil {
			tb.Error(err)
		}
	}
}
