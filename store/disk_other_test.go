//go:build !linux

package store

import (
	"os"
	"testing"
)

func datasync(f *os.File) error { return f.Sync() }

func breakFile(tb testing.TB, path string) (restore func()) {
	tb.Skip("no way to break an open file on this system")
	return nil
}
