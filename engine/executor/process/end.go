package process

import (
	"fmt"
	"syscall"

	"github.com/pawl-dev/pawl/engine/attempt"
)

// deadlineMessage is Argo's, which is Kubernetes'.
const deadlineMessage = "Pod was active on the node longer than the specified deadline"

// onEnded is called for each attempt whose end a holder tells.
func (e *Executor) onEnded(x exit) {
	e.mu.Lock()
	t := e.known[x.Hash]
	if t == nil || e.closed {
		e.mu.Unlock()
		return // its exit record waits for who asks
	}
	e.work.Add(1)
	e.mu.Unlock()
	go func() {
		defer e.work.Done()
		<-t.settled
		e.room.release(t.need)
		e.conclude(t, x)
	}()
}

// onHolderGone makes lost what was running in a holder that has ended.
func (e *Executor) onHolderGone(c *client) {
	e.mu.Lock()
	var lost []*tracked
	if !e.closed {
		for hash, t := range e.known {
			if e.holders.ownerOf(hash) == c {
				lost = append(lost, t)
			}
		}
	}
	e.work.Add(len(lost))
	e.mu.Unlock()
	for _, t := range lost {
		go func() {
			defer e.work.Done()
			<-t.settled
			select {
			case <-t.ended:
				return
			default:
			}
			if x, ok := readExit(t.dir); ok {
				e.onEnded(x)
				return
			}
			e.room.release(t.need)
			e.finish(t, attempt.Result{Outcome: attempt.Lost, Message: "the process that held the attempt has ended"})
		}()
	}
}

// conclude makes a Result of how the command ended and collects its outputs.
func (e *Executor) conclude(t *tracked, x exit) {
	e.mu.Lock()
	if t.concluding {
		e.mu.Unlock()
		return
	}
	t.concluding = true
	e.mu.Unlock()
	r := attempt.Result{StartedAt: x.Started, FinishedAt: x.Finished, Result: x.Stdout}
	if x.Note != "" {
		r.Notes = append(r.Notes, x.Note)
	}
	switch {
	case x.Setup != "":
		r.Outcome, r.Message = attempt.Error, "the attempt's surroundings could not be made: "+x.Setup
		e.finish(t, r)
		return
	case x.Errno != 0:
		code := 127
		if syscall.Errno(x.Errno) != syscall.ENOENT {
			code = 126
		}
		r.ExitCode = &code
		r.Outcome, r.Message = attempt.Failed, cannotExecute(t.argv0, t.path, syscall.Errno(x.Errno))
		e.finish(t, r)
		return
	}
	r.ExitCode = &x.Code
	r.Outcome, r.Message = judge(x)
	e.markCollecting(t)
	removeWorkings(t.dir, t.view.layers())
	complaint, err := collect(e.ctx, &t.spec, t.view, t.places, t.dir, e.opts.Artifacts, &r)
	if err != nil {
		e.opts.Log.Error("collecting outputs", "attempt", t.spec.Key, "error", err)
		complaint = err.Error()
	}
	if complaint != "" && r.Outcome == attempt.Succeeded {
		r.Outcome, r.Message = attempt.Error, complaint
	}
	e.finish(t, r)
}

func judge(x exit) (attempt.Outcome, string) {
	switch {
	case x.TooLong:
		return attempt.Failed, deadlineMessage
	case x.OOM:
		return attempt.Failed, fmt.Sprintf("OOMKilled (exit code %d)", x.Code)
	case x.Code != 0:
		return attempt.Failed, fmt.Sprintf("Error (exit code %d)", x.Code)
	}
	return attempt.Succeeded, ""
}
