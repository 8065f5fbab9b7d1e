package reconcile

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pawl-dev/pawl/engine/attempt"
	"github.com/pawl-dev/pawl/policies"
	"github.com/pawl-dev/pawl/promotion"
	"github.com/pawl-dev/pawl/promotion/forge"
	"github.com/pawl-dev/pawl/store"
)

func TestAModelThatPassesIsProposedMergedAndDeployedStageByStage(t *testing.T) {
	t.Parallel()
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

// proposed is a world whose first model is proposed for staging.
func proposed(t *testing.T) (*world, *boot) {
	t.Helper()
	w := newWorld(t, repository)
	b := w.steps()
	b.settle()
	if p := b.open(); p.Number != 1 {
		t.Fatalf("pull request %d", p.Number)
	}
	return w, b
}

func (b *boot) states() (out []string) {
	for _, p := range b.pulls() {
		out = append(out, fmt.Sprintf("%d %s %s", p.Number, p.State, strings.Split(p.Head, "/")[1]))
	}
	return out
}

func TestAWorseModelIsNotProposedAndTheReasonsAreTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t, changed(map[string]string{"code/model.env": "model=m1\naccuracy=0.9\n"}))
	b := w.steps()
	b.settle()
	want(t, "pull requests", b.states(), nil)
	if s := b.stages()["staging"]; s.State != "Empty" || !strings.Contains(s.Why, "accurate") || !strings.Contains(s.Why, "0.9") {
		t.Errorf("staging is %+v", s)
	}
	rows, _ := b.store.ListRuns(t.Context(), store.RunFilter{})
	js, err := Judgements(t.Context(), b.store, rows[0].UID)
	if err != nil || len(js) != 1 || js[0].Verdict != policies.Fail || js[0].Stage != "staging" || len(js[0].Decisions) != 1 {
		t.Errorf("judgements are %+v, %v", js, err)
	}
}

func TestANewerModelSupersedesInPlaceAndAWorseOneDoesNot(t *testing.T) {
	t.Parallel()
	w, b := proposed(t)
	w.model("worse", 0.5)
	b.settle()
	was := b.open()
	if js := b.judged(); was.Number != 1 || !strings.Contains(was.Body, "0.97") || len(js) != 2 || !strings.HasSuffix(js[1], " staging fail") {
		t.Errorf("after a worse one: %+v, judged %v", was, js)
	}
	w.model("m2", 0.98)
	b.settle()
	p := b.open()
	if p.Number != 1 || p.Head != was.Head || p.HeadSHA == was.HeadSHA || p.Body == was.Body || len(p.Commits) != 1 {
		t.Errorf("after a better one: %+v", p)
	}
	b.merge()
	b.settle()
	if got := w.deployed("staging"); got != "1: the model m2" {
		t.Errorf("staging serves %s", got)
	}
	want(t, "pull requests", b.states(), []string{"1 merged staging", "2 open production"})
}

func TestAModelThatIsDeployedIsNotProposedAgain(t *testing.T) {
	t.Parallel()
	w, b := proposed(t)
	b.merge()
	b.settle()
	w.push("the same model again", map[string]string{"code/other.txt": "x\n"})
	b.settle()
	want(t, "runs", b.runs(), []string{"fraud Succeeded", "fraud Succeeded"})
	want(t, "pull requests", b.states(), []string{"1 merged staging", "2 open production"})
	if s := b.stages()["staging"]; s.State != "Deployed" || !strings.Contains(s.Why, "already deployed") {
		t.Errorf("staging is %+v", s)
	}
}

func TestAModelWhosePullRequestWasClosedIsRejectedAndAnotherIsNot(t *testing.T) {
	t.Parallel()
	w, b := proposed(t)
	if _, err := b.forge.Close(t.Context(), 1, "ada", "no"); err != nil {
		t.Fatal(err)
	}
	b.settle()
	w.push("the same model again", map[string]string{"code/other.txt": "x\n"})
	b.settle()
	w.down()
	b = w.steps()
	b.settle()
	want(t, "pull requests", b.states(), []string{"1 closed staging"})
	if s := b.stages()["staging"]; !strings.Contains(s.Why, "rejected") {
		t.Errorf("staging is %+v", s)
	}
	w.model("m2", 0.96)
	b.settle()
	want(t, "pull requests", b.states(), []string{"1 closed staging", "2 open staging"})
}

func TestAPullRequestMergedWithPlainGitIsDeployed(t *testing.T) {
	t.Parallel()
	for _, how := range [][]string{{"--no-ff", "-m", "merge"}, {"--squash"}} {
		t.Run(how[0], func(t *testing.T) {
			t.Parallel()
			w, b := proposed(t)
			p := b.open()
			w.git("fetch", "-q", "origin")
			w.git("checkout", "-q", "-B", "main", "origin/main")
			w.git(append(append([]string{"merge", "-q"}, how...), "origin/"+p.Head)...)
			if how[0] == "--squash" {
				w.git("commit", "-q", "-m", "squashed")
			}
			w.git("push", "-q", "origin", "main")
			b.settle()
			if got := w.deployed("staging"); got != "1: the model m1" {
				t.Errorf("staging serves %s", got)
			}
			want(t, "pull requests", b.states(), []string{"1 merged staging", "2 open production"})
			want(t, "runs", b.runs(), []string{"fraud Succeeded"})
		})
	}
}

func TestAConflictIsAnsweredByANewEditOnTheNewBase(t *testing.T) {
	t.Parallel()
	w, b := proposed(t)
	was := b.open()
	w.push("another format", map[string]string{"stages/staging/model.yaml": strings.Replace(service("staging", ""), "name: any", "name: other", 1)})
	b.settle()
	p := b.open()
	if p.Number != 1 || p.HeadSHA == was.HeadSHA || p.Mergeable != forge.MergeClean {
		t.Errorf("the pull request is %+v", p)
	}
	b.merge()
	b.settle()
	if got := w.deployed("staging"); got != "1: the model m1" {
		t.Errorf("staging serves %s", got)
	}
	w.git("fetch", "-q", "origin")
	if file := w.git("show", "origin/main:stages/staging/model.yaml"); !strings.Contains(file, "other") {
		t.Errorf("the file is %s", file)
	}
}

func TestABaseThatMovedElsewhereLeavesThePullRequestAlone(t *testing.T) {
	t.Parallel()
	w, b := proposed(t)
	was := b.open()
	w.push("beside", map[string]string{"README.md": "hello again\n"})
	b.settle()
	if p := b.open(); p.HeadSHA != was.HeadSHA {
		t.Error("the head was rewritten for nothing")
	}
}

func TestCommitsOfOthersOnTheBranchAreLeftAlone(t *testing.T) {
	t.Parallel()
	w, b := proposed(t)
	p := b.open()
	w.git("fetch", "-q", "origin")
	w.git("checkout", "-q", "-B", "theirs", "origin/"+p.Head)
	w.git("commit", "-q", "--allow-empty", "-m", "mine")
	w.git("push", "-q", "origin", "HEAD:"+p.Head)
	theirs := w.git("rev-parse", "HEAD")
	w.model("m2", 0.99)
	b.settle()
	if p := b.open(); p.HeadSHA != theirs {
		t.Errorf("the head is %s, they pushed %s", p.HeadSHA, theirs)
	}
	if s := b.stages()["staging"]; !strings.Contains(s.Why, "others") {
		t.Errorf("staging is %+v", s)
	}
}

func TestWhatIsPushedToTheBranchAtTheLastMomentIsNotOverwritten(t *testing.T) {
	t.Parallel()
	w, b := proposed(t)
	w.model("m2", 0.99)
	b.settle()
	rec, err := b.loop.observe(b.ctx)
	if err != nil {
		t.Fatal(err)
	}
	p := b.open()
	w.git("fetch", "-q", "origin")
	w.git("checkout", "-q", "-B", "theirs", "origin/"+p.Head)
	w.git("commit", "-q", "--allow-empty", "-m", "mine")
	w.git("push", "-q", "origin", "HEAD:"+p.Head)
	err = b.loop.promote(b.ctx, &rec.Stages[0], promotion.Decided{Action: promotion.Regenerate, Number: p.Number})
	if err == nil || b.open().HeadSHA != w.git("rev-parse", "HEAD") {
		t.Errorf("it says %v, and the head is %s", err, b.open().HeadSHA)
	}
}

func TestARefusedCommitStopsProposalsAndNothingElse(t *testing.T) {
	t.Parallel()
	w, b := proposed(t)
	good := b.loop.Application().Synced.Commit
	bad := w.push("bad", map[string]string{"deploy/bad.yaml": "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata: {name: bad}\nspec: {entrypoint: nowhere}\n",
		"code/model.env": "model=m2\naccuracy=0.99\n"})
	b.settle()
	for range 2 { // the second time after a restart
		app := b.loop.Application()
		if app.Refused == nil || app.Refused.Commit != bad || app.Synced.Commit != good || len(app.Refused.Problems) == 0 || app.Refused.Problems[0].Position.File != "deploy/bad.yaml" {
			t.Errorf("the application is %+v, refused %+v", app, app.Refused)
		}
		want(t, "runs", b.runs(), []string{"fraud Succeeded"})
		w.down()
		b = w.steps()
		b.settle()
	}
	b.merge() // of the good state; its merge is on top of the bad commit
	b.settle()
	if got := w.deployed("staging"); got != "nothing" {
		t.Errorf("staging serves %s though the head is refused", got)
	}
	w.push("mend", map[string]string{"deploy/bad.yaml": ""})
	b.settle()
	if app := b.loop.Application(); app.Refused != nil {
		t.Errorf("it is still refused: %+v", app.Refused)
	}
	if got := w.deployed("staging"); got != "1: the model m1" {
		t.Errorf("staging serves %s", got)
	}
}

func TestARefusedCommitThatIsTakenBackIsForgotten(t *testing.T) {
	t.Parallel()
	w, b := proposed(t)
	w.push("bad", map[string]string{"deploy/bad.yaml": "kind: [\n"})
	b.settle()
	if b.loop.Application().Refused == nil {
		t.Fatal("it is not refused")
	}
	w.git("push", "-q", "--force", "origin", "HEAD^:main")
	b.settle()
	if app := b.loop.Application(); app.Refused != nil || app.Head != app.Synced.Commit {
		t.Errorf("the application is %+v", app)
	}
}

func TestAModelWrittenByHandIsNeverTakenForWorse(t *testing.T) {
	t.Parallel()
	w, b := proposed(t)
	b.merge()
	b.settle() // production is proposed, since it has no model: onNoCurrent
	want(t, "pull requests", b.states(), []string{"1 merged staging", "2 open production"})
	if _, err := b.forge.Close(t.Context(), 2, "ada", "by hand"); err != nil {
		t.Fatal(err)
	}
	w.push("by hand", map[string]string{"stages/production/model.yaml": service("production", "s3://somewhere/else")})
	w.model("m2", 0.99)
	b.settle()
	b.merge() // staging
	b.settle()
	want(t, "pull requests", b.states(), []string{"1 merged staging", "2 closed production", "3 merged staging"})
	if s := b.stages()["production"]; !strings.Contains(s.Why, "better") {
		t.Errorf("production is %+v", s)
	}
}

func TestAMergeThatIsRevertedIsNotProposedAgainByItsOwnRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, repository)
	w.now = ticking()
	b := w.steps()
	b.settle()
	b.merge()
	b.settle()
	w.model("m2", 0.99)
	b.settle()
	p := b.pulls()[len(b.pulls())-1]
	if _, err := b.forge.Merge(t.Context(), p.Number, forge.MergeOptions{ExpectedHead: p.HeadSHA, By: "ada"}); err != nil {
		t.Fatal(err)
	}
	b.settle()
	if got := w.deployed("staging"); got != "2: the model m2" {
		t.Fatalf("staging serves %s", got)
	}
	w.git("fetch", "-q", "origin")
	w.git("checkout", "-q", "-B", "main", "origin/main")
	w.git("revert", "-m", "1", "--no-edit", "HEAD")
	w.git("push", "-q", "origin", "main")
	b.settle()
	if got := w.deployed("staging"); got != "3: the model m1" {
		t.Errorf("staging serves %s", got)
	}
	for _, p := range b.pulls() {
		if p.State == forge.StateOpen && strings.HasPrefix(p.Head, "pawl/staging/") {
			t.Errorf("pull request %d proposes what was taken back", p.Number)
		}
	}
	w.push("the same model from a new run", map[string]string{"code/other.txt": "x\n"})
	b.settle()
	if s := b.stages()["staging"]; s.State != "Proposed" {
		t.Errorf("staging is %+v", s)
	}
}

func TestAStageThatIsGoneIsForgotten(t *testing.T) {
	t.Parallel()
	w, b := proposed(t)
	one, _, _ := strings.Cut(repository["deploy/model.yaml"], "  - name: production")
	w.push("one stage", map[string]string{"deploy/model.yaml": one})
	b.settle()
	if s := b.stages(); len(s) != 1 {
		t.Errorf("stages are %v", s)
	}
}

func TestOldCandidatesAreForgottenButForTheServedOne(t *testing.T) {
	t.Parallel()
	_, b := proposed(t)
	b.merge()
	b.settle()
	served := b.stages()["staging"].Base.Digest
	cur := b.loop.inForce()
	for i := range candidateRuns + 20 {
		c := &Candidate{Namespace: "default", Model: "fraud", Run: fmt.Sprint("r", i), RunUID: fmt.Sprint("u", i), RunID: int64(1000 + i),
			Ref: attempt.ArtifactRef{Digest: fmt.Sprint("sha256:", i)}, Judged: map[string]Judged{}}
		for _, st := range cur.stages {
			c.Judged[st.id.Stage] = Judged{Verdict: policies.Fail, Gates: hashes(st.gates), Against: st.base.URI}
		}
		if err := b.loop.saveCandidate(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	before := time.Now()
	const passes = 10
	for range passes {
		if _, err := b.loop.observe(b.ctx); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("looking with %d candidates takes %s", candidateRuns, time.Since(before)/passes)
	docs, err := b.store.ListDocs(t.Context(), kindCandidate, "")
	if err != nil || len(docs) != candidateRuns+1 {
		t.Errorf("%d records are left, %v", len(docs), err)
	}
	if c, err := b.loop.currentEvidence(t.Context(), cur.stages[0], "x", served); err != nil || c.Metrics["accuracy"] != 0.97 {
		t.Errorf("the evidence of what is served is %+v, %v", c, err)
	}
}
