package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"
)

func TestRecordsAreNumberedFromZeroPerJournalWithoutGaps(t *testing.T) {
	s := open(t)
	const n = 2*readChunk + 7
	batch := make([][]byte, n-2)
	for i := range batch {
		batch[i] = fmt.Append(nil, i+1)
	}
	must(t, s.Append(t.Context(), "a", []byte("0")))
	must(t, s.Append(t.Context(), "b", nil)) // a record without content is one
	must(t, s.Append(t.Context(), "a", batch...))
	must(t, s.Append(t.Context(), "a")) // no record is none
	must(t, s.Close())
	s = openAt(t, s.Path(), Options{})
	must(t, s.Append(t.Context(), "a", fmt.Append(nil, n-1)))

	for _, from := range []int{-1, 0, 1, readChunk - 1, readChunk, readChunk + 1, 2 * readChunk, n - 1, n, n + 1} {
		next := max(from, 0)
		for r, err := range s.Read(t.Context(), "a", from) {
			must(t, err)
			if want := fmt.Sprint(next); string(r) != want {
				t.Fatalf("from %d: record %s, want %s", from, r, want)
			}
			next++
		}
		if want := max(n, from); next != want {
			t.Errorf("from %d: ended at %d, want %d", from, next, want)
		}
	}
	if got := records(t, s, "b"); !slices.Equal(got, []string{""}) {
		t.Errorf("b holds %q", got)
	}
	if got := records(t, s, "nobody's"); len(got) != 0 {
		t.Errorf("a journal that is not there holds %q", got)
	}
	for range s.Read(t.Context(), "a", 0) {
		break // leaves no connection behind: goleak and Close see to it
	}
}

func TestReadingEndsWithItsContext(t *testing.T) {
	s := open(t)
	must(t, s.Append(t.Context(), "a", []byte("0")))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var errs []error
	for _, err := range s.Read(ctx, "a", 0) {
		errs = append(errs, err)
	}
	if len(errs) != 1 || !errors.Is(errs[0], context.Canceled) {
		t.Errorf("errors: %v", errs)
	}
}

// hold keeps all commits back until release is called; queued waits for n
// writes to be waiting by then.
func hold(s *Store) (release func()) {
	s.w.turn <- struct{}{}
	return func() { <-s.w.turn }
}

func queued(s *Store, n int) {
	for {
		s.w.mu.Lock()
		have := len(s.w.queue)
		s.w.mu.Unlock()
		if have >= n {
			return
		}
		runtime.Gosched()
	}
}

func TestAppendsThatWaitShareOneCommit(t *testing.T) {
	s := open(t)
	must(t, s.Append(t.Context(), "first", []byte("x")))
	release := hold(s)
	before := commits(t, s.Path()+"-wal")
	var g errgroup.Group
	const n = 50
	for i := range n {
		g.Go(func() error { return s.Append(t.Context(), fmt.Sprint("run", i), []byte("x")) })
	}
	queued(s, n)
	release()
	must(t, g.Wait())
	if got := commits(t, s.Path()+"-wal") - before; got != 1 {
		t.Errorf("%d commits for %d Appends that waited together", got, n)
	}
}

func TestConcurrentAppendsToOneJournalKeepTheirOwnOrder(t *testing.T) {
	s := open(t)
	var g errgroup.Group
	const writers, each = 20, 20
	for w := range writers {
		g.Go(func() error {
			for i := range each {
				if err := s.Append(t.Context(), "run", fmt.Appendf(nil, "%d a %d", w, i), fmt.Appendf(nil, "%d b %d", w, i)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	must(t, g.Wait())
	all := records(t, s, "run")
	if len(all) != 2*writers*each {
		t.Fatalf("%d records, want %d", len(all), 2*writers*each)
	}
	next := map[string]int{}
	for i := 0; i < len(all); i += 2 {
		w, rest, _ := strings.Cut(all[i], " ")
		if want := fmt.Sprint("a ", next[w]); rest != want {
			t.Fatalf("writer %s: %q, want %q", w, rest, want)
		}
		if want := fmt.Sprintf("%s b %d", w, next[w]); all[i+1] != want {
			t.Fatalf("records of one Append are apart: %q, %q", all[i], all[i+1])
		}
		next[w]++
	}
}

func TestAnAppendWhoseContextEndsWhileItWaitsLeavesNothing(t *testing.T) {
	s := open(t)
	release := hold(s)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Append(ctx, "run", []byte("x")) }()
	queued(s, 1)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
	release()
	must(t, s.Append(t.Context(), "run", []byte("y")))
	if got := records(t, s, "run"); !slices.Equal(got, []string{"y"}) {
		t.Errorf("the journal holds %q", got)
	}
}

func TestABadWriteDoesNotFailThoseBesideIt(t *testing.T) {
	s := open(t)
	release := hold(s)
	bad := errors.New("bad")
	errs := make([]error, 3)
	var g errgroup.Group
	for i, do := range []func() error{
		func() error { return s.Append(t.Context(), "run", []byte("x")) },
		func() error {
			return s.write(t.Context(), func(tx *tx) error {
				if err := tx.appendRecords("run", [][]byte{[]byte("half")}); err != nil {
					return err
				}
				return bad
			})
		},
		func() error { return s.Append(t.Context(), "run", []byte("y")) },
	} {
		g.Go(func() error { errs[i] = do(); return nil })
		queued(s, i+1)
	}
	release()
	must(t, g.Wait())
	if errs[0] != nil || !errors.Is(errs[1], bad) || errs[2] != nil {
		t.Errorf("errors are %v", errs)
	}
	if got := records(t, s, "run"); !slices.Equal(got, []string{"x", "y"}) {
		t.Errorf("the journal holds %q", got)
	}
}

func TestAFullDiskFailsTheAppendAndNoMore(t *testing.T) {
	s := open(t)
	must(t, s.Append(t.Context(), "run", []byte("before")))
	exec(t, s, "PRAGMA max_page_count = 1") // no more than there are
	err := s.Append(t.Context(), "run", []byte("small"), make([]byte, 100_000))
	refuses(t, err, "journal of run", "full")
	exec(t, s, "PRAGMA max_page_count = 100000")
	must(t, s.Append(t.Context(), "run", []byte("after")))
	if got := records(t, s, "run"); !slices.Equal(got, []string{"before", "after"}) {
		t.Errorf("the journal holds %.50q", got)
	}
}

// After a failed sync nobody knows what the disk holds, though the next sync may
// succeed. Nothing may be acknowledged after it.
func TestAfterADiskFailureNothingIsAcknowledged(t *testing.T) {
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "pawl.db"), Options{})
	must(t, err)
	defer s.Close() // fails, as it should
	must(t, s.Append(t.Context(), "run", []byte("before")))
	restore := breakFile(t, s.Path()+"-wal")
	err = s.Append(t.Context(), "run", []byte("lost"))
	refuses(t, err, "journal of run")
	restore()
	err = s.Append(t.Context(), "run", []byte("after"))
	refuses(t, err, "disk failed a write", "restart pawl")
	if got := records(t, s, "run"); !slices.Equal(got, []string{"before"}) {
		t.Errorf("the journal holds %q", got)
	}
}

// walFrame is the size of a frame of the write-ahead log, which begins with a
// header of 32 bytes.
const walFrame = 24 + 4096

// commits counts the commits in a write-ahead log: frames that carry the size
// of the database.
func commits(tb testing.TB, wal string) int {
	tb.Helper()
	b, err := os.ReadFile(wal)
	must(tb, err)
	n := 0
	for at := 32; at+walFrame <= len(b); at += walFrame {
		if slices.ContainsFunc(b[at+4:at+8], func(x byte) bool { return x != 0 }) {
			n++
		}
	}
	return n
}
