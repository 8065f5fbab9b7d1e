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
	// startTries is how often an attempt whose Start fails is tried again
	// before the attempt ends as Error.
	startTries = 5
)

// loop carries one run on. Everything in it belongs to one goroutine, except
// the channels.
type loop struct {
	e     *Engine
	run   Run
	state *sched.State
	log   *slog.Logger

	events  chan sched.Event // from attempts and requests
	started chan startNote
	last    time.Time // time of the newest event: event times never go back

	queue    []attempt.Spec // asked for, not yet given to the executor
	starting int
	attempts map[attempt.Key]*flight
	wake     time.Time
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

func newLoop(e *Engine, run Run, state *sched.State) *loop {
	return &loop{
		e: e, run: run, state: state,
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
	defer l.timer.Stop()
	flush := time.NewTicker(indexEvery)
	defer flush.Stop()

	for {
		l.carryOut(ctx, commands)
		l.startQueued(reporting)
		if l.state.Phase().Fulfilled() && len(l.attempts) == 0 {
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
			l.wakeAt(c.At)
		}
	}
}

// wakeAt sets the timer to the earliest time asked for that has not come.
func (l *loop) wakeAt(at time.Time) {
	now := l.e.now()
	if l.wake.After(now) && l.wake.Before(at) {
		return
	}
	l.wake = at
	l.timer.Reset(max(at.Sub(now), 0))
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
			if err := l.e.executor.Stop(ctx, executor.Handle{Key: key}, l.e.grace); err != nil {
				l.log.Warn("stopping attempt", "node", key.Node, "err", err)
			}
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
	h, err := l.start(startCtx, spec)
	select {
	case l.started <- startNote{key: spec.Key, ok: err == nil, at: l.e.now()}:
	case <-ctx.Done():
		return
	}
	var res attempt.Result
	switch {
	case err == nil:
		res, err = l.e.executor.Wait(ctx, h)
		if err != nil && ctx.Err() == nil {
			res, err = attempt.Result{Outcome: attempt.Lost, Message: fmt.Sprintf("waiting for the attempt: %v", err)}, nil
		}
	case startCtx.Err() != nil:
		res = attempt.Result{Outcome: attempt.Failed, Message: "stopped before it started"}
	default:
		res = attempt.Result{Outcome: attempt.Error, Message: fmt.Sprintf("starting the attempt: %v", err)}
	}
	if ctx.Err() != nil {
		return // the loop is going; the next one asks again
	}
	select {
	case l.events <- sched.Event{Kind: sched.AttemptEnded, Node: spec.Key.Node, Attempt: spec.Key.Attempt, Result: &res}:
	case <-ctx.Done():
	}
}

// start asks the executor a few times before it gives up.
func (l *loop) start(ctx context.Context, spec attempt.Spec) (executor.Handle, error) {
	pause := 100 * time.Millisecond
	for try := 1; ; try++ {
		h, err := l.e.executor.Start(ctx, spec)
		if err == nil || ctx.Err() != nil || errors.Is(err, executor.ErrClosed) || try == startTries {
			return h, err
		}
		l.log.Warn("starting attempt, will try again", "node", spec.Key.Node, "try", try, "err", err)
		select {
		case <-time.After(pause):
			pause *= 2
		case <-ctx.Done():
			return executor.Handle{}, ctx.Err()
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
	l.goroutines.Go(func() {
		if err := l.e.executor.Remove(ctx, executor.Handle{Key: key}); err != nil && ctx.Err() == nil {
			l.log.Warn("removing attempt", "node", key.Node, "err", err)
		}
	})
}
