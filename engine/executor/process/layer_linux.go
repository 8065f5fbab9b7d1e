package process

import (
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

const errNotDir = syscall.ENOTDIR

// isWhiteout says whether a file of an overlay's upper folder says that the
// name is removed.
func isWhiteout(path string, info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	if ok && info.Mode()&fs.ModeCharDevice != 0 && st.Rdev == 0 {
		return true
	}
	if !info.Mode().IsRegular() || info.Size() != 0 {
		return false
	}
	var b [1]byte
	_, err := unix.Lgetxattr(path, "user.overlay.whiteout", b[:])
	return err == nil || err == unix.ERANGE
}

// isOpaque says whether a folder of an upper layer hides the one below it.
func isOpaque(path string) bool {
	if path == "" {
		return false
	}
	var b [1]byte
	n, err := unix.Lgetxattr(path, "user.overlay.opaque", b[:])
	return err == nil && n == 1 && b[0] == 'y'
}

// reflink makes dst share src's blocks, where the file system can.
func reflink(dst, src *os.File) bool {
	return unix.IoctlFileClone(int(dst.Fd()), int(src.Fd())) == nil
}
