package engine

import (
	"context"
	"errors"

	"github.com/pawl-dev/pawl/engine/sched"
)

// box is where wishes about one run wait until it is carried on. It is there
// before the run's loop is, between two loops after trouble, and if need be
// before anybody has claimed the run.
type box struct {
	requests chan request
	gone     chan struct{} // closed when nobody here carries the run on any more
	claimed  bool          // guarded by Engine.mu
}

// request is an event that somebody wishes for; done hears once whether it is in
// the journal.
type request struct {
	event sched.Event
	done  chan error
}

// ErrNotCarried says that a run is over, or carried on by somebody else.
var ErrNotCarried = errors.New("the run is not under way here")

// claim makes the caller the one who carries a run on. It is false if somebody
// does already.
func (e *Engine) claim(uid string) (*box, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	b := e.boxOf(uid)
	if b.claimed {
		return nil, false
	}
	b.claimed = true
	return b, true
}

// release is the end of a claim.
func (e *Engine) release(uid string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	close(e.boxes[uid].gone)
	delete(e.boxes, uid)
}

// boxOf finds or makes a run's box. It is called with mu held.
func (e *Engine) boxOf(uid string) *box {
	b := e.boxes[uid]
	if b == nil {
		b = &box{requests: make(chan request), gone: make(chan struct{})}
		e.boxes[uid] = b
	}
	return b
}

// adopted says that all runs of before are claimed: who waits for others waits
// in vain.
func (e *Engine) adopted() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.serving = true
	for uid, b := range e.boxes {
		if !b.claimed {
			close(b.gone)
			delete(e.boxes, uid)
		}
	}
}

// Shutdown asks a run to end early, and returns when the wish is in its journal;
// who is for people. A run that is not carried on here, or no more, is
// ErrNotCarried. One that cannot be carried on (see UnfitError) is ended in the
// index.
func (e *Engine) Shutdown(ctx context.Context, uid string, how sched.Shutdown, who string) error {
	e.mu.Lock()
	if e.serving && e.boxes[uid] == nil {
		e.mu.Unlock()
		return ErrNotCarried
	}
	b := e.boxOf(uid)
	e.mu.Unlock()
	r := request{
		event: sched.Event{Kind: sched.ShutdownRequested, Shutdown: how, By: who},
		done:  make(chan error, 1),
	}
	select {
	case b.requests <- r:
	case <-b.gone:
		return ErrNotCarried
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
