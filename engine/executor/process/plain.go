package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// plainStarter starts commands without namespaces: each in a session, and so
// in a process group, of its own, by which what it started is killed when it
// has ended. A process that leaves the group lives on: only namespaces prevent
// that.
type plainStarter struct{}

func (plainStarter) start(o *order, stdout, stderr *os.File) (proc, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	p := &plainProc{err: fs.ErrNotExist}
	for _, path := range o.Paths {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			continue
		}
		if unix.Access(path, unix.X_OK) != nil {
			if _, err := os.Stat(path); err == nil {
				p.err = fs.ErrPermission
			}
			continue
		}
		p.p, p.err = os.StartProcess(path, o.Argv, &os.ProcAttr{
			Dir: o.Dir, Env: o.Env, Files: []*os.File{null, stdout, stderr}, Sys: &syscall.SysProcAttr{Setsid: true},
		})
		if p.p != nil {
			o.fence.confine(p.p.Pid)
		}
		break
	}
	return p, nil
}

// plainProc has either a process or the reason why there is none.
type plainProc struct {
	p     *os.Process
	err   error
	ended atomic.Bool
}

func (p *plainProc) wait(e *exit) (after func()) {
	if p.p == nil {
		var errno syscall.Errno
		switch {
		case errors.As(p.err, &errno):
			e.Errno = int(errno)
		case errors.Is(p.err, fs.ErrPermission):
			e.Errno = int(syscall.EACCES)
		default:
			e.Errno = int(syscall.ENOENT)
		}
		return nil
	}
	state, err := p.p.Wait()
	p.ended.Store(true)
	// The leader is gone but its group lives as long as it has members; the
	// number cannot have been given to another in between.
	_ = syscall.Kill(-p.p.Pid, syscall.SIGKILL)
	if err != nil {
		e.Setup = fmt.Sprintf("waiting for the command: %v", err)
		return nil
	}
	e.Code = exitCode(state.Sys().(syscall.WaitStatus))
	return nil
}

func (p *plainProc) terminate() { p.signal(syscall.SIGTERM) }
func (p *plainProc) kill()      { p.signal(syscall.SIGKILL) }

func (p *plainProc) signal(s syscall.Signal) {
	if p.p != nil && !p.ended.Load() {
		_ = syscall.Kill(-p.p.Pid, s)
	}
}
