//go:build !linux

package process

import (
	"os"
	"syscall"
)

// holderAttr starts the holder in a session of its own, where no terminal's
// signals reach it.
func holderAttr(bool) *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

func socketPair() (a, b *os.File, err error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	syscall.CloseOnExec(fds[0])
	syscall.CloseOnExec(fds[1])
	return os.NewFile(uintptr(fds[0]), "holder"), os.NewFile(uintptr(fds[1]), "executor"), nil
}

// machineMemory is not asked for on this system: memory requests do not wait.
func machineMemory() int64 { return 1 << 62 }
