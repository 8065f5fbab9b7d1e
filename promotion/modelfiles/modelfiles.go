// Package modelfiles copies the files of a model from place to place on disk so
// that they are there whole or not at all, also after a loss of power, and
// checks that what arrived is what was sent.
package modelfiles

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Hash returns the digest ("sha256:…") of a file or a folder, as the artifact
// store counts it.
type Hash func(ctx context.Context, path string) (string, error)

// ErrDigest says that the bytes on disk are not those that the digest names.
var ErrDigest = errors.New("the files on disk are not those that were sent")

// Check reports whether the folder dir holds the artifact of this digest: the
// artifact's own files if it is a folder, else the artifact as its only file.
func Check(ctx context.Context, dir, digest string, hash Hash) error {
	got, err := hash(ctx, dir)
	if err != nil {
		return fmt.Errorf("hashing %s: %w", dir, err)
	}
	if got == digest {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("hashing %s: %w", dir, err)
	}
	if len(entries) == 1 && entries[0].Type().IsRegular() {
		if got, err = hash(ctx, filepath.Join(dir, entries[0].Name())); err != nil {
			return fmt.Errorf("hashing %s: %w", dir, err)
		}
		if got == digest {
			return nil
		}
	}
	return fmt.Errorf("%s: %w: want %s, have %s", dir, ErrDigest, digest, got)
}

// Place makes the folder final with a copy of source in it: the files of source
// if it is a folder, else source itself, called name. The copy is made beside
// final in the folder temporary, checked, and renamed. Place says fs.ErrExist
// and changes nothing if final is there already.
func Place(ctx context.Context, source, name, temporary, final string, check func(dir string) error) error {
	if _, err := os.Lstat(final); err == nil {
		return &fs.PathError{Op: "place", Path: final, Err: fs.ErrExist}
	}
	if err := os.RemoveAll(temporary); err != nil {
		return err
	}
	err := fill(ctx, source, name, temporary)
	if err == nil {
		err = check(temporary)
	}
	if err == nil {
		err = os.Rename(temporary, final)
	}
	if err != nil {
		os.RemoveAll(temporary) // what is left is swept by the next Place
		return err
	}
	return SyncFolder(filepath.Dir(final))
}

// fill makes the folder dir and copies source into it.
func fill(ctx context.Context, source, name, dir string) error {
	info, err := os.Stat(source)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
		if err := copyFile(source, filepath.Join(dir, name), info.Mode()); err != nil {
			return err
		}
		return SyncFolder(dir)
	}
	return copyFolder(ctx, tree{source, dir}, ".")
}

// tree is a copy under way.
type tree struct{ from, to string }

// copyFolder copies the folder at the relative path rel. A link is copied if it
// stays inside: a model that points out of itself is no whole model.
func copyFolder(ctx context.Context, t tree, rel string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	dir := filepath.Join(t.to, rel)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	entries, err := os.ReadDir(filepath.Join(t.from, rel))
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := copyEntry(ctx, t, filepath.Join(rel, e.Name()), e); err != nil {
			return err
		}
	}
	return SyncFolder(dir)
}

func copyEntry(ctx context.Context, t tree, rel string, e fs.DirEntry) error {
	from, to := filepath.Join(t.from, rel), filepath.Join(t.to, rel)
	switch {
	case e.IsDir():
		return copyFolder(ctx, t, rel)
	case e.Type().IsRegular():
		info, err := e.Info()
		if err != nil {
			return err
		}
		return copyFile(from, to, info.Mode())
	case e.Type() == fs.ModeSymlink:
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		if filepath.IsAbs(target) || !filepath.IsLocal(filepath.Join(filepath.Dir(rel), target)) {
			return fmt.Errorf("copying the model: the link %s points out of it, to %s", from, target)
		}
		return os.Symlink(target, to)
	}
	return fmt.Errorf("copying the model: %s is neither a file nor a folder (%s)", from, e.Type())
}

// copyFile copies a file's bytes, and of its mode only whether it can be executed.
func copyFile(from, to string, mode fs.FileMode) error {
	perm := fs.FileMode(0o644)
	if mode&0o111 != 0 {
		perm = 0o755
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close())
}

// WriteFile writes a small file whole or not at all.
func WriteFile(name string, data []byte) error {
	temporary := name + ".tmp"
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(temporary, name); err != nil {
		return err
	}
	return SyncFolder(filepath.Dir(name))
}

// MakeFolder makes a folder and those above it, durably.
func MakeFolder(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := MakeFolder(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return SyncFolder(parent)
}

// SyncFolder makes the names in a folder durable.
func SyncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
