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

	"github.com/pawl-dev/pawl/engine"
	"github.com/pawl-dev/pawl/engine/artifact"
	"github.com/pawl-dev/pawl/engine/executor"
	"github.com/pawl-dev/pawl/engine/sched"
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

	Store     Store
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
	current *synced          // what is in force; nil before the first
	retries map[string]retry // by subject

	looking sync.Mutex // one look at a time: an older answer never follows a newer
}

const kindApplication = "application"

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
	l := &Loop{Options: o, wake: make(chan struct{}, 1), retries: map[string]retry{}}
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
	defer l.putInForce(nil)
	// Before the first look, so that no change falls in between.
	changes := l.Store.Subscribe(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		if err := l.watch.Run(ctx); err != nil {
			l.Log.Error("watching the repository", "err", err)
		}
	})
	wg.Go(func() { l.hearRuns(ctx, changes) })
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

// hearRuns wakes the loop when a run has ended or is deleted. A run that goes on
// changes several times a second, which changes nothing for the loop.
func (l *Loop) hearRuns(ctx context.Context, changes <-chan store.Change) {
	for c := range changes {
		if c.What != store.RunChanged {
			continue
		}
		run, err := l.Store.RunByUID(ctx, c.Key)
		if err != nil || run.Status.Phase != string(sched.Running) {
			l.Wake()
		}
	}
}

// pass does one thing after the other until nothing is left, and returns when
// something that failed may be tried again (zero: when something happens).
func (l *Loop) pass(ctx context.Context, t *triggers) time.Time {
	last := ""
	for ctx.Err() == nil {
		rec, err := l.observe(ctx)
		if err != nil {
			if ctx.Err() == nil {
				l.Log.Error("observing", "err", err)
			}
			return l.Now().Add(retryFirst)
		}
		a := Decide(rec)
		if a.Kind == Idle {
			l.forgetRetries(rec)
			l.save(ctx)
			return nextTry(rec)
		}
		err = errNoEffect
		if a.String() != last {
			err = l.act(ctx, a, t)
		}
		if ctx.Err() != nil {
			break
		}
		var refused *refusal // is said where it is recorded
		if err != nil && !errors.As(err, &refused) {
			l.Log.Error(a.String(), "err", err)
		}
		l.tried(a.subject(), err)
		last = a.String()
	}
	return time.Time{}
}

// act carries an action out.
func (l *Loop) act(ctx context.Context, a Action, t *triggers) error {
	switch a.Kind {
	case Sync:
		moved, err := l.sync(ctx, a.Commit)
		if moved {
			t.changed()
		}
		return err
	case Start:
		return l.startDesired(ctx, *a.Run)
	case Judge:
		return l.judge(ctx, a.Stage)
	case Promote:
		return l.promote(ctx, a.Stage, a.Promotion)
	}
	return fmt.Errorf("no such action: %s", a.Kind)
}

// look asks the repository where it is and wakes the loop.
func (l *Loop) look(ctx context.Context) {
	l.lookAt(ctx)
	l.mu.Lock()
	l.app.CheckedAt = l.Now()
	l.mu.Unlock()
	l.Wake()
}

// lookAt asks the repository where it is.
func (l *Loop) lookAt(ctx context.Context) {
	l.looking.Lock()
	defer l.looking.Unlock()
	rev, err := gitsync.Resolve(ctx, l.Source)
	if ctx.Err() != nil {
		return
	}
	l.mu.Lock()
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
	// What was refused is tried once more: this may be another pawl, or another
	// configuration.
	cur, _, err := l.load(ctx, gitsync.Revision{Commit: app.Synced.Commit, Ref: app.Synced.Ref})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		l.Log.Warn("what was synced before cannot be loaded again", "commit", app.Synced.Commit, "err", err)
		return nil
	}
	l.mu.Lock()
	l.app.Synced = app.Synced
	l.mu.Unlock()
	l.putInForce(cur)
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
