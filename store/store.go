// Package store keeps what must outlive the process: the journals of runs and
// of whatever else is a fold of recorded facts, the index of runs and nodes
// that lists and pages read, small documents, and the history of facts about
// them. It keeps; it never decides.
//
// The embedded store is one SQLite file. Journals, documents and facts are
// durable when the call that wrote them returns. The index is derived from the
// journals and may lag behind them by a moment, or by one crash: who folds a
// journal again writes its index again.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Options says how a store is opened.
type Options struct {
	// ReadOnly opens beside a writer and changes nothing. The store must exist.
	ReadOnly bool
	// Shared opens without claiming the folder, beside its writer and others like
	// this one: for a process that carries on runs of its own, and writes nothing
	// else.
	Shared bool
	// FlushEvery is how long a change of the index (PutNodes, UpdateRunSoon) may
	// wait for the commit that holds it. Default 100ms.
	FlushEvery time.Duration
}

// Store is an open store. All methods are safe for concurrent use. It is made
// by Open.
type Store struct {
	path  string
	reads *sql.DB
	w     *writer // nil when read-only
	lock  *lock   // nil when read-only
	feed  *feed
}

// Open opens the store in the file path, and makes it and its folder if it is
// not there. It refuses a store that a newer pawl wrote (FormatError), a file
// that is no store, and a second writer on one folder (InUseError).
func Open(ctx context.Context, path string, o Options) (*Store, error) {
	if o.FlushEvery <= 0 {
		o.FlushEvery = 100 * time.Millisecond
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("opening store %s: %w", path, err)
	}
	s := &Store{path: abs, feed: newFeed()}
	if o.ReadOnly {
		err = s.openReadOnly(ctx)
	} else {
		err = s.openWriter(ctx, o)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening store %s: %w", path, err), s.Close())
	}
	return s, nil
}

func (s *Store) openReadOnly(ctx context.Context) error {
	if _, err := os.Stat(s.path); errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%w: there is no store yet; `pawl serve` makes it", ErrNotFound)
	} else if err != nil {
		return err
	}
	s.reads = openReads(s.path)
	return checkFormat(ctx, s.reads)
}

func (s *Store) openWriter(ctx context.Context, o Options) error {
	if err := os.MkdirAll(filepath.Dir(s.path), 0o700); err != nil {
		return err
	}
	var err error
	if !o.Shared {
		if s.lock, err = takeLock(filepath.Dir(s.path)); err != nil {
			return err
		}
	}
	if err := touch(s.path); err != nil {
		return err
	}
	if s.w, err = openWriter(ctx, s.path, o.FlushEvery, s.feed); err != nil {
		return err
	}
	s.reads = openReads(s.path)
	return nil
}

// touch makes the file if it is not there, readable by its owner only (SQLite
// gives its other files the same mode), and makes its name durable.
func touch(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// Path is the file of the store.
func (s *Store) Path() string { return s.path }

// Close writes what waits, refuses what comes later with ErrClosed, ends all
// subscriptions and frees the folder. A second Close does nothing.
func (s *Store) Close() error {
	var errs []error
	if s.reads != nil {
		errs = append(errs, s.reads.Close())
	}
	if s.w != nil { // the last to leave empties the write-ahead log
		errs = append(errs, s.w.close())
	}
	s.feed.close()
	if s.lock != nil {
		errs = append(errs, s.lock.release())
	}
	return errors.Join(errs...)
}

// write runs do within the next commit and returns when that is durable.
func (s *Store) write(ctx context.Context, do func(*tx) error, changes ...Change) error {
	if s.w == nil {
		return ErrReadOnly
	}
	return s.w.write(ctx, do, changes...)
}
