package artifact

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/pawl-dev/pawl/engine/attempt"
)

// CopyOut copies the artifact, or what SubPath selects in it, to dst, which
// must not be there; its folder must. The copy may be written to by its owner,
// appears whole and is on the disk when CopyOut returns.
func (s *Store) CopyOut(ctx context.Context, ref attempt.ArtifactRef, dst string) error {
	from, err := s.Path(ref)
	if err != nil {
		return err
	}
	if err := copyOut(ctx, from, dst); err != nil {
		return fmt.Errorf("copying artifact %s to %s: %w", ref.Digest, dst, err)
	}
	return nil
}

func copyOut(ctx context.Context, from, dst string) error {
	if _, err := os.Lstat(dst); err == nil {
		return fs.ErrExist
	}
	box, err := os.MkdirTemp(filepath.Dir(dst), ".pawl-copy-")
	if err != nil {
		return err
	}
	defer removeAll(box)
	part := filepath.Join(box, "part")
	if err := copyTree(ctx, from, part); err != nil {
		return err
	}
	if err := unseal(part); err != nil {
		return err
	}
	if err := syncTree(part); err != nil {
		return err
	}
	if err := os.Rename(part, dst); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(dst))
}

// copyTree copies a file or folder; links are copied as links.
func copyTree(ctx context.Context, from, to string) error {
	info, err := os.Lstat(from)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return copyFile(ctx, from, to, info.Mode())
	}
	entries, err := scan(from)
	if err != nil {
		return err
	}
	if err := os.Mkdir(to, 0o755); err != nil {
		return err
	}
	for _, e := range entries {
		src, dst := filepath.Join(from, e.path), filepath.Join(to, e.path)
		switch {
		case e.mode.IsDir():
			err = os.Mkdir(dst, 0o755)
		case e.mode.IsRegular():
			err = copyFile(ctx, src, dst, e.mode)
		default:
			err = os.Symlink(e.target, dst)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// copyFile copies in pieces, so that ctx can end it; the system shares or copies
// the blocks by itself where it can.
func copyFile(ctx context.Context, from, to string, mode fs.FileMode) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	perm := fs.FileMode(0o644)
	if executable(mode) {
		perm = 0o755
	}
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return err
	}
	const piece = 64 << 20
	for n := int64(piece); n == piece && err == nil; {
		if err = ctx.Err(); err == nil {
			n, err = io.CopyN(dst, src, piece)
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return errors.Join(err, dst.Close())
}

// ownCopy replaces a file by a copy that has no other name.
func ownCopy(ctx context.Context, path string, info fs.FileInfo) error {
	own := filepath.Join(filepath.Dir(path), ".pawl-own-copy")
	if err := copyFile(ctx, path, own, info.Mode()); err != nil {
		return err
	}
	return os.Rename(own, path)
}

// unseal lets the owner write to a file or folder and all that is in it.
func unseal(root string) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Type() == fs.ModeSymlink {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		mode := info.Mode().Perm() | 0o600
		if d.IsDir() {
			mode |= 0o100
		}
		return os.Chmod(path, mode)
	})
}

// syncTree returns when a file or folder and all that is in it is on the disk.
func syncTree(root string) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Type() == fs.ModeSymlink {
			return err
		}
		return syncFolder(path)
	})
}

// syncFolder returns when a folder (or file) is on the disk.
func syncFolder(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// removeAll removes a folder whatever in it is sealed. What it cannot remove,
// the next Open of the store does.
func removeAll(path string) {
	if unseal(path) == nil {
		os.RemoveAll(path)
	}
}
