package gitsync

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"
)

// limits bound what a commit may put on this machine.
type limits struct {
	bytes int64
	files int
}

// readIndex walks the tree of a commit in the object store. It refuses what
// could not be laid down safely.
func readIndex(ctx context.Context, store storer.EncodedObjectStorer, tree string, most limits) (index, error) {
	w := indexWalk{store: store, left: most.bytes, most: most, index: index{}}
	if err := w.tree(ctx, plumbing.NewHash(tree), ""); err != nil {
		return nil, err
	}
	return w.index, w.index.checkLinks()
}

type indexWalk struct {
	store storer.EncodedObjectStorer
	left  int64
	most  limits
	index index
}

func (w *indexWalk) tree(ctx context.Context, hash plumbing.Hash, prefix string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	tree, err := object.GetTree(w.store, hash)
	if err != nil {
		return fmt.Errorf("reading folder %q: %w", prefix, err)
	}
	for _, e := range tree.Entries {
		name := path.Join(prefix, e.Name)
		if err := checkEntryName(e.Name); err != nil {
			return fmt.Errorf("%w: path %q: %v", ErrRefused, name, err)
		}
		if _, twice := w.index[name]; twice {
			return fmt.Errorf("%w: path %q is there twice", ErrRefused, name)
		}
		if err := w.entry(ctx, name, e); err != nil {
			return err
		}
		if len(w.index) > w.most.files {
			return fmt.Errorf("%w: the commit has more than %d files and folders", ErrRefused, w.most.files)
		}
	}
	return nil
}

func (w *indexWalk) entry(ctx context.Context, name string, e object.TreeEntry) error {
	out := entry{Mode: uint32(e.Mode), Hash: e.Hash.String()}
	switch out.Mode {
	case modeTree:
		w.index[name] = out
		return w.tree(ctx, e.Hash, name)
	case modeSubmodule:
		w.index[name] = out
		return nil
	case modeFile, modeExecutable, modeSymlink:
	case 0o100664: // old repositories have group-writable files
		out.Mode = modeFile
	default:
		return fmt.Errorf("%w: path %q has mode %o", ErrRefused, name, out.Mode)
	}
	size, err := blobSize(w.store, e.Hash)
	if err != nil {
		return fmt.Errorf("reading file %s: %w", name, err)
	}
	if out.Size = size; out.Mode == modeSymlink {
		if out.Target, err = w.linkTarget(name, e.Hash, size); err != nil {
			return err
		}
	}
	if w.left -= size; w.left < 0 {
		return fmt.Errorf("%w: the files of the commit are larger than %d bytes", ErrRefused, w.most.bytes)
	}
	w.index[name] = out
	return nil
}

func (w *indexWalk) linkTarget(name string, hash plumbing.Hash, size int64) (string, error) {
	if size > 4096 {
		return "", fmt.Errorf("%w: the symbolic link %s has a target of %d bytes", ErrRefused, name, size)
	}
	target, err := readBlob(w.store, hash)
	if err != nil {
		return "", fmt.Errorf("reading link %s: %w", name, err)
	}
	if strings.ContainsRune(string(target), 0) || len(target) == 0 {
		return "", fmt.Errorf("%w: the symbolic link %s has no proper target", ErrRefused, name)
	}
	return string(target), nil
}

func checkEntryName(name string) error {
	lower := strings.ToLower(strings.TrimRight(name, ". "))
	switch {
	case name == "" || name == "." || name == "..":
		return errors.New("it is no file name")
	case strings.ContainsAny(name, "/\x00"):
		return errors.New("its name holds a separator")
	case lower == ".git" || lower == "git~1":
		return errors.New("git's own folder cannot be part of a commit")
	}
	return nil
}

// blobSize avoids reading the content; go-git finds only the content when the
// object is borrowed from another repository.
func blobSize(store storer.EncodedObjectStorer, hash plumbing.Hash) (int64, error) {
	size, err := store.EncodedObjectSize(hash)
	if err == nil {
		return size, nil
	}
	obj, err := store.EncodedObject(plumbing.BlobObject, hash)
	if err != nil {
		return 0, err
	}
	return obj.Size(), nil
}

func readBlob(store storer.EncodedObjectStorer, hash plumbing.Hash) ([]byte, error) {
	obj, err := store.EncodedObject(plumbing.BlobObject, hash)
	if err != nil {
		return nil, err
	}
	r, err := obj.Reader()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// layDown writes the files of an index below dir, which is empty, and makes them
// read-only. Folders are not: their owner could not remove them then. Everything
// gets the time of the commit, so that two snapshots of one commit are the same.
func layDown(ctx context.Context, store storer.EncodedObjectStorer, x index, dir string, when time.Time) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("laying down a snapshot: %w", err)
	}
	defer root.Close()
	names := x.sorted() // a folder comes before what is in it
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := layEntry(store, root, name, x[name], when); err != nil {
			return fmt.Errorf("laying down %s: %w", name, err)
		}
	}
	for i := len(names) - 1; i >= 0; i-- {
		if m := x[names[i]].Mode; m == modeTree || m == modeSubmodule {
			if err := root.Chtimes(names[i], when, when); err != nil {
				return fmt.Errorf("laying down %s: %w", names[i], err)
			}
		}
	}
	return nil
}

func layEntry(store storer.EncodedObjectStorer, root *os.Root, name string, e entry, when time.Time) error {
	switch e.Mode {
	case modeTree, modeSubmodule:
		return root.Mkdir(name, 0o755)
	case modeSymlink:
		return root.Symlink(e.Target, name)
	}
	obj, err := store.EncodedObject(plumbing.BlobObject, plumbing.NewHash(e.Hash))
	if err != nil {
		return err
	}
	in, err := obj.Reader()
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: this file system takes its name for that of another file", ErrRefused)
	}
	if err != nil {
		return err
	}
	sum := blobHash(e.Size)
	if _, err := io.Copy(io.MultiWriter(out, sum), in); err != nil {
		out.Close()
		return err
	}
	if err := out.Close(); err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != e.Hash {
		return fmt.Errorf("the repository is damaged: object %s has the hash %s", e.Hash, got)
	}
	if err := root.Chtimes(name, when, when); err != nil {
		return err
	}
	return root.Chmod(name, filePermission(e.Mode))
}

func filePermission(mode uint32) fs.FileMode {
	if mode == modeExecutable {
		return 0o555
	}
	return 0o444
}

func blobHash(size int64) interface {
	io.Writer
	Sum([]byte) []byte
} {
	h := sha1.New()
	fmt.Fprintf(h, "blob %d\x00", size)
	return h
}

// verify reports whether the files below dir are still those of the index, and
// no others.
func (x index) verify(ctx context.Context, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := x.verifyNames(root.FS()); err != nil {
		return err
	}
	for name, e := range x {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := verifyEntry(root, name, e); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (x index) verifyNames(files fs.FS) error {
	return fs.WalkDir(files, ".", func(name string, _ fs.DirEntry, err error) error {
		if _, ok := x[name]; err == nil && !ok && name != "." {
			err = fmt.Errorf("%s: was added", name)
		}
		return err
	})
}

func verifyEntry(root *os.Root, name string, e entry) error {
	info, err := root.Lstat(name)
	if err != nil {
		return err
	}
	switch e.Mode {
	case modeTree, modeSubmodule:
		if !info.IsDir() {
			return errors.New("is no folder")
		}
		return nil
	case modeSymlink:
		if target, err := root.Readlink(name); err != nil || target != e.Target {
			return errors.New("is another link")
		}
		return nil
	}
	if !info.Mode().IsRegular() || info.Size() != e.Size || info.Mode().Perm() != filePermission(e.Mode) {
		return errors.New("was changed")
	}
	file, err := root.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	sum := blobHash(e.Size)
	if _, err := io.Copy(sum, file); err != nil {
		return err
	}
	if hex.EncodeToString(sum.Sum(nil)) != e.Hash {
		return errors.New("was changed")
	}
	return nil
}
