package gitsync

import (
	"os"
	"path/filepath"
	"slices"
	"time"
)

// sweep removes the snapshots of one repository that nobody uses, but for the
// most recently used ones. What cannot be removed is left for the next time.
func (c *Cache) sweep(dir, current string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	type kept struct {
		home string
		used time.Time
	}
	var all []kept
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			all = append(all, kept{filepath.Join(dir, e.Name()), info.ModTime()})
		}
	}
	slices.SortFunc(all, func(a, b kept) int { return b.used.Compare(a.used) })
	for i, k := range all {
		if i >= c.cfg.Keep && k.home != current {
			c.discard(k.home)
		}
	}
}

// discard moves an unused snapshot out of the way under the lock, so that nobody
// takes it up, and removes it after.
func (c *Cache) discard(home string) {
	if c.cfg.InUse(filepath.Join(home, filesPart)) {
		return
	}
	c.mu.Lock()
	if c.held[home] > 0 {
		c.mu.Unlock()
		return
	}
	away := filepath.Join(c.cfg.Dir, "making-swept-"+filepath.Base(filepath.Dir(home))+"-"+filepath.Base(home))
	err := os.Rename(home, away)
	delete(c.good, home)
	c.mu.Unlock()
	if err == nil {
		_ = os.RemoveAll(away)
	}
}
