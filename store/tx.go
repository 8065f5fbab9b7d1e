package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// tx is the transaction in progress, seen by the changes that it is made of.
// It is used by one goroutine at a time. It has no context: a commit that has
// begun is seen through.
type tx struct {
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
	// heads are the journals written to since the last rollback. This process
	// is the only writer, so they are true.
	heads map[string]*head
}

// head is where a journal goes on.
type head struct{ id, next int64 }

// maxHeads bounds the memory for heads; the map starts afresh beyond it.
const maxHeads = 10_000

func newTx(conn *sql.Conn) *tx {
	return &tx{conn: conn, stmts: map[string]*sql.Stmt{}, heads: map[string]*head{}}
}

// stmt prepares each statement once.
func (t *tx) stmt(query string) (*sql.Stmt, error) {
	if s := t.stmts[query]; s != nil {
		return s, nil
	}
	s, err := t.conn.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, fmt.Errorf("preparing %q: %w", query, err)
	}
	t.stmts[query] = s
	return s, nil
}

func (t *tx) exec(query string, args ...any) error {
	_, err := t.change(query, args...)
	return err
}

// change runs a statement and returns how many rows it touched.
func (t *tx) change(query string, args ...any) (int64, error) {
	s, err := t.stmt(query)
	if err != nil {
		return 0, err
	}
	r, err := s.Exec(args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// get reads one row into dest and reports whether there is one.
func (t *tx) get(query string, args []any, dest ...any) (bool, error) {
	s, err := t.stmt(query)
	if err != nil {
		return false, err
	}
	err = s.QueryRow(args...).Scan(dest...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// rollback ends the transaction, if SQLite has not done so by itself.
func (t *tx) rollback() error {
	clear(t.heads)
	if err := t.exec(sqlRollback); err != nil && !noTransaction(err) {
		return fmt.Errorf("rolling back: %w", err)
	}
	return nil
}

func (t *tx) close() error {
	var errs []error
	for _, s := range t.stmts {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// noTransaction reports whether SQLite had rolled back by itself, as it does
// when the disk is full.
func noTransaction(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code() == sqlite3.SQLITE_ERROR
}
