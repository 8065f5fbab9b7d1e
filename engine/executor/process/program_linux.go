//go:build linux && (amd64 || arm64)

package process

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// program is a list of system calls made ready before a process is cloned: the
// clone shares the holder's memory and may neither allocate nor call anything
// of the Go runtime, so it only walks such lists.
type program struct {
	calls []rawCall
	words []string // what each call does, for error messages
	keep  []any    // what the calls' arguments point to
	files []int    // open for calls, until the clone has its copies
}

func (p *program) close() {
	for _, fd := range p.files {
		unix.Close(fd)
	}
}

// rawCall is one system call. A call that may fail is passed over when it does.
type rawCall struct {
	nr      uintptr
	args    [6]uintptr
	mayFail bool
}

func (p *program) add(words string, mayFail bool, nr uintptr, args ...uintptr) {
	c := rawCall{nr: nr, mayFail: mayFail}
	copy(c.args[:], args)
	p.calls = append(p.calls, c)
	p.words = append(p.words, words)
}

// append adds another program's calls.
func (p *program) append(other *program) {
	p.calls = append(p.calls, other.calls...)
	p.words = append(p.words, other.words...)
	p.keep = append(p.keep, other)
}

// text returns the address of s as the kernel reads it; 0 for "".
func (p *program) text(s string) uintptr {
	if s == "" {
		return 0
	}
	b := append([]byte(s), 0)
	p.keep = append(p.keep, b)
	return uintptr(unsafe.Pointer(&b[0]))
}

// texts returns the address of a null-terminated array of strings.
func (p *program) texts(list []string) uintptr {
	a := make([]uintptr, len(list)+1)
	for i, s := range list {
		b := append([]byte(s), 0) // an empty string is a string here
		p.keep = append(p.keep, b)
		a[i] = uintptr(unsafe.Pointer(&b[0]))
	}
	p.keep = append(p.keep, a)
	return uintptr(unsafe.Pointer(&a[0]))
}

func (p *program) mount(src, dst, fstype string, flags uintptr, data string) {
	p.add(fmt.Sprintf("mount %s on %s", src, dst), false,
		unix.SYS_MOUNT, p.text(src), p.text(dst), p.text(fstype), flags, p.text(data))
}

func (p *program) chdir(dir string) {
	p.add("change to "+dir, false, unix.SYS_CHDIR, p.text(dir))
}

func (p *program) prctl(words string, args ...uintptr) {
	p.add(words, true, unix.SYS_PRCTL, args...)
}

// dup makes to a copy of from that a new program inherits.
func (p *program) dup(from, to int) {
	p.add("duplicate a file", false, unix.SYS_DUP3, uintptr(from), uintptr(to), 0)
}

// setRlimit sets both the soft and the hard limit.
func (p *program) setRlimit(resource int, value uint64) {
	lim := &unix.Rlimit{Cur: value, Max: value}
	p.keep = append(p.keep, lim)
	p.add("set a resource limit", false, unix.SYS_PRLIMIT64, 0, uintptr(resource), uintptr(unsafe.Pointer(lim)), 0)
}

// unblockSignals undoes what init lives with, for the program to come.
func (p *program) unblockSignals() {
	none := new(uint64)
	p.keep = append(p.keep, none)
	p.add("unblock signals", false, unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(none)), 0, 8)
}

// readOnly makes the mount at path, and with it those below it if all, read-only.
func (p *program) readOnly(path string, all bool) {
	attr := &unix.MountAttr{Attr_set: fixed}
	p.keep = append(p.keep, attr)
	var flags uintptr
	if all {
		flags = unix.AT_RECURSIVE
	}
	at := unix.AT_FDCWD
	p.add("make read-only "+path, false, unix.SYS_MOUNT_SETATTR, uintptr(at), p.text(path), flags,
		uintptr(unsafe.Pointer(attr)), unsafe.Sizeof(*attr))
}

// enter puts the process behind the fence, of which the file is fenceFD.
func (p *program) enter(f *fence) {
	if f.procs == nil {
		p.setRlimit(unix.RLIMIT_DATA, f.rlimit)
		return
	}
	self := p.text("0")
	p.add("enter the cgroup", false, unix.SYS_WRITE, fenceFD, self, 1)
	p.add("close the cgroup", true, unix.SYS_CLOSE, fenceFD)
}

// exec tries each path in turn, as a shell does along PATH.
func (p *program) exec(paths, argv, env []string) {
	av, ev := p.texts(argv), p.texts(env)
	for _, path := range paths {
		p.add("execute "+path, true, unix.SYS_EXECVE, p.text(path), av, ev)
	}
}
