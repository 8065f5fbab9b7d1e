package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"math"
)

// slot is the id of the n-th row that belongs to the row parent: rows of one
// parent lie together, in order.
func slot(parent int64, n int) int64 { return parent<<32 + int64(n) }

// slots are the first and last possible id below the parent.
func slots(parent int64) (first, last int64) { return slot(parent, 0), slot(parent, math.MaxUint32) }

// Append adds records to the end of a run's journal, all of them or none, and
// returns when they are durable. The first record of a journal makes it; its
// name is a run's UID, or any other name for what is no run. Concurrent Appends
// share commits.
func (s *Store) Append(ctx context.Context, run string, records ...[]byte) error {
	if len(records) == 0 {
		return nil
	}
	err := s.write(ctx, func(t *tx) error { return t.appendRecords(run, records) })
	if err != nil {
		return fmt.Errorf("appending to the journal of %s: %w", run, err)
	}
	return nil
}

func (t *tx) appendRecords(journal string, records [][]byte) error {
	h, err := t.head(journal)
	if err != nil {
		return err
	}
	if h.next+int64(len(records)) > math.MaxUint32 {
		return fmt.Errorf("it is full: %d records", h.next)
	}
	for _, r := range records {
		if r == nil {
			r = []byte{} // a nil slice would be NULL
		}
		if err := t.exec(sqlRecordInsert, slot(h.id, int(h.next)), r); err != nil {
			return err
		}
		h.next++
	}
	return nil
}

// head finds where a journal goes on, and makes the journal if need be.
func (t *tx) head(journal string) (*head, error) {
	if h := t.heads[journal]; h != nil {
		return h, nil
	}
	if len(t.heads) >= maxHeads {
		clear(t.heads)
	}
	h := &head{}
	found, err := t.get(sqlJournalID, []any{journal}, &h.id)
	if err != nil {
		return nil, err
	}
	if !found {
		if _, err := t.get(sqlJournalCreate, []any{journal}, &h.id); err != nil {
			return nil, err
		}
	}
	first, last := slots(h.id)
	var end sql.NullInt64
	if _, err := t.get(sqlLastRecord, []any{first, last}, &end); err != nil {
		return nil, err
	}
	if end.Valid {
		h.next = end.Int64 - first + 1
	}
	t.heads[journal] = h
	return h, nil
}

func (t *tx) deleteJournal(journal string) error {
	var id int64
	found, err := t.get(sqlJournalID, []any{journal}, &id)
	if err != nil || !found {
		return err
	}
	delete(t.heads, journal)
	first, last := slots(id)
	if err := t.exec(sqlRecordsDelete, first, last); err != nil {
		return err
	}
	return t.exec(sqlJournalDelete, id)
}

// readChunk is how many records are read at a time; between two chunks no
// connection is held, so that a slow reader keeps nobody waiting.
const readChunk = 1000

// Read yields the records of a run's journal in order, beginning with number
// from; the caller may keep them. A journal that is not there has none. After
// an error, which is yielded alone, it ends.
func (s *Store) Read(ctx context.Context, run string, from int) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		var id int64
		err := s.reads.QueryRowContext(ctx, sqlJournalID, run).Scan(&id)
		if errors.Is(err, sql.ErrNoRows) {
			return
		}
		for next := max(from, 0); err == nil; {
			var chunk [][]byte
			if chunk, err = s.readRecords(ctx, id, next); err != nil {
				break
			}
			for _, r := range chunk {
				if !yield(r, nil) {
					return
				}
			}
			if next += len(chunk); len(chunk) < readChunk {
				return
			}
		}
		yield(nil, fmt.Errorf("reading the journal of %s: %w", run, err))
	}
}

func (s *Store) readRecords(ctx context.Context, journal int64, from int) ([][]byte, error) {
	_, last := slots(journal)
	rows, err := s.reads.QueryContext(ctx, sqlRecords, slot(journal, from), last, readChunk)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var chunk [][]byte
	for rows.Next() {
		var id int64
		var data []byte
		if err := rows.Scan(&id, &data); err != nil {
			return nil, err
		}
		if want := slot(journal, from+len(chunk)); id != want {
			return nil, fmt.Errorf("record %d is missing", want-slot(journal, 0))
		}
		chunk = append(chunk, data)
	}
	return chunk, rows.Err()
}
