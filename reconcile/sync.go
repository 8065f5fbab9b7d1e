package reconcile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/pawl-dev/pawl/api"
	"github.com/pawl-dev/pawl/api/v1alpha1"
	"github.com/pawl-dev/pawl/gitsync"
	"github.com/pawl-dev/pawl/policies"
	"github.com/pawl-dev/pawl/promotion"
	"github.com/pawl-dev/pawl/render"
)

// stage is a stage of a ModelDeploy in force.
type stage struct {
	id    StageID
	model *v1alpha1.ModelDeploy
	spec  v1alpha1.Stage
	gates []*policies.Program
	place promotion.Place
	base  promotion.Deployed // what its files name
}

// refusal is a commit that cannot be synced because of what is in it.
type refusal struct {
	message  string
	problems api.Problems
}

func (r *refusal) Error() string {
	if len(r.problems) > 0 {
		return r.message + "\n" + r.problems.Error()
	}
	return r.message
}

// sync puts the head commit in force, or records why it is refused; then what
// was in force stays. moved reports whether it was put in force.
func (l *Loop) sync(ctx context.Context, commit string) (moved bool, err error) {
	l.mu.Lock()
	rev := gitsync.Revision{Commit: commit, Ref: l.app.HeadRef}
	l.mu.Unlock()
	cur, set, err := l.load(ctx, rev)
	var refused *refusal
	switch {
	case errors.As(err, &refused):
		l.mu.Lock()
		l.app.Refused = &Refused{Commit: rev.Commit, At: l.Now(), Message: refused.message, Problems: withoutNotes(refused.problems)}
		l.mu.Unlock()
		l.Log.Warn("refused", "commit", rev.Commit, "why", refused.Error())
	case err != nil:
		return false, err
	default:
		moved = true
		l.putInForce(cur)
		l.mu.Lock()
		l.app.Refused = nil
		l.app.Synced = &Synced{Commit: rev.Commit, Ref: rev.Ref, At: l.Now(), Digest: set.digest, Objects: titles(cur.objects), Notes: set.notes}
		l.mu.Unlock()
		l.Log.Info("synced", "commit", rev.Commit, "objects", len(cur.objects))
		err = l.forgetStages(ctx, cur)
	}
	l.save(ctx)
	return moved, err
}

// setInfo is what of a Set is shown.
type setInfo struct {
	digest string
	notes  api.Problems
}

// load fetches, renders and admits a commit. What is wrong with its content is
// a *refusal.
func (l *Loop) load(ctx context.Context, rev gitsync.Revision) (*synced, setInfo, error) {
	snap, err := l.Snapshots.Snapshot(ctx, l.Source, rev)
	if err != nil {
		if errors.Is(err, gitsync.ErrRefused) {
			return nil, setInfo{}, &refusal{message: err.Error()}
		}
		return nil, setInfo{}, err
	}
	cur, info, err := l.admit(ctx, snap, rev.Ref)
	if err != nil {
		snap.Release()
		return nil, setInfo{}, err
	}
	return cur, info, nil
}

func (l *Loop) admit(ctx context.Context, snap *gitsync.Snapshot, ref string) (*synced, setInfo, error) {
	set, err := l.renderFolder(ctx, snap, l.Path)
	if err != nil {
		return nil, setInfo{}, err
	}
	cur := &synced{snapshot: snap}
	for _, o := range set.Objects {
		own := *o // a Set is shared
		if own.Namespace == "" && own.Kind != "ClusterWorkflowTemplate" {
			own.Namespace = l.Namespace
		}
		cur.objects = append(cur.objects, &own)
	}
	problems := append(api.Problems{}, set.Problems...)
	problems = append(problems, policies.Admit(cur.objects)...)
	problems = append(problems, checkTriggers(cur.objects, l.Data)...)
	var stageProblems api.Problems
	cur.stages, stageProblems = l.stagesOf(ctx, snap, ref, cur.objects)
	problems = append(problems, stageProblems...)
	runs, runProblems, err := l.desiredRuns(snap, cur)
	if err != nil {
		return nil, setInfo{}, err
	}
	cur.runs = runs
	problems = append(problems, runProblems...)
	if problems.Err() != nil {
		return nil, setInfo{}, &refusal{message: "its manifests are refused", problems: problems}
	}
	return cur, setInfo{digest: set.Digest, notes: problems}, nil
}

// renderFolder renders a folder of a snapshot; what is wrong with its content is
// a *refusal.
func (l *Loop) renderFolder(ctx context.Context, snap *gitsync.Snapshot, folder string) (*render.Set, error) {
	set, err := l.Render.Build(ctx, render.Input{FS: snap.FS(), Path: folder, Key: snap.Commit})
	if err == nil {
		return set, nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	var problems api.Problems
	if errors.As(err, &problems) {
		return nil, &refusal{message: "its manifests are refused", problems: problems}
	}
	return nil, &refusal{message: err.Error()}
}

// stagesOf compiles the ModelDeploys' stages; each stage's folder is rendered, so
// that a broken overlay is refused where it was pushed.
func (l *Loop) stagesOf(ctx context.Context, snap *gitsync.Snapshot, ref string, objects []*api.Object) ([]stage, api.Problems) {
	var stages []stage
	var problems api.Problems
	for _, o := range objects {
		m, ok := o.Typed.(*v1alpha1.ModelDeploy)
		if !ok {
			continue
		}
		branch, isBranch := strings.CutPrefix(ref, "refs/heads/")
		switch {
		case l.Forge == nil:
			problems = append(problems, problemOf(o, "kind", "a ModelDeploy needs pull requests: "+l.NoForge, ""))
		case !isBranch:
			problems = append(problems, problemOf(o, "kind", fmt.Sprintf("a ModelDeploy needs a branch to merge into, and %s is none", ref), "serve a branch: --revision main"))
		}
		if dir, err := promotion.FilePath(m.Spec.Candidate.Publish); err == nil && within(l.Data, dir) {
			problems = append(problems, problemOf(o, "spec.candidate.publish", dir+" lies in pawl's own data", "publish to a folder apart from it"))
		}
		for i, s := range m.Spec.Stages {
			at := fmt.Sprintf("spec.stages[%d]", i)
			problems = append(problems, unsupported(o, at, s)...)
			st := stage{
				id: StageID{Namespace: o.Namespace, Model: m.Name, Stage: s.Name}, model: m, spec: s,
				place: promotion.Place{Repository: l.Source.URL, Base: branch, Path: s.Path, Namespace: o.Namespace, Model: m.Name, Stage: s.Name},
			}
			for j, g := range s.Gates {
				p, err := policies.Compile(policies.Gate{Name: g.Name, Expr: g.Expr, OnNoCurrent: policies.Verdict(g.OnNoCurrent)})
				if err != nil {
					problems = append(problems, problemOf(o, fmt.Sprintf("%s.gates[%d].expr", at, j), err.Error(), ""))
					continue
				}
				st.gates = append(st.gates, p)
			}
			var err error
			if st.base, err = promotion.ReadDeployed(ctx, snap.FS(), s, l.renderOf(snap)); err != nil {
				problems = append(problems, stageProblems(o, at, err)...)
			}
			stages = append(stages, st)
		}
	}
	return stages, problems
}

func problemOf(o *api.Object, path, message, hint string) api.Problem {
	return api.Problem{Severity: api.SeverityError, Position: o.Position(path), Path: path, Message: message, Hint: hint}
}

// unsupported refuses what a stage asks for that pawl does not do yet.
func unsupported(o *api.Object, at string, s v1alpha1.Stage) api.Problems {
	var ps api.Problems
	if s.Destination == v1alpha1.DestinationCluster {
		ps = append(ps, problemOf(o, at+".destination", "pawl does not deploy to a cluster yet", "modelRepository deploys to a folder on this machine"))
	}
	if pr := s.PullRequest; pr != nil && pr.AutoMerge {
		ps = append(ps, problemOf(o, at+".pullRequest.autoMerge", "pawl does not merge by itself yet", "leave it out, and merge with pawl pr merge N"))
	}
	if pr := s.PullRequest; pr != nil && len(pr.Reviewers) > 0 {
		ps = append(ps, problemOf(o, at+".pullRequest.reviewers", "the local forge asks nobody for a review", "leave it out"))
	}
	return ps
}

// stageProblems are those of a stage's folder, at their own places if they have
// any.
func stageProblems(o *api.Object, at string, err error) api.Problems {
	var own api.Problems
	if errors.As(err, &own) {
		return own
	}
	return api.Problems{problemOf(o, at+".path", err.Error(), "")}
}

// renderOf renders folders of a snapshot, each once.
func (l *Loop) renderOf(snap *gitsync.Snapshot) promotion.Renderer {
	return func(ctx context.Context, files fs.FS, folder string) ([]*api.Object, error) {
		set, err := l.Render.Build(ctx, render.Input{FS: files, Path: folder, Key: snap.Commit})
		if err != nil {
			return nil, err
		}
		return set.Objects, nil
	}
}

// withoutNotes are the errors, and the warnings that may explain them.
func withoutNotes(ps api.Problems) api.Problems {
	var out api.Problems
	for _, p := range ps {
		if p.Severity != api.SeverityNote {
			out = append(out, p)
		}
	}
	return out
}

func titles(objects []*api.Object) []string {
	var out []string
	for _, o := range objects {
		t := o.Title()
		if o.Namespace != "" {
			t = o.Kind + " " + o.Namespace + "/" + o.Name + o.GenerateName
		}
		out = append(out, t)
	}
	return out
}
