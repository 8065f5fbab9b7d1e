package store

import (
	"context"
	"sync"
)

// Change says that something in the store is not what it was; who wants to
// know what it is now reads it.
type Change struct {
	What What
	Kind string // of the document or fact
	Key  string // of the document or fact; a run's UID
}

// What says what changed.
type What string

// What can change. Appends to journals are not told of.
const (
	RunChanged What = "run" // its status, its nodes; it is there or not
	DocChanged What = "doc"
	FactAdded  What = "fact"
)

// feed tells subscribers of changes. A subscriber that is slow gets each
// change once, however often it happened, and keeps nobody waiting.
type feed struct {
	mu     sync.Mutex
	subs   map[*subscriber]bool
	closed bool
}

type subscriber struct {
	feed    *feed
	out     chan Change
	wake    chan struct{} // holds a token when there is news or the feed is closed
	pending []Change      // in the order of first happening; guarded by feed.mu
	known   map[Change]bool
}

func newFeed() *feed { return &feed{subs: map[*subscriber]bool{}} }

// Subscribe tells of every change from now on that this process makes, until
// ctx ends or the store is closed; then the channel is closed. Changes of one
// thing that come before the subscriber has taken the first are told once.
func (s *Store) Subscribe(ctx context.Context) <-chan Change {
	return s.feed.subscribe(ctx)
}

func (f *feed) subscribe(ctx context.Context) <-chan Change {
	sub := &subscriber{feed: f, out: make(chan Change), wake: make(chan struct{}, 1), known: map[Change]bool{}}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		close(sub.out)
		return sub.out
	}
	f.subs[sub] = true
	go sub.run(ctx)
	return sub.out
}

func (f *feed) publish(changes []Change) {
	if len(changes) == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for sub := range f.subs {
		for _, c := range changes {
			if !sub.known[c] {
				sub.known[c] = true
				sub.pending = append(sub.pending, c)
			}
		}
		sub.poke()
	}
}

func (f *feed) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for sub := range f.subs {
		sub.poke()
	}
}

func (s *subscriber) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// run passes changes on until ctx ends or the feed is closed and all is told.
func (s *subscriber) run(ctx context.Context) {
	defer close(s.out)
	defer s.leave()
	for {
		c, ok, closed := s.next()
		switch {
		case ok:
			select {
			case s.out <- c:
			case <-ctx.Done():
				return
			}
		case closed:
			return
		default:
			select {
			case <-s.wake:
			case <-ctx.Done():
				return
			}
		}
	}
}

func (s *subscriber) next() (c Change, ok, closed bool) {
	s.feed.mu.Lock()
	defer s.feed.mu.Unlock()
	if len(s.pending) == 0 {
		return Change{}, false, s.feed.closed
	}
	c = s.pending[0]
	s.pending = s.pending[1:]
	delete(s.known, c)
	return c, true, false
}

func (s *subscriber) leave() {
	s.feed.mu.Lock()
	defer s.feed.mu.Unlock()
	delete(s.feed.subs, s)
}
