package process

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// holderAttr starts the holder in a session of its own, where no terminal's
// signals reach it, and if this is an ordinary user in a user namespace, in
// which it may mount.
func holderAttr(plain bool) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setsid: true}
	if plain || !canIsolate || os.Geteuid() == 0 {
		return attr
	}
	attr.Cloneflags = syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS
	attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
	attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	return attr
}

func socketPair() (a, b *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	return os.NewFile(uintptr(fds[0]), "holder"), os.NewFile(uintptr(fds[1]), "executor"), nil
}

// machineMemory is how many bytes of memory this machine has.
func machineMemory() int64 {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 1 << 62
	}
	return int64(info.Totalram) * int64(info.Unit)
}
