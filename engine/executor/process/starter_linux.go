//go:build linux && (amd64 || arm64)

package process

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// newStarter tries what this machine allows and says what it found.
func newStarter(cfg holderConfig) (starter, features) {
	if cfg.Plain {
		return plainStarter{}, features{Why: cfg.Why}
	}
	s := &nsStarter{work: make(chan func()), base: filepath.Join(cfg.Data, "base")}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return plainStarter{}, features{Why: err.Error()}
	}
	s.null = null
	var f features
	ready := make(chan error)
	go s.thread(func() error {
		var err error
		f, err = s.prepare(cfg)
		return err
	}, ready)
	if err := <-ready; err != nil {
		return plainStarter{}, features{Why: err.Error()}
	}
	f.Namespaces = true
	return s, f
}

// nsStarter starts commands in private roots and PID namespaces.
type nsStarter struct {
	work   chan func() // run on the one thread that owns the mounts
	base   string      // the tree that private roots take the host's folders from
	null   *os.File
	shared []sharedMount
	// settings are the entries of /proc that attempts see read-only.
	settings []string
	last     *program // of setup, the same for all
}

// thread is the life of the one thread whose mount namespace holds the base
// tree and whose children all inits are.
func (s *nsStarter) thread(prepare func() error, ready chan<- error) {
	runtime.LockOSThread()
	err := prepare()
	ready <- err
	if err != nil {
		return // the thread ends with its namespace
	}
	for f := range s.work {
		f()
	}
}

func (s *nsStarter) start(o *order, stdout, stderr *os.File) (proc, error) {
	var p *nsProc
	var err error
	done := make(chan struct{})
	s.work <- func() {
		defer close(done)
		setup, exec := &program{}, &program{}
		defer setup.close()
		if err = s.programs(setup, exec, o, stdout, stderr); err == nil {
			p, err = s.clone(setup, exec)
		}
	}
	<-done
	if err != nil {
		return nil, err
	}
	return p, nil
}

// programs fills in what init and main do. Files are named by number: the caller
// keeps them open until the clone, which copies the table, is made.
func (s *nsStarter) programs(setup, exec *program, o *order, stdout, stderr *os.File) error {
	setup.prctl("end with the holder", unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL))
	if err := s.buildRoot(setup, o); err != nil {
		return err
	}
	// The holder keeps its files 0 to 3 open, so what is copied here lies above.
	setup.dup(int(s.null.Fd()), 0)
	setup.dup(int(stdout.Fd()), 1)
	setup.dup(int(stderr.Fd()), 2)
	if o.fence != nil && o.fence.procs != nil {
		setup.dup(int(o.fence.procs.Fd()), fenceFD)
	}

	exec.add("start a session", false, unix.SYS_SETSID)
	if o.fence != nil {
		exec.enter(o.fence)
	}
	exec.chdir(o.Dir)
	exec.unblockSignals()
	exec.exec(o.Paths, o.Argv, o.Env)
	return nil
}

// renounce limits what programs can have that this thread's children execute.
// init, which executes none, keeps what it needs to mount.
func renounce() error {
	for c := uintptr(0); c <= unix.CAP_LAST_CAP; c++ {
		if keptCapabilities&(1<<c) != 0 {
			continue
		}
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil && err != unix.EINVAL {
			return fmt.Errorf("dropping capability %d: %w", c, err)
		}
	}
	return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
}

// keptCapabilities are what programs that believe to be root need within their
// own files and processes; none of them reaches a mount or the machine.
const keptCapabilities uint64 = 1<<unix.CAP_CHOWN | 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_FOWNER |
	1<<unix.CAP_FSETID | 1<<unix.CAP_KILL | 1<<unix.CAP_SETGID | 1<<unix.CAP_SETUID | 1<<unix.CAP_SETPCAP |
	1<<unix.CAP_NET_BIND_SERVICE | 1<<unix.CAP_SYS_CHROOT | 1<<unix.CAP_SETFCAP

// clone runs the programs in new namespaces. It runs on the starter's thread.
func (s *nsStarter) clone(setup, exec *program) (*nsProc, error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, fmt.Errorf("making a pipe: %w", err)
	}
	defer unix.Close(fds[1])
	setup.add("move the report pipe", false, unix.SYS_DUP3, uintptr(fds[1]), reportFD, unix.O_CLOEXEC)
	setup.add("close what is the holder's", false, unix.SYS_CLOSE_RANGE, fenceFD+1, ^uintptr(0)>>32, 0)
	pid, args, err := spawnInit(setup, exec, fds[1])
	if err != nil {
		unix.Close(fds[0])
		return nil, fmt.Errorf("making namespaces: %w", err)
	}
	_ = unix.SetNonblock(fds[0], true)
	return &nsProc{pid: pid, args: args, setup: setup, exec: exec, reports: os.NewFile(uintptr(fds[0]), "reports")}, nil
}

// nsProc is an init and what runs below it.
type nsProc struct {
	pid     int
	args    *initArgs // init's memory
	setup   *program
	exec    *program
	reports *os.File

	mu     sync.Mutex
	reaped bool
}

func (p *nsProc) wait(e *exit) (after func()) {
	defer p.reports.Close()
	var b [16]byte
	ended := false
	for {
		if _, err := io.ReadFull(p.reports, b[:]); err != nil {
			break
		}
		index := binary.NativeEndian.Uint32(b[4:])
		value := binary.NativeEndian.Uint64(b[8:])
		switch binary.NativeEndian.Uint32(b[:]) {
		case reportSetup:
			e.Setup = fmt.Sprintf("%s: %v", p.setup.words[index], syscall.Errno(value))
		case reportExec:
			e.Errno = int(value)
			if int(index) < len(p.exec.words) && p.exec.calls[index].nr != unix.SYS_EXECVE {
				e.Errno, e.Setup = 0, fmt.Sprintf("%s: %v", p.exec.words[index], syscall.Errno(value))
			}
		case reportExit:
			e.Code = exitCode(syscall.WaitStatus(value))
			ended = true
		}
	}
	if ended {
		return p.reap // init has nothing left but its own end
	}
	if e.Setup == "" && e.Errno == 0 {
		e.Code = 128 + int(unix.SIGKILL) // init was killed, and with it all
	}
	p.reap()
	return nil
}

// reap waits for init's end and frees its number, after which no signal may be
// sent to it.
func (p *nsProc) reap() {
	for errors.Is(unix.Waitid(unix.P_PID, p.pid, nil, unix.WEXITED|unix.WNOWAIT, nil), unix.EINTR) {
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reaped = true
	_, _ = unix.Wait4(p.pid, nil, 0, nil)
	runtime.KeepAlive(p.args)
}

func (p *nsProc) terminate() { p.signal(unix.SIGTERM) }
func (p *nsProc) kill()      { p.signal(unix.SIGKILL) }

func (p *nsProc) signal(s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		_ = unix.Kill(p.pid, s)
	}
}
