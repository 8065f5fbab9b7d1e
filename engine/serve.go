package engine

import (
	"context"
	"errors"
	"sync"
	"time"
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
		if mine(row.UID, row.Origin) {
			wg.Go(func() { e.keepCarrying(ctx, row.UID) })
		}
	}
	for {
		select {
		case uid := <-e.launch:
			wg.Go(func() { e.keepCarrying(ctx, uid) })
		case <-ctx.Done():
			return nil
		}
	}
}

// Launch hands a created run to Run.
func (e *Engine) Launch(ctx context.Context, uid string) error {
	select {
	case e.launch <- uid:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// keepCarrying carries a run on to its end. What stops the loop short of that (a
// full disk, say) is tried again, from the journal.
func (e *Engine) keepCarrying(ctx context.Context, uid string) {
	pause := time.Second
	for ctx.Err() == nil {
		run, err := e.Load(ctx, uid)
		if err == nil {
			_, err = e.Carry(ctx, run)
		}
		if err == nil || ctx.Err() != nil {
			return
		}
		var other *OtherPlanError
		if errors.As(err, &other) {
			e.log.Error("cannot carry the run on", "uid", uid, "err", err)
			return
		}
		e.log.Error("carrying the run on, will try again", "uid", uid, "in", pause, "err", err)
		select {
		case <-time.After(pause):
			pause = min(2*pause, time.Minute)
		case <-ctx.Done():
		}
	}
}
