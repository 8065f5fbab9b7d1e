package artifact

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Sweep removes the artifacts that were last put before the given time and
// whose digest keep does not want, and returns their digests. Who has a digest
// from a Put but has not recorded it yet is safe if before is long enough ago.
func (s *Store) Sweep(ctx context.Context, before time.Time, keep func(digest string) bool) (removed []string, err error) {
	folders, err := filepath.Glob(filepath.Join(s.root, "sha256", "??", "*"))
	if err != nil {
		return nil, err
	}
	for _, folder := range folders {
		if err := ctx.Err(); err != nil {
			return removed, err
		}
		digest := "sha256:" + filepath.Base(folder)
		gone, err := s.sweepOne(folder, digest, before, keep)
		if err != nil {
			return removed, fmt.Errorf("removing artifact %s: %w", digest, err)
		}
		if gone {
			removed = append(removed, digest)
		}
	}
	return removed, nil
}

// sweepOne moves an artifact out of its place while no Put can find it, and
// then takes its time to remove it.
func (s *Store) sweepOne(folder, digest string, before time.Time, keep func(string) bool) (bool, error) {
	box, err := s.tmp.box()
	if err != nil {
		return false, err
	}
	defer removeAll(box)
	unlock, err := s.lockObjects(syscall.LOCK_EX)
	if err != nil {
		return false, err
	}
	defer unlock()
	info, err := os.Stat(folder)
	if err != nil {
		return false, ignoreMissing(err)
	}
	if !info.ModTime().Before(before) || keep(digest) {
		return false, nil
	}
	return true, os.Rename(folder, filepath.Join(box, "swept"))
}

func ignoreMissing(err error) error {
	if os.IsNotExist(err) {
		return nil
	}
	return err
}
