package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// writer makes all changes, on one connection. Changes that come while a
// commit is in progress queue up and share the next one:
//
//	write ──▶ queue ──▶ whoever gets the turn: BEGIN, all that is queued, COMMIT
//	                    (fdatasync), then every writer of the batch returns
//
// There is no goroutine between a lone writer and the disk: it takes the turn
// itself. Changes of the index go to the lane instead, which a timer empties.
type writer struct {
	db   *sql.DB
	conn *sql.Conn
	tx   *tx
	feed *feed

	turn chan struct{} // holds a token while somebody commits, who alone uses conn and tx

	mu     sync.Mutex
	queue  []*write
	lane   *lane
	closed bool
	broken error // a failed sync: what the disk holds is not known any more

	flushEvery time.Duration
	timer      *time.Timer    // runs while the lane holds something
	flushes    sync.WaitGroup // of the timer's functions
}

// write is one change that waits for its commit.
type write struct {
	// do makes the change. If it refuses (see refused) it has changed nothing.
	// It may be called a second time, after a rollback.
	do      func(*tx) error
	changes []Change
	done    chan struct{}
	err     error // valid once done is closed
}

func openWriter(ctx context.Context, path string, flushEvery time.Duration, f *feed) (*writer, error) {
	w := &writer{db: openWrites(path), feed: f, turn: make(chan struct{}, 1), lane: newLane(), flushEvery: flushEvery}
	err := w.connect(ctx)
	if err != nil {
		return nil, errors.Join(err, w.db.Close())
	}
	return w, nil
}

func (w *writer) connect(ctx context.Context) error {
	var err error
	if w.conn, err = w.db.Conn(ctx); err != nil {
		return err
	}
	var mode string
	if err := w.conn.QueryRowContext(ctx, sqlJournalMode).Scan(&mode); err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("its file system cannot hold a write-ahead log (journal mode %s): choose a local disk with --data", mode)
	}
	if err := migrate(ctx, w.conn); err != nil {
		return err
	}
	w.tx = newTx(w.conn)
	return nil
}

// write queues the change and returns when it is durable or refused. If ctx
// ends before a commit has taken it up, nothing is changed.
func (w *writer) write(ctx context.Context, do func(*tx) error, changes ...Change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	wr := &write{do: do, changes: changes, done: make(chan struct{})}
	if err := w.enqueue(wr); err != nil {
		return err
	}
	select {
	case w.turn <- struct{}{}:
		w.commitQueued()
		<-w.turn
	case <-wr.done:
	case <-ctx.Done():
		if w.withdraw(wr) {
			return ctx.Err()
		}
	}
	<-wr.done
	return wr.err
}

func (w *writer) enqueue(wr *write) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.usable(); err != nil {
		return err
	}
	w.queue = append(w.queue, wr)
	return nil
}

// usable says why nothing can be written any more. It is called with mu held.
func (w *writer) usable() error {
	if w.closed {
		return ErrClosed
	}
	if w.broken != nil {
		return fmt.Errorf("the disk failed a write earlier, restart pawl when it is well: %w", w.broken)
	}
	return nil
}

// withdraw takes a change back unless a commit has taken it up.
func (w *writer) withdraw(wr *write) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, q := range w.queue {
		if q == wr {
			w.queue = append(w.queue[:i], w.queue[i+1:]...)
			return true
		}
	}
	return false
}

// commitQueued commits all that is queued. The caller has the turn.
func (w *writer) commitQueued() {
	w.mu.Lock()
	batch := w.queue
	w.queue = nil
	w.mu.Unlock()
	w.commitAll(batch)
}

// commitAll commits the batch in one transaction or, if that fails, each change
// in its own, so that one bad change does not fail those beside it.
func (w *writer) commitAll(batch []*write) {
	if len(batch) == 0 {
		return
	}
	err := w.commit(batch)
	if err != nil && len(batch) > 1 && w.noteBroken(err) == nil {
		for _, wr := range batch {
			w.finish([]*write{wr}, w.commit([]*write{wr}))
		}
		return
	}
	w.finish(batch, err)
}

// finish tells the writers of the batch how it went.
func (w *writer) finish(batch []*write, err error) {
	if err != nil {
		w.noteBroken(err)
	}
	for _, wr := range batch {
		if err != nil {
			wr.err = err
		}
		if wr.err == nil {
			w.feed.publish(wr.changes)
		}
		close(wr.done)
	}
}

// noteBroken remembers a failed sync: Linux reports it once and then holds the
// lost pages for clean, so that a later success would prove nothing.
func (w *writer) noteBroken(err error) error {
	var e *sqlite.Error
	if !errors.As(err, &e) || e.Code()&0xff != sqlite3.SQLITE_IOERR {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken == nil {
		w.broken = err
	}
	return w.broken
}

// commit runs the batch as one transaction. Refusals are left in the writes;
// an error means that nothing of the batch is changed.
func (w *writer) commit(batch []*write) error {
	if err := w.tx.exec(sqlBegin); err != nil {
		return fmt.Errorf("beginning a commit: %w", err)
	}
	for _, wr := range batch {
		wr.err = wr.do(w.tx)
		if wr.err != nil && !refused(wr.err) {
			return errors.Join(wr.err, w.tx.rollback())
		}
	}
	if err := w.tx.exec(sqlCommit); err != nil {
		return errors.Join(fmt.Errorf("committing: %w", err), w.tx.rollback())
	}
	return nil
}

// close commits what waits and closes the connection.
func (w *writer) close() error {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return nil
	}
	w.closed = true
	if w.timer != nil && w.timer.Stop() {
		w.flushes.Done()
	}
	w.mu.Unlock()
	w.flushes.Wait()

	w.turn <- struct{}{}
	defer func() { <-w.turn }() // a Flush that waits finds its work done
	w.commitQueued()
	var err error
	for more := true; more && err == nil; {
		more, err = w.commitLane()
	}
	return errors.Join(err, w.tx.close(), w.conn.Close(), w.db.Close())
}
