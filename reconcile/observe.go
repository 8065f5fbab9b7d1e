package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/pawl-dev/pawl/api/v1alpha1"
	"github.com/pawl-dev/pawl/engine"
	"github.com/pawl-dev/pawl/policies"
	"github.com/pawl-dev/pawl/promotion"
	"github.com/pawl-dev/pawl/promotion/modelrepository"
	"github.com/pawl-dev/pawl/store"
)

// Author is the name by which pawl commits, opens and closes.
const (
	Author      = "pawl"
	AuthorEmail = "pawl@localhost"
)

// observe takes a picture of everything that Decide looks at.
func (l *Loop) observe(ctx context.Context) (Record, error) {
	rec := Record{Now: l.Now()}
	if cur := l.inForce(); cur != nil {
		for _, d := range cur.runs {
			seen, err := l.observeRun(ctx, d.DesiredRun)
			if err != nil {
				return rec, err
			}
			rec.Workflows = append(rec.Workflows, seen)
		}
		var err error
		if rec.Stages, err = l.observeStages(ctx, cur); err != nil {
			return rec, err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.app.Workflows = rec.Workflows
	rec.Head = l.app.Head
	rec.SyncNotBefore = l.retries[syncSubject(rec.Head)].notBefore
	switch rec.Head {
	case commitOf(l.app.Synced):
		rec.Tried = rec.Head
		l.app.Refused = nil // a refused commit was taken back
	case refusedCommit(l.app.Refused):
		rec.Tried, rec.Refused = rec.Head, true
	}
	return rec, nil
}

// observeStages looks at all stages. One that cannot be looked at rests, and
// keeps no other from being looked at.
func (l *Loop) observeStages(ctx context.Context, cur *synced) ([]StageView, error) {
	if len(cur.stages) == 0 {
		return nil, nil
	}
	var views []StageView
	for _, model := range modelsOf(cur) {
		cs, err := l.candidates(ctx, model.id.Namespace, model.model)
		if err != nil {
			return nil, err
		}
		keep := map[string]bool{}
		for _, st := range cur.stages {
			if st.model != model.model {
				continue
			}
			v := l.observeStage(ctx, cur, st, cs)
			keep[st.base.Digest] = true
			if v.State.Open != nil {
				keep[v.State.Open.Digest] = true
			}
			views = append(views, v)
		}
		if err := l.forgetCandidates(ctx, cs, keep); err != nil {
			return nil, err
		}
	}
	// A pull request that was just seen merged has moved the branch: only a look
	// at it that comes after makes the picture one.
	l.lookAt(ctx)
	return views, ctx.Err()
}

// modelsOf are the first stages of each model.
func modelsOf(cur *synced) []stage {
	var out []stage
	seen := map[*v1alpha1.ModelDeploy]bool{}
	for _, st := range cur.stages {
		if !seen[st.model] {
			seen[st.model] = true
			out = append(out, st)
		}
	}
	return out
}

func commitOf(s *Synced) string {
	if s == nil {
		return ""
	}
	return s.Commit
}

func refusedCommit(r *Refused) string {
	if r == nil {
		return ""
	}
	return r.Commit
}

func (l *Loop) observeRun(ctx context.Context, d DesiredRun) (DesiredRun, error) {
	uid, known, err := l.Store.KnownKey(ctx, l.Name, d.Namespace, d.Name, d.Key)
	if err != nil {
		return d, err
	}
	if known {
		d.Known = true
		run, err := l.Store.RunByUID(ctx, uid)
		switch {
		case errors.Is(err, store.ErrNotFound):
			d.Run = "a run that was deleted"
		case err != nil:
			return d, err
		default:
			d.Run = run.Name
		}
		return d, nil
	}
	r := l.retryOf(d.subject())
	d.Error, d.NotBefore = r.err, r.notBefore
	runs, err := l.Store.ListRuns(ctx, store.RunFilter{Namespace: d.Namespace, App: l.Name, Workflow: d.Name, Phases: []string{"Pending", "Running"}})
	if err != nil {
		return d, err
	}
	for _, r := range runs {
		var o engine.Origin
		if json.Unmarshal(r.Origin, &o) == nil && o.Kind == "push" && r.Status.Finished.IsZero() {
			d.Older = append(d.Older, r.Name)
		}
	}
	return d, nil
}

// observeStage looks at one stage, and records for people how it stands.
func (l *Loop) observeStage(ctx context.Context, cur *synced, st stage, cs []*Candidate) StageView {
	v := StageView{ID: st.id, State: promotion.State{Base: st.base, Rejected: map[string]int{}}}
	running, err := l.modelRepository(st).Current(st.model.Name)
	if errors.Is(err, modelrepository.ErrNone) {
		err = nil
	}
	v.State.Running = running.Digest
	if err == nil {
		var merged map[string]time.Time
		if merged, err = l.observePulls(ctx, cur, st, &v.State); err == nil {
			l.observeCandidates(cur, st, cs, merged, &v)
		}
	}
	if err != nil && ctx.Err() == nil {
		l.Log.Error("looking at a stage", "stage", st.id.String(), "err", err)
		l.tried(st.id.subject(), err)
	}
	v.NotBefore = l.retryOf(st.id.subject()).notBefore
	if err := l.saveStage(ctx, st, v, running); err != nil && ctx.Err() == nil {
		l.Log.Error("recording a stage", "stage", st.id.String(), "err", err)
	}
	return v
}

// observeCandidates finds what the stage is to judge or to decide about. Of a
// stage without predecessors these are the candidates of all runs, newest first
// and down to the one that it serves; of others the model that all predecessors
// serve.
//
// A model that was merged and is not served any more was taken back by somebody.
// Only a run that ended later can bring it again: it and what came before it are
// history too.
func (l *Loop) observeCandidates(cur *synced, st stage, cs []*Candidate, merged map[string]time.Time, v *StageView) {
	if len(st.spec.After) > 0 {
		cs = l.fromPredecessors(cur, st, cs)
	}
	var newest *promotion.Candidacy
	for i, c := range cs {
		served := c.Digest() != "" && c.Digest() == st.base.Digest
		if served {
			if newest == nil {
				newest = &promotion.Candidacy{Digest: c.Digest(), Passed: true}
			}
			if _, judged := c.Judged[st.id.Stage]; judged {
				break // what came before it is history
			}
		}
		if at, ok := merged[c.Digest()]; ok && !served && !c.Evidence.FinishedAt.Truncate(time.Second).After(at) { // forges count seconds
			if newest == nil {
				newest = &promotion.Candidacy{Digest: c.Digest(), Why: "it was merged before, and taken back since"}
			}
			break
		}
		j, judged := c.Judged[st.id.Stage]
		if !judged || !served && (j.Against != st.base.URI && usesCurrent(st.gates) || !slices.Equal(j.Gates, hashes(st.gates))) {
			v.Unjudged = cs[i]
			continue // an older one that was not judged goes first
		}
		passed := j.Verdict == policies.Pass
		if newest == nil || !newest.Passed && passed {
			newest = &promotion.Candidacy{Digest: c.Digest(), Passed: passed, Why: why(c, j)}
		}
		if passed {
			break
		}
	}
	v.State.Candidate = newest
}

// fromPredecessors is the newest candidate with the model that all predecessors
// of a stage serve.
func (l *Loop) fromPredecessors(cur *synced, st stage, cs []*Candidate) []*Candidate {
	digest := ""
	for i, name := range st.spec.After {
		d := ""
		for _, other := range cur.stages {
			if other.id.Namespace == st.id.Namespace && other.id.Model == st.id.Model && other.id.Stage == name {
				if v, err := l.modelRepository(other).Current(other.model.Name); err == nil && v.Digest == other.base.Digest {
					d = v.Digest
				}
			}
		}
		if d == "" || i > 0 && d != digest {
			return nil
		}
		digest = d
	}
	for _, c := range cs {
		if c.Digest() == digest {
			return []*Candidate{c}
		}
	}
	return nil
}

func usesCurrent(gates []*policies.Program) bool {
	return slices.ContainsFunc(gates, func(g *policies.Program) bool { return g.UsesCurrent() })
}

// stage finds a stage in force.
func (l *Loop) stage(id StageID) (stage, bool) {
	if cur := l.inForce(); cur != nil {
		for _, s := range cur.stages {
			if s.id == id {
				return s, true
			}
		}
	}
	return stage{}, false
}
