package store

import (
	"context"
	"time"
)

// lane holds the changes of the index that nobody waits for: per node and run
// only the newest, in the order in which each was first put. It is guarded by
// its writer's mu.
type lane struct {
	order  []laneKey
	nodes  map[laneKey]Node
	status map[laneKey]RunStatus
	// put and taken count keys over the lane's life, so that who waits knows
	// when all that was there at its call is gone.
	put, taken int
}

// laneKey is a node of a run or, with node wholeRun, its status.
type laneKey struct {
	run  string
	node int
}

const wholeRun = -1

// laneItem is one change taken off the lane.
type laneItem struct {
	key    laneKey
	node   Node
	status RunStatus
}

// laneBatch bounds the changes of the index in one commit, for which durable
// writes wait: some 20 ms.
const laneBatch = 1000

func newLane() *lane {
	return &lane{nodes: map[laneKey]Node{}, status: map[laneKey]RunStatus{}}
}

func (l *lane) putNode(run string, n Node) {
	k := laneKey{run, n.Index}
	if _, ok := l.nodes[k]; !ok {
		l.order = append(l.order, k)
		l.put++
	}
	l.nodes[k] = n
}

func (l *lane) putStatus(s RunStatus) {
	k := laneKey{s.UID, wholeRun}
	if _, ok := l.status[k]; !ok {
		l.order = append(l.order, k)
		l.put++
	}
	l.status[k] = s
}

// take removes up to limit changes, oldest first.
func (l *lane) take(limit int) []laneItem {
	limit = min(limit, len(l.order))
	items := make([]laneItem, 0, limit)
	for _, k := range l.order[:limit] {
		items = append(items, laneItem{k, l.nodes[k], l.status[k]})
		delete(l.nodes, k)
		delete(l.status, k)
	}
	l.taken += limit
	l.order = l.order[limit:]
	if len(l.order) == 0 {
		l.order = nil
	}
	return items
}

// restore puts back what could not be written, unless something newer is there.
func (l *lane) restore(items []laneItem) {
	for _, i := range items {
		_, node := l.nodes[i.key]
		_, status := l.status[i.key]
		switch {
		case node || status:
		case i.key.node == wholeRun:
			l.putStatus(i.status)
		default:
			l.putNode(i.key.run, i.node)
		}
	}
}

// later puts changes into the lane and makes sure that they leave it.
func (w *writer) later(put func(*lane)) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.usable(); err != nil {
		return err
	}
	put(w.lane)
	w.arm(w.flushEvery)
	return nil
}

// arm starts the timer unless it runs. It is called with mu held.
func (w *writer) arm(d time.Duration) {
	if w.timer != nil || w.closed {
		return
	}
	w.flushes.Add(1)
	w.timer = time.AfterFunc(d, w.tick)
}

// tick commits a batch of the lane, and comes again while there is more.
func (w *writer) tick() {
	defer w.flushes.Done()
	w.turn <- struct{}{}
	more, err := w.commitLane()
	<-w.turn

	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer = nil
	switch {
	case w.broken != nil:
	case err != nil: // a full disk may have room again
		w.arm(10 * w.flushEvery)
	case more:
		w.arm(0)
	}
}

// flush returns when all that is in the lane now is durable.
func (w *writer) flush(ctx context.Context) error {
	w.mu.Lock()
	target := w.lane.put
	err := w.usable()
	w.mu.Unlock()
	for err == nil {
		select {
		case w.turn <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		if w.laneTaken(target) {
			<-w.turn
			return nil
		}
		_, err = w.commitLane()
		<-w.turn
	}
	return err
}

// laneTaken reports whether the first target keys have left the lane; the
// caller has the turn, so they are committed too.
func (w *writer) laneTaken(target int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lane.taken >= target
}

// commitLane commits a batch of the lane together with all that is queued, and
// reports whether the lane holds more. The caller has the turn.
func (w *writer) commitLane() (more bool, err error) {
	w.mu.Lock()
	items := w.lane.take(laneBatch)
	batch := w.queue
	w.queue = nil
	more = len(w.lane.order) > 0
	w.mu.Unlock()
	if len(items) > 0 {
		wr := &write{do: func(t *tx) error { return writeIndex(t, items) }, changes: runsOf(items), done: make(chan struct{})}
		batch = append(batch, wr)
		defer func() {
			if err = wr.err; err != nil {
				w.mu.Lock()
				w.lane.restore(items)
				w.mu.Unlock()
			}
		}()
	}
	w.commitAll(batch)
	return more, nil
}

// writeIndex upserts nodes and updates runs; those of deleted runs are dropped.
func writeIndex(t *tx, items []laneItem) error {
	ids := map[string]int64{}
	for _, i := range items {
		id, ok := ids[i.key.run]
		if !ok {
			if _, err := t.get(sqlRunID, []any{i.key.run}, &id); err != nil {
				return err
			}
			ids[i.key.run] = id
		}
		var err error
		switch {
		case id == 0:
		case i.key.node == wholeRun:
			err = t.exec(sqlRunUpdate, append(i.status.columns(), i.key.run)...)
		default:
			err = t.exec(sqlNodePut, slot(id, i.node.Index), i.node.Name, i.node.Phase, []byte(i.node.Data))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// runsOf are the changes to tell of.
func runsOf(items []laneItem) []Change {
	var changes []Change
	seen := map[string]bool{}
	for _, i := range items {
		if !seen[i.key.run] {
			seen[i.key.run] = true
			changes = append(changes, Change{What: RunChanged, Key: i.key.run})
		}
	}
	return changes
}
