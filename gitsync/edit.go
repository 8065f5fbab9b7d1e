package gitsync

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// File is the new state of one path in a Change.
type File struct {
	Content []byte
	// Delete removes the file; it must exist.
	Delete bool
	// Executable is the mode of a new file. An existing one keeps its own.
	Executable bool
}

// edits is a Change's files as a tree.
type edits struct {
	files map[string]File
	dirs  map[string]*edits
}

func newEdits() *edits { return &edits{files: map[string]File{}, dirs: map[string]*edits{}} }

func planEdits(files map[string]File) (*edits, error) {
	root := newEdits()
	for name, file := range files {
		if name != path.Clean(name) || strings.HasPrefix(name, "/") {
			return nil, fmt.Errorf("%q is no path in a repository", name)
		}
		at := root
		steps := strings.Split(name, "/")
		for i, step := range steps {
			if err := checkEntryName(step); err != nil {
				return nil, fmt.Errorf("%q is no path in a repository: %w", name, err)
			}
			if i == len(steps)-1 {
				at.files[step] = file
				break
			}
			if at.dirs[step] == nil {
				at.dirs[step] = newEdits()
			}
			at = at.dirs[step]
		}
	}
	return root, nil
}

// editTree stores the tree that results from edits, and those below it. An empty
// result is the zero hash: git has no empty folders.
func (w *writer) editTree(ctx context.Context, tree plumbing.Hash, e *edits, prefix string) (plumbing.Hash, error) {
	if err := ctx.Err(); err != nil {
		return plumbing.ZeroHash, err
	}
	byName := map[string]object.TreeEntry{}
	if tree != plumbing.ZeroHash {
		old, err := object.GetTree(w.store, tree)
		if err != nil {
			return plumbing.ZeroHash, fmt.Errorf("reading folder %q: %w", prefix, err)
		}
		for _, entry := range old.Entries {
			byName[entry.Name] = entry
		}
	}
	for name, sub := range e.dirs {
		if err := w.editFolder(ctx, byName, name, sub, path.Join(prefix, name)); err != nil {
			return plumbing.ZeroHash, err
		}
	}
	for name, file := range e.files {
		if err := w.editFile(byName, name, file); err != nil {
			return plumbing.ZeroHash, fmt.Errorf("changing %s: %w", path.Join(prefix, name), err)
		}
	}
	if len(byName) == 0 {
		return plumbing.ZeroHash, nil
	}
	entries := make([]object.TreeEntry, 0, len(byName))
	for _, entry := range byName {
		entries = append(entries, entry)
	}
	return w.putTree(entries)
}

func (w *writer) editFolder(ctx context.Context, byName map[string]object.TreeEntry, name string, sub *edits, prefix string) error {
	old, ok := byName[name]
	if ok && old.Mode != filemode.Dir {
		return fmt.Errorf("changing below %s: it is no folder", prefix)
	}
	if _, both := sub.files[""]; both {
		return fmt.Errorf("%q is no path in a repository", prefix)
	}
	hash, err := w.editTree(ctx, old.Hash, sub, prefix)
	if err != nil {
		return err
	}
	if delete(byName, name); hash != plumbing.ZeroHash {
		byName[name] = object.TreeEntry{Name: name, Mode: filemode.Dir, Hash: hash}
	}
	return nil
}

func (w *writer) editFile(byName map[string]object.TreeEntry, name string, file File) error {
	old, exists := byName[name]
	switch {
	case exists && old.Mode != filemode.Regular && old.Mode != filemode.Executable && old.Mode != filemode.Deprecated:
		return errors.New("it is no regular file")
	case file.Delete && !exists:
		return ErrNoFile
	case file.Delete:
		delete(byName, name)
		return nil
	}
	mode := filemode.Regular
	if file.Executable {
		mode = filemode.Executable
	}
	if exists {
		mode = old.Mode
	}
	hash, err := w.putBlob(file.Content)
	if err != nil {
		return err
	}
	byName[name] = object.TreeEntry{Name: name, Mode: mode, Hash: hash}
	return nil
}

// unique hashes in a fixed order, so that a pack of them is always the same.
func unique(hashes []plumbing.Hash) []plumbing.Hash {
	plumbing.HashesSort(hashes)
	return slices.Compact(hashes)
}
