package process

import "syscall"

// KillHolder kills the process that holds the attempts.
func (e *Executor) KillHolder() {
	_ = syscall.Kill(e.holders.current.hello.PID, syscall.SIGKILL)
}

// WithoutOverlay makes the Executor believe that overlays are not possible.
func (e *Executor) WithoutOverlay() { e.features.Overlay = false }

// RetireHolder does what a server of another version does first.
func (e *Executor) RetireHolder() error {
	_, err := e.holders.current.call(request{Op: opRetire})
	return err
}

// HolderPID is the process that new attempts are held by.
func (e *Executor) HolderPID() int { return e.holders.current.hello.PID }
