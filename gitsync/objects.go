package gitsync

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"
)

// View runs fn on the repository at a path or file URL, and once more on a fresh view of it when
// an object was not found: a git gc may have moved it meanwhile.
func View(url string, fn func(*Repository) error) error {
	repo, err := OpenRepository(url)
	if err != nil {
		return err
	}
	err = fn(repo)
	if errors.Is(err, ErrNoObject) || errors.Is(err, plumbing.ErrObjectNotFound) || errors.Is(err, fs.ErrNotExist) {
		repo.reload()
		err = fn(repo)
	}
	return err
}

func commitIn(store storer.EncodedObjectStorer, hash string) (Commit, error) {
	c, err := object.GetCommit(store, plumbing.NewHash(hash))
	if err != nil {
		return Commit{}, fmt.Errorf("reading commit %s: %w", hash, err)
	}
	return describe(c), nil
}

// Commit reads what a commit says of itself.
func (r *Repository) Commit(hash string) (Commit, error) {
	c, err := r.commit(hash)
	if err != nil {
		return Commit{}, err
	}
	return describe(c), nil
}

// ReadFile reads a file as a commit holds it. The error is ErrNoFile when the
// commit has no such file.
func (r *Repository) ReadFile(ctx context.Context, commit, name string) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c, err := r.commit(commit)
	if err != nil {
		return nil, err
	}
	tree, err := c.Tree()
	if err != nil {
		return nil, r.objectError(c.TreeHash.String(), err)
	}
	e, err := tree.FindEntry(path.Clean(name))
	if err != nil || !e.Mode.IsFile() {
		return nil, fmt.Errorf("%s in commit %.12s: %w", name, commit, ErrNoFile)
	}
	data, err := readBlob(r.store, e.Hash)
	if err != nil {
		return nil, r.objectError(e.Hash.String(), err)
	}
	return data, nil
}
