package store

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func datasync(f *os.File) error { return unix.Fdatasync(int(f.Fd())) }

// breakFile puts a pipe in the place of an open file of this process, so that
// writing to it at an offset fails.
func breakFile(tb testing.TB, path string) (restore func()) {
	tb.Helper()
	fd := openFD(tb, path)
	saved, err := unix.Dup(fd)
	must(tb, err)
	var pipe [2]int
	must(tb, unix.Pipe(pipe[:]))
	must(tb, unix.Dup2(pipe[1], fd))
	return func() {
		must(tb, unix.Dup2(saved, fd))
		for _, f := range []int{saved, pipe[0], pipe[1]} {
			must(tb, unix.Close(f))
		}
	}
}

// openFD finds the descriptor of an open file.
func openFD(tb testing.TB, path string) int {
	tb.Helper()
	for fd := range 1000 {
		if at, err := os.Readlink(fmt.Sprint("/proc/self/fd/", fd)); err == nil && at == path {
			return fd
		}
	}
	tb.Fatalf("%s is not open", path)
	return -1
}
