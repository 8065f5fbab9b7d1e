package gitsync

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/storage/filesystem"
)

// writer puts objects into a store and remembers which, so that they can be sent.
type writer struct {
	store *filesystem.Storage
	// wrote is called with every object that was stored; nil for nothing.
	wrote func(plumbing.Hash) error
	// dry computes hashes and stores nothing.
	dry  bool
	made []plumbing.Hash
}

// writer writes into this repository.
func (r *Repository) writer() *writer {
	return &writer{store: r.store, wrote: func(h plumbing.Hash) error {
		fan := filepath.Join(r.common, "objects", h.String()[:2])
		name := filepath.Join(fan, h.String()[2:])
		r.giveToOwner(fan)
		r.giveToOwner(name)
		return syncFile(name)
	}}
}

// syncFile makes an object durable before a reference to it is.
func syncFile(name string) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}

type encoder interface {
	Encode(plumbing.EncodedObject) error
}

func (w *writer) put(what encoder) (plumbing.Hash, error) {
	obj := w.store.NewEncodedObject()
	if err := what.Encode(obj); err != nil {
		return plumbing.ZeroHash, err
	}
	return w.putObject(obj)
}

func (w *writer) putObject(obj plumbing.EncodedObject) (plumbing.Hash, error) {
	hash := obj.Hash()
	if w.dry {
		return hash, nil
	}
	if w.store.HasEncodedObject(hash) != nil {
		if _, err := w.store.SetEncodedObject(obj); err != nil {
			return hash, fmt.Errorf("storing object %s: %w", hash, err)
		}
		if w.wrote != nil {
			if err := w.wrote(hash); err != nil {
				return hash, fmt.Errorf("storing object %s: %w", hash, err)
			}
		}
	}
	w.made = append(w.made, hash)
	return hash, nil
}

func (w *writer) putBlob(content []byte) (plumbing.Hash, error) {
	obj := w.store.NewEncodedObject()
	obj.SetType(plumbing.BlobObject)
	out, err := obj.Writer()
	if err != nil {
		return plumbing.ZeroHash, err
	}
	if _, err := out.Write(content); err != nil {
		return plumbing.ZeroHash, err
	}
	if err := out.Close(); err != nil {
		return plumbing.ZeroHash, err
	}
	return w.putObject(obj)
}

func (w *writer) putTree(entries []object.TreeEntry) (plumbing.Hash, error) {
	entries = slices.Clone(entries)
	slices.SortFunc(entries, func(a, b object.TreeEntry) int { return strings.Compare(sortName(a), sortName(b)) })
	return w.put(&object.Tree{Entries: entries})
}

// sortName is what git orders a tree by: a folder as if its name ended in "/".
func sortName(e object.TreeEntry) string {
	if e.Mode == filemode.Dir {
		return e.Name + "/"
	}
	return e.Name
}

func (w *writer) putCommit(c Commit) (string, error) {
	if c.Committer == (Identity{}) {
		c.Committer = c.Author
	}
	if err := errors.Join(c.Author.check(), c.Committer.check()); err != nil {
		return "", err
	}
	out := &object.Commit{Author: c.Author.signature(), Committer: c.Committer.signature(),
		Message: strings.TrimRight(c.Message, "\n") + "\n", TreeHash: plumbing.NewHash(c.Tree)}
	for _, p := range c.Parents {
		out.ParentHashes = append(out.ParentHashes, plumbing.NewHash(p))
	}
	hash, err := w.put(out)
	return hash.String(), err
}

func (i Identity) signature() object.Signature {
	return object.Signature{Name: i.Name, Email: i.Email, When: i.Time}
}

func (i Identity) check() error {
	if i.Name == "" || strings.ContainsAny(i.Name+i.Email, "<>\n\x00") {
		return fmt.Errorf("%q <%s> cannot be the author of a commit", i.Name, i.Email)
	}
	if i.Time.Unix() <= 0 {
		return fmt.Errorf("the commit of %q has no time", i.Name)
	}
	return nil
}

// WriteCommit stores a commit of a tree that is in the repository; Hash is not
// looked at. No reference is moved.
func (r *Repository) WriteCommit(c Commit) (string, error) {
	hash, err := r.writer().putCommit(c)
	if err != nil {
		return "", fmt.Errorf("writing a commit to %s: %w", r.url, err)
	}
	return hash, nil
}
