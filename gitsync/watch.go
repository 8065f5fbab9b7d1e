package gitsync

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settle is how long a burst of file events is gathered into one notice.
const settle = 20 * time.Millisecond

// WatchConfig is what to watch and how often to look.
type WatchConfig struct {
	Source Source
	// Interval is the time between looks when nothing is heard. Default 30 s.
	Interval time.Duration
	// Jitter is the part of Interval, from 0 to 1, by which looks are spread at
	// random, so that many watchers do not ask at once. Default 0.1.
	Jitter float64
	// Notify says "look now"; it is called by one goroutine and may block.
	// Whether anything moved is for Resolve to say.
	Notify func(ctx context.Context)
	// Warn is told when pushes cannot be noticed at once and only polling is
	// left. Default: nobody is.
	Warn func(error)
}

// Watch notices that a Source may have moved: by polling, which is the truth,
// and at once when it is poked or, for a repository on this machine, when one
// of its references changes.
type Watch struct {
	cfg  WatchConfig
	poke chan struct{}
	said string // the last warning; of the goroutine of Run
}

// NewWatch fills in defaults. Nothing happens until Run.
func NewWatch(cfg WatchConfig) (*Watch, error) {
	if cfg.Notify == nil {
		return nil, errors.New("watching a repository: Notify is not set")
	}
	if cfg.Interval == 0 {
		cfg.Interval = 30 * time.Second
	}
	if cfg.Jitter == 0 {
		cfg.Jitter = 0.1
	}
	if cfg.Interval < 0 || cfg.Jitter < 0 || cfg.Jitter > 1 {
		return nil, fmt.Errorf("watching %s: interval %s with jitter %g: the first must be positive, the second from 0 to 1",
			cfg.Source, cfg.Interval, cfg.Jitter)
	}
	if cfg.Warn == nil {
		cfg.Warn = func(error) {}
	}
	return &Watch{cfg: cfg, poke: make(chan struct{}, 1)}, nil
}

// Poke makes the watch look now, such as after a push notification. It never
// blocks, and pokes that come while it looks are one.
func (w *Watch) Poke() {
	select {
	case w.poke <- struct{}{}:
	default:
	}
}

// Run notifies once at the beginning and then until ctx ends, which is not an error.
func (w *Watch) Run(ctx context.Context) error {
	ears := &ears{}
	defer func() { ears.close() }()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-w.poke:
		case event, ok := <-ears.events:
			if !ok || !ears.concerns(event) {
				continue
			}
			if !gather(ctx, ears) {
				return nil
			}
		case err := <-ears.errors:
			w.warn(err)
		}
		if ears.watcher == nil { // also for a repository that is made later
			ears = w.listen()
		}
		// Folders first, then the look: a reference made in a new folder before
		// the folder was watched is seen by the look.
		if err := ears.update(); err != nil && !errors.Is(err, fs.ErrNotExist) {
			w.warn(err)
		}
		w.cfg.Notify(ctx)
		timer.Reset(w.pause())
	}
}

// warn says a trouble once, however often it comes back.
func (w *Watch) warn(err error) {
	if text := err.Error(); text != w.said {
		w.said = text
		w.cfg.Warn(fmt.Errorf("watching the references of %s, polling is left: %w", w.cfg.Source, err))
	}
}

func (w *Watch) pause() time.Duration {
	spread := (2*rand.Float64() - 1) * w.cfg.Jitter
	return max(time.Duration(float64(w.cfg.Interval)*(1+spread)), time.Millisecond)
}

// gather swallows the rest of a burst. It is false when ctx ended.
func gather(ctx context.Context, e *ears) bool {
	quiet := time.NewTimer(settle)
	defer quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-e.events:
		case <-quiet.C:
			return true
		}
	}
}

// ears hear changes of a local repository's references. The zero value hears nothing.
type ears struct {
	watcher *fsnotify.Watcher
	common  string
	events  chan fsnotify.Event
	errors  chan error
}

// listen prepares to hear; it watches nothing yet.
func (w *Watch) listen() *ears {
	at, err := w.cfg.Source.locate()
	if err != nil || at.url != nil {
		return &ears{}
	}
	repo, err := OpenRepository(at.path)
	if err != nil {
		return &ears{} // Resolve says what is wrong
	}
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		w.warn(err)
		return &ears{}
	}
	return &ears{watcher: watcher, common: repo.common, events: watcher.Events, errors: watcher.Errors}
}

func (e *ears) close() {
	if e.watcher != nil {
		e.watcher.Close()
	}
}

// update watches the folders of references that there are now; those that are
// watched already stay so.
func (e *ears) update() error {
	if e.watcher == nil {
		return nil
	}
	if err := e.watcher.Add(e.common); err != nil { // HEAD, packed-refs
		return err
	}
	return filepath.WalkDir(filepath.Join(e.common, "refs"), func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || !d.IsDir() {
			return err
		}
		if err := e.watcher.Add(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
}

// concerns tells references from locks and from the other files beside them.
func (e *ears) concerns(event fsnotify.Event) bool {
	if strings.HasSuffix(event.Name, ".lock") {
		return false
	}
	if filepath.Dir(event.Name) == e.common {
		name := filepath.Base(event.Name)
		return name == "HEAD" || name == "packed-refs" || name == "refs"
	}
	return event.Op != fsnotify.Chmod
}
