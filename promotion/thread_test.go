package promotion

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/pawl-dev/pawl/api/v1alpha1"
	"github.com/pawl-dev/pawl/policies"
	"github.com/pawl-dev/pawl/promotion/modelfiles/modelfilestest"
	"github.com/pawl-dev/pawl/promotion/modelrepository"
	"github.com/pawl-dev/pawl/testdata/demo"
)

// The whole thread of a promotion without git: published, edited, proposed,
// merged, deployed, and then at rest.
func TestAModelGoesFromCandidateToDeployed(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	repo, err := demo.Repository(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := fstest.MapFS{}
	for name, data := range repo {
		files[name] = &fstest.MapFile{Data: data}
	}
	stage := v1alpha1.Stage{Name: "staging", Path: "models/iris/overlays/staging"}
	serving := &modelrepository.Repository{Dir: filepath.Join(dir, "serving"), Hash: modelfilestest.Hash, Now: time.Now}
	source, digest := modelfilestest.Model(t, map[string]string{"weights.tsv": "1"})
	gate, err := policies.Compile(policies.Gate{Name: "accurate", Expr: "accuracy > 0.95"})
	if err != nil {
		t.Fatal(err)
	}
	candidate := policies.Evidence{Run: "iris-1", Metrics: map[string]float64{"accuracy": 0.979167}, ModelDigest: digest}
	decisions := []policies.Decision{policies.Evaluate(gate, candidate, nil, time.Now())}
	look := func() State {
		base, err := ReadDeployed(ctx, files, stage, kustomize)
		if err != nil {
			t.Fatal(err)
		}
		s := State{Base: base, Candidate: &Candidacy{Digest: digest, Passed: policies.Summary(decisions) == policies.Pass}}
		if v, err := serving.Current("iris"); err == nil {
			s.Running = v.Digest
		} else if !errors.Is(err, modelrepository.ErrNone) {
			t.Fatal(err)
		}
		return s
	}
	expect := func(want Action) {
		t.Helper()
		if got := Decide(look()); got.Action != want {
			t.Fatalf("decided %+v, want %s", got, want)
		}
	}

	expect(Create)
	uri, err := Publish(ctx, FileURI(filepath.Join(dir, "models")), Artifact{Name: "model", Path: source, Digest: digest}, modelfilestest.Hash)
	if err != nil {
		t.Fatal(err)
	}
	edit, err := MakeEdit(ctx, EditRequest{Files: files, Stage: stage, URI: uri, Render: kustomize})
	if err != nil {
		t.Fatal(err)
	}
	p, err := Propose(Request{Place: place, BaseCommit: strings.Repeat("0", 40), Edit: edit, Candidate: candidate, Decisions: decisions})
	if err != nil {
		t.Fatal(err)
	}
	files[p.File] = &fstest.MapFile{Data: p.Content} // the merge

	expect(Deploy)
	base := look().Base
	at, err := FilePath(base.URI)
	if err != nil {
		t.Fatal(err)
	}
	v, made, err := serving.Deploy(ctx, "iris", at, modelrepository.Origin{Digest: base.Digest, URI: base.URI, Commit: "c0ffee"})
	if err != nil || !made || v.Number != 1 {
		t.Fatalf("deployed %+v, %v, %v", v, made, err)
	}
	expect(Rest)
}
