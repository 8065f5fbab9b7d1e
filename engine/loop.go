package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/pawl-dev/pawl/engine/attempt"
	"github.com/pawl-dev/pawl/engine/executor"
	"github.com/pawl-dev/pawl/engine/sched"
)

const (
	// startsAtOnce bounds how many attempts wait in Executor.Start at a time.
	// Starts are asked for in the scheduler's order; what exceeds this stays in
	// the loop's queue.
	startsAtOnce = 64
	// indexEvery is how often changed nodes are written to the index, which is
	// derived from the journal and may lag behind it.
	indexEvery = 200 * time.Millisecond
	// callTries is how often a call of the executor that fails is made before it
	// is given up.
	callTries = 5
	// removeWithin bounds how long the end of the engine waits for attempts that
	// have ended to be removed.
	removeWithin = 30 * time.Second
)

// loop carries one run on. Everything in it belongs to one goroutine, except
// the channels.
type loop struct {
	e     *Engine
	run   Run
	box   *box
	state *sched.State
	log   *slog.Logger

	events  chan sched.Event // from attempts
	started chan startNote
	last    time.Time // time of the newest event: event times never go back

	queue    []attempt.Spec // asked for, not yet given to the executor
	starting int
	attempts map[attempt.Key]*flight
	timer    *time.Timer

	live  map[string]Live // by node name
	noted map[string]bool

	// For the index: the pods by name, with their index or over, how many are
	// over, and those whose attempt has started since the index was written.
	pods   map[string]int
	over   int
	relive []int

	goroutines sync.WaitGroup // all that the loop has started
}

// flight is one attempt between StartAttempt and AttemptEnded.
type flight struct {
	spec attempt.Spec
	// cancel gives up a Start that waits for room; nil before it was asked for.
	cancel  context.CancelFunc
	stopped bool
}

type startNote struct {
	key attempt.Key
	ok  bool
	at  time.Time
}

func newLoop(e *Engine, run Run, b *box, f folded) *loop {
	return &loop{
		e: e, run: run, box: b, state: f.state, last: f.last,
		log:      e.log.With("run", run.Namespace+"/"+run.Name),
		events:   make(chan sched.Event, 256),
		started:  make(chan startNote, 256),
		attempts: map[attempt.Key]*flight{},
		timer:    time.NewTimer(time.Hour),
		live:     map[string]Live{},
		noted:    map[string]bool{},
		pods:     map[string]int{},
	}
}

// carryOn runs until the run has ended (nil) or ctx has (its error); attempts
// go on without the loop and are found again by the next one.
func (l *loop) carryOn(ctx context.Context, commands []sched.Command) error {
	// Attempts report to this loop; when it goes, nobody waits for them here.
	reporting, cancel := context.WithCancel(ctx)
	defer cancel()
	flush := time.NewTicker(indexEvery)
	defer flush.Stop()

	for {
		l.carryOut(ctx, commands)
		l.startQueued(reporting)
		if l.state.Phase().Fulfilled() && len(l.attempts) == 0 {
			l.goroutines.Wait() // a run that is over has left nothing in the executor
			return l.index(ctx)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case ev := <-l.events:
			var err error
			if commands, err = l.take(ctx, ev); err != nil {
				return err
			}
		case r := <-l.box.requests:
			var err error
			commands, err = l.take(ctx, r.event)
			r.done <- err
			if err != nil {
				return err
			}
		case n := <-l.started:
			commands = nil
			l.noteStart(ctx, n)
		case <-l.timer.C:
			var err error
			if commands, err = l.take(ctx, sched.Event{Kind: sched.Woken}); err != nil {
				return err
			}
		case <-flush.C:
			commands = nil
			if err := l.index(ctx); err != nil && ctx.Err() == nil {
				l.log.Warn("index is behind", "err", err)
			}
		}
	}
}

// take journals an event, and all others that have come meanwhile, as one
// commit, and steps through them.
func (l *loop) take(ctx context.Context, first sched.Event) ([]sched.Command, error) {
	batch := []sched.Event{first}
	for len(batch) < 1024 {
		select {
		case ev := <-l.events:
			batch = append(batch, ev)
			continue
		default:
		}
		break
	}
	records := make([][]byte, len(batch))
	for i := range batch {
		batch[i].Time = l.now()
		records[i] = sched.Encode(batch[i])
	}
	if err := l.e.store.Append(ctx, l.run.UID, records...); err != nil {
		return nil, fmt.Errorf("run %s/%s: journal: %w", l.run.Namespace, l.run.Name, err)
	}
	var commands []sched.Command
	for _, ev := range batch {
		commands = append(commands, l.state.Step(ev)...)
		if ev.Kind == sched.AttemptEnded {
			l.ended(ctx, ev)
		}
	}
	l.observe()
	return commands, nil
}

// now is the clock, never going back within the run.
func (l *loop) now() time.Time {
	t := l.e.now().UTC().Truncate(time.Microsecond)
	if !t.After(l.last) {
		t = l.last
	}
	l.last = t
	return t
}

func (l *loop) carryOut(ctx context.Context, commands []sched.Command) {
	for _, c := range commands {
		switch c.Kind {
		case sched.StartAttempt:
			if l.attempts[c.Spec.Key] != nil {
				continue
			}
			spec := *c.Spec
			spec.CodeDir, spec.Visible = l.run.CodeDir, l.run.Visible
			l.attempts[spec.Key] = &flight{spec: spec}
			l.queue = append(l.queue, spec)
		case sched.StopAttempt:
			l.stop(ctx, c.Key)
		case sched.WakeAt:
			l.timer.Reset(max(c.At.Sub(l.e.now()), 0)) // the latest counts
		}
	}
}

// stop ends an attempt: one that waits in the queue or for room at once, one
// that runs through the executor.
func (l *loop) stop(ctx context.Context, key attempt.Key) {
	f := l.attempts[key]
	if f == nil || f.stopped {
		return
	}
	f.stopped = true
	if f.cancel != nil {
		f.cancel()
	}
	if l.live[key.Node].Running {
		l.goroutines.Go(func() {
			l.call(ctx, "stopping", key, func() error {
				return l.e.executor.Stop(ctx, executor.Handle{Key: key}, l.e.grace)
			})
		})
	}
}

func (l *loop) startQueued(ctx context.Context) {
	for l.starting < startsAtOnce && len(l.queue) > 0 {
		spec := l.queue[0]
		l.queue = l.queue[1:]
		f := l.attempts[spec.Key]
		startCtx, cancel := context.WithCancel(ctx)
		f.cancel = cancel
		if f.stopped {
			cancel()
		}
		l.starting++
		l.goroutines.Go(func() {
			defer cancel()
			l.attempt(ctx, startCtx, spec)
		})
	}
}

// attempt starts one attempt, waits for its end and reports it. startCtx ends
// only the waiting for room.
func (l *loop) attempt(ctx, startCtx context.Context, spec attempt.Spec) {
	h := executor.Handle{Key: spec.Key}
	err := l.call(startCtx, "starting", spec.Key, func() (err error) {
		h, err = l.e.executor.Start(startCtx, spec)
		return err
	})
	select {
	case l.started <- startNote{key: spec.Key, ok: err == nil, at: l.e.now()}:
	case <-ctx.Done():
		return
	}
	var res attempt.Result
	switch {
	case err == nil:
		res, err = l.wait(ctx, h)
	case startCtx.Err() != nil:
		res, err = l.stopUnstarted(ctx, h)
	case !errors.Is(err, executor.ErrClosed):
		res, err = attempt.Result{Outcome: attempt.Error, Message: fmt.Sprintf("starting the attempt: %v", err)}, nil
	}
	if err != nil {
		return // the engine or the executor is going; the next one asks again
	}
	select {
	case l.events <- sched.Event{Kind: sched.AttemptEnded, Node: spec.Key.Node, Attempt: spec.Key.Attempt, Result: &res}:
	case <-ctx.Done():
	}
}

// wait waits for the end of an attempt. One that nothing can be heard of is
// lost. An error means that nobody waits any more.
func (l *loop) wait(ctx context.Context, h executor.Handle) (res attempt.Result, err error) {
	err = l.call(ctx, "waiting for", h.Key, func() (err error) {
		res, err = l.e.executor.Wait(ctx, h)
		return err
	})
	if err != nil && ctx.Err() == nil && !errors.Is(err, executor.ErrClosed) {
		return attempt.Result{Outcome: attempt.Lost, Message: fmt.Sprintf("waiting for the attempt: %v", err)}, nil
	}
	return res, err
}

// stopUnstarted ends an attempt that is to stop before this loop has started it.
// A loop before this one may have: then it runs, and is stopped.
func (l *loop) stopUnstarted(ctx context.Context, h executor.Handle) (attempt.Result, error) {
	err := l.call(ctx, "stopping", h.Key, func() error { return l.e.executor.Stop(ctx, h, l.e.grace) })
	if err != nil && (ctx.Err() != nil || errors.Is(err, executor.ErrClosed)) {
		return attempt.Result{}, err
	}
	res, err := l.wait(ctx, h)
	if err == nil && res.Outcome == attempt.Lost {
		res = attempt.Result{Outcome: attempt.Failed, Message: "stopped before it started"}
	}
	return res, err
}

// call asks the executor a few times before it gives up.
func (l *loop) call(ctx context.Context, doing string, key attempt.Key, do func() error) error {
	pause := 100 * time.Millisecond
	for try := 1; ; try++ {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		err := do()
		if err == nil || ctx.Err() != nil || errors.Is(err, executor.ErrClosed) {
			return err
		}
		l.log.Warn(doing+" attempt", "node", key.Node, "try", try, "err", err)
		if try == callTries {
			return err
		}
		select {
		case <-time.After(pause):
			pause *= 2
		case <-ctx.Done():
		}
	}
}

// noteStart marks a node as running in the live view, or stops it at once if
// that was asked for while it was starting.
func (l *loop) noteStart(ctx context.Context, n startNote) {
	l.starting--
	f := l.attempts[n.key]
	if f == nil || !n.ok {
		return
	}
	f.cancel = nil
	l.live[n.key.Node] = Live{Running: true, Attempt: n.key.Attempt, Since: n.at}
	if i, indexed := l.pods[n.key.Node]; indexed && i != over {
		l.relive = append(l.relive, i)
	}
	if f.stopped {
		f.stopped = false
		l.stop(ctx, n.key)
	}
	l.observe()
}

// ended forgets an attempt whose end is journaled.
func (l *loop) ended(ctx context.Context, ev sched.Event) {
	key := attempt.Key{Run: l.run.UID, Node: ev.Node, Attempt: ev.Attempt}
	if l.attempts[key] == nil {
		return
	}
	delete(l.attempts, key)
	delete(l.live, ev.Node)
	for _, note := range ev.Result.Notes {
		if !l.noted[note] {
			l.noted[note] = true
			l.e.note(l.run, note)
		}
	}
	l.goroutines.Go(func() { l.remove(ctx, key) })
}

// removeEnded removes attempts that ended before this loop: the one before it may
// have had no time to. Removing what is gone is cheap.
func (l *loop) removeEnded(ctx context.Context, keys []attempt.Key) {
	l.goroutines.Go(func() {
		for _, key := range keys {
			if ctx.Err() != nil {
				return
			}
			l.remove(ctx, key)
		}
	})
}

// remove frees what an attempt holds, also while the engine is going: nothing
// waits for an attempt that has ended.
func (l *loop) remove(ctx context.Context, key attempt.Key) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeWithin)
	defer cancel()
	l.call(ctx, "removing", key, func() error { return l.e.executor.Remove(ctx, executor.Handle{Key: key}) })
}
