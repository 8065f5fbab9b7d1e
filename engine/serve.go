package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/pawl-dev/pawl/engine/sched"
)

const (
	carryAgain     = time.Second // after trouble; doubled each time, up to
	carryAgainLast = time.Minute
)

// Run carries on every unfinished run that is this engine's (mine says which)
// and every run launched later, until ctx ends. Attempts that run then go on.
func (e *Engine) Run(ctx context.Context, mine func(uid string, origin []byte) bool) error {
	rows, err := e.store.UnfinishedRuns(ctx)
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, row := range rows {
		if !mine(row.UID, row.Origin) {
			continue
		}
		if b, ok := e.claim(row.UID); ok { // else it was launched just now
			wg.Go(func() { e.keepCarrying(ctx, row.UID, b) })
		}
	}
	e.adopted()
	for {
		select {
		case uid := <-e.launch:
			e.mu.Lock()
			b := e.boxOf(uid)
			e.mu.Unlock()
			wg.Go(func() { e.keepCarrying(ctx, uid, b) })
		case <-ctx.Done():
			return nil
		}
	}
}

// Launch hands a created run to Run. If Run has found it by itself, nothing more
// happens.
func (e *Engine) Launch(ctx context.Context, uid string) error {
	if _, ok := e.claim(uid); !ok {
		return nil
	}
	select {
	case e.launch <- uid:
		return nil
	case <-ctx.Done():
		e.release(uid)
		return ctx.Err()
	}
}

// keepCarrying carries a claimed run on to its end. What stops the loop short of
// that (a full disk, say) is tried again, from the journal; what would stop it
// every time is left to people.
func (e *Engine) keepCarrying(ctx context.Context, uid string, b *box) {
	defer e.release(uid)
	pause := carryAgain
	for ctx.Err() == nil {
		run, err := e.Load(ctx, uid)
		if err == nil {
			_, err = e.carry(ctx, run, b)
		}
		if err == nil || ctx.Err() != nil {
			return
		}
		var unfit *UnfitError
		if errors.As(err, &unfit) {
			e.log.Error("cannot carry the run on", "uid", uid, "err", err)
			e.leaveToPeople(ctx, uid, b, err)
			return
		}
		e.log.Error("carrying the run on, will try again", "uid", uid, "in", pause, "err", err)
		e.say(ctx, uid, "", err)
		select {
		case <-time.After(pause):
			pause = min(2*pause, carryAgainLast)
		case <-ctx.Done():
		}
	}
}

// leaveToPeople shows a run that cannot be carried on as Error. It stays
// unfinished, so that the pawl that can carry it on still finds it, until
// somebody asks for its end.
func (e *Engine) leaveToPeople(ctx context.Context, uid string, b *box, why error) {
	e.say(ctx, uid, sched.Errored, why)
	for {
		select {
		case r := <-b.requests:
			err := e.endUnfit(ctx, uid, why)
			r.done <- err
			if err == nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// endUnfit ends a run in the index, which then can be deleted.
func (e *Engine) endUnfit(ctx context.Context, uid string, why error) error {
	row, err := e.store.RunByUID(ctx, uid)
	if err != nil {
		return err
	}
	st := row.Status
	st.Phase, st.Message, st.Finished = string(sched.Errored), why.Error(), e.now().UTC()
	return e.store.UpdateRun(ctx, st)
}

// say puts into the index why a run does not go on; the next loop that does go
// on writes over it.
func (e *Engine) say(ctx context.Context, uid string, phase sched.Phase, why error) {
	row, err := e.store.RunByUID(ctx, uid)
	if err == nil {
		st := row.Status
		st.Message = fmt.Sprintf("it does not go on: %v", why)
		if phase != "" {
			st.Phase = string(phase)
		}
		err = e.store.UpdateRunSoon(ctx, st)
	}
	if err != nil && ctx.Err() == nil {
		e.log.Warn("index is behind", "uid", uid, "err", err)
	}
}
