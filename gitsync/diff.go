package gitsync

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/format/diff"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/utils/merkletrie"
)

// The bounds of a diff: it is for people to read.
const (
	diffFiles     = 300
	diffFileBytes = 256 << 10 // a larger file is only named
	diffBytes     = 1 << 20   // of all patches together
)

// Diff is what changed between two commits.
type Diff struct {
	Files []FileDiff `json:"files"`
	// More is how many changed files are not in Files.
	More int `json:"more,omitempty"`
}

// FileDiff is one changed path.
type FileDiff struct {
	Path   string `json:"path"`
	Status string `json:"status"` // added, modified, deleted
	// Patch is git's unified diff; empty when Omitted says why.
	Patch   string `json:"patch,omitempty"`
	Omitted string `json:"omitted,omitempty"` // binary, too large
}

// String is all patches, one after the other.
func (d Diff) String() string {
	var b strings.Builder
	for _, f := range d.Files {
		if b.WriteString(f.Patch); f.Omitted != "" {
			fmt.Fprintf(&b, "%s %s (%s)\n", f.Status, f.Path, f.Omitted)
		}
	}
	if d.More > 0 {
		fmt.Fprintf(&b, "and %d more files\n", d.More)
	}
	return b.String()
}

// Diff compares the files of two commits. A move shows as one file deleted and
// one added. from may be "" for everything in to.
func (r *Repository) Diff(ctx context.Context, from, to string) (Diff, error) {
	trees := make([]*object.Tree, 2)
	for i, hash := range []string{from, to} {
		if hash == "" {
			continue
		}
		c, err := r.commit(hash)
		if err != nil {
			return Diff{}, err
		}
		if trees[i], err = c.Tree(); err != nil {
			return Diff{}, r.objectError(c.TreeHash.String(), err)
		}
	}
	changes, err := object.DiffTreeContext(ctx, trees[0], trees[1])
	if err != nil {
		return Diff{}, fmt.Errorf("comparing %.12s with %.12s: %w", from, to, err)
	}
	var out Diff
	left := diffBytes
	for i, change := range changes {
		if i == diffFiles {
			out.More = len(changes) - i
			break
		}
		file, err := r.fileDiff(ctx, change, left)
		if err != nil {
			return Diff{}, err
		}
		left -= len(file.Patch)
		out.Files = append(out.Files, file)
	}
	return out, nil
}

func (r *Repository) fileDiff(ctx context.Context, change *object.Change, left int) (FileDiff, error) {
	action, err := change.Action()
	if err != nil {
		return FileDiff{}, fmt.Errorf("comparing %s: %w", change, err)
	}
	out := FileDiff{Path: change.To.Name, Status: "modified"}
	switch action {
	case merkletrie.Insert:
		out.Status = "added"
	case merkletrie.Delete:
		out.Path, out.Status = change.From.Name, "deleted"
	}
	if out.Omitted, err = r.whyOmitted(change); err != nil || out.Omitted != "" {
		return out, err
	}
	patch, err := change.PatchContext(ctx)
	if err != nil {
		return FileDiff{}, fmt.Errorf("comparing %s: %w", out.Path, err)
	}
	var b bytes.Buffer
	if err := diff.NewUnifiedEncoder(&b, diff.DefaultContextLines).Encode(patch); err != nil {
		return FileDiff{}, fmt.Errorf("comparing %s: %w", out.Path, err)
	}
	if b.Len() > left {
		out.Omitted = "too large"
		return out, nil
	}
	out.Patch = b.String()
	return out, nil
}

func (r *Repository) whyOmitted(change *object.Change) (string, error) {
	for _, entry := range []object.ChangeEntry{change.From, change.To} {
		if entry.Name == "" || !entry.TreeEntry.Mode.IsFile() {
			continue
		}
		size, err := blobSize(r.store, entry.TreeEntry.Hash)
		if err != nil {
			return "", r.objectError(entry.TreeEntry.Hash.String(), err)
		}
		if size > diffFileBytes {
			return "too large", nil
		}
		blob, err := object.GetBlob(r.store, entry.TreeEntry.Hash)
		if err != nil {
			return "", r.objectError(entry.TreeEntry.Hash.String(), err)
		}
		binary, err := looksBinary(blob)
		if err != nil {
			return "", r.objectError(entry.TreeEntry.Hash.String(), err)
		}
		if binary {
			return "binary", nil
		}
	}
	return "", nil
}

// looksBinary is git's own guess: a zero byte near the beginning.
func looksBinary(blob *object.Blob) (bool, error) {
	in, err := blob.Reader()
	if err != nil {
		return false, err
	}
	defer in.Close()
	head, err := io.ReadAll(io.LimitReader(in, 8000))
	return bytes.IndexByte(head, 0) >= 0, err
}
