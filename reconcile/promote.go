package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/pawl-dev/pawl/api"
	"github.com/pawl-dev/pawl/engine/artifact"
	"github.com/pawl-dev/pawl/gitsync"
	"github.com/pawl-dev/pawl/policies"
	"github.com/pawl-dev/pawl/promotion"
	"github.com/pawl-dev/pawl/promotion/forge"
	"github.com/pawl-dev/pawl/promotion/modelrepository"
	"github.com/pawl-dev/pawl/render"
)

const kindDeployment = "deployment" // fact, by stage

// promote does what a stage's pull request or destination needs.
func (l *Loop) promote(ctx context.Context, v *StageView, d promotion.Decided) error {
	st, ok := l.stage(v.ID)
	if !ok {
		return nil
	}
	switch d.Action {
	case promotion.Create, promotion.Supersede:
		return l.propose(ctx, st, v.State.Candidate.Digest, v.State.Open)
	case promotion.Regenerate:
		return l.propose(ctx, st, v.State.Open.Digest, v.State.Open)
	case promotion.Close:
		pr, err := l.closePull(ctx, d.Number, d.Why)
		if err != nil {
			return err
		}
		return gitsync.DeleteBranch(ctx, l.Source, pr.Head, pr.HeadSHA)
	case promotion.Deploy:
		return l.deploy(ctx, st)
	}
	return fmt.Errorf("no such action: %s", d.Action)
}

// propose publishes a candidate and makes the stage's pull request be about it:
// a new one, or the open one with another head and text.
func (l *Loop) propose(ctx context.Context, st stage, digest string, open *promotion.OpenPullRequest) error {
	c, j, err := l.passed(ctx, st, digest)
	if err != nil {
		return err
	}
	cur := l.inForce()
	source, err := l.Artifacts.Path(c.Ref)
	if err != nil {
		return fmt.Errorf("model of run %s: %w", c.Run, err)
	}
	uri, err := promotion.Publish(ctx, st.model.Spec.Candidate.Publish,
		promotion.Artifact{Name: st.model.Spec.Candidate.Artifact, Path: source, Digest: digest}, artifact.Digest)
	if err != nil {
		return err
	}
	edit, err := promotion.MakeEdit(ctx, promotion.EditRequest{Files: cur.snapshot.FS(), Stage: st.spec, URI: uri, Render: l.objectsOf})
	if err != nil {
		return err
	}
	current, err := l.currentEvidence(ctx, st, st.base.URI, st.base.Digest)
	if err != nil {
		return err
	}
	req := promotion.Request{
		Place: st.place, BaseCommit: cur.snapshot.Commit, Edit: edit, Candidate: c.Evidence, Current: current,
		Decisions: j.Decisions, Metrics: st.model.Spec.Candidate.Metrics,
	}
	if st.spec.PullRequest != nil {
		req.Labels = st.spec.PullRequest.Labels
	}
	p, err := promotion.Propose(req)
	if err != nil {
		return err
	}
	head, err := l.push(ctx, cur, p, j, open)
	if err != nil {
		return err
	}
	return l.open(ctx, p, head, open)
}

// passed is the newest candidate of a digest that the stage's gates let through.
func (l *Loop) passed(ctx context.Context, st stage, digest string) (*Candidate, Judged, error) {
	cs, err := l.candidates(ctx, st.id.Namespace, st.model)
	if err != nil {
		return nil, Judged{}, err
	}
	for _, c := range cs {
		if j, ok := c.Judged[st.id.Stage]; ok && c.Digest() == digest && j.Verdict == policies.Pass {
			return c, j, nil
		}
	}
	return nil, Judged{}, fmt.Errorf("no run whose model is %s has passed the gates of stage %s", promotion.Short(digest), st.id.Stage)
}

// push puts the edit on the place's branch, on top of the commit in force,
// whatever was on the branch before: the edit is made anew, never merged. The
// branch of an open pull request must be where it was seen: what somebody pushed
// since is theirs.
func (l *Loop) push(ctx context.Context, cur *synced, p promotion.Proposal, j Judged, open *promotion.OpenPullRequest) (string, error) {
	repo, err := gitsync.OpenRepository(l.Source.URL)
	if err != nil {
		return "", err
	}
	was, err := repo.Branch(p.Branch)
	if err != nil {
		return "", err
	}
	if open != nil {
		was = open.Head
	}
	me := gitsync.Identity{Name: Author, Email: AuthorEmail, Time: j.At}
	return gitsync.Push(ctx, l.Source, gitsync.Change{
		Base: cur.snapshot.Commit, Branch: p.Branch,
		Files:   map[string]gitsync.File{p.File: {Content: p.Content}},
		Message: p.Message, Author: me, Committer: me,
	}, was)
}

// open opens the pull request or rewrites the open one, and sets its statuses.
func (l *Loop) open(ctx context.Context, p promotion.Proposal, head string, open *promotion.OpenPullRequest) error {
	number := 0
	if open != nil {
		number = open.Number
	} else {
		pr, err := l.Forge.Open(ctx, forge.Opening{
			Title: p.Title, Body: p.Body, Head: p.Branch, Base: p.Place.Base, Author: Author, Labels: p.Labels,
		})
		if err != nil && !errors.Is(err, forge.ErrExists) {
			return err
		}
		number = pr.Number
	}
	if _, err := l.Forge.Update(ctx, number, forge.Edit{Title: &p.Title, Body: &p.Body, Labels: &p.Labels}); err != nil {
		return err
	}
	l.Log.Info("proposed", "model", p.Place.Model, "stage", p.Place.Stage, "digest", promotion.Short(p.Digest), "pull", number)
	if s, ok := l.Forge.(forge.Statuser); ok {
		for _, status := range p.Statuses {
			err := s.SetStatus(ctx, number, forge.Status{Context: status.Context, State: forge.StatusState(status.State), Description: status.Description, SHA: head})
			if err != nil {
				// A status never holds a proposal back; the verdicts are in its text.
				l.Log.Warn("setting a status", "pull", number, "status", status.Context, "err", err)
			}
		}
	}
	return nil
}

func (l *Loop) closePull(ctx context.Context, number int, reason string) (forge.PullRequest, error) {
	pr, err := l.Forge.Close(ctx, number, Author, reason)
	if err == nil {
		l.Log.Info("closed", "pull", number, "why", reason)
	}
	return pr, err
}

// deploy brings the model that the base branch names to the stage's model
// repository.
func (l *Loop) deploy(ctx context.Context, st stage) error {
	source, err := promotion.PublishedFolder(st.base.URI)
	if err != nil {
		return err
	}
	cur := l.inForce()
	o := modelrepository.Origin{Digest: st.base.Digest, URI: st.base.URI, Commit: cur.snapshot.Commit}
	pulls, err := l.Forge.List(ctx, forge.Query{Head: st.place.Branch(), Base: st.place.Base, State: forge.StateMerged})
	if err != nil {
		return err
	}
	for _, p := range pulls {
		if m, ok := promotion.ParseMarker(p.Body); ok && m.Digest == st.base.Digest && m.Key == st.place.Key() {
			o.PullRequest, o.Commit = p.Number, p.MergeCommit
		}
	}
	if c, err := l.currentEvidence(ctx, st, st.base.URI, st.base.Digest); err == nil && c != nil {
		o.Run = c.Run
	}
	repo := l.modelRepository(st)
	v, made, err := repo.Deploy(ctx, st.model.Name, source, o)
	if err != nil {
		return err
	}
	if !made {
		return nil
	}
	l.Log.Info("deployed", "model", st.id.Model, "stage", st.id.Stage, "version", v.Number, "digest", promotion.Short(v.Digest), "commit", v.Commit)
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = l.Store.AddFact(ctx, kindDeployment, st.id.String(), v.At, data)
	return err
}

// modelRepository is the stage's: one folder each, so that version numbers of
// stages have nothing to do with each other.
func (l *Loop) modelRepository(st stage) *modelrepository.Repository {
	dir := filepath.Join(l.ModelRepository, st.id.Stage)
	if st.id.Namespace != l.Namespace {
		dir = filepath.Join(l.ModelRepository, st.id.Namespace, st.id.Stage)
	}
	return &modelrepository.Repository{Dir: dir, Hash: artifact.Digest, Now: l.Now}
}

// observePulls reads the stage's pull requests: the open one, what people closed
// unmerged, and when models were merged. Duplicates of a race are closed; their
// branch is that of the one that stays.
func (l *Loop) observePulls(ctx context.Context, cur *synced, st stage, s *promotion.State) (merged map[string]time.Time, err error) {
	if l.Forge == nil {
		return nil, nil
	}
	pulls, err := l.Forge.List(ctx, forge.Query{Head: st.place.Branch(), Base: st.place.Base})
	if err != nil {
		return nil, err
	}
	o := promotion.Observe(st.place, promotion.Identity{Account: Author, Email: AuthorEmail}, pulls, func(base string) bool {
		moved, err := l.stageMoved(ctx, st, base, cur.snapshot.Commit)
		// A base that is no longer there was rewritten: the edit is made again.
		return err != nil || moved
	})
	s.Open, s.Rejected = o.Open, o.Rejected
	for _, n := range o.Duplicates {
		if _, err := l.closePull(ctx, n, o.ClosingReason()); err != nil {
			return nil, err
		}
	}
	return o.Merged, ctx.Err()
}

// stageMoved reports whether a stage's files differ between two commits.
func (l *Loop) stageMoved(ctx context.Context, st stage, from, to string) (bool, error) {
	if from == to {
		return false, nil
	}
	repo, err := gitsync.OpenRepository(l.Source.URL)
	if err != nil {
		return false, err
	}
	diff, err := repo.Diff(ctx, from, to)
	if err != nil {
		return false, err
	}
	folder := path.Clean(st.spec.Path)
	for _, f := range diff.Files {
		if folder == "." || f.Path == folder || strings.HasPrefix(f.Path, folder+"/") {
			return true, nil
		}
	}
	return diff.More > 0, nil
}

// objectsOf renders a folder of any files, for edits that are tried.
func (l *Loop) objectsOf(ctx context.Context, files fs.FS, folder string) ([]*api.Object, error) {
	set, err := l.Render.Build(ctx, render.Input{FS: files, Path: folder})
	if err != nil {
		return nil, err
	}
	return set.Objects, nil
}
