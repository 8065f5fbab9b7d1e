package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
)

// Doc is a small document: what somebody knows about one thing.
type Doc struct {
	Kind    string
	Key     string
	Version int64 // 1 for a new document, one more with every change
	Data    json.RawMessage
}

// AnyVersion lets PutDoc and DeleteDoc change a document whatever it is now.
const AnyVersion int64 = -1

// GetDoc returns a document, or ok = false.
func (s *Store) GetDoc(ctx context.Context, kind, key string) (d Doc, ok bool, err error) {
	d = Doc{Kind: kind, Key: key}
	err = s.reads.QueryRowContext(ctx, sqlDocGet, kind, key).Scan(&d.Version, (*[]byte)(&d.Data))
	if errors.Is(err, sql.ErrNoRows) {
		return Doc{}, false, nil
	}
	if err != nil {
		return Doc{}, false, fmt.Errorf("reading %s %s: %w", kind, key, err)
	}
	return d, true, nil
}

// PutDoc writes a document if its version is the expected one (0: it is not
// there yet; AnyVersion: whatever it is), and returns the new version. Another
// version is ErrConflict: read again, decide again.
func (s *Store) PutDoc(ctx context.Context, kind, key string, data []byte, expect int64) (version int64, err error) {
	if data == nil {
		data = []byte{}
	}
	err = s.write(ctx, func(t *tx) error {
		now, err := t.docVersion(kind, key, expect)
		if err != nil {
			return err
		}
		version = now + 1
		if now == 0 {
			return t.exec(sqlDocInsert, kind, key, version, data)
		}
		return t.exec(sqlDocUpdate, version, data, kind, key)
	}, Change{What: DocChanged, Kind: kind, Key: key})
	if err != nil {
		return 0, fmt.Errorf("writing %s %s: %w", kind, key, err)
	}
	return version, nil
}

// DeleteDoc removes a document if its version is the expected one. One that is
// not there is ErrNotFound.
func (s *Store) DeleteDoc(ctx context.Context, kind, key string, expect int64) error {
	err := s.write(ctx, func(t *tx) error {
		now, err := t.docVersion(kind, key, expect)
		if err != nil {
			return err
		}
		if now == 0 {
			return ErrNotFound
		}
		return t.exec(sqlDocDelete, kind, key)
	}, Change{What: DocChanged, Kind: kind, Key: key})
	if err != nil {
		return fmt.Errorf("deleting %s %s: %w", kind, key, err)
	}
	return nil
}

// docVersion is the version of a document, 0 for none, or ErrConflict.
func (t *tx) docVersion(kind, key string, expect int64) (int64, error) {
	var now int64
	var data []byte
	if _, err := t.get(sqlDocGet, []any{kind, key}, &now, &data); err != nil {
		return 0, err
	}
	if expect != AnyVersion && now != expect {
		return 0, fmt.Errorf("it is at version %d, not %d: %w", now, expect, ErrConflict)
	}
	return now, nil
}

// ListDocs returns the documents of a kind whose key begins with prefix, in the
// order of their keys.
func (s *Store) ListDocs(ctx context.Context, kind, prefix string) ([]Doc, error) {
	docs, err := s.listDocs(ctx, kind, prefix)
	if err != nil {
		return nil, fmt.Errorf("listing %s %s*: %w", kind, prefix, err)
	}
	return docs, nil
}

func (s *Store) listDocs(ctx context.Context, kind, prefix string) ([]Doc, error) {
	rows, err := s.reads.QueryContext(ctx, sqlDocs, kind, prefix, prefix)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var docs []Doc
	for rows.Next() {
		d := Doc{Kind: kind}
		if err := rows.Scan(&d.Key, &d.Version, (*[]byte)(&d.Data)); err != nil {
			return nil, err
		}
		docs = append(docs, d)
	}
	return docs, rows.Err()
}

// NextNumber gives out the next number of a kind, from 1, each once.
func (s *Store) NextNumber(ctx context.Context, kind string) (int64, error) {
	var n int64
	err := s.write(ctx, func(t *tx) error {
		_, err := t.get(sqlNumberNext, []any{kind}, &n)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("numbering a %s: %w", kind, err)
	}
	return n, nil
}
