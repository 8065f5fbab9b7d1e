package reconcile

import (
	"strings"
	"testing"

	"github.com/pawl-dev/pawl/promotion/forge"
)

func TestAModelThatPassesIsProposedMergedAndDeployedStageByStage(t *testing.T) {
	w := newWorld(t, repository)
	b := w.steps()
	b.settle()
	want(t, "runs", b.runs(), []string{"fraud Succeeded"})
	p := b.open()
	if p.Number != 1 || p.Base != "main" || !strings.HasPrefix(p.Head, "pawl/staging/fraud-") || len(p.Statuses) != 1 || p.Statuses[0].State != forge.StatusSuccess {
		t.Errorf("the pull request is %+v", p)
	}
	if s := b.stages()["staging"]; s.State != "Proposed" || s.Pull != 1 {
		t.Errorf("staging is %+v", s)
	}
	b.settle()
	if n := len(b.pulls()); n != 1 {
		t.Errorf("looking again makes it %d pull requests", n)
	}
	b.merge()
	b.settle()
	if got := w.deployed("staging"); got != "1: the model m1" {
		t.Errorf("staging serves %s", got)
	}
	if got := w.deployed("production"); got != "nothing" {
		t.Errorf("production serves %s before its merge", got)
	}
	s := b.stages()["staging"]
	if s.State != "Deployed" || s.Deployed.PullRequest != 1 || s.Deployed.Commit != w.git("ls-remote", "origin", "main")[:40] {
		t.Errorf("staging is %+v", s)
	}
	if p := b.open(); p.Number != 2 || !strings.HasPrefix(p.Head, "pawl/production/fraud-") {
		t.Errorf("the second pull request is %+v", p)
	}
	b.merge()
	b.settle()
	if got := w.deployed("production"); got != "1: the model m1" {
		t.Errorf("production serves %s", got)
	}
	want(t, "merges start nothing; runs", b.runs(), []string{"fraud Succeeded"})
	if n := len(b.pulls()); n != 2 {
		t.Errorf("%d pull requests", n)
	}
}
