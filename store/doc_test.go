package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"
)

func TestADocumentIsChangedOnlyByWhoKnowsItsVersion(t *testing.T) {
	s := open(t)
	steps := []struct {
		name    string
		expect  int64
		data    string
		version int64 // 0: ErrConflict
	}{
		{"a change of what is not there", 1, "x", 0},
		{"the first", 0, "a", 1},
		{"a second first", 0, "x", 0},
		{"a change", 1, "b", 2},
		{"a change of what was", 1, "x", 0},
		{"a change whatever it is", AnyVersion, "c", 3},
	}
	now := ""
	for _, st := range steps {
		version, err := s.PutDoc(t.Context(), "app", "fraud", []byte(st.data), st.expect)
		if errors.Is(err, ErrConflict) != (st.version == 0) || version != st.version {
			t.Errorf("%s: version %d, %v", st.name, version, err)
		}
		if st.version > 0 {
			now = st.data
		}
		d, ok, err := s.GetDoc(t.Context(), "app", "fraud")
		must(t, err)
		if ok != (now != "") || string(d.Data) != now {
			t.Errorf("%s: it is %q", st.name, d.Data)
		}
	}
	if err := s.DeleteDoc(t.Context(), "app", "fraud", 2); !errors.Is(err, ErrConflict) {
		t.Errorf("deleting what was: %v", err)
	}
	must(t, s.DeleteDoc(t.Context(), "app", "fraud", 3))
	if err := s.DeleteDoc(t.Context(), "app", "fraud", AnyVersion); !errors.Is(err, ErrNotFound) {
		t.Errorf("deleting what is gone: %v", err)
	}
	if version, err := s.PutDoc(t.Context(), "app", "fraud", nil, AnyVersion); version != 1 || err != nil {
		t.Errorf("made anew: %d, %v", version, err)
	}
}

func TestDocumentsAreListedByPrefixInOrder(t *testing.T) {
	s := open(t)
	for _, key := range []string{"b/1", "a/2", "a/1", "a%1", "a_1", "A/1", "ü/1"} {
		_, err := s.PutDoc(t.Context(), "stage", key, []byte("{}"), 0)
		must(t, err)
	}
	_, err := s.PutDoc(t.Context(), "other", "a/3", []byte("{}"), 0)
	must(t, err)
	for prefix, want := range map[string]string{
		"": "A/1 a%1 a/1 a/2 a_1 b/1 ü/1", "a/": "a/1 a/2", "a%": "a%1", "a_": "a_1", "ü": "ü/1", "c": "",
	} {
		docs, err := s.ListDocs(t.Context(), "stage", prefix)
		must(t, err)
		var keys []string
		for _, d := range docs {
			keys = append(keys, d.Key)
		}
		if got := strings.Join(keys, " "); got != want {
			t.Errorf("prefix %q: %s, want %s", prefix, got, want)
		}
	}
}

func TestNoChangeIsLostAmongMany(t *testing.T) {
	s := open(t)
	var g errgroup.Group
	const writers, each = 8, 15
	for range writers {
		g.Go(func() error {
			for done := 0; done < each; {
				d, _, err := s.GetDoc(t.Context(), "counter", "c")
				if err != nil {
					return err
				}
				n, _ := strconv.Atoi(string(d.Data))
				_, err = s.PutDoc(t.Context(), "counter", "c", strconv.AppendInt(nil, int64(n+1), 10), d.Version)
				if err == nil {
					done++
				} else if !errors.Is(err, ErrConflict) {
					return err
				}
			}
			return nil
		})
	}
	must(t, g.Wait())
	d, _, err := s.GetDoc(t.Context(), "counter", "c")
	must(t, err)
	if want := fmt.Sprint(writers * each); string(d.Data) != want || d.Version != writers*each {
		t.Errorf("counted to %s at version %d, want %s", d.Data, d.Version, want)
	}
}

func TestNumbersAreGivenOutOnceEach(t *testing.T) {
	s := open(t)
	var g errgroup.Group
	numbers := make([]int64, 50)
	for i := range numbers {
		g.Go(func() (err error) {
			numbers[i], err = s.NextNumber(t.Context(), "pull request")
			return err
		})
	}
	must(t, g.Wait())
	slices.Sort(numbers)
	for i, n := range numbers {
		if n != int64(i+1) {
			t.Fatalf("numbers are %v", numbers)
		}
	}
	must(t, s.Close())
	s = openAt(t, s.Path(), Options{})
	for kind, want := range map[string]int64{"pull request": 51, "other": 1} {
		if n, err := s.NextNumber(t.Context(), kind); n != want || err != nil {
			t.Errorf("%s: %d, %v, want %d", kind, n, err, want)
		}
	}
}

func TestFactsAreReadNewestFirst(t *testing.T) {
	s := open(t)
	for i := range 4 {
		id, err := s.AddFact(t.Context(), "decision", []string{"a", "b"}[i%2], noon.Add(time.Duration(i)), fmt.Append(nil, i))
		must(t, err)
		if id != int64(i+1) {
			t.Errorf("fact %d has id %d", i, id)
		}
	}
	fact := func(i int, key string) Fact {
		return Fact{ID: int64(i + 1), Kind: "decision", Key: key, Time: noon.Add(time.Duration(i)), Data: fmt.Append(nil, i)}
	}
	for _, tt := range []struct {
		key   string
		limit int
		want  []Fact
	}{
		{"a", 0, []Fact{fact(2, "a"), fact(0, "a")}},
		{"b", 1, []Fact{fact(3, "b")}},
		{"", 3, []Fact{fact(3, "b"), fact(2, "a"), fact(1, "b")}},
		{"c", 0, nil},
	} {
		got, err := s.Facts(t.Context(), "decision", tt.key, tt.limit)
		must(t, err)
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("key %q, limit %d: %s", tt.key, tt.limit, d)
		}
	}
}

func TestASlowSubscriberHearsOfEachThingOnce(t *testing.T) {
	s := open(t)
	changes := s.Subscribe(t.Context())
	others, cancel := context.WithCancel(t.Context())
	gone := s.Subscribe(others)
	for i := range 20 {
		_, err := s.PutDoc(t.Context(), "app", fmt.Sprint(i%2), nil, AnyVersion)
		must(t, err)
	}
	_, err := s.PutDoc(t.Context(), "app", "0", nil, 0) // refused: nothing to tell
	if !errors.Is(err, ErrConflict) {
		t.Error(err)
	}
	_, err = s.AddFact(t.Context(), "decision", "d", noon, nil)
	must(t, err)
	cancel()
	for range gone { // ends, though nobody has closed the store
	}
	must(t, s.Close())
	told := map[Change]int{}
	for c := range changes { // ends with the store
		told[c]++
	}
	// Its goroutine may hold one change already when the next of it comes.
	for _, c := range []Change{{DocChanged, "app", "0"}, {DocChanged, "app", "1"}, {FactAdded, "decision", "d"}} {
		if told[c] < 1 || told[c] > 2 {
			t.Errorf("told %d times of %v", told[c], c)
		}
	}
	if len(told) != 3 {
		t.Errorf("told of %v", told)
	}
	if _, ok := <-s.Subscribe(t.Context()); ok {
		t.Error("a closed store tells something")
	}
}
