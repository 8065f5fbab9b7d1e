package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sync/errgroup"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 123456789, time.UTC)

func fraudRun(uid, name, key string) Run {
	return Run{
		UID: uid, Namespace: "ml", Name: name, App: "fraud", WorkflowName: "train", Key: key,
		Workflow: json.RawMessage(`{"kind":"Workflow"}`), Origin: json.RawMessage(`{"kind":"push"}`),
		Labels: map[string]string{"a": "b"}, Created: noon,
		Status: RunStatus{UID: uid, Phase: "Pending"},
	}
}

func create(tb testing.TB, s *Store, r Run, records ...[]byte) {
	tb.Helper()
	uid, existing, err := s.CreateRun(tb.Context(), r, records...)
	must(tb, err)
	if uid != r.UID || existing {
		tb.Fatalf("creating run %s returned %s, existing %v", r.UID, uid, existing)
	}
}

func TestARunIsReadAsItWasCreatedAndUpdated(t *testing.T) {
	s := open(t)
	want := fraudRun("u1", "train-1", "k1")
	create(t, s, want, []byte("first"))
	want.ID = 1
	for step, update := range []RunStatus{
		want.Status,
		{UID: "u1", Phase: "Running", Started: noon.Add(time.Second), Progress: "1/3"},
		{UID: "u1", Phase: "Succeeded", Message: "m", Started: noon, Finished: noon.Add(time.Hour), Progress: "3/3", Outputs: json.RawMessage(`{"parameters":[]}`)},
	} {
		must(t, s.UpdateRun(t.Context(), update))
		want.Status = update
		byName, err := s.GetRun(t.Context(), "ml", "train-1")
		must(t, err)
		byUID, err := s.RunByUID(t.Context(), "u1")
		must(t, err)
		if d := cmp.Diff(want, byName) + cmp.Diff(want, byUID); d != "" {
			t.Errorf("step %d: %s", step, d)
		}
	}
	if got := records(t, s, "u1"); !slices.Equal(got, []string{"first"}) {
		t.Errorf("its journal holds %q", got)
	}
	if _, err := s.GetRun(t.Context(), "ml", "other"); !errors.Is(err, ErrNotFound) {
		t.Errorf("a run that is not there: %v", err)
	}
}

func TestAKnownKeyStartsNothing(t *testing.T) {
	s := open(t)
	create(t, s, fraudRun("u1", "train-1", "k1"), []byte("x"))
	other := func(change func(*Run)) Run {
		r := fraudRun("u2", "train-2", "k1")
		change(&r)
		return r
	}
	for name, tt := range map[string]struct {
		run      Run
		existing string // "" for none
	}{
		"the same key":                           {other(func(*Run) {}), "u1"},
		"the same key and name":                  {other(func(r *Run) { r.Name = "train-1" }), "u1"},
		"the same UID without a key":             {other(func(r *Run) { r.UID, r.Key = "u1", "" }), "u1"},
		"another key":                            {other(func(r *Run) { r.UID, r.Name, r.Key = "u3", "train-3", "k3" }), ""},
		"the same key of another app":            {other(func(r *Run) { r.UID, r.Name, r.App = "u4", "train-4", "spam" }), ""},
		"the same key in another namespace":      {other(func(r *Run) { r.UID, r.Namespace = "u5", "ops" }), ""},
		"the same key of another workflow":       {other(func(r *Run) { r.UID, r.Name, r.WorkflowName = "u6", "score-1", "score" }), ""},
		"without a key there are many":           {other(func(r *Run) { r.UID, r.Name, r.Key = "u7", "train-7", "" }), ""},
		"without a key there are many (another)": {other(func(r *Run) { r.UID, r.Name, r.Key = "u8", "train-8", "" }), ""},
	} {
		t.Run(name, func(t *testing.T) {
			uid, existing, err := s.CreateRun(t.Context(), tt.run, []byte("again"))
			must(t, err)
			want := tt.existing
			if want == "" {
				want = tt.run.UID
			}
			if uid != want || existing != (tt.existing != "") {
				t.Errorf("got %s, existing %v, want %s", uid, existing, want)
			}
		})
	}
	if got := records(t, s, "u1"); !slices.Equal(got, []string{"x"}) {
		t.Errorf("the journal of u1 holds %q", got)
	}
	outer := t
	t.Run("also after a restart and without the run", func(t *testing.T) {
		must(t, s.UpdateRun(t.Context(), RunStatus{UID: "u1", Phase: "Failed", Finished: noon}))
		must(t, s.DeleteRun(t.Context(), "u1"))
		must(t, s.Close())
		s = openAt(outer, s.Path(), Options{})
		uid, ok, err := s.KnownKey(t.Context(), "fraud", "ml", "train", "k1")
		must(t, err)
		if uid != "u1" || !ok {
			t.Errorf("KnownKey returned %q, %v", uid, ok)
		}
		uid, existing, err := s.CreateRun(t.Context(), fraudRun("u9", "train-9", "k1"))
		must(t, err)
		if uid != "u1" || !existing {
			t.Errorf("CreateRun returned %q, %v", uid, existing)
		}
		if _, ok, err := s.KnownKey(t.Context(), "fraud", "ml", "train", "k9"); ok || err != nil {
			t.Errorf("KnownKey of an unknown key returned %v, %v", ok, err)
		}
	})
	t.Run("a name that is taken is refused", func(t *testing.T) {
		_, _, err := s.CreateRun(t.Context(), other(func(r *Run) { r.UID, r.Name, r.Key = "u10", "train-3", "k10" }))
		if !errors.Is(err, ErrExists) {
			t.Errorf("error is %v", err)
		}
		refuses(t, err, "ml/train-3", "u3")
	})
}

func TestOfManyWithOneKeyOneStarts(t *testing.T) {
	s := open(t)
	var g errgroup.Group
	uids := make([]string, 30)
	created := make([]bool, len(uids))
	for i := range uids {
		g.Go(func() error {
			uid, existing, err := s.CreateRun(t.Context(), fraudRun(fmt.Sprint("u", i), fmt.Sprint("train-", i), "k"), []byte("x"))
			uids[i], created[i] = uid, !existing
			return err
		})
	}
	must(t, g.Wait())
	n := 0
	for i, uid := range uids {
		if created[i] {
			n++
		}
		if uid != uids[0] {
			t.Errorf("caller %d was told %s, caller 0 %s", i, uid, uids[0])
		}
	}
	if n != 1 {
		t.Errorf("%d runs were created", n)
	}
}

func TestListRunsFiltersAndPages(t *testing.T) {
	s := open(t)
	for i := range 10 {
		r := fraudRun(fmt.Sprint("u", i), fmt.Sprint("r", i), "")
		if i%2 == 1 {
			r.Namespace = "ops"
		}
		if i%3 == 0 {
			r.WorkflowName, r.App = "score", "spam"
		}
		create(t, s, r)
		if i < 4 {
			must(t, s.UpdateRun(t.Context(), RunStatus{UID: r.UID, Phase: []string{"Failed", "Succeeded"}[i%2], Finished: noon}))
		}
	}
	for name, tt := range map[string]struct {
		filter RunFilter
		want   string
	}{
		"all, newest first":     {RunFilter{}, "9 8 7 6 5 4 3 2 1 0"},
		"of a namespace":        {RunFilter{Namespace: "ops"}, "9 7 5 3 1"},
		"of a workflow":         {RunFilter{Workflow: "score"}, "9 6 3 0"},
		"of an app":             {RunFilter{App: "fraud", Namespace: "ml"}, "8 4 2"},
		"in one phase":          {RunFilter{Phases: []string{"Failed"}}, "2 0"},
		"in one of two phases":  {RunFilter{Phases: []string{"Failed", "Succeeded"}}, "3 2 1 0"},
		"the first page":        {RunFilter{Limit: 3}, "9 8 7"},
		"the page after ID 8":   {RunFilter{Limit: 3, Before: 8}, "6 5 4"},
		"a page of a namespace": {RunFilter{Namespace: "ops", Limit: 2, Before: 8}, "5 3"},
		"none":                  {RunFilter{Namespace: "none"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			runs, err := s.ListRuns(t.Context(), tt.filter)
			must(t, err)
			var names []string
			for _, r := range runs {
				names = append(names, strings.TrimPrefix(r.Name, "r"))
				if r.Workflow != nil {
					t.Error("a list carries workflows")
				}
			}
			if got := strings.Join(names, " "); got != tt.want {
				t.Errorf("listed %s, want %s", got, tt.want)
			}
		})
	}
	unfinished, err := s.UnfinishedRuns(t.Context())
	must(t, err)
	if len(unfinished) != 6 || unfinished[0].Name != "r4" {
		t.Errorf("unfinished: %d, first %v", len(unfinished), unfinished[0].Name)
	}
}

func TestDeleteRunIsRefusedUntilItHasEnded(t *testing.T) {
	s := open(t)
	create(t, s, fraudRun("u1", "train-1", "k1"), []byte("x"))
	create(t, s, fraudRun("u2", "train-2", "k2"), []byte("y"))
	must(t, s.PutNodes(t.Context(), "u1", someNodes(3)))
	must(t, s.PutNodes(t.Context(), "u2", someNodes(2)))
	err := s.DeleteRun(t.Context(), "u1")
	if !errors.Is(err, ErrUnfinished) {
		t.Errorf("error is %v", err)
	}
	refuses(t, err, "ml/train-1", "not finished yet", "pawl stop -n ml train-1")
	must(t, s.UpdateRun(t.Context(), RunStatus{UID: "u1", Phase: "Failed", Finished: noon}))
	must(t, s.PutNodes(t.Context(), "u1", someNodes(4))) // late, and not to come back
	must(t, s.DeleteRun(t.Context(), "u1"))
	must(t, s.Flush(t.Context()))
	if err := s.DeleteRun(t.Context(), "u1"); !errors.Is(err, ErrNotFound) {
		t.Errorf("deleting it again: %v", err)
	}
	if _, err := s.Nodes(t.Context(), "u1", 0, 0); !errors.Is(err, ErrNotFound) {
		t.Errorf("its nodes: %v", err)
	}
	if got := records(t, s, "u1"); len(got) > 0 {
		t.Errorf("its journal holds %q", got)
	}
	nodes, err := s.Nodes(t.Context(), "u2", 0, 0)
	must(t, err)
	if len(nodes) != 2 || len(records(t, s, "u2")) != 1 {
		t.Error("its neighbour has lost something")
	}
	must(t, s.Check(t.Context()))
}

func TestNodesArePagedAndReplaced(t *testing.T) {
	s := open(t)
	create(t, s, fraudRun("u0", "r0", ""))
	create(t, s, fraudRun("u1", "r1", ""))
	must(t, s.PutNodes(t.Context(), "u0", someNodes(2)))
	want := someNodes(3*laneBatch + 5)
	must(t, s.PutNodes(t.Context(), "u1", want))
	must(t, s.PutNodes(t.Context(), "nobody", someNodes(1)))
	want[7].Phase, want[8] = "Failed", Node{Index: 8, Name: "other"}
	must(t, s.PutNodes(t.Context(), "u1", want[7:9]))
	must(t, s.Flush(t.Context()))
	want[9].Phase = "Succeeded"
	must(t, s.PutNodes(t.Context(), "u1", want[9:10]))
	must(t, s.Flush(t.Context()))
	for _, page := range []struct{ from, limit int }{{0, 0}, {0, 10}, {5, 5}, {len(want) - 2, 10}, {len(want), 10}} {
		got, err := s.Nodes(t.Context(), "u1", page.from, page.limit)
		must(t, err)
		end := len(want)
		if page.limit > 0 {
			end = min(end, page.from+page.limit)
		}
		if d := cmp.Diff(want[page.from:end], got, cmpopts.EquateEmpty()); d != "" {
			t.Errorf("page %v: %s", page, d)
		}
	}
	counts, err := s.NodeCounts(t.Context(), "u1")
	must(t, err)
	if d := cmp.Diff(map[string]int{"Running": len(want) - 3, "Failed": 1, "": 1, "Succeeded": 1}, counts); d != "" {
		t.Error(d)
	}
	must(t, s.ClearIndex(t.Context(), "u1"))
	if got, err := s.Nodes(t.Context(), "u1", 0, 0); err != nil || len(got) > 0 {
		t.Errorf("%d nodes after ClearIndex, %v", len(got), err)
	}
	if got, err := s.Nodes(t.Context(), "u0", 0, 0); err != nil || len(got) != 2 {
		t.Errorf("its neighbour has %d nodes, %v", len(got), err)
	}
	refuses(t, s.PutNodes(t.Context(), "u1", []Node{{Index: -1, Name: "x"}}), "out of range")
}

func TestTheIndexIsWrittenWithoutAFlush(t *testing.T) {
	s := openAt(t, filepath.Join(t.TempDir(), "pawl.db"), Options{FlushEvery: time.Millisecond})
	create(t, s, fraudRun("u1", "r1", ""))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	changes := s.Subscribe(ctx)
	n := 2*laneBatch + 1
	must(t, s.PutNodes(t.Context(), "u1", someNodes(n)))
	must(t, s.UpdateRunSoon(t.Context(), RunStatus{UID: "u1", Phase: "Running"}))
	for c := range changes {
		if want := (Change{What: RunChanged, Key: "u1"}); c != want {
			t.Fatalf("told of %v", c)
		}
		counts, err := s.NodeCounts(t.Context(), "u1")
		must(t, err)
		r, err := s.RunByUID(t.Context(), "u1")
		must(t, err)
		if counts["Running"] == n && r.Status.Phase == "Running" {
			return
		}
	}
	t.Error("the feed ended")
}

func TestTheIndexIsTriedAgainAfterAFullDisk(t *testing.T) {
	s := open(t)
	create(t, s, fraudRun("u1", "r1", ""))
	exec(t, s, "PRAGMA max_page_count = 1")
	old := []Node{{Index: 0, Name: "old", Data: json.RawMessage(`"` + strings.Repeat("x", 100_000) + `"`)}, {Index: 1, Name: "one"}}
	must(t, s.PutNodes(t.Context(), "u1", old))
	refuses(t, s.Flush(t.Context()), "full")
	exec(t, s, "PRAGMA max_page_count = 100000")
	must(t, s.PutNodes(t.Context(), "u1", []Node{{Index: 0, Name: "new"}}))
	must(t, s.Flush(t.Context()))
	got, err := s.Nodes(t.Context(), "u1", 0, 0)
	must(t, err)
	if d := cmp.Diff([]Node{{Index: 0, Name: "new"}, {Index: 1, Name: "one"}}, got); d != "" {
		t.Error(d)
	}
}
