package gitsync

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"sync"
	"time"

	"github.com/go-git/go-git/v5/plumbing/object"
)

// Identity is who wrote or committed, and when.
type Identity struct {
	Name  string    `json:"name"`
	Email string    `json:"email"`
	Time  time.Time `json:"time"`
}

// Commit is what a commit says of itself.
type Commit struct {
	Hash      string   `json:"hash"`
	Tree      string   `json:"tree"`
	Parents   []string `json:"parents,omitempty"` // as the commit names them, also when they were not fetched
	Author    Identity `json:"author"`
	Committer Identity `json:"committer"`
	Message   string   `json:"message"`
}

func describe(c *object.Commit) Commit {
	out := Commit{Hash: c.Hash.String(), Tree: c.TreeHash.String(), Message: c.Message,
		Author:    Identity{c.Author.Name, c.Author.Email, c.Author.When},
		Committer: Identity{c.Committer.Name, c.Committer.Email, c.Committer.When}}
	for _, p := range c.ParentHashes {
		out.Parents = append(out.Parents, p.String())
	}
	return out
}

// Snapshot is the files of one commit, laid down read-only and never changed.
// Release it when it is no longer read: until then it is not swept.
type Snapshot struct {
	// Commit is the hash; Info is what the commit says of itself.
	Commit string
	Info   Commit

	dir     string
	root    *os.Root
	index   index
	release func()
	once    sync.Once
}

// Dir is the folder with the files. Nobody may write to it.
func (s *Snapshot) Dir() string { return s.dir }

// FS is the files. Nothing outside of the snapshot is reached through it, not
// even by a symbolic link.
func (s *Snapshot) FS() fs.FS { return s.root.FS() }

// TreeHash is git's hash of a file or folder as the commit holds it; "." is the
// whole. The error is ErrNoFile when the commit has no such path.
func (s *Snapshot) TreeHash(name string) (string, error) {
	clean := path.Clean(name)
	if clean == "." {
		return s.Info.Tree, nil
	}
	e, ok := s.index[clean]
	if !ok {
		return "", fmt.Errorf("%s in commit %.12s: %w", name, s.Commit, ErrNoFile)
	}
	return e.Hash, nil
}

// Submodules are the paths where the commit refers to another repository. Their
// folders are empty: submodules are not fetched.
func (s *Snapshot) Submodules() []string { return s.index.paths(modeSubmodule) }

// Release says that the snapshot is no longer used. It may be called twice.
func (s *Snapshot) Release() {
	s.once.Do(func() {
		s.root.Close()
		s.release()
	})
}
