package reconcile

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"time"

	"github.com/pawl-dev/pawl/api/v1alpha1"
	"github.com/pawl-dev/pawl/engine"
	"github.com/pawl-dev/pawl/engine/artifact"
	"github.com/pawl-dev/pawl/engine/attempt"
	"github.com/pawl-dev/pawl/policies"
	"github.com/pawl-dev/pawl/store"
)

// Candidate is a model that a run brought forth, with how it was judged.
type Candidate struct {
	Namespace string `json:"namespace"`
	Model     string `json:"model"`
	Run       string `json:"run"`
	RunUID    string `json:"runUID"`
	RunID     int64  `json:"runID"` // order of the runs' creation
	// Problem says why the run brought forth no model after all.
	Problem  string              `json:"problem,omitempty"`
	Ref      attempt.ArtifactRef `json:"ref"`
	Evidence policies.Evidence   `json:"evidence"`
	// Judged is by stage.
	Judged map[string]Judged `json:"judged,omitempty"`

	recorded bool // it is in the store
}

func (c *Candidate) key() string { return c.Namespace + "/" + c.Model + "/" + c.RunUID }

// Digest is the model's.
func (c *Candidate) Digest() string { return c.Ref.Digest }

// Judged is the judgement of one stage's gates.
type Judged struct {
	Decisions []policies.Decision `json:"decisions"`
	Verdict   policies.Verdict    `json:"verdict"`
	// Against is the address of the model that the stage named then, and Gates
	// the hashes of the gates: when either is another now, it is judged again.
	Against string    `json:"against,omitempty"`
	Gates   []string  `json:"gates"`
	At      time.Time `json:"at"`
}

// Judgement is a run's judgement by one stage, as `pawl gates` shows it.
type Judgement struct {
	Namespace string              `json:"namespace"`
	Model     string              `json:"model"`
	Stage     string              `json:"stage"`
	Run       string              `json:"run"`
	Digest    string              `json:"digest,omitempty"`
	Verdict   policies.Verdict    `json:"verdict"`
	Decisions []policies.Decision `json:"decisions"`
	At        time.Time           `json:"at"`
}

const (
	kindCandidate = "candidate"
	kindJudgement = "judgement" // fact, by run UID
	// candidateRuns bounds how far back runs are looked at for candidates.
	candidateRuns = 200
	// maxMetricsFile bounds an artifact that is read as a metrics file.
	maxMetricsFile = 4 << 20
)

// candidates are the candidates of a model, newest run first. A succeeded run
// without a record is one that nothing has been read of yet.
func (l *Loop) candidates(ctx context.Context, namespace string, m *v1alpha1.ModelDeploy) ([]*Candidate, error) {
	docs, err := l.Store.ListDocs(ctx, kindCandidate, namespace+"/"+m.Name+"/")
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	var out []*Candidate
	for _, d := range docs {
		c := &Candidate{recorded: true}
		if err := json.Unmarshal(d.Data, c); err != nil {
			return nil, fmt.Errorf("candidate %s: what the store has of it: %w", d.Key, err)
		}
		known[c.RunUID] = true
		out = append(out, c)
	}
	runs, err := l.Store.ListRuns(ctx, store.RunFilter{Namespace: namespace, App: l.Name, Phases: []string{"Succeeded"}, Limit: candidateRuns})
	if err != nil {
		return nil, err
	}
	for _, r := range runs {
		if !known[r.UID] && brings(m.Spec.Candidate, r) && !r.Status.Finished.IsZero() {
			out = append(out, &Candidate{Namespace: namespace, Model: m.Name, Run: r.Name, RunUID: r.UID, RunID: r.ID})
		}
	}
	slices.SortFunc(out, func(a, b *Candidate) int { return int(b.RunID - a.RunID) })
	return out, nil
}

// brings reports whether a run is one that a ModelDeploy takes candidates from.
func brings(c v1alpha1.Candidate, r store.Run) bool {
	switch {
	case c.WorkflowTemplateRef != nil && c.WorkflowTemplateRef.ClusterScope:
		return r.Labels[LabelClusterTemplate] == c.WorkflowTemplateRef.Name
	case c.WorkflowTemplateRef != nil:
		return r.Labels[LabelTemplate] == c.WorkflowTemplateRef.Name
	case c.WorkflowRef != nil:
		return r.WorkflowName == c.WorkflowRef.Name
	}
	return false
}

// gather reads what a run left: the model, and the evidence to judge it by.
func (l *Loop) gather(ctx context.Context, c *Candidate, m *v1alpha1.ModelDeploy) error {
	run, err := l.Store.RunByUID(ctx, c.RunUID)
	if err != nil {
		return fmt.Errorf("run %s: %w", c.Run, err)
	}
	var out engine.Outputs
	if len(run.Status.Outputs) > 0 {
		if err := json.Unmarshal(run.Status.Outputs, &out); err != nil {
			return fmt.Errorf("run %s: its outputs: %w", c.Run, err)
		}
	}
	var origin engine.Origin
	if err := json.Unmarshal(run.Origin, &origin); err != nil {
		return fmt.Errorf("run %s: its origin: %w", c.Run, err)
	}
	e := policies.Evidence{
		Run: run.Name, RunUID: run.UID, Namespace: run.Namespace, Workflow: run.WorkflowName,
		Template: run.Labels[LabelTemplate] + run.Labels[LabelClusterTemplate], Commit: origin.Commit, RunKey: run.Key,
		Parameters: out.Parameters, Artifacts: map[string]policies.Artifact{},
		StartedAt: run.Status.Started, FinishedAt: run.Status.Finished,
	}
	files := map[string][]byte{}
	for name, ref := range out.Artifacts {
		e.Artifacts[name] = policies.Artifact{Digest: ref.Digest, Size: ref.Size}
		if name == m.Spec.Candidate.Artifact {
			c.Ref = ref
			continue
		}
		data, err := l.metricsFile(ref)
		if errors.Is(err, artifact.ErrNotFound) {
			continue // it was removed: its metrics are missing, and no gate passes without them
		}
		if err != nil {
			return fmt.Errorf("run %s: artifact %s: %w", c.Run, name, err)
		}
		if data != nil {
			files[name] = data
		}
	}
	e.ModelDigest = c.Ref.Digest
	e.Metrics, e.Problems = policies.Collect(m.Spec.Candidate.Metrics, out.Parameters, files)
	if c.Ref.Digest == "" {
		c.Problem = fmt.Sprintf("run %s has no output artifact %q", c.Run, m.Spec.Candidate.Artifact)
	}
	c.Evidence = e
	return nil
}

// metricsFile reads an artifact that may be a metrics file: a single small file
// that holds a JSON object. Others are nil.
func (l *Loop) metricsFile(ref attempt.ArtifactRef) ([]byte, error) {
	if ref.Dir || ref.Size > maxMetricsFile {
		return nil, nil
	}
	f, err := l.Artifacts.Open(ref, "")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
		return nil, nil
	}
	return data, nil
}

// forgetCandidates removes the records of old candidates, newest first in cs, but
// for the models that are kept: those that a stage names or a pull request
// proposes.
func (l *Loop) forgetCandidates(ctx context.Context, cs []*Candidate, keep map[string]bool) error {
	for i, c := range cs {
		if i < candidateRuns || keep[c.Digest()] || !c.recorded {
			continue
		}
		if err := l.Store.DeleteDoc(ctx, kindCandidate, c.key(), store.AnyVersion); err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	return nil
}

func (l *Loop) saveCandidate(ctx context.Context, c *Candidate) error {
	data, err := json.Marshal(c)
	if err != nil {
		return err
	}
	_, err = l.Store.PutDoc(ctx, kindCandidate, c.key(), data, store.AnyVersion)
	return err
}

// judge evaluates a stage's gates on a candidate and records the judgement.
func (l *Loop) judge(ctx context.Context, v *StageView) error {
	st, ok := l.stage(v.ID)
	if !ok {
		return nil
	}
	c := v.Unjudged
	if c.Ref.Digest == "" && c.Problem == "" {
		if err := l.gather(ctx, c, st.model); err != nil {
			return err
		}
	}
	current, err := l.currentEvidence(ctx, st, v.State.Base.URI, v.State.Base.Digest)
	if err != nil {
		return err
	}
	j := Judged{At: l.Now().UTC(), Against: v.State.Base.URI, Gates: hashes(st.gates)}
	for _, g := range st.gates {
		j.Decisions = append(j.Decisions, policies.Evaluate(g, c.Evidence, current, j.At))
	}
	j.Verdict = policies.Summary(j.Decisions)
	if c.Problem != "" {
		j.Verdict = policies.Error
	}
	if c.Judged == nil {
		c.Judged = map[string]Judged{}
	}
	c.Judged[v.ID.Stage] = j
	fact, err := json.Marshal(Judgement{
		Namespace: c.Namespace, Model: c.Model, Stage: v.ID.Stage, Run: c.Run, Digest: c.Digest(),
		Verdict: j.Verdict, Decisions: j.Decisions, At: j.At,
	})
	if err != nil {
		return err
	}
	if _, err := l.Store.AddFact(ctx, kindJudgement, c.RunUID, j.At, fact); err != nil {
		return err
	}
	l.Log.Info("judged", "stage", v.ID.String(), "run", c.Run, "verdict", j.Verdict, "why", reasons(c, j))
	return l.saveCandidate(ctx, c)
}

// currentEvidence is the evidence of what a stage serves: nil if it serves
// nothing; evidence without metrics, which no gate passes against, if nothing is
// known of it.
func (l *Loop) currentEvidence(ctx context.Context, st stage, uri, digest string) (*policies.Evidence, error) {
	if uri == "" {
		return nil, nil
	}
	cs, err := l.candidates(ctx, st.id.Namespace, st.model)
	if err != nil {
		return nil, err
	}
	for _, c := range cs {
		if digest != "" && c.Digest() == digest {
			return &c.Evidence, nil
		}
	}
	return &policies.Evidence{ModelDigest: digest}, nil
}

func hashes(gates []*policies.Program) []string {
	var out []string
	for _, g := range gates {
		out = append(out, g.Hash())
	}
	return out
}

// reasons says in one line how a candidate fared.
func reasons(c *Candidate, j Judged) string {
	if c.Problem != "" {
		return c.Problem
	}
	s := ""
	for _, d := range j.Decisions {
		if s != "" {
			s += "; "
		}
		s += d.Gate + ": " + d.Reason
	}
	return s
}

// why says why a candidate did not pass.
func why(c *Candidate, j Judged) string {
	if c.Problem != "" {
		return c.Problem
	}
	s := ""
	for _, d := range j.Decisions {
		if d.Verdict == policies.Pass || d.Shadow {
			continue
		}
		if s != "" {
			s += "; "
		}
		s += fmt.Sprintf("gate %s: %s", d.Gate, d.Reason)
	}
	return s
}

// Judgements are how a run was judged, oldest first. One that was recorded again
// after a crash is told once.
func Judgements(ctx context.Context, st *store.Store, runUID string) ([]Judgement, error) {
	facts, err := st.Facts(ctx, kindJudgement, runUID, 0)
	if err != nil {
		return nil, err
	}
	out := []Judgement{}
	for _, f := range slices.Backward(facts) {
		var j Judgement
		if err := json.Unmarshal(f.Data, &j); err != nil {
			return nil, fmt.Errorf("judgement of run %s: %w", runUID, err)
		}
		if n := len(out); n > 0 && sameJudgement(out[n-1], j) {
			continue
		}
		out = append(out, j)
	}
	return out, nil
}

// sameJudgement compares all but the times.
func sameJudgement(a, b Judgement) bool {
	return a.Namespace == b.Namespace && a.Model == b.Model && a.Stage == b.Stage && a.Digest == b.Digest && a.Verdict == b.Verdict &&
		slices.EqualFunc(a.Decisions, b.Decisions, func(a, b policies.Decision) bool {
			a.At, b.At = time.Time{}, time.Time{}
			return reflect.DeepEqual(a, b)
		})
}
