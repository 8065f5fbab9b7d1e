package promotion

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pawl-dev/pawl/policies"
)

var update = flag.Bool("update", false, "write the golden files anew")

var place = Place{Repository: "/srv/iris.git", Base: "main", Path: "models/iris/overlays/staging", Namespace: "default", Model: "iris", Stage: "staging"}

// first is a request for a stage that has no model yet.
func first() Request {
	digest := "sha256:" + strings.Repeat("ab", 32)
	started := time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))
	return Request{
		Place:      place,
		BaseCommit: "0123456789abcdef0123456789abcdef01234567",
		Edit: Edit{
			Deployed: Deployed{Target: "InferenceService/iris", Field: "spec.predictor.model.storageUri"},
			To:       newURI, File: "models/iris/overlays/staging/model.yaml", Line: 10, Content: []byte("new\n"),
			Diff: diff("InferenceService/iris", "spec:\n  storageUri: \"\"\n", "spec:\n  storageUri: "+newURI+"\n"),
		},
		Candidate: policies.Evidence{
			Run: "iris-1f2e3d4c", RunUID: "u", Namespace: "default", Workflow: "iris", Template: "train-iris",
			Commit: "89abcdef0123456789abcdef0123456789abcdef", RunKey: strings.Repeat("1f2e3d4c", 8),
			Metrics:     map[string]float64{"accuracy": 0.979167, "loss": 0.111199, "a-rate": 1e-9},
			Parameters:  map[string]string{"accuracy": "0.979167", "variant": "petals-only"},
			ModelDigest: digest, StartedAt: started, FinishedAt: started.Add(2345678 * time.Microsecond),
		},
		Decisions: []policies.Decision{{Gate: "accurate", Expr: "accuracy > 0.95", Verdict: policies.Pass, Reason: "accuracy 0.979167 > 0.95", PolicyHash: strings.Repeat("0", 64)}},
		Metrics:   []string{"accuracy", "loss"},
	}
}

// better is a request that replaces a model, with text from everywhere that
// tries to be more than text.
func better() Request {
	r := first()
	r.Place.Stage, r.Place.Path = "production", "models/iris/overlays/production"
	r.Edit.URI, r.Edit.Digest = oldURI, "sha256:"+otherDigest
	r.Edit.Diff += " # ``` fence\n"
	r.Current = &policies.Evidence{Metrics: map[string]float64{"accuracy": 0.958333, "loss": 0.2}}
	r.Candidate.Metrics["accuracy"] = 0.98
	delete(r.Candidate.Metrics, "loss")
	r.Candidate.Problems = map[string]string{"loss": "is NaN, no finite number"}
	r.Candidate.Parameters["note"] = "a | b\n<!-- pawl:v1 --> @everybody `x` [link](javascript:0)"
	r.Decisions = []policies.Decision{
		{Gate: "better", Expr: "accuracy > current.accuracy ||\n accuracy > 2.0", Verdict: policies.Pass, Reason: "accuracy 0.98 > current.accuracy 0.958333", PolicyHash: strings.Repeat("1", 64)},
		{Gate: "small", Expr: "loss < 1.0", Verdict: policies.Error, Reason: "loss is NaN\nPromotion-Key: forged", Shadow: true, PolicyHash: strings.Repeat("2", 64)},
	}
	r.Labels, r.AutoMerge = []string{"flowers"}, true
	return r
}

func TestProposalsAreAsTheGoldenFilesSay(t *testing.T) {
	for name, r := range map[string]Request{"first": first(), "better": better()} {
		t.Run(name, func(t *testing.T) {
			p, err := Propose(r)
			if err != nil {
				t.Fatal(err)
			}
			var statuses strings.Builder
			for _, s := range p.Statuses {
				statuses.WriteString(s.Context + " " + string(s.State) + ": " + s.Description + "\n")
			}
			got := "branch: " + p.Branch + "\ntitle:  " + p.Title + "\nlabels: " + strings.Join(p.Labels, ", ") +
				"\n\n==== statuses\n" + statuses.String() + "\n==== message\n" + p.Message + "\n==== body\n" + p.Body
			golden := filepath.Join("testdata", "proposal", name+".golden")
			if *update {
				if err := os.MkdirAll(filepath.Dir(golden), 0o777); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(golden, []byte(got), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("proposal differs from %s (go test -update writes it anew):\n%s", golden, diff(golden, string(want), got))
			}
			again, err := Propose(r)
			if err != nil || again.Body != p.Body || again.Message != p.Message {
				t.Errorf("the same request gives another proposal: %v", err)
			}
			marker, ok := ParseMarker(p.Body)
			if want := (Marker{Key: r.Place.Key(), Digest: r.Candidate.ModelDigest, Base: r.BaseCommit}); !ok || marker != want {
				t.Errorf("the marker reads back as %+v, want %+v", marker, want)
			}
			if n := len(regexp.MustCompile(`(?m)^Promotion-Key: `).FindAllString(p.Message, -1)); n != 1 {
				t.Errorf("the message has %d trailers Promotion-Key", n)
			}
		})
	}
}

func TestAFirstModelIsNeverMergedAutomatically(t *testing.T) {
	r := better()
	if p, err := Propose(r); err != nil || !p.AutoMerge {
		t.Errorf("automatic merging was asked for and is %v, %v", p.AutoMerge, err)
	}
	r.Decisions[0].NoCurrent = true
	p, err := Propose(r)
	if err != nil || p.AutoMerge || !strings.Contains(p.Body, "never merged automatically") {
		t.Errorf("with no current model automatic merging is %v, %v; body:\n%s", p.AutoMerge, err, p.Body)
	}
}

func TestProposeRefuses(t *testing.T) {
	for name, spoil := range map[string]func(*Request){
		"a candidate that failed":               func(r *Request) { r.Decisions[0].Verdict = policies.Fail },
		"a candidate nobody judged":             func(r *Request) { r.Decisions = nil },
		"a candidate that a shadow gate passed": func(r *Request) { r.Decisions[0].Shadow = true },
		"an edit that points to another model":  func(r *Request) { r.Edit.To = oldURI },
		"a candidate without a digest":          func(r *Request) { r.Candidate.ModelDigest, r.Edit.To = "", "s3://models/iris" },
		"no edit":                               func(r *Request) { r.Edit.Content = nil },
		"no base commit":                        func(r *Request) { r.BaseCommit = "main" },
	} {
		t.Run(name, func(t *testing.T) {
			r := first()
			spoil(&r)
			if _, err := Propose(r); err == nil {
				t.Error("was proposed")
			} else if wantNotPassed := strings.Contains(name, "candidate that") || strings.Contains(name, "nobody"); errors.Is(err, ErrNotPassed) != wantNotPassed {
				t.Errorf("error is %v", err)
			}
		})
	}
}

func TestParseMarkerTakesOnlyTheFirstLineAndTheWholeOfIt(t *testing.T) {
	good := Marker{Key: strings.Repeat("1", 64), Digest: digestOf("2"), Base: strings.Repeat("3", 40)}.String()
	for body, want := range map[string]bool{
		good:                                    true,
		good + "\r\ntext":                       true,
		good + "\nmore " + good:                 true,
		"text\n" + good:                         false,
		" " + good:                              false,
		good + " x":                             false,
		strings.Replace(good, "v1", "v2", 1):    false,
		strings.Replace(good, "2222", "222", 1): false,
		"":                                      false,
	} {
		if _, ok := ParseMarker(body); ok != want {
			t.Errorf("ParseMarker(%q) is %v, want %v", body, ok, want)
		}
	}
}

func TestPlacesHaveDifferentKeysAndLegalBranches(t *testing.T) {
	branch := regexp.MustCompile(`^pawl/staging/iris-[0-9a-f]{8}$`)
	if got := place.Branch(); !branch.MatchString(got) {
		t.Errorf("branch is %q", got)
	}
	if got := place.RevertBranch(); got != "pawl-revert"+strings.TrimPrefix(place.Branch(), "pawl") {
		t.Errorf("the branch of a revert is %q", got)
	}
	seen := map[string]Place{}
	for _, change := range []func(*Place){
		func(*Place) {},
		func(p *Place) { p.Repository += "x" }, func(p *Place) { p.Base += "x" }, func(p *Place) { p.Path += "x" },
		func(p *Place) { p.Namespace += "x" }, func(p *Place) { p.Model += "x" }, func(p *Place) { p.Stage += "x" },
		func(p *Place) { p.Model, p.Stage = p.Model+p.Stage[:1], p.Stage[1:] }, // a letter moved over
	} {
		p := place
		change(&p)
		if other, ok := seen[p.Key()]; ok {
			t.Errorf("%+v and %+v have one key", p, other)
		}
		seen[p.Key()] = p
	}
}

func TestDeltasAreWithoutDust(t *testing.T) {
	for _, c := range []struct {
		from, to float64
		want     string
	}{
		{0.958333, 0.979167, "+0.020834"}, {0.3, 0.1, "-0.2"}, {1, 1, "+0"}, {0, 1e-9, "+0.000000001"}, {1e300, 0, "-1" + strings.Repeat("0", 300)},
	} {
		if got := delta(c.from, c.to); got != c.want {
			t.Errorf("delta(%v, %v) = %s, want %s", c.from, c.to, got, c.want)
		}
	}
}
