package artifact

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// scratch is the folder in which one open Store takes things in. A lock on it
// says that its process lives; the kernel drops it however the process ends.
type scratch struct {
	dir  string
	lock *os.File
}

// newScratch removes the folders below parent whose processes are gone, and
// makes one.
func newScratch(parent string) (*scratch, error) {
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return nil, err
	}
	if err := sweepScratch(parent); err != nil {
		return nil, err
	}
	for {
		dir, err := os.MkdirTemp(parent, "")
		if err != nil {
			return nil, err
		}
		lock, err := lockFolder(dir)
		if err != nil {
			return nil, err
		}
		if lock != nil {
			return &scratch{dir: dir, lock: lock}, nil
		}
		// Another process took it for a dead one's, just before it was locked.
	}
}

func sweepScratch(parent string) error {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return err
	}
	for _, e := range entries {
		dir := filepath.Join(parent, e.Name())
		lock, err := lockFolder(dir)
		if err != nil {
			return err
		}
		if lock == nil {
			continue
		}
		removeAll(dir)
		lock.Close()
	}
	return nil
}

// lockFolder locks a folder, or returns nil if another has locked or removed it.
func lockFolder(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, nil
		}
		return nil, err
	}
	if _, err := os.Lstat(dir); err != nil {
		f.Close()
		if errors.Is(err, os.ErrNotExist) {
			return nil, nil
		}
		return nil, err
	}
	return f, nil
}

// box makes a folder for one thing.
func (s *scratch) box() (string, error) { return os.MkdirTemp(s.dir, "") }

func (s *scratch) close() error {
	if s.lock == nil {
		return nil
	}
	removeAll(s.dir)
	err := s.lock.Close()
	s.lock = nil
	return err
}

// lockObjects keeps a sweep (which takes LOCK_EX) and Puts (LOCK_SH) apart, in
// all processes that use the store.
func (s *Store) lockObjects(how int) (unlock func(), err error) {
	f, err := os.Open(filepath.Join(s.root, "sha256"))
	if err != nil {
		return nil, err
	}
	for {
		err = unix.Flock(int(f.Fd()), how)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() { f.Close() }, nil
}
