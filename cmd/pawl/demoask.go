package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/pawl-dev/pawl/engine/sched"
	"github.com/pawl-dev/pawl/promotion/forge"
	"github.com/pawl-dev/pawl/reconcile"
	"github.com/pawl-dev/pawl/server"
)

// This file is how the demo asks the server what has become of things, and waits
// until it is so.

// patience is how long any one thing of the story may take.
const patience = 2 * time.Minute

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

// known waits until what is in force is what a run has done already.
func (d *demo) known(ctx context.Context, run string) (reconcile.DesiredRun, error) {
	apps, err := until(ctx, "the run key of "+run+" to be known", func() ([]reconcile.Application, error) {
		var apps []reconcile.Application
		err := d.get(ctx, &apps, "/api/v1/applications")
		return apps, err
	}, func(apps []reconcile.Application) bool {
		return len(apps) == 1 && len(apps[0].Workflows) == 1 && apps[0].Workflows[0].Run == run && apps[0].Workflows[0].Known
	})
	if err != nil {
		return reconcile.DesiredRun{}, err
	}
	return apps[0].Workflows[0], nil
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

// watch follows a run to its end, which must be success, and says how its steps
// end. Of a run that failed it shows what the failing step printed last.
func (d *demo) watch(ctx context.Context, run string) (*server.RunDetail, error) {
	said := map[int]bool{}
	show := func(r *server.RunDetail) {
		for i, n := range r.Nodes {
			if n.Type == sched.TypePod && n.Phase.Fulfilled() && !said[i] {
				said[i] = true
				d.say("   %s", d.step(ctx, run, n.Node))
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
	d.say("   %s in %s; to follow up: %s, %s", r.Phase, short(r.Finished.Sub(r.Started)), d.pawl("get "+run), d.pawl("logs "+run))
	if r.Phase != string(sched.Succeeded) {
		return nil, d.failed(ctx, r)
	}
	return r, nil
}

// step is the line for a step that has ended, without the name of the run; of
// training, with the last loss that it printed.
func (d *demo) step(ctx context.Context, run string, n sched.Node) string {
	n.Name = strings.TrimPrefix(n.Name, run+".")
	line := stepLine(n, n.Phase)
	if n.TemplateName != "train" || n.Phase != sched.Succeeded {
		return line
	}
	for _, l := range d.lastLines(ctx, run, run+"."+n.Name, 1) {
		line += ": " + l
	}
	return line
}

// failed is the error of a run that did not succeed: its failed steps, each with
// its last lines.
func (d *demo) failed(ctx context.Context, r *server.RunDetail) error {
	said := strings.TrimSpace(fmt.Sprintf("run %s is %s, not Succeeded: %s", r.Name, r.Phase, r.Message))
	for _, n := range r.Nodes {
		if n.Type != sched.TypePod || n.Phase != sched.Failed && n.Phase != sched.Errored {
			continue
		}
		said += fmt.Sprintf("\n      %s: %s", strings.TrimPrefix(n.Name, r.Name+"."), n.Message)
		for _, l := range d.lastLines(ctx, r.Name, n.Name, 10) {
			said += "\n        | " + l
		}
	}
	return errors.New(said)
}

// lastLines are the last lines that a step printed, as far as they can be had.
func (d *demo) lastLines(ctx context.Context, run, node string, n int) []string {
	q := url.Values{"node": {node}, "tail": {fmt.Sprint(n)}}
	stream, err := d.client.Stream(ctx, "/api/v1"+server.Path("workflows", d.ns, run, "log")+"?"+q.Encode())
	if err != nil {
		return nil
	}
	defer stream.Close()
	var out strings.Builder
	_ = printLog(&out, stream, true) // what was read until then is shown
	if out.Len() == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
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
