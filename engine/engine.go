package engine

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"time"

	"github.com/pawl-dev/pawl/engine/attempt"
	"github.com/pawl-dev/pawl/engine/executor"
	"github.com/pawl-dev/pawl/engine/plan"
	"github.com/pawl-dev/pawl/engine/sched"
	"github.com/pawl-dev/pawl/store"
)

// Store is what the engine keeps in the store: journals, and the index that is
// derived from them.
type Store interface {
	Append(ctx context.Context, run string, records ...[]byte) error
	Read(ctx context.Context, run string, from int) iter.Seq2[[]byte, error]
	CreateRun(ctx context.Context, run store.Run, records ...[]byte) (uid string, existing bool, err error)
	RunByUID(ctx context.Context, uid string) (store.Run, error)
	UnfinishedRuns(ctx context.Context) ([]store.Run, error)
	UpdateRun(ctx context.Context, status store.RunStatus) error
	UpdateRunSoon(ctx context.Context, status store.RunStatus) error
	PutNodes(ctx context.Context, uid string, nodes []store.Node) error
}

// Artifacts finds code folders that are kept in the artifact store.
type Artifacts interface {
	Path(ref attempt.ArtifactRef) (string, error)
}

// Options configure an Engine.
type Options struct {
	Store     Store
	Executor  executor.Executor
	Artifacts Artifacts
	Now       func() time.Time // default time.Now
	Log       *slog.Logger     // default: discards
	// Grace is how long a stopped attempt has between SIGTERM and SIGKILL.
	// Default 10 s.
	Grace time.Duration
	// Observe, if not nil, hears of every change of a run, from the goroutine
	// that carries it on: it must be quick and not call back.
	Observe func(Run, *sched.State, map[string]Live)
	// Note, if not nil, hears what a user should be told once a run.
	Note func(Run, string)
}

// Run is one run under way.
type Run struct {
	UID, Namespace, Name string
	// CodeDir is the code folder's snapshot on this machine; empty: none.
	CodeDir string
	Visible []string // folders of this machine that its steps may read
	Plan    *plan.Plan
}

// Live is what the executor tells of a node beyond the journal: that its
// attempt has really started.
type Live struct {
	Running bool
	Attempt int
	Since   time.Time
}

// Engine carries runs on. Make one with New.
type Engine struct {
	store     Store
	executor  executor.Executor
	artifacts Artifacts
	now       func() time.Time
	log       *slog.Logger
	grace     time.Duration
	onChange  func(Run, *sched.State, map[string]Live)
	onNote    func(Run, string)

	mu    sync.Mutex
	boxes map[string]*box // by run UID
	// serving is set when Run knows all runs that it carries on: then one
	// without a box is carried on by nobody here.
	serving bool
	launch  chan string // UIDs of claimed runs
}

// New makes an engine; Run or Carry sets it to work.
func New(o Options) *Engine {
	e := &Engine{
		store: o.Store, executor: o.Executor, artifacts: o.Artifacts, now: o.Now, log: o.Log, grace: o.Grace,
		onChange: o.Observe, onNote: o.Note,
		boxes: map[string]*box{}, launch: make(chan string, 64),
	}
	if e.now == nil {
		e.now = time.Now
	}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	if e.grace == 0 {
		e.grace = 10 * time.Second
	}
	return e
}

func (e *Engine) note(run Run, text string) {
	if e.onNote != nil {
		e.onNote(run, text)
	}
}

// Carry carries one run on to its end, from wherever its journal is, and
// returns its final state. When ctx ends first it returns ctx's error; the
// attempts go on and the next Carry finds them again.
func (e *Engine) Carry(ctx context.Context, run Run) (*sched.State, error) {
	b, ok := e.claim(run.UID)
	if !ok {
		return nil, fmt.Errorf("run %s/%s is carried on already", run.Namespace, run.Name)
	}
	defer e.release(run.UID)
	return e.carry(ctx, run, b)
}

// carry is Carry for a run that the caller has claimed.
func (e *Engine) carry(ctx context.Context, run Run, b *box) (*sched.State, error) {
	f, err := fold(run, e.store.Read(ctx, run.UID, 0))
	if err != nil {
		return nil, fmt.Errorf("run %s/%s: journal: %w", run.Namespace, run.Name, err)
	}
	l := newLoop(e, run, b, f)
	defer l.timer.Stop()
	l.removeEnded(ctx, f.ended)
	commands := f.state.Outstanding()
	if f.state.Phase() == sched.Pending {
		commands, err = l.take(ctx, sched.Event{Kind: sched.RunStarted})
	}
	if err == nil {
		err = l.carryOn(ctx, commands)
	}
	l.goroutines.Wait()
	return f.state, err
}

// UnfitError says that this pawl cannot carry a run on, however often it tries:
// what is recorded of the run is not what it understands.
type UnfitError struct{ err error }

func (e *UnfitError) Error() string {
	return fmt.Sprintf("%v: another version of pawl started the run; finish it with that one, or stop and delete it", e.err)
}

// Unwrap is what is wrong with the record.
func (e *UnfitError) Unwrap() error { return e.err }

// folded is what a journal says.
type folded struct {
	state *sched.State
	last  time.Time // of the newest event, zero if there is none
	// ended are the attempts that are over. Those that ended last may not have
	// been removed before the crash.
	ended []attempt.Key
}

// fold makes a run's state from its journal, whose first record is the header.
func fold(run Run, records iter.Seq2[[]byte, error]) (folded, error) {
	f := folded{state: sched.New(run.Plan)}
	n := 0
	for rec, err := range records {
		if err != nil {
			return f, err
		}
		if n++; n == 1 {
			h, err := sched.DecodeHeader(rec)
			if err != nil {
				return f, &UnfitError{fmt.Errorf("record 0: %w", err)}
			}
			if h.Plan != run.Plan.Digest {
				return f, &UnfitError{fmt.Errorf("it was written for plan %.12s, but the run's manifest compiles to plan %.12s", h.Plan, run.Plan.Digest)}
			}
			continue
		}
		ev, err := sched.Decode(rec)
		if err != nil {
			return f, &UnfitError{fmt.Errorf("record %d: %w", n-1, err)}
		}
		f.state.Step(ev)
		f.last = ev.Time
		if ev.Kind == sched.AttemptEnded {
			f.ended = append(f.ended, attempt.Key{Run: run.UID, Node: ev.Node, Attempt: ev.Attempt})
		}
	}
	return f, nil
}
