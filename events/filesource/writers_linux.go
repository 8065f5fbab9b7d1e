package filesource

import (
	"errors"

	"golang.org/x/sys/unix"
)

// writers reports whether any process has the file open for writing: only
// without one the kernel grants a read lease, which is given back at once. It
// knows only for files that this process owns (or with CAP_LEASE) on a file
// system that has leases.
func writers(path string) (open, known bool) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return false, false
	}
	defer unix.Close(fd)
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETLEASE, unix.F_RDLCK); err != nil {
		return true, errors.Is(err, unix.EAGAIN)
	}
	_, _ = unix.FcntlInt(uintptr(fd), unix.F_SETLEASE, unix.F_UNLCK) // closing gives it back as well
	return false, true
}
