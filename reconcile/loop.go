package reconcile

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"sync"
	"time"

	"github.com/pawl-dev/pawl/api"
	"github.com/pawl-dev/pawl/engine"
	"github.com/pawl-dev/pawl/engine/artifact"
	"github.com/pawl-dev/pawl/engine/executor"
	"github.com/pawl-dev/pawl/gitsync"
	"github.com/pawl-dev/pawl/promotion/forge"
	"github.com/pawl-dev/pawl/render"
	"github.com/pawl-dev/pawl/store"
)

// Options are what a Loop stands on.
type Options struct {
	Name      string // of the application
	Source    gitsync.Source
	Path      string // folder of the repository that is synced
	Namespace string // of objects that name none
	// ModelRepository is the folder with a model repository for each stage.
	ModelRepository string
	// Data is pawl's data folder, which no event source may watch.
	Data string
	// Scratch is a folder for what is being made.
	Scratch  string
	Interval time.Duration // between looks at the repository

	Store     *store.Store
	Engine    *engine.Engine
	Artifacts *artifact.Store
	Snapshots *gitsync.Cache
	// Forge is where pull requests are; nil where there is none, and NoForge says
	// why: then nothing can be promoted.
	Forge   forge.Forge
	NoForge string
	Render  *render.Renderer
	Checker executor.Checker // what the executor cannot run; may be nil

	Now func() time.Time // default time.Now
	Log *slog.Logger     // default: discards
}

// Loop keeps one application as git says. Make one with New.
type Loop struct {
	Options
	watch *gitsync.Watch
	wake  chan struct{}

	mu      sync.Mutex
	app     Application
	current *synced // what is in force; nil before the first

	retries map[StageID]retry // of this process's memory: a restart tries at once
}

// synced is a commit in force.
type synced struct {
	snapshot *gitsync.Snapshot
	objects  []*api.Object
	runs     []desired
	stages   []stage
}

type retry struct {
	notBefore time.Time
	pause     time.Duration
	err       string
}

const (
	kindApplication = "application"
	retryFirst      = 2 * time.Second
	retryLast       = 5 * time.Minute
)

// New makes a loop; what the store knows of the application is read when it
// runs.
func New(o Options) (*Loop, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if !fs.ValidPath(path.Clean(o.Path)) {
		return nil, fmt.Errorf("path %q: it must be a folder of the repository, relative to its root", o.Path)
	}
	o.Path = path.Clean(o.Path)
	l := &Loop{Options: o, wake: make(chan struct{}, 1), retries: map[StageID]retry{}}
	l.app = Application{Name: o.Name, Repo: o.Source.String(), Revision: o.Source.Revision, Path: o.Path}
	w, err := gitsync.NewWatch(gitsync.WatchConfig{
		Source: o.Source, Interval: o.Interval,
		Notify: func(ctx context.Context) { l.look(ctx) },
		Warn:   func(err error) { o.Log.Warn("pushes are noticed by polling only", "err", err) },
	})
	if err != nil {
		return nil, err
	}
	l.watch = w
	return l, nil
}

// Refresh makes the loop look at the repository now.
func (l *Loop) Refresh() { l.watch.Poke() }

// Wake makes the loop compare again: a run has ended, a pull request changed.
func (l *Loop) Wake() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Run keeps the application as git says until ctx ends.
func (l *Loop) Run(ctx context.Context) error {
	if err := l.restore(ctx); err != nil {
		return err
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		if err := l.watch.Run(ctx); err != nil {
			l.Log.Error("watching the repository", "err", err)
		}
	})
	wg.Go(func() { l.hearRuns(ctx) })
	triggers := newTriggers(l)
	wg.Go(func() { triggers.run(ctx) })
	for {
		next := l.pass(ctx, triggers)
		var timer <-chan time.Time
		if !next.IsZero() {
			timer = time.After(max(next.Sub(l.Now()), 10*time.Millisecond))
		}
		select {
		case <-l.wake:
		case <-timer:
		case <-ctx.Done():
			return nil
		}
	}
}

// hearRuns wakes the loop when runs change.
func (l *Loop) hearRuns(ctx context.Context) {
	for c := range l.Store.Subscribe(ctx) {
		if c.What == store.RunChanged {
			l.Wake()
		}
	}
}

// pass does one thing after the other until nothing is left, and returns when
// something that failed may be tried again (zero: when something happens).
func (l *Loop) pass(ctx context.Context, t *triggers) time.Time {
	for ctx.Err() == nil {
		rec, err := l.observe(ctx)
		if err != nil {
			l.Log.Error("observing", "err", err)
			return l.Now().Add(retryFirst)
		}
		a := Decide(rec)
		if a.Kind == Idle {
			l.save(ctx)
			return earliestRetry(rec)
		}
		if err := l.act(ctx, a, t); err != nil && ctx.Err() == nil {
			l.Log.Error(string(a.Kind), "err", err)
			if a.Stage == nil {
				return l.Now().Add(retryFirst)
			}
		}
	}
	return time.Time{}
}

func earliestRetry(rec Record) time.Time {
	var at time.Time
	for _, s := range rec.Stages {
		if s.NotBefore.After(rec.Now) && (at.IsZero() || s.NotBefore.Before(at)) {
			at = s.NotBefore
		}
	}
	return at
}

// act carries an action out.
func (l *Loop) act(ctx context.Context, a Action, t *triggers) error {
	switch a.Kind {
	case Sync:
		if err := l.sync(ctx); err != nil {
			return err
		}
		t.changed()
		return nil
	case Start:
		return l.startDesired(ctx, *a.Run)
	case Judge:
		return l.retrying(a.Stage.ID, func() error { return l.judge(ctx, a.Stage) })
	case Promote:
		return l.retrying(a.Stage.ID, func() error { return l.promote(ctx, a.Stage, a.Promotion) })
	}
	return fmt.Errorf("no such action: %s", a.Kind)
}

// retrying does something for a stage; after an error the stage rests for a
// while, longer each time, so that it does not keep the others waiting.
func (l *Loop) retrying(id StageID, do func() error) error {
	err := do()
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		delete(l.retries, id)
		return nil
	}
	r := l.retries[id]
	r.pause = min(max(2*r.pause, retryFirst), retryLast)
	r.notBefore, r.err = l.Now().Add(r.pause), err.Error()
	l.retries[id] = r
	return fmt.Errorf("%s: %w", id, err)
}

// look asks the repository where it is and wakes the loop.
func (l *Loop) look(ctx context.Context) {
	l.lookAt(ctx)
	l.Wake()
}

// lookAt asks the repository where it is.
func (l *Loop) lookAt(ctx context.Context) {
	rev, err := gitsync.Resolve(ctx, l.Source)
	if ctx.Err() != nil {
		return
	}
	l.mu.Lock()
	l.app.CheckedAt = l.Now()
	if err != nil {
		if l.app.GitError != err.Error() {
			l.Log.Warn("reading the repository", "err", err)
		}
		l.app.GitError = err.Error()
	} else {
		l.app.GitError = ""
		if l.app.Head != rev.Commit {
			l.app.Head, l.app.HeadSeen, l.app.HeadRef = rev.Commit, l.Now(), rev.Ref
		}
	}
	l.mu.Unlock()
}

// restore takes up what the store knows, so that a restart goes on with the last
// good state even if the newest commit is refused.
func (l *Loop) restore(ctx context.Context) error {
	doc, ok, err := l.Store.GetDoc(ctx, kindApplication, l.Name)
	if err != nil || !ok {
		return err
	}
	var app Application
	if err := json.Unmarshal(doc.Data, &app); err != nil {
		return fmt.Errorf("application %s: what the store has of it: %w", l.Name, err)
	}
	if app.Repo != l.app.Repo || app.Path != l.app.Path || app.Revision != l.app.Revision || app.Synced == nil {
		return nil // another source: begin anew
	}
	l.app.Synced, l.app.Refused = app.Synced, app.Refused
	cur, _, err := l.load(ctx, gitsync.Revision{Commit: app.Synced.Commit, Ref: app.Synced.Ref})
	var refused *refusal
	switch {
	case errors.As(err, &refused), errors.Is(err, gitsync.ErrNoRevision), errors.Is(err, gitsync.ErrUnreachable):
		l.Log.Warn("what was synced before cannot be loaded again", "commit", app.Synced.Commit, "err", err)
		l.app.Synced = nil
		return nil
	case err != nil:
		return err
	}
	l.current = cur
	return nil
}

// save records the application for people and for the next start.
func (l *Loop) save(ctx context.Context) {
	l.mu.Lock()
	data, err := json.Marshal(l.app)
	l.mu.Unlock()
	if err == nil {
		err = l.putIfChanged(ctx, kindApplication, l.Name, data)
	}
	if err != nil && ctx.Err() == nil {
		l.Log.Error("recording the application", "err", err)
	}
}

// putIfChanged writes a document unless it says so already.
func (l *Loop) putIfChanged(ctx context.Context, kind, key string, data []byte) error {
	doc, ok, err := l.Store.GetDoc(ctx, kind, key)
	if err != nil || ok && bytes.Equal(doc.Data, data) {
		return err
	}
	_, err = l.Store.PutDoc(ctx, kind, key, data, store.AnyVersion)
	return err
}

// Application is what is known of the application now.
func (l *Loop) Application() Application {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.app
}
