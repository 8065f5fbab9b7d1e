package process

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// openFound opens a file whose path a view has found, and which therefore leads
// through no symbolic link. Steps of one run share volumes: if one of them has
// put a link on the way since, it is refused, and nothing but a regular file or
// a folder is opened, on which nobody can be made to wait.
func openFound(path string, flags int, mode os.FileMode) (*os.File, error) {
	how := &unix.OpenHow{Flags: uint64(flags | unix.O_CLOEXEC | unix.O_NONBLOCK), Resolve: unix.RESOLVE_NO_SYMLINKS}
	if flags&os.O_CREATE != 0 {
		how.Mode = uint64(mode.Perm())
	}
	fd, err := unix.Openat2(unix.AT_FDCWD, path, how)
	switch {
	case errors.Is(err, unix.ENOSYS): // before Linux 5.6, where nothing is isolated
		return os.OpenFile(path, flags|syscall.O_NOFOLLOW, mode)
	case errors.Is(err, unix.ELOOP):
		return nil, fmt.Errorf("opening %s: a symbolic link has taken its place", path)
	case err != nil:
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	f := os.NewFile(uintptr(fd), path)
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		err = fmt.Errorf("%s is no file", path)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
