package filesource

import (
	"context"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/pawl-dev/pawl/events"
)

const (
	// gather is how long after a notification the folder is listed, so that many
	// notifications cost one listing.
	gather = 10 * time.Millisecond
	// recheck is how often files are looked at that are not settled.
	recheck = 100 * time.Millisecond
	// relist is how often a folder is listed though the system watches it: some
	// file systems do not notify of what other machines do.
	relist = 30 * time.Second
	// share is how many times longer than listing takes is waited before listing
	// again, so that a very large folder does not keep a core busy.
	share = 5
)

// Run watches until ctx ends. Trouble with the folder, Emit or Save is said to
// the log and tried again; it never ends the watching.
func (s *Source) Run(ctx context.Context) error {
	w := s.watch()
	if w != nil {
		defer w.Close()
	}
	var trouble string
	for ctx.Err() == nil {
		watched := w != nil && w.Add(s.match.directory) == nil // again, in case the folder is a new one
		began := time.Now()
		err := s.pass(ctx)
		took := time.Since(began)
		trouble = s.say(ctx, err, trouble)
		s.wait(ctx, w, s.pause(err, watched), max(gather, share*took))
	}
	return nil
}

// watch opens the system's notifications; without them the folder is polled.
func (s *Source) watch() *fsnotify.Watcher {
	if s.cfg.Spec.Polling {
		return nil
	}
	w, err := fsnotify.NewWatcher()
	if err != nil {
		s.cfg.Log.Warn("the system does not watch the folder, it is polled", "err", err)
		return nil
	}
	return w
}

// say logs trouble when it is new, and its end.
func (s *Source) say(ctx context.Context, err error, before string) string {
	if err == nil {
		if before != "" {
			s.cfg.Log.Info("file source works again")
		}
		return ""
	}
	if ctx.Err() == nil && err.Error() != before {
		s.cfg.Log.Warn("file source", "err", err)
	}
	return err.Error()
}

// pause is how long nothing needs to be done unless the system notifies.
func (s *Source) pause(err error, watched bool) time.Duration {
	switch {
	case err == nil && len(s.unsettled) > 0:
		return recheck
	case err == nil && watched:
		return relist
	}
	return s.cfg.Poll
}

// wait returns after the pause, or soon after a notification, or with ctx.
func (s *Source) wait(ctx context.Context, w *fsnotify.Watcher, pause, soon time.Duration) {
	timer := time.NewTimer(max(pause, soon))
	defer timer.Stop()
	var notified <-chan fsnotify.Event
	var failed <-chan error
	if w != nil {
		notified, failed = w.Events, w.Errors
	}
	for shortened := false; ; {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			return
		case e := <-notified:
			s.hear(e)
		case <-failed: // the queue overflowed: the listing tells what was lost
		}
		if !shortened {
			timer.Reset(soon)
			shortened = true
		}
	}
}

// hear keeps what a notification says of a name: that it was renamed, or that
// another file has taken its place.
func (s *Source) hear(e fsnotify.Event) {
	name := filepath.Base(e.Name)
	switch {
	case e.Has(fsnotify.Remove):
		s.said[name] |= events.FileRemove
	case e.Has(fsnotify.Rename):
		s.said[name] |= events.FileRemove | events.FileRename
	case e.Has(fsnotify.Create) && s.said[name]&events.FileRemove != 0:
		s.said[name] |= events.FileCreate
	}
}
