package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Check reads the whole store and returns what is wrong with it, one error a
// finding, joined: damaged pages, gaps in journals, records of no journal.
func (s *Store) Check(ctx context.Context) error {
	findings, err := s.strings(ctx, sqlIntegrity)
	if err != nil {
		return fmt.Errorf("checking store %s: %w", s.path, err)
	}
	var errs []error
	for _, f := range findings {
		if f != "ok" {
			errs = append(errs, fmt.Errorf("store %s: %s", s.path, f))
		}
	}
	if err := s.checkGaps(ctx, &errs); err != nil {
		return fmt.Errorf("checking store %s: %w", s.path, err)
	}
	return errors.Join(errs...)
}

func (s *Store) checkGaps(ctx context.Context, errs *[]error) error {
	rows, err := s.reads.QueryContext(ctx, sqlRecordGaps)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var have, want int64
		if err := rows.Scan(&name, &have, &want); err != nil {
			return err
		}
		*errs = append(*errs, fmt.Errorf("store %s: the journal of %s has %d of %d records", s.path, name, have, want))
	}
	if err := rows.Err(); err != nil {
		return err
	}
	var orphans int64
	if err := s.reads.QueryRowContext(ctx, sqlRecordOrphans).Scan(&orphans); err != nil {
		return err
	}
	if orphans > 0 {
		*errs = append(*errs, fmt.Errorf("store %s: %d records belong to no journal", s.path, orphans))
	}
	return nil
}

func (s *Store) strings(ctx context.Context, query string) ([]string, error) {
	rows, err := s.reads.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var one string
		if err := rows.Scan(&one); err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}

// notFound turns the engine's "no rows" into ours.
func notFound(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	return err
}
