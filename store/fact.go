package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// Fact is something that happened to one thing, for good.
type Fact struct {
	ID   int64 // order of recording
	Kind string
	Key  string
	Time time.Time
	Data json.RawMessage
}

// AddFact records a fact and returns when it is durable.
func (s *Store) AddFact(ctx context.Context, kind, key string, at time.Time, data []byte) (id int64, err error) {
	if data == nil {
		data = []byte{}
	}
	err = s.write(ctx, func(t *tx) error {
		_, err := t.get(sqlFactInsert, []any{kind, key, nanos(at), data}, &id)
		return err
	}, Change{What: FactAdded, Kind: kind, Key: key})
	if err != nil {
		return 0, fmt.Errorf("recording %s %s: %w", kind, key, err)
	}
	return id, nil
}

// Facts returns up to limit facts (0: all) of a kind about one key, or about
// all keys if it is empty, newest first.
func (s *Store) Facts(ctx context.Context, kind, key string, limit int) ([]Fact, error) {
	facts, err := s.facts(ctx, kind, key, limit)
	if err != nil {
		return nil, fmt.Errorf("reading the history of %s %s: %w", kind, key, err)
	}
	return facts, nil
}

func (s *Store) facts(ctx context.Context, kind, key string, limit int) ([]Fact, error) {
	if limit <= 0 {
		limit = -1
	}
	query, args := sqlFactsByKey, []any{kind, key, limit}
	if key == "" {
		query, args = sqlFactsByKind, []any{kind, limit}
	}
	rows, err := s.reads.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var facts []Fact
	for rows.Next() {
		f := Fact{Kind: kind}
		var at int64
		if err := rows.Scan(&f.ID, &f.Key, &at, (*[]byte)(&f.Data)); err != nil {
			return nil, err
		}
		f.Time = fromNanos(at)
		facts = append(facts, f)
	}
	return facts, rows.Err()
}
