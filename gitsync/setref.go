package gitsync

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// lockPatience is how long a lock that another process holds is waited for.
const lockPatience = 2 * time.Second

// SetRef moves a full reference from one value to another, "" meaning that it
// does not exist: it creates, moves or deletes. It takes git's own lock file, so
// that it and a git push at the same moment exclude each other. The error is
// ErrMoved when the reference is not at from, ErrLocked when another process
// keeps its lock. No reflog is written and no hook is run.
func (r *Repository) SetRef(ctx context.Context, name, to, from string) error {
	if err := checkRef(name); err != nil {
		return err
	}
	path := filepath.Join(r.common, filepath.FromSlash(name))
	lock, err := r.lock(ctx, path)
	if err != nil {
		return fmt.Errorf("setting %s of %s: %w", name, r.url, err)
	}
	defer lock.release()
	if data, err := os.ReadFile(path); err == nil && bytes.HasPrefix(data, []byte("ref: ")) {
		return fmt.Errorf("setting %s of %s: it is a symbolic reference, to %s", name, r.url, bytes.TrimSpace(data[5:]))
	}
	at, err := r.Ref(name)
	if err != nil {
		return err
	}
	if at != from {
		return &MovedError{Ref: name, Expected: from, Actual: at}
	}
	if to == "" {
		err = r.removeRef(ctx, name, path)
	} else {
		err = r.writeRef(lock, name, path, to, at == "")
	}
	if err != nil {
		return fmt.Errorf("setting %s of %s: %w", name, r.url, err)
	}
	return nil
}

func (r *Repository) writeRef(lock *lockFile, name, path, to string, isNew bool) error {
	if isNew {
		if err := r.makeWay(name, path); err != nil {
			return err
		}
	}
	return lock.commit(path, []byte(to+"\n"))
}

// makeWay refuses a name that another one blocks (a/b where a is a branch, or
// the other way round) and removes the empty folders a deleted one left.
func (r *Repository) makeWay(name, path string) error {
	for parent := filepath.ToSlash(filepath.Dir(name)); parent != "refs" && parent != "."; parent = filepath.ToSlash(filepath.Dir(parent)) {
		if at, err := r.Ref(parent); err == nil && at != "" {
			return fmt.Errorf("the reference %s is in the way", parent)
		}
	}
	packed, err := r.packedRefs()
	if err != nil {
		return err
	}
	for other := range packed.hashes {
		if strings.HasPrefix(other, name+"/") {
			return fmt.Errorf("the reference %s is in the way", other)
		}
	}
	if info, err := os.Lstat(path); err == nil && info.IsDir() {
		removeEmptyBelow(path)
		if _, err := os.Lstat(path); err == nil {
			return fmt.Errorf("references below %s are in the way", name)
		}
	}
	return nil
}

func removeEmptyBelow(dir string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if e.IsDir() {
			removeEmptyBelow(filepath.Join(dir, e.Name()))
		}
	}
	_ = os.Remove(dir)
}

func (r *Repository) removeRef(ctx context.Context, name, path string) error {
	if err := r.unpackRef(ctx, name); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// unpackRef takes a reference out of packed-refs, keeping all else as it is.
func (r *Repository) unpackRef(ctx context.Context, name string) error {
	path := filepath.Join(r.common, "packed-refs")
	packed, err := r.packedRefs()
	if err != nil || packed.hashes[name] == "" {
		return err
	}
	lock, err := r.lock(ctx, path)
	if err != nil {
		return err
	}
	defer lock.release()
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var out []byte
	skip := false
	for line := range bytes.Lines(data) {
		if line[0] != '^' { // a peeled tag belongs to the line before
			_, rest, _ := strings.Cut(string(bytes.TrimRight(line, "\n")), " ")
			skip = line[0] != '#' && rest == name
		}
		if !skip {
			out = append(out, line...)
		}
	}
	return lock.commit(path, out)
}

// lockFile is git's: NAME.lock, made exclusively, renamed over NAME to commit.
type lockFile struct {
	file *os.File
	base string // the folder of the repository: nothing above it is removed
	done bool
}

func (r *Repository) lock(ctx context.Context, path string) (*lockFile, error) {
	deadline := time.Now().Add(lockPatience)
	for {
		if err := r.mkdirAll(filepath.Dir(path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		file, err := os.OpenFile(path+".lock", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		switch {
		case err == nil:
			r.giveToOwner(path + ".lock")
			return &lockFile{file: file, base: r.common}, nil
		case errors.Is(err, fs.ErrExist):
			err = fmt.Errorf("%w: %s.lock exists; if no git process is running, remove it", ErrLocked, path)
		case errors.Is(err, fs.ErrNotExist): // another process removed the empty folder
		default:
			return nil, err
		}
		if time.Now().After(deadline) {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (l *lockFile) commit(path string, content []byte) error {
	if _, err := l.file.Write(content); err != nil {
		return err
	}
	if err := l.file.Sync(); err != nil {
		return err
	}
	if err := os.Rename(l.file.Name(), path); err != nil {
		return err
	}
	l.done = true
	return nil
}

func (l *lockFile) release() {
	l.file.Close()
	if !l.done {
		_ = os.Remove(l.file.Name())
	}
	l.pruneFolders()
}

// pruneFolders removes the folders that are empty now, up to refs/KIND.
func (l *lockFile) pruneFolders() {
	for dir := filepath.Dir(l.file.Name()); ; dir = filepath.Dir(dir) {
		rel, err := filepath.Rel(l.base, dir)
		if err != nil || strings.Count(filepath.ToSlash(rel), "/") < 2 || os.Remove(dir) != nil {
			return
		}
	}
}

// mkdirAll makes folders as the repository's own are: same mode, same owner.
// A root process that left folders of its own in a user's repository would
// lock the user out of pushing.
func (r *Repository) mkdirAll(dir string) error {
	if info, err := os.Stat(dir); err == nil {
		if !info.IsDir() {
			return &fs.PathError{Op: "mkdir", Path: dir, Err: syscall.ENOTDIR}
		}
		return nil
	}
	if err := r.mkdirAll(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o777); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil
		}
		return err
	}
	if info, err := os.Stat(filepath.Dir(dir)); err == nil {
		_ = os.Chmod(dir, info.Mode().Perm()|info.Mode()&os.ModeSetgid)
	}
	r.giveToOwner(dir)
	return nil
}

// giveToOwner gives what we made to the owner of the repository, where we may.
func (r *Repository) giveToOwner(path string) {
	info, err := os.Stat(r.common)
	if err != nil || os.Geteuid() != 0 {
		return
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Uid != 0 {
		_ = os.Lchown(path, int(stat.Uid), int(stat.Gid))
	}
}
