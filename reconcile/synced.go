package reconcile

import (
	"github.com/pawl-dev/pawl/api"
	"github.com/pawl-dev/pawl/gitsync"
)

// synced is a commit in force.
type synced struct {
	snapshot *gitsync.Snapshot
	objects  []*api.Object
	runs     []desired
	stages   []stage
	// users are the loop, as long as it is in force, and who holds it; guarded by
	// Loop.mu. The last one releases the snapshot.
	users int
}

// inForce is what is in force, nil before the first sync, for the loop itself,
// which alone puts another in force.
func (l *Loop) inForce() *synced {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.current
}

// hold is what is in force, for the other goroutines: its files stay readable
// until release.
func (l *Loop) hold() (cur *synced, release func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	cur = l.current
	if cur == nil {
		return nil, func() {}
	}
	cur.users++
	return cur, func() { l.drop(cur) }
}

func (l *Loop) drop(cur *synced) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if cur.users--; cur.users == 0 {
		cur.snapshot.Release()
	}
}

// putInForce puts another commit, or nil at the end, in the place of the one in
// force.
func (l *Loop) putInForce(cur *synced) {
	l.mu.Lock()
	old := l.current
	l.current = cur
	if cur != nil {
		cur.users++
	}
	l.mu.Unlock()
	if old != nil {
		l.drop(old)
	}
}
