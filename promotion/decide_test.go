package promotion

import (
	"math/rand/v2"
	"strings"
	"testing"
)

func digestOf(letter string) string { return "sha256:" + strings.Repeat(letter, 64) }

func TestDecide(t *testing.T) {
	a, b, c := digestOf("a"), digestOf("b"), digestOf("c")
	base := func(d string) Deployed { return Deployed{Digest: d} }
	passed := func(d string) *Candidacy { return &Candidacy{Digest: d, Passed: true} }
	failed := func(d string) *Candidacy { return &Candidacy{Digest: d, Why: "accuracy 0.9 > 0.95 is false"} }
	open := func(d string) *OpenPullRequest { return &OpenPullRequest{Number: 7, Digest: d} }

	for name, tc := range map[string]struct {
		state  State
		want   Action
		number int
		says   string
	}{
		"nothing known: rest":                          {State{}, Rest, 0, "no candidate"},
		"first candidate passed: create":               {State{Candidate: passed(a)}, Create, 0, "aaaaaaaaaaaa passed"},
		"first candidate failed: rest, and say why":    {State{Candidate: failed(a)}, Rest, 0, "accuracy 0.9 > 0.95 is false"},
		"B2 candidate is in base and runs: rest":       {State{Base: base(a), Running: a, Candidate: passed(a)}, Rest, 0, "already deployed"},
		"B2 in base, even if it fails now: rest":       {State{Base: base(a), Running: a, Candidate: failed(a)}, Rest, 0, "already deployed"},
		"B2 open for what base has: close":             {State{Base: base(a), Running: a, Open: open(a)}, Close, 7, "already deployed"},
		"another than the deployed passed: create":     {State{Base: base(a), Running: a, Candidate: passed(b)}, Create, 0, ""},
		"B1 open with the same digest: rest":           {State{Candidate: passed(a), Open: open(a)}, Rest, 7, "open with"},
		"B3 open, same digest, files moved: again":     {State{Candidate: passed(a), Open: &OpenPullRequest{Number: 7, Digest: a, Stale: true}}, Regenerate, 7, ""},
		"B4 newer passed: supersede in place":          {State{Candidate: passed(b), Open: open(a)}, Supersede, 7, "newer"},
		"B4 newer passed, files moved: supersede":      {State{Candidate: passed(b), Open: &OpenPullRequest{Number: 7, Digest: a, Stale: true}}, Supersede, 7, ""},
		"newer failed: the open one stays, said":       {State{Candidate: failed(b), Open: open(a)}, Rest, 7, "stays open"},
		"newer failed, files moved: the open one anew": {State{Candidate: failed(b), Open: &OpenPullRequest{Number: 7, Digest: a, Stale: true}}, Regenerate, 7, ""},
		"the newest is deployed, an older is open":     {State{Base: base(a), Running: a, Candidate: passed(a), Open: open(b)}, Rest, 7, "open with"},
		"B9 closed unmerged: that digest never again":  {State{Candidate: passed(a), Rejected: map[string]int{a: 3}}, Rest, 3, "rejected"},
		"B9 another digest after a rejection: create":  {State{Candidate: passed(b), Rejected: map[string]int{a: 3}}, Create, 0, ""},
		"B9 rejected does not supersede":               {State{Candidate: passed(b), Open: open(a), Rejected: map[string]int{b: 3}}, Rest, 7, "open with"},
		"B11 commits of others: hands off":             {State{Candidate: passed(b), Open: &OpenPullRequest{Number: 7, Digest: a, Foreign: true}}, Rest, 7, "others"},
		"B16 merged, not seen running: deploy":         {State{Base: base(a), Candidate: passed(a)}, Deploy, 0, "not deployed yet"},
		"B16 merged over an older one: deploy":         {State{Base: base(b), Running: a, Candidate: passed(b)}, Deploy, 0, ""},
		"deploying comes before a newer candidate":     {State{Base: base(b), Running: a, Candidate: passed(c)}, Deploy, 0, ""},
		"a hand-written address without digest: rest":  {State{Base: Deployed{URI: "s3://models/iris"}, Running: ""}, Rest, 0, "no candidate"},
	} {
		t.Run(name, func(t *testing.T) {
			got := Decide(tc.state)
			if got.Action != tc.want || got.Number != tc.number || !strings.Contains(got.Why, tc.says) || got.Why == "" {
				t.Errorf("Decide = %+v, want %s of %d saying %q", got, tc.want, tc.number, tc.says)
			}
		})
	}
}

// Carrying out what is decided must come to rest: one pull request, one merge,
// one deployment, whatever the candidate.
func TestCarryingOutDecisionsComesToRest(t *testing.T) {
	a, b := digestOf("a"), digestOf("b")
	for _, start := range []State{
		{Candidate: &Candidacy{Digest: a, Passed: true}},
		{Candidate: &Candidacy{Digest: b, Passed: true}, Base: Deployed{Digest: a}},
		{Candidate: &Candidacy{Digest: b, Passed: true}, Base: Deployed{Digest: a}, Running: a, Open: &OpenPullRequest{Number: 1, Digest: a, Stale: true}},
		{Candidate: &Candidacy{Digest: b}, Base: Deployed{Digest: a}, Running: a, Open: &OpenPullRequest{Number: 1, Digest: a}},
	} {
		s, merged := start, false
		for pass := 0; ; pass++ {
			if pass == 10 {
				t.Fatalf("from %+v: no rest after 10 passes", start)
			}
			d := Decide(s)
			switch d.Action {
			case Create, Supersede:
				s.Open = &OpenPullRequest{Number: 1, Digest: s.Candidate.Digest}
				continue
			case Regenerate:
				s.Open = &OpenPullRequest{Number: 1, Digest: s.Open.Digest}
				continue
			case Close:
				s.Open = nil
				continue
			case Deploy:
				s.Running = s.Base.Digest
				continue
			}
			if s.Open == nil || merged {
				break
			}
			s.Base, s.Open, merged = Deployed{Digest: s.Open.Digest}, nil, true // a person merges
		}
		if s.Running != s.Base.Digest {
			t.Errorf("from %+v: rests with %q running and %q merged", start, s.Running, s.Base.Digest)
		}
	}
}

// Whatever the state: what must never happen does not.
func TestDecideKeepsItsLaws(t *testing.T) {
	digests := []string{"", digestOf("a"), digestOf("b"), digestOf("c")}
	random := rand.New(rand.NewPCG(1, 2))
	pick := func() string { return digests[random.IntN(len(digests))] }
	yes := func() bool { return random.IntN(2) == 0 }
	for range 20000 {
		s := State{Base: Deployed{Digest: pick()}, Running: pick()}
		if yes() {
			s.Candidate = &Candidacy{Digest: digests[1+random.IntN(3)], Passed: yes(), Why: "because"}
		}
		if yes() {
			s.Open = &OpenPullRequest{Number: 7, Digest: digests[1+random.IntN(3)], Foreign: yes(), Stale: yes()}
		}
		if yes() {
			s.Rejected = map[string]int{pick(): 3}
		}
		d := Decide(s)
		proposes := d.Action == Create || d.Action == Supersede
		for law, broken := range map[string]bool{
			"only what passed is proposed":                 proposes && (s.Candidate == nil || !s.Candidate.Passed),
			"what a person rejected is not proposed":       proposes && s.Candidate != nil && s.Rejected[s.Candidate.Digest] != 0,
			"what is deployed is not proposed":             proposes && s.Candidate != nil && s.Candidate.Digest == s.Base.Digest,
			"what is proposed already is not again":        proposes && s.Open != nil && s.Candidate != nil && s.Candidate.Digest == s.Open.Digest,
			"there is never a second pull request":         d.Action == Create && s.Open != nil,
			"only an open pull request is changed":         (d.Action == Supersede || d.Action == Regenerate || d.Action == Close) && (s.Open == nil || d.Number != s.Open.Number),
			"commits of others are left alone":             s.Open != nil && s.Open.Foreign && d.Action != Rest && d.Action != Deploy,
			"only what the base branch names is deployed":  d.Action == Deploy && (s.Base.Digest == "" || s.Base.Digest == s.Running),
			"nothing is done without a reason":             d.Why == "",
			"a pull request for what is there is not kept": s.Open != nil && !s.Open.Foreign && s.Open.Digest == s.Base.Digest && s.Base.Digest == s.Running && d.Action == Rest,
			"the same state gives the same decision":       Decide(s) != d,
		} {
			if broken {
				t.Fatalf("%s: %+v (candidate %+v, open %+v) gives %+v", law, s, s.Candidate, s.Open, d)
			}
		}
	}
}
