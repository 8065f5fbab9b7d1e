package gitsync

import (
	"context"
	"fmt"
	"path"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// MergeTrees merges what two commits did since a common base, path by path: a
// path that one side changed is taken from that side, one that both changed to
// the same is taken, anything else is a conflict. The content of a file is never
// merged. base may be "" for histories that have nothing in common. The tree is
// stored; with conflicts there is none.
func (r *Repository) MergeTrees(ctx context.Context, base, ours, theirs string) (tree string, conflicts []string, err error) {
	return r.mergeTrees(ctx, r.writer(), base, ours, theirs)
}

// TryMerge says what MergeTrees would, and stores nothing.
func (r *Repository) TryMerge(ctx context.Context, base, ours, theirs string) (tree string, conflicts []string, err error) {
	w := r.writer()
	w.dry = true
	return r.mergeTrees(ctx, w, base, ours, theirs)
}

func (r *Repository) mergeTrees(ctx context.Context, w *writer, base, ours, theirs string) (tree string, conflicts []string, err error) {
	m := treeMerge{writer: w}
	var sides [3]side
	for i, commit := range []string{base, ours, theirs} {
		if commit == "" {
			continue
		}
		c, err := r.commit(commit)
		if err != nil {
			return "", nil, err
		}
		sides[i] = side{filemode.Dir, c.TreeHash}
	}
	merged, err := m.merge(ctx, "", sides[0], sides[1], sides[2])
	if err != nil {
		return "", nil, fmt.Errorf("merging %.12s and %.12s: %w", ours, theirs, err)
	}
	slices.Sort(m.conflicts)
	if len(m.conflicts) > 0 {
		return "", m.conflicts, nil
	}
	if merged.hash == plumbing.ZeroHash {
		merged.hash, err = m.writer.putTree(nil)
	}
	return merged.hash.String(), nil, err
}

// side is a path in one of the three trees; the zero value is its absence.
type side struct {
	mode filemode.FileMode
	hash plumbing.Hash
}

type treeMerge struct {
	writer    *writer
	conflicts []string
}

func (m *treeMerge) merge(ctx context.Context, name string, base, ours, theirs side) (side, error) {
	switch {
	case ours == theirs, base == theirs:
		return ours, nil
	case base == ours:
		return theirs, nil
	}
	dirOrNone := func(s side) bool { return s == side{} || s.mode == filemode.Dir }
	if !dirOrNone(base) || !dirOrNone(ours) || !dirOrNone(theirs) {
		m.conflicts = append(m.conflicts, name)
		return side{}, nil
	}
	return m.mergeFolder(ctx, name, base, ours, theirs)
}

func (m *treeMerge) mergeFolder(ctx context.Context, name string, base, ours, theirs side) (side, error) {
	if err := ctx.Err(); err != nil {
		return side{}, err
	}
	var in [3]map[string]side
	names := map[string]bool{}
	for i, s := range []side{base, ours, theirs} {
		entries, err := m.entries(s)
		if err != nil {
			return side{}, fmt.Errorf("reading folder %q: %w", name, err)
		}
		in[i] = entries
		for entry := range entries {
			names[entry] = true
		}
	}
	var out []object.TreeEntry
	for entry := range names {
		got, err := m.merge(ctx, path.Join(name, entry), in[0][entry], in[1][entry], in[2][entry])
		if err != nil {
			return side{}, err
		}
		if got != (side{}) {
			out = append(out, object.TreeEntry{Name: entry, Mode: got.mode, Hash: got.hash})
		}
	}
	if len(out) == 0 || len(m.conflicts) > 0 {
		return side{}, nil
	}
	hash, err := m.writer.putTree(out)
	return side{filemode.Dir, hash}, err
}

func (m *treeMerge) entries(s side) (map[string]side, error) {
	entries := map[string]side{}
	if s.hash == plumbing.ZeroHash {
		return entries, nil
	}
	tree, err := object.GetTree(m.writer.store, s.hash)
	if err != nil {
		return nil, err
	}
	for _, e := range tree.Entries {
		entries[e.Name] = side{e.Mode, e.Hash}
	}
	return entries, nil
}
