package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pawl-dev/pawl/engine/sched"
	"github.com/pawl-dev/pawl/policies"
	"github.com/pawl-dev/pawl/promotion"
	"github.com/pawl-dev/pawl/promotion/forge"
	"github.com/pawl-dev/pawl/reconcile"
	"github.com/pawl-dev/pawl/server"
	demorepo "github.com/pawl-dev/pawl/testdata/demo"
)

// demo plays the story. It asks the server what the commands would ask, and
// believes nothing that it has not seen there.
type demo struct {
	out     io.Writer
	dir     string // absolute
	shown   string // as the user named it
	address string
	ns      string
	git     demoGit
	client  *server.Client
	started time.Time
	runs    int // how many there should be
}

// patience is how long any one thing of the story may take.
const patience = 2 * time.Minute

func (d *demo) say(format string, a ...any) { fmt.Fprintf(d.out, format+"\n", a...) }

func (d *demo) chapter(n int, title string) {
	d.say("\n%d. %s", n, title)
}

// play plays all stages; the error names what did not happen.
func (d *demo) play(ctx context.Context) error {
	for _, stage := range []func(context.Context) error{
		d.firstPush, d.promoteStaging, d.promoteProduction, d.worsePush, d.revertPush, d.cronTick, d.newData,
	} {
		if err := stage(ctx); err != nil {
			return err
		}
	}
	return nil
}

// firstPush is stages 1 and 2: the push is noticed, and the model trained.
func (d *demo) firstPush(ctx context.Context) error {
	d.chapter(1, "git push")
	commit, err := d.push(ctx)
	if err != nil {
		return err
	}
	pushed := time.Now()
	app, err := d.synced(ctx, commit)
	if err != nil {
		return err
	}
	d.say("   commit %s was fetched, rendered (%d objects) and admitted %s after the push", shortCommit(commit), len(app.Synced.Objects), short(time.Since(pushed)))
	run, err := d.newRun(ctx, "push")
	if err != nil {
		return err
	}
	d.say("   Workflow iris has a new run key, %s…: it starts run %s", run.RunKey[:12], run.Name)

	d.chapter(2, "The run: prepare, train three variants at once, evaluate each, pick the best")
	detail, err := d.watch(ctx, run.Name)
	if err != nil {
		return err
	}
	if err := d.want(detail, sched.Succeeded); err != nil {
		return err
	}
	d.sayOutputs(detail)
	d.say("   (pawl get %s, pawl logs %s)", run.Name, run.Name)
	return nil
}

// promoteStaging is stage 3.
func (d *demo) promoteStaging(ctx context.Context) error {
	d.chapter(3, "Staging: judged, proposed, merged, deployed")
	return d.promote(ctx, "staging", true)
}

// promoteProduction is stage 4.
func (d *demo) promoteProduction(ctx context.Context) error {
	d.chapter(4, "Production: has to be better than what it serves, which is nothing yet")
	return d.promote(ctx, "production", false)
}

// promote follows one stage from judgement to deployment.
func (d *demo) promote(ctx context.Context, stage string, show bool) error {
	s, err := d.stage(ctx, stage, "an open pull request", func(s reconcile.StageStatus) bool { return s.Pull != 0 })
	if err != nil {
		return err
	}
	var pr server.PullDetail
	if err := d.get(ctx, &pr, pullPath(fmt.Sprint(s.Pull))); err != nil {
		return err
	}
	for _, st := range pr.Statuses {
		d.say("   gate %s: %s: %s", st.Context, st.State, st.Description)
	}
	d.say("   pull request #%d: %s", pr.Number, pr.Title)
	d.say("   branch %s, one commit that changes one value:", pr.Head)
	for _, line := range strings.Split(strings.TrimSpace(pr.Diff), "\n") {
		if strings.HasPrefix(line, "+") || strings.HasPrefix(line, "-") {
			d.say("     %s", line)
		}
	}
	if show {
		d.say("   its text (pawl pr show %d):", pr.Number)
		for _, line := range strings.Split(strings.TrimSpace(withoutMarker(pr.Body)), "\n") {
			d.say("   │ %s", line)
		}
	}
	d.say("   $ pawl pr merge %d", pr.Number)
	var merged forge.PullRequest
	if err := d.client.Do(ctx, http.MethodPost, pullPath(fmt.Sprint(pr.Number), "merge"), server.PullWish{Head: pr.HeadSHA, By: "Ada"}, &merged); err != nil {
		return err
	}
	s, err = d.stage(ctx, stage, "the merged model deployed", func(s reconcile.StageStatus) bool {
		return s.State == "Deployed" && s.Deployed.PullRequest == merged.Number
	})
	if err != nil {
		return err
	}
	d.say("   merged as %s and synced: stage %s is Deployed, version %d, model %s", shortCommit(s.Deployed.Commit), stage, s.Deployed.Number, promotion.Short(s.Deployed.Digest))
	d.say("   %s", d.relative(s.Deployed.Path))
	if _, err := d.synced(ctx, merged.MergeCommit); err != nil {
		return err
	}
	if err := d.noNewRun(ctx); err != nil {
		return err
	}
	d.say("   the merge started no run")
	return nil
}

// worsePush is the first half of stage 5.
func (d *demo) worsePush(ctx context.Context) error {
	d.chapter(5, "A worse push: 5 epochs instead of 300")
	if err := d.edit(ctx, "EPOCHS=300", "EPOCHS=5", "Train for 5 epochs only"); err != nil {
		return err
	}
	run, err := d.newRun(ctx, "push")
	if err != nil {
		return err
	}
	d.say("   run key %s… is new: run %s", run.RunKey[:12], run.Name)
	detail, err := d.watch(ctx, run.Name)
	if err != nil {
		return err
	}
	if err := d.want(detail, sched.Succeeded); err != nil {
		return err
	}
	j, err := d.judged(ctx, run.Name, "staging")
	if err != nil {
		return err
	}
	if j.Verdict != policies.Fail {
		return fmt.Errorf("the worse model was judged %s by staging, not fail", j.Verdict)
	}
	for _, dec := range j.Decisions {
		d.say("   gate %s: %s: %s", dec.Gate, dec.Verdict, dec.Reason)
	}
	if err := d.noOpenPull(ctx); err != nil {
		return err
	}
	d.say("   nothing is proposed (pawl gates %s)", run.Name)
	return nil
}

// revertPush is the second half of stage 5.
func (d *demo) revertPush(ctx context.Context) error {
	if _, err := d.git.run(ctx, "revert", "--no-edit", "HEAD"); err != nil {
		return err
	}
	commit, err := d.push(ctx)
	if err != nil {
		return err
	}
	app, err := d.synced(ctx, commit)
	if err != nil {
		return err
	}
	w := app.Workflows[0]
	if !w.Known {
		return fmt.Errorf("after the revert, run key %s is not known", w.Key)
	}
	if err := d.noNewRun(ctx); err != nil {
		return err
	}
	d.say("   git revert, pushed as %s: run key %s… is known, it ran as %s: nothing runs", shortCommit(commit), w.Key[:12], w.Run)
	return nil
}

// cronTick is stage 6.
func (d *demo) cronTick(ctx context.Context) error {
	d.chapter(6, "A retrain by the cron workflow, triggered by hand")
	d.say("   $ pawl cron trigger nightly-retrain")
	var sub server.Submitted
	if err := d.client.Do(ctx, http.MethodPost, "/api/v1"+server.Path("cron-workflows", d.ns, "nightly-retrain", "trigger"), nil, &sub); err != nil {
		return err
	}
	if _, err := d.newRun(ctx, "cron"); err != nil {
		return err
	}
	detail, err := d.watch(ctx, sub.Name)
	if err != nil {
		return err
	}
	if err := d.want(detail, sched.Succeeded); err != nil {
		return err
	}
	j, err := d.judged(ctx, sub.Name, "staging")
	if err != nil {
		return err
	}
	s, err := d.stage(ctx, "staging", "the digest that is deployed", func(s reconcile.StageStatus) bool {
		return s.Deployed != nil && s.Deployed.Digest == j.Digest && strings.Contains(s.Why, "already deployed")
	})
	if err != nil {
		return err
	}
	if err := d.noOpenPull(ctx); err != nil {
		return err
	}
	d.say("   same code, same data, same model: %s", s.Why)
	return nil
}

// newData is stage 7: whatever is true is shown.
func (d *demo) newData(ctx context.Context) error {
	d.chapter(7, "New data: a file appears in the watched folder")
	// Written beside and renamed into place, as any careful producer does.
	tmp := filepath.Join(d.dir, "inbox", ".flowers.csv")
	file := filepath.Join(d.dir, "inbox", "flowers.csv")
	if err := os.WriteFile(tmp, demorepo.NewData(), 0o644); err != nil {
		return err
	}
	if err := os.Rename(tmp, file); err != nil {
		return err
	}
	run, err := d.newRun(ctx, "sensor")
	if err != nil {
		return err
	}
	detail, err := d.watch(ctx, run.Name)
	if err != nil {
		return err
	}
	if err := d.want(detail, sched.Succeeded); err != nil {
		return err
	}
	for _, p := range detail.Parameters {
		d.say("   sensor new-data started run %s with %s = %s", run.Name, p.Name, p.Value)
		if p.Name == "data" && p.Value != file {
			return fmt.Errorf("run %s was given data = %q, not %q", run.Name, p.Value, file)
		}
	}
	d.sayOutputs(detail)
	j, err := d.judged(ctx, run.Name, "staging")
	if err != nil {
		return err
	}
	for _, dec := range j.Decisions {
		d.say("   gate %s of staging: %s: %s", dec.Gate, dec.Verdict, dec.Reason)
	}
	if j.Verdict != policies.Pass {
		d.say("   it is not good enough for staging: nothing is proposed")
		return d.noOpenPull(ctx)
	}
	if err := d.promoteNew(ctx, run.Name); err != nil {
		return err
	}
	return nil
}

// promoteNew takes the new model to staging, and shows what production says.
func (d *demo) promoteNew(ctx context.Context, run string) error {
	if err := d.promote(ctx, "staging", false); err != nil {
		return err
	}
	j, err := d.judged(ctx, run, "production")
	if err != nil {
		return err
	}
	for _, dec := range j.Decisions {
		d.say("   gate %s of production: %s: %s", dec.Gate, dec.Verdict, dec.Reason)
	}
	if j.Verdict == policies.Pass {
		return d.promote(ctx, "production", false)
	}
	d.say("   production keeps the model that it has")
	return d.noOpenPull(ctx)
}

// edit changes one line of the training's configuration and pushes it.
func (d *demo) edit(ctx context.Context, old, new, message string) error {
	// The merges of the promotions are on main: build on them.
	if _, err := d.git.run(ctx, "pull", "--quiet", "--rebase", "origin", "main"); err != nil {
		return err
	}
	name := filepath.Join(d.git.checkout(), "training", "config.env")
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if !strings.Contains(string(data), old) {
		return fmt.Errorf("%s has no %s", name, old)
	}
	if err := os.WriteFile(name, []byte(strings.Replace(string(data), old, new, 1)), 0o644); err != nil {
		return err
	}
	if _, err := d.git.run(ctx, "commit", "--quiet", "--all", "-m", message); err != nil {
		return err
	}
	commit, err := d.push(ctx)
	if err != nil {
		return err
	}
	_, err = d.synced(ctx, commit)
	return err
}

// until asks again and again until ok, and says what it waited for if it was in
// vain.
func until[T any](ctx context.Context, what string, ask func() (T, error), ok func(T) bool) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		v, err := ask()
		if err == nil && ok(v) {
			return v, nil
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return v, fmt.Errorf("waited %s for %s, in vain", patience, what)
			}
			return v, ctx.Err()
		}
	}
}

func (d *demo) get(ctx context.Context, out any, path string) error {
	return d.client.Do(ctx, http.MethodGet, path, nil, out)
}

// synced waits until a commit is in force.
func (d *demo) synced(ctx context.Context, commit string) (reconcile.Application, error) {
	apps, err := until(ctx, "commit "+shortCommit(commit)+" to be synced", func() ([]reconcile.Application, error) {
		var apps []reconcile.Application
		err := d.get(ctx, &apps, "/api/v1/applications")
		return apps, err
	}, func(apps []reconcile.Application) bool {
		if len(apps) == 1 && apps[0].Refused != nil {
			return true
		}
		return len(apps) == 1 && apps[0].Synced != nil && apps[0].Synced.Commit == commit && len(apps[0].Workflows) == 1
	})
	if err != nil {
		return reconcile.Application{}, err
	}
	if r := apps[0].Refused; r != nil {
		return apps[0], fmt.Errorf("commit %s was refused: %s\n%s", shortCommit(r.Commit), r.Message, r.Problems.Error())
	}
	return apps[0], nil
}

func (d *demo) list(ctx context.Context) ([]server.RunSummary, error) {
	var runs []server.RunSummary
	err := d.get(ctx, &runs, "/api/v1"+server.Path("workflows", d.ns)+"?limit=0")
	return runs, err
}

// newRun waits for the one run more that the story expects, of an origin.
func (d *demo) newRun(ctx context.Context, origin string) (server.RunSummary, error) {
	runs, err := until(ctx, "a run by "+origin, func() ([]server.RunSummary, error) { return d.list(ctx) },
		func(runs []server.RunSummary) bool { return len(runs) > d.runs })
	if err != nil {
		return server.RunSummary{}, err
	}
	if len(runs) != d.runs+1 || runs[0].Origin.Kind != origin {
		return runs[0], fmt.Errorf("expected one run by %s, got %d, the newest by %s", origin, len(runs)-d.runs, runs[0].Origin.Kind)
	}
	d.runs++
	return runs[0], nil
}

// noNewRun checks that no run was started beyond those of the story.
func (d *demo) noNewRun(ctx context.Context) error {
	runs, err := d.list(ctx)
	if err == nil && len(runs) != d.runs {
		err = fmt.Errorf("run %s was started, which should not be", runs[0].Name)
	}
	return err
}

func (d *demo) noOpenPull(ctx context.Context) error {
	var prs []forge.PullRequest
	if err := d.get(ctx, &prs, "/api/v1/pulls?state=open"); err != nil {
		return err
	}
	if len(prs) > 0 {
		return fmt.Errorf("pull request #%d is open, which should not be: %s", prs[0].Number, prs[0].Title)
	}
	return nil
}

// watch follows a run to its end and says how its steps end.
func (d *demo) watch(ctx context.Context, run string) (*server.RunDetail, error) {
	said := map[int]bool{}
	show := func(r *server.RunDetail) {
		for i, n := range r.Nodes {
			if n.Type == sched.TypePod && n.Phase.Fulfilled() && !said[i] {
				said[i] = true
				d.say("   %s", stepLine(n.Node, n.Phase))
			}
		}
	}
	path := "/api/v1" + server.Path("workflows", d.ns, run, "detail")
	r, err := until(ctx, "run "+run+" to end", func() (*server.RunDetail, error) {
		var r server.RunDetail
		err := d.get(ctx, &r, path)
		if err == nil {
			show(&r)
		}
		return &r, err
	}, func(r *server.RunDetail) bool { return !r.Finished.IsZero() })
	if err != nil {
		return nil, err
	}
	d.say("   %s in %s", r.Phase, short(r.Finished.Sub(r.Started)))
	return r, nil
}

func (d *demo) want(r *server.RunDetail, phase sched.Phase) error {
	if r.Phase != string(phase) {
		return fmt.Errorf("run %s is %s, not %s: %s", r.Name, r.Phase, phase, r.Message)
	}
	return nil
}

func (d *demo) sayOutputs(r *server.RunDetail) {
	var parts []string
	for _, o := range r.Outputs {
		parts = append(parts, o.Name+" "+o.Value)
	}
	d.say("   it left %s, a model and metrics.json", strings.Join(parts, ", "))
}

// judged waits for a stage's judgement of a run.
func (d *demo) judged(ctx context.Context, run, stage string) (reconcile.Judgement, error) {
	js, err := until(ctx, "stage "+stage+" to judge run "+run, func() ([]reconcile.Judgement, error) {
		var js []reconcile.Judgement
		err := d.get(ctx, &js, "/api/v1"+server.Path("workflows", d.ns, run, "gates"))
		return ofStage(js, stage), err
	}, func(js []reconcile.Judgement) bool { return len(js) > 0 })
	if err != nil {
		return reconcile.Judgement{}, err
	}
	return js[len(js)-1], nil
}

func ofStage(js []reconcile.Judgement, stage string) []reconcile.Judgement {
	var out []reconcile.Judgement
	for _, j := range js {
		if j.Stage == stage {
			out = append(out, j)
		}
	}
	return out
}

// stage waits until a stage of the model is as the story expects.
func (d *demo) stage(ctx context.Context, name, what string, ok func(reconcile.StageStatus) bool) (reconcile.StageStatus, error) {
	s, err := until(ctx, "stage "+name+": "+what, func() (reconcile.StageStatus, error) {
		var all []reconcile.StageStatus
		if err := d.get(ctx, &all, "/api/v1/stages"); err != nil {
			return reconcile.StageStatus{}, err
		}
		for _, s := range all {
			if s.Stage == name {
				return s, nil
			}
		}
		return reconcile.StageStatus{}, fmt.Errorf("no stage %s", name)
	}, ok)
	if err != nil && s.Why != "" {
		err = fmt.Errorf("%w (%s: %s)", err, s.State, s.Why)
	}
	return s, err
}

func (d *demo) relative(path string) string {
	if rel, err := filepath.Rel(d.dir, path); err == nil {
		return filepath.Join(d.shown, rel)
	}
	return path
}

// summary says where everything is and how to go on.
func (d *demo) summary(cfg Config) {
	d.say("\nDone in %s. Everything is in %s:", short(time.Since(d.started)), d.shown)
	for _, line := range [][2]string{
		{"repo.git", "the repository: git log --graph shows the promotions"},
		{"checkout", "Ada's checkout of it"},
		{"serving", "the deployed models, a folder for each stage"},
		{"models", "what was published, by digest"},
		{"inbox", "the watched folder"},
		{"data", "the store, artifacts and logs"},
		{"serve.log", "what the server said"},
	} {
		d.say("  %-10s %s", line[0], line[1])
	}
	d.say("\nLook around:")
	d.say("  pawl serve --repo %s --data %s --model-repository %s", filepath.Join(d.shown, "repo.git"), filepath.Join(d.shown, "data"), filepath.Join(d.shown, "serving"))
	d.say("  pawl list --data %s", filepath.Join(d.shown, "data"))
	d.say("  pawl model list --data %s", filepath.Join(d.shown, "data"))
}
