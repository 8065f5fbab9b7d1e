//go:build !linux

package process

import (
	"io/fs"
	"os"
	"syscall"
)

const errNotDir = syscall.ENOTDIR

// There are no overlays on this system.

func isWhiteout(string, fs.FileInfo) bool { return false }

func isOpaque(string) bool { return false }

func reflink(dst, src *os.File) bool { return false }
