package artifact

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/pawl-dev/pawl/engine/attempt"
)

// Put takes the file or folder at path into the store and returns what it is
// called from now on. Where it can, that is a rename, so that afterwards path
// may be gone; after an error it is still there. What nobody may keep (devices,
// sockets, named pipes, links that lead out of the folder) is ErrRefused.
// Content that is there already is kept once.
func (s *Store) Put(ctx context.Context, path string) (attempt.ArtifactRef, error) {
	ref, err := s.put(ctx, path)
	if err != nil {
		return attempt.ArtifactRef{}, fmt.Errorf("storing %s: %w", path, err)
	}
	return ref, nil
}

func (s *Store) put(ctx context.Context, path string) (ref attempt.ArtifactRef, err error) {
	path, err = filepath.Abs(path)
	if err != nil {
		return ref, err
	}
	info, err := os.Lstat(path)
	if err != nil {
		return ref, err
	}
	if !info.IsDir() && !info.Mode().IsRegular() {
		return ref, fmt.Errorf("it is %s: %w", kindInWords(info.Mode()), ErrRefused)
	}
	box, err := s.tmp.box()
	if err != nil {
		return ref, err
	}
	defer removeAll(box)

	taken := filepath.Join(box, kindOf(info.IsDir()))
	moved, err := s.take(ctx, path, taken, info)
	if err != nil {
		return ref, err
	}
	ref, err = s.keep(ctx, taken, info.IsDir())
	if err != nil && moved {
		err = errors.Join(err, giveBack(taken, path))
	}
	return ref, err
}

// take moves path to taken, or copies it where a move is not possible or not
// safe: to another file system, out of the store itself, or while the file has
// a second name by which it could be changed later.
func (s *Store) take(ctx context.Context, path, taken string, info fs.FileInfo) (moved bool, err error) {
	if !strings.HasPrefix(path+"/", s.root+"/") && !hasOtherNames(info) && ownedByUs(info) {
		if err := os.Rename(path, taken); err == nil {
			return true, nil
		}
	}
	return false, copyTree(ctx, path, taken)
}

func hasOtherNames(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && !info.IsDir() && st.Nlink > 1
}

// ownedByUs: only an owner can take away the right to write.
func ownedByUs(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && (int(st.Uid) == os.Geteuid() || os.Geteuid() == 0)
}

// giveBack undoes a move; what was sealed by then may be written to again.
func giveBack(taken, path string) error {
	if err := unseal(taken); err != nil {
		return err
	}
	return os.Rename(taken, path)
}

// keep hashes and seals what was taken and gives it its place.
func (s *Store) keep(ctx context.Context, taken string, dir bool) (attempt.ArtifactRef, error) {
	var c content
	var err error
	if dir {
		c, err = s.sealTree(ctx, taken)
	} else {
		c, err = hashFile(ctx, taken, seal)
	}
	if err != nil {
		return attempt.ArtifactRef{}, err
	}
	ref := attempt.ArtifactRef{Digest: c.digest(), Size: c.size, Dir: dir}
	return ref, s.place(taken, ref)
}

// sealTree replaces files that have a second name by copies of their own before
// it seals them.
func (s *Store) sealTree(ctx context.Context, root string) (content, error) {
	entries, err := scan(root)
	if err != nil {
		return content{}, err
	}
	for _, e := range entries {
		path := filepath.Join(root, e.path)
		info, err := os.Lstat(path)
		if err != nil {
			return content{}, err
		}
		if hasOtherNames(info) && e.mode.IsRegular() {
			if err := ownCopy(ctx, path, info); err != nil {
				return content{}, err
			}
		}
	}
	return hashTree(ctx, root, seal)
}

// place moves what was taken to the folder of its digest, unless the same is
// there. A sweep is kept out meanwhile.
func (s *Store) place(taken string, ref attempt.ArtifactRef) error {
	object, err := s.objectPath(ref)
	if err != nil {
		return err
	}
	unlock, err := s.lockObjects(syscall.LOCK_SH)
	if err != nil {
		return err
	}
	defer unlock()

	folder := filepath.Dir(object)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	if _, err := os.Lstat(object); errors.Is(err, fs.ErrNotExist) {
		if err := os.Rename(taken, object); err != nil && !isThere(object) {
			return err
		}
	}
	if ref.Dir {
		if err := os.Chmod(object, 0o555); err != nil {
			return err
		}
	}
	now := time.Now() // a sweep keeps what was put lately
	if err := os.Chtimes(folder, now, now); err != nil {
		return err
	}
	for _, dir := range []string{folder, filepath.Dir(folder), filepath.Dir(filepath.Dir(folder))} {
		if err := syncFolder(dir); err != nil {
			return err
		}
	}
	return nil
}

// isThere reports whether another Put of the same was faster.
func isThere(object string) bool {
	_, err := os.Lstat(object)
	return err == nil
}
