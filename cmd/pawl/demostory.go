package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

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
	out       io.Writer
	dir       string // absolute
	shown     string // as the user named it
	address   string
	ns        string
	git       demoGit
	client    *server.Client
	started   time.Time
	self      string // how pawl was called
	isolation string
	runs      int    // how many there should be
	merged    int    // pull requests
	candidate string // the run whose model is on its way
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
	d.say("   commit %s to repo.git; %s later it was noticed, fetched, rendered (%d objects) and admitted", shortCommit(commit), short(time.Since(pushed)), len(app.Synced.Objects))
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
	d.candidate = run.Name
	d.sayOutputs(detail)
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
	j, err := d.judged(ctx, d.candidate, stage)
	if err != nil {
		return err
	}
	d.sayDecisions(j)
	published := filepath.Join(d.dir, "models", "iris", strings.TrimPrefix(j.Digest, "sha256:"))
	if _, err := os.Stat(published); err != nil {
		return fmt.Errorf("the model of run %s is not published: %w", j.Run, err)
	}
	d.say("   the model is published: %s", d.relative(published))
	d.say("   pull request #%d: %s", pr.Number, pr.Title)
	d.say("   its branch %s has one commit, which changes one line:", pr.Head)
	for _, line := range strings.Split(strings.TrimSpace(pr.Diff), "\n") {
		if strings.HasPrefix(line, "+") || strings.HasPrefix(line, "-") {
			d.say("     %s", line)
		}
	}
	if show {
		d.sayBody(pr)
	}
	d.say("   $ %s", d.pawl(fmt.Sprintf("pr merge %d", pr.Number)))
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
	d.say("   merged as commit %s and synced; stage %s is Deployed: model %s, version %d, %s", shortCommit(s.Deployed.Commit), stage, promotion.Short(s.Deployed.Digest), s.Deployed.Number, d.relative(s.Deployed.Path))
	if _, err := d.synced(ctx, merged.MergeCommit); err != nil {
		return err
	}
	if err := d.noNewRun(ctx); err != nil {
		return err
	}
	d.merged++
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
	d.say("   run key %s… is new: it starts run %s", run.RunKey[:12], run.Name)
	detail, err := d.watch(ctx, run.Name)
	if err != nil {
		return err
	}
	d.sayOutputs(detail)
	j, err := d.judged(ctx, run.Name, "staging")
	if err != nil {
		return err
	}
	if j.Verdict != policies.Fail {
		return fmt.Errorf("the worse model was judged %s by staging, not fail", j.Verdict)
	}
	d.sayDecisions(j)
	if err := d.noOpenPull(ctx); err != nil {
		return err
	}
	d.say("   nothing is proposed; the gates again: %s", d.pawl("gates "+run.Name))
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
	if _, err := d.synced(ctx, commit); err != nil {
		return err
	}
	w, err := d.known(ctx, d.candidate)
	if err != nil {
		return err
	}
	if err := d.noNewRun(ctx); err != nil {
		return err
	}
	d.say("   git revert, pushed as commit %s: run key %s… is known, it ran as %s, so nothing runs", shortCommit(commit), w.Key[:12], w.Run)
	return nil
}

// cronTick is stage 6.
func (d *demo) cronTick(ctx context.Context) error {
	d.chapter(6, "A retrain by the cron workflow, triggered by hand")
	d.say("   $ %s", d.pawl("cron trigger nightly-retrain"))
	var sub server.Submitted
	if err := d.client.Do(ctx, http.MethodPost, "/api/v1"+server.Path("cron-workflows", d.ns, "nightly-retrain", "trigger"), nil, &sub); err != nil {
		return err
	}
	if _, err := d.newRun(ctx, "cron"); err != nil {
		return err
	}
	if _, err := d.watch(ctx, sub.Name); err != nil {
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
	d.candidate = run.Name
	d.say("   the sensor new-data saw %s: it starts run %s", d.relative(file), run.Name)
	detail, err := d.watch(ctx, run.Name)
	if err != nil {
		return err
	}
	for _, p := range detail.Parameters {
		d.say("   its parameter %s was %s", p.Name, p.Value)
		if p.Name == "data" && p.Value != file {
			return fmt.Errorf("run %s was given data = %q, not %q", run.Name, p.Value, file)
		}
	}
	d.sayOutputs(detail)
	j, err := d.judged(ctx, run.Name, "staging")
	if err != nil {
		return err
	}
	if j.Verdict != policies.Pass {
		d.sayDecisions(j)
		d.say("   it is not good enough for staging: nothing is proposed")
		return d.noOpenPull(ctx)
	}
	return d.promoteNew(ctx, run.Name)
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
	if j.Verdict == policies.Pass {
		return d.promote(ctx, "production", false)
	}
	d.sayDecisions(j)
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
