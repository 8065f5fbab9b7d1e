package gitsync

import (
	"container/heap"
	"context"
	"slices"

	"github.com/go-git/go-git/v5/plumbing/object"
)

// IsAncestor reports whether one commit is in the history of another, or is it.
func (r *Repository) IsAncestor(ctx context.Context, old, young string) (bool, error) {
	if old == young {
		return true, nil
	}
	bases, err := r.commonAncestors(ctx, old, young)
	return slices.Contains(bases, old), err
}

// The marks of the walk: which side a commit was reached from, and whether it is
// the ancestor of a common one, so that nothing new comes of it.
const (
	fromA = 1 << iota
	fromB
	stale
)

// MergeBases are the best common ancestors of two commits: none when their
// histories are apart, several after merges that crossed.
func (r *Repository) MergeBases(ctx context.Context, a, b string) ([]string, error) {
	if a == b {
		return []string{a}, nil
	}
	bases, err := r.commonAncestors(ctx, a, b)
	if err != nil {
		return nil, err
	}
	// Commits with wrong clocks can leave one that is in the history of another.
	best := slices.Clone(bases)
	for _, base := range bases {
		for _, other := range bases {
			if base == other {
				continue
			}
			if below, err := r.IsAncestor(ctx, base, other); err != nil {
				return nil, err
			} else if below {
				best = slices.DeleteFunc(best, func(b string) bool { return b == base })
			}
		}
	}
	return best, nil
}

// commonAncestors are the merge bases and, when clocks were wrong, perhaps more.
func (r *Repository) commonAncestors(ctx context.Context, a, b string) ([]string, error) {
	w, err := r.newWalk()
	if err != nil {
		return nil, err
	}
	if err := w.reach(a, fromA); err != nil {
		return nil, err
	}
	if err := w.reach(b, fromB); err != nil {
		return nil, err
	}
	var common []string
	for w.open > 0 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		c, marks := w.next()
		if marks&(fromA|fromB) == fromA|fromB && marks&stale == 0 {
			if !slices.Contains(common, c.Hash.String()) { // it is queued once for each side
				common = append(common, c.Hash.String())
			}
			marks |= stale
		}
		if err := w.reachParents(c, marks); err != nil {
			return nil, err
		}
	}
	var best []string
	for _, hash := range common {
		if w.marks[hash]&stale == 0 { // no other common one has it in its history
			best = append(best, hash)
		}
	}
	return best, nil
}

// Commits lists what is in the history of in and not in that of not, youngest
// first, at most limit of them.
func (r *Repository) Commits(ctx context.Context, in, not string, limit int) ([]Commit, error) {
	w, err := r.newWalk()
	if err != nil {
		return nil, err
	}
	if err := w.reach(not, fromA|stale); err != nil {
		return nil, err
	}
	if err := w.reach(in, fromB); err != nil {
		return nil, err
	}
	var found []*object.Commit
	for w.open > 0 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		c, marks := w.next()
		if marks == fromB {
			found = append(found, c)
		}
		if err := w.reachParents(c, marks); err != nil {
			return nil, err
		}
	}
	var out []Commit
	for _, c := range found {
		if w.marks[c.Hash.String()] == fromB && len(out) < limit {
			out = append(out, describe(c))
		}
	}
	return out, nil
}

// FirstParents lists the commits from one back along the first parents: at most
// limit of them, ending before until or where a shallow clone ends.
func (r *Repository) FirstParents(ctx context.Context, from, until string, limit int) ([]Commit, error) {
	w, err := r.newWalk()
	if err != nil {
		return nil, err
	}
	var line []Commit
	for hash := from; hash != "" && hash != until && len(line) < limit; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		c, err := r.Commit(hash)
		if err != nil {
			return nil, err
		}
		line = append(line, c)
		if hash = ""; len(c.Parents) > 0 && !w.shallow[c.Hash] {
			hash = c.Parents[0]
		}
	}
	return line, nil
}

// walk visits history from young to old by commit time. Clocks that were wrong
// only cost work: a mark that changes sends a commit through the queue again.
type walk struct {
	repo    *Repository
	shallow map[string]bool
	marks   map[string]int
	queue   commitQueue
	open    int // queued commits that are not stale
}

func (r *Repository) newWalk() (*walk, error) {
	cut, err := r.store.Shallow()
	if err != nil {
		return nil, r.objectError("shallow", err)
	}
	w := &walk{repo: r, shallow: map[string]bool{}, marks: map[string]int{}}
	for _, hash := range cut {
		w.shallow[hash.String()] = true
	}
	return w, nil
}

type queued struct {
	commit *object.Commit
	marks  int
}

func (w *walk) reach(hash string, marks int) error {
	if w.marks[hash]|marks == w.marks[hash] {
		return nil
	}
	c, err := w.repo.commit(hash)
	if err != nil {
		return err
	}
	w.marks[hash] |= marks
	heap.Push(&w.queue, queued{c, w.marks[hash]})
	if w.marks[hash]&stale == 0 {
		w.open++
	}
	return nil
}

func (w *walk) next() (*object.Commit, int) {
	q := heap.Pop(&w.queue).(queued)
	if q.marks&stale == 0 {
		w.open--
	}
	return q.commit, w.marks[q.commit.Hash.String()]
}

func (w *walk) reachParents(c *object.Commit, marks int) error {
	if w.shallow[c.Hash.String()] {
		return nil
	}
	for _, p := range c.ParentHashes {
		if err := w.reach(p.String(), marks); err != nil {
			return err
		}
	}
	return nil
}

// commitQueue is a heap, youngest first.
type commitQueue []queued

func (q commitQueue) Len() int { return len(q) }
func (q commitQueue) Less(i, j int) bool {
	a, b := q[i].commit.Committer.When, q[j].commit.Committer.When
	return a.After(b)
}
func (q commitQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push is for container/heap.
func (q *commitQueue) Push(x any) { *q = append(*q, x.(queued)) }

// Pop is for container/heap.
func (q *commitQueue) Pop() any {
	old := *q
	last := old[len(old)-1]
	*q = old[:len(old)-1]
	return last
}
