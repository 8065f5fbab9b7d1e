package store

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
)

// Node is a node of a run as pages see it: derived from the run's journal.
type Node struct {
	Index int // its place in the run, from 0
	Name  string
	Phase string
	Data  json.RawMessage // all else, in its owner's words
}

// PutNodes adds nodes to a run's index, or replaces those with the same Index,
// in one of the next commits; of several changes of a node by then only the
// last is written. Nodes of a run that is not there are dropped. The Data belongs
// to the store from then on.
func (s *Store) PutNodes(ctx context.Context, uid string, nodes []Node) error {
	for _, n := range nodes {
		if n.Index < 0 || n.Index >= math.MaxUint32 {
			return fmt.Errorf("node %s of run %s has index %d, which is out of range", n.Name, uid, n.Index)
		}
	}
	return s.later(ctx, func(l *lane) {
		for _, n := range nodes {
			l.putNode(uid, n)
		}
	})
}

// Nodes returns up to limit nodes (0: all) of a run from index from on, in the
// order of their indexes.
func (s *Store) Nodes(ctx context.Context, uid string, from, limit int) ([]Node, error) {
	nodes, err := s.nodes(ctx, uid, from, limit)
	if err != nil {
		return nil, fmt.Errorf("listing the nodes of run %s: %w", uid, err)
	}
	return nodes, nil
}

func (s *Store) nodes(ctx context.Context, uid string, from, limit int) ([]Node, error) {
	id, err := s.runID(ctx, uid)
	if err != nil {
		return nil, err
	}
	if limit <= 0 {
		limit = -1
	}
	first, last := slots(id)
	rows, err := s.reads.QueryContext(ctx, sqlNodes, first+int64(max(from, 0)), last, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var nodes []Node
	for rows.Next() {
		var n Node
		var at int64
		if err := rows.Scan(&at, &n.Name, &n.Phase, (*[]byte)(&n.Data)); err != nil {
			return nil, err
		}
		n.Index = int(at - first)
		nodes = append(nodes, n)
	}
	return nodes, rows.Err()
}

// NodeCounts returns how many nodes of a run are in each phase.
func (s *Store) NodeCounts(ctx context.Context, uid string) (map[string]int, error) {
	counts, err := s.nodeCounts(ctx, uid)
	if err != nil {
		return nil, fmt.Errorf("counting the nodes of run %s: %w", uid, err)
	}
	return counts, nil
}

func (s *Store) nodeCounts(ctx context.Context, uid string) (map[string]int, error) {
	id, err := s.runID(ctx, uid)
	if err != nil {
		return nil, err
	}
	first, last := slots(id)
	rows, err := s.reads.QueryContext(ctx, sqlNodeCounts, first, last)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	counts := map[string]int{}
	for rows.Next() {
		var phase string
		var n int
		if err := rows.Scan(&phase, &n); err != nil {
			return nil, err
		}
		counts[phase] = n
	}
	return counts, rows.Err()
}

// ClearIndex forgets what was derived from a run's journal: its nodes and its
// status. Who calls it folds the journal again.
func (s *Store) ClearIndex(ctx context.Context, uid string) error {
	if err := s.Flush(ctx); err != nil { // nothing put earlier may come back
		return err
	}
	err := s.write(ctx, func(t *tx) error {
		var id int64
		found, err := t.get(sqlRunID, []any{uid}, &id)
		if err != nil {
			return err
		}
		if !found {
			return ErrNotFound
		}
		first, last := slots(id)
		if err := t.exec(sqlNodesDelete, first, last); err != nil {
			return err
		}
		return t.exec(sqlRunUpdate, append(RunStatus{}.columns(), uid)...)
	}, Change{What: RunChanged, Key: uid})
	if err != nil {
		return fmt.Errorf("clearing the index of run %s: %w", uid, err)
	}
	return nil
}

func (s *Store) runID(ctx context.Context, uid string) (int64, error) {
	var id int64
	err := s.reads.QueryRowContext(ctx, sqlRunID, uid).Scan(&id)
	return id, notFound(err)
}
