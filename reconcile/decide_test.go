package reconcile

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/pawl-dev/pawl/promotion"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestDecide(t *testing.T) {
	settled := Record{Now: noon, Head: "c1", Tried: "c1"}
	with := func(r Record, change func(*Record)) Record { change(&r); return r }
	passing := promotion.State{Candidate: &promotion.Candidacy{Digest: "sha256:a", Passed: true}}
	for _, c := range []struct {
		name string
		rec  Record
		want ActionKind
	}{
		{"nothing is known yet: wait", Record{Now: noon}, Idle},
		{"a new head is synced", with(settled, func(r *Record) { r.Head = "c2" }), Sync},
		{"a head that is in force is not", settled, Idle},
		{"a sync that failed rests", with(settled, func(r *Record) { r.Head, r.SyncNotBefore = "c2", noon.Add(time.Second) }), Idle},
		{"a sync goes before a run", with(settled, func(r *Record) { r.Head, r.Workflows = "c2", []DesiredRun{{Key: "k"}} }), Sync},
		{"a new key starts a run", with(settled, func(r *Record) { r.Workflows = []DesiredRun{{Key: "k"}} }), Start},
		{"a known key starts nothing", with(settled, func(r *Record) { r.Workflows = []DesiredRun{{Key: "k", Known: true}} }), Idle},
		{"a queued key waits for older runs", with(settled, func(r *Record) { r.Workflows = []DesiredRun{{Key: "k", Concurrency: Queue, Older: []string{"r"}}} }), Idle},
		{"a replacing key does not wait", with(settled, func(r *Record) { r.Workflows = []DesiredRun{{Key: "k", Concurrency: Replace, Older: []string{"r"}}} }), Start},
		{"a run that could not be started rests, and the next one is started", with(settled, func(r *Record) {
			r.Workflows = []DesiredRun{{Key: "k", NotBefore: noon.Add(time.Second)}, {Key: "l"}}
		}), Start},
		{"a candidate is judged before anything is proposed", with(settled, func(r *Record) { r.Stages = []StageView{{Unjudged: &Candidate{}, State: passing}} }), Judge},
		{"a candidate that passed is proposed", with(settled, func(r *Record) { r.Stages = []StageView{{State: passing}} }), Promote},
		{"nothing is proposed while the head is refused", with(settled, func(r *Record) { r.Refused, r.Stages = true, []StageView{{State: passing}} }), Idle},
		{"nothing is proposed while the head cannot be synced", with(settled, func(r *Record) {
			r.Head, r.SyncNotBefore, r.Stages = "c2", noon.Add(time.Second), []StageView{{State: passing}}
		}), Idle},
		{"nothing is proposed while the head is not known", with(settled, func(r *Record) { r.Head, r.Stages = "", []StageView{{State: passing}} }), Idle},
		{"judging goes on meanwhile", with(settled, func(r *Record) { r.Refused, r.Stages = true, []StageView{{Unjudged: &Candidate{}}} }), Judge},
		{"a stage that failed rests", with(settled, func(r *Record) { r.Stages = []StageView{{State: passing, NotBefore: noon.Add(time.Second)}} }), Idle},
		{"a stage that rests keeps no other waiting", with(settled, func(r *Record) {
			r.Stages = []StageView{{State: passing, NotBefore: noon.Add(time.Second)}, {State: passing}}
		}), Promote},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := Decide(c.rec); got.Kind != c.want {
				t.Errorf("it decides %s, want %s", got.Kind, c.want)
			}
		})
	}
}

// model is a world in which actions can be carried out without one: a record and
// what hides behind it.
type model struct {
	rec      Record
	unjudged []int // candidates to judge, by stage
}

func randomModel(r *rand.Rand) *model {
	m := &model{rec: Record{Now: noon, Head: fmt.Sprint("c", r.IntN(2)), Tried: "c0", Refused: r.IntN(5) == 0}}
	for i := range r.IntN(4) {
		m.rec.Workflows = append(m.rec.Workflows, DesiredRun{
			Name: fmt.Sprint("w", i), Key: fmt.Sprint("k", r.IntN(3)), Known: r.IntN(2) == 0,
			Concurrency: []Concurrency{Replace, Queue, Parallel}[r.IntN(3)], Older: make([]string, r.IntN(3)),
		})
	}
	digest := func() string { return []string{"", "sha256:a", "sha256:b", "sha256:c"}[r.IntN(4)] }
	for i := range r.IntN(4) {
		v := StageView{ID: StageID{Stage: fmt.Sprint("s", i)}, State: promotion.State{
			Base: promotion.Deployed{Digest: digest()}, Running: digest(), Rejected: map[string]int{digest(): r.IntN(2)},
		}}
		if d := digest(); d != "" {
			v.State.Candidate = &promotion.Candidacy{Digest: d, Passed: r.IntN(2) == 0}
		}
		if d := digest(); d != "" {
			v.State.Open = &promotion.OpenPullRequest{Number: 1, Digest: d, Foreign: r.IntN(4) == 0, Stale: r.IntN(2) == 0}
		}
		m.unjudged = append(m.unjudged, r.IntN(3))
		if m.unjudged[i] > 0 {
			v.Unjudged = &Candidate{RunUID: fmt.Sprint("r", m.unjudged[i])}
		}
		m.rec.Stages = append(m.rec.Stages, v)
	}
	return m
}

// carryOut does to the model what the loop does to the world.
func (m *model) carryOut(a Action) {
	switch a.Kind {
	case Sync:
		m.rec.Tried, m.rec.Refused = m.rec.Head, false
	case Start:
		a.Run.Known = true
	case Judge:
		for i := range m.rec.Stages {
			if v := &m.rec.Stages[i]; v == a.Stage {
				m.unjudged[i]--
				v.Unjudged = nil
				if m.unjudged[i] > 0 {
					v.Unjudged = &Candidate{RunUID: fmt.Sprint("r", m.unjudged[i])}
				}
			}
		}
	case Promote:
		s := &a.Stage.State
		switch a.Promotion.Action {
		case promotion.Create, promotion.Supersede:
			s.Open = &promotion.OpenPullRequest{Number: 1, Digest: s.Candidate.Digest}
		case promotion.Regenerate:
			s.Open.Stale = false
		case promotion.Close:
			s.Open = nil
		case promotion.Deploy:
			s.Running = s.Base.Digest
		}
	}
}

// TestDecidingAndDoingComesToAnEnd also checks that no action is decided on twice
// in a row, which is what the loop takes for a mistake.
func TestDecidingAndDoingComesToAnEnd(t *testing.T) {
	for seed := range uint64(20_000) {
		m := randomModel(rand.New(rand.NewPCG(seed, 1)))
		last := ""
		for n := 0; ; n++ {
			a := Decide(m.rec)
			if again := Decide(m.rec); again.String() != a.String() {
				t.Fatalf("seed %d: it decides %s, and then %s", seed, a, again)
			}
			if a.Kind == Idle {
				break
			}
			if a.String() == last {
				t.Fatalf("seed %d: %s twice in a row", seed, a)
			}
			if n > 100 {
				t.Fatalf("seed %d: no end after %d actions: %s", seed, n, a)
			}
			last = a.String()
			m.carryOut(a)
		}
	}
}
