//go:build linux && (amd64 || arm64)

package process

import (
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// An attempt with namespaces is two processes.
//
//	holder ──clone(VM, NEWNS, NEWPID …)──▶ init ──vfork──▶ main
//
// init is the first process of the attempt's PID namespace: it builds the
// private root, starts main (the user's command), passes SIGTERM on to main's
// process group, reaps what is orphaned, and when main has ended kills all that
// is left, reports main's status and exits. main is thereby an ordinary
// process, to which signals mean what they mean anywhere.
//
// init is not a copy of the holder but shares its memory, as the child of vfork
// does, except that the holder runs on: copying the page tables of a Go process
// costs more than everything else here together. So init must leave the
// holder's memory alone: it runs on a stack of its own, makes only system calls
// that were prepared before it was born, and never enters the Go runtime. All
// signals are blocked in it, and its and main's handlers are the system's own
// (CLONE_CLEAR_SIGHAND): a handler of the runtime that ran there, even between
// main's unblocking of signals and its execve, would corrupt the holder.

const canIsolate = true

// initArgs is what init reads; the holder keeps it alive until init is reaped.
type initArgs struct {
	main   uintptr // where initMain begins; must be first
	setup  []rawCall
	exec   []rawCall
	report uintptr // the pipe the reports go to
	all    uint64  // the set of all signals
	stack  []byte
	keep   []any
}

// cloneArgs are the arguments of clone3 that this kernel interface began with.
type cloneArgs struct {
	flags                        uint64
	_, _, _                      uint64 // pidfd, child_tid, parent_tid
	exitSignal, stack, stackSize uint64
	_                            uint64 // tls
}

// report is what init and main write to the pipe.
type report struct {
	kind  uint32
	index uint32 // of the call that failed
	value uint64 // errno or wait status
}

const (
	reportSetup uint32 = iota + 1 // a call of setup failed: errno
	reportExec                    // a call before or of execve failed: errno
	reportExit                    // main ended: wait status
)

const (
	reportFD  = 3 // where setup puts the pipe in init
	fenceFD   = 4 // and the file by which main enters its cgroup
	initStack = 16 << 10
)

//go:noescape
func cloneInit(c *cloneArgs, size uintptr, a *initArgs) (pid int)

//go:noescape
func vfork() (pid int)

// spawnInit starts init in new namespaces. It must be called from the one
// thread that all inits are started from, for it is that thread's end that
// kills them (PR_SET_PDEATHSIG).
func spawnInit(setup, exec *program, pipe int) (pid int, args *initArgs, err error) {
	f := initMain
	a := &initArgs{
		// Its address is taken as Go calls it, and not as the assembler would:
		// the race detector has its hooks in the way between the two.
		main:  **(**uintptr)(unsafe.Pointer(&f)),
		setup: setup.calls, exec: exec.calls, report: uintptr(pipe), all: ^uint64(0),
		stack: make([]byte, initStack), keep: []any{setup, exec},
	}
	c := &cloneArgs{
		flags:      unix.CLONE_VM | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_CLEAR_SIGHAND,
		exitSignal: uint64(unix.SIGCHLD),
		stack:      uint64(uintptr(unsafe.Pointer(&a.stack[0]))),
		stackSize:  initStack,
	}
	var old uint64
	syscall.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&a.all)), uintptr(unsafe.Pointer(&old)), 8, 0, 0)
	pid = cloneInit(c, unsafe.Sizeof(*c), a)
	syscall.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&old)), 0, 8, 0, 0)
	runtime.KeepAlive(a)
	runtime.KeepAlive(c)
	if pid < 0 {
		return 0, nil, syscall.Errno(-pid)
	}
	return pid, a, nil
}

// initMain is the whole life of init. See the top of the file for what it must
// not do: nothing here may allocate, grow the stack or check a bound.
//
//go:nosplit
//go:norace
//go:nocheckptr
func initMain(a *initArgs) {
	if !runCalls(a.setup, reportSetup, a.report) {
		exitRaw(1)
	}
	main := startMain(a)
	if main < 0 {
		sendReport(reportFD, reportExec, 0, uint64(-main))
		exitRaw(1)
	}
	// main has its own copies; a pipe among them ends when main's end does.
	syscall.RawSyscall(unix.SYS_CLOSE, 0, 0, 0)
	syscall.RawSyscall(unix.SYS_CLOSE, 1, 0, 0)
	syscall.RawSyscall(unix.SYS_CLOSE, 2, 0, 0)
	syscall.RawSyscall(unix.SYS_CLOSE, fenceFD, 0, 0)
	status := waitMain(a, main)
	syscall.RawSyscall(unix.SYS_KILL, ^uintptr(0), uintptr(unix.SIGKILL), 0)
	for {
		_, _, e := syscall.RawSyscall6(unix.SYS_WAIT4, ^uintptr(0), 0, 0, 0, 0, 0)
		if e == unix.ECHILD {
			break
		}
	}
	sendReport(reportFD, reportExit, 0, uint64(status))
	exitRaw(0)
}

// waitMain reaps children until main is among them and returns its status.
//
//go:nosplit
//go:norace
//go:nocheckptr
func waitMain(a *initArgs, main int) uint32 {
	var status uint32
	for {
		pid, _, e := syscall.RawSyscall6(unix.SYS_WAIT4, ^uintptr(0), uintptr(unsafe.Pointer(&status)), unix.WNOHANG, 0, 0, 0)
		if e == 0 && int(pid) == main {
			return status
		}
		if e == 0 && pid != 0 {
			continue
		}
		sig, _, _ := syscall.RawSyscall6(unix.SYS_RT_SIGTIMEDWAIT, uintptr(unsafe.Pointer(&a.all)), 0, 0, 8, 0, 0)
		if sig == uintptr(unix.SIGTERM) {
			syscall.RawSyscall(unix.SYS_KILL, uintptr(-main), uintptr(unix.SIGTERM), 0)
		}
	}
}

// startMain is a function of its own so that the child, which never returns
// from it, overwrites no frame that init needs.
//
//go:noinline
//go:nosplit
//go:norace
//go:nocheckptr
func startMain(a *initArgs) int {
	pid := vfork()
	if pid != 0 {
		return pid
	}
	runCalls(a.exec, reportExec, reportFD)
	exitRaw(127)
	return 0
}

// runCalls makes the calls one after another. It stops at the first failure,
// which it reports, unless the call may fail. A list whose last call may fail
// and did is a failure too: only an execve is last, and it does not return.
//
//go:nosplit
//go:norace
//go:nocheckptr
func runCalls(calls []rawCall, kind uint32, pipe uintptr) bool {
	var e, worst syscall.Errno
	for i := range calls {
		c := &calls[i]
		_, _, e = syscall.RawSyscall6(c.nr, c.args[0], c.args[1], c.args[2], c.args[3], c.args[4], c.args[5])
		if e != 0 && !c.mayFail {
			sendReport(pipe, kind, uint32(i), uint64(e))
			return false
		}
		// Along PATH, "permission denied" says more than "no such file".
		if c.nr == unix.SYS_EXECVE && (worst == 0 || e != unix.ENOENT && e != unix.ENOTDIR) {
			worst = e
		}
	}
	if worst != 0 {
		sendReport(pipe, kind, uint32(len(calls)-1), uint64(worst))
		return false
	}
	return true
}

//go:nosplit
//go:norace
//go:nocheckptr
func sendReport(pipe uintptr, kind, index uint32, value uint64) {
	r := report{kind: kind, index: index, value: value}
	syscall.RawSyscall(unix.SYS_WRITE, pipe, uintptr(unsafe.Pointer(&r)), unsafe.Sizeof(r))
}

//go:nosplit
//go:norace
func exitRaw(code uintptr) {
	for {
		syscall.RawSyscall(unix.SYS_EXIT_GROUP, code, 0, 0)
	}
}
