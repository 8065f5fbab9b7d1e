package sched

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pawl-dev/pawl/engine/attempt"
)

// fragment begins a workflow made of a fragment and the templates that its
// author left out; its entrypoint is the fragment's own template.
func fragment(t *testing.T, name, more string) *world {
	t.Helper()
	data, err := os.ReadFile("../plan/testdata/" + name + ".fragment.yaml")
	if err != nil {
		t.Fatal(err)
	}
	spec := "entrypoint: " + name + "\n" + string(data) + more
	w := newWorld(t, compile(t, "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata: {generateName: wf-}\nspec:\n"+indent(spec)))
	w.start()
	return w
}

func TestParallelTrainingFansInItsModelsInItemOrder(t *testing.T) {
	w := fragment(t, "parallel-training", `
- {name: train-single, inputs: {parameters: [{name: model-type}]}, outputs: {artifacts: [{name: model, path: /m}]}, container: {image: x, args: ["{{inputs.parameters.model-type}}"]}}
- {name: create-ensemble, inputs: {artifacts: [{name: models, path: /ms}]}, container: {image: x}}
`)
	if len(w.open) != 3 {
		t.Fatalf("%v run at once, want all three", w.openNames())
	}
	for len(w.open) > 0 && w.open[0].Template == "train-single" { // the last first
		spec := w.open[len(w.open)-1]
		r := succeeded()
		r.Artifacts = map[string]attempt.ArtifactRef{"model": {Digest: "sha256:" + spec.Args[0]}}
		w.end(spec.Key.Node, r)
	}
	in := w.spec("wf.ensemble").Inputs
	if want := "[{sha256:resnet50 0 false } {sha256:efficientnet 0 false } {sha256:vit 0 false }]"; len(in) != 1 || fmt.Sprint(in[0].Items) != want || in[0].Path != "/ms" {
		t.Errorf("the ensemble is given %+v, want %s in /ms", in, want)
	}
	w.play(first)
	w.ended(Succeeded, "")
}

func TestConditionalDeployRunsExactlyOneBranch(t *testing.T) {
	for _, c := range []struct{ accuracy, runs, skipped string }{
		{"0.951", "wf.deploy-prod", "wf.notify-failure"},
		{"0.95", "wf.notify-failure", "wf.deploy-prod"},
		{"0.1", "wf.notify-failure", "wf.deploy-prod"},
	} {
		t.Run(c.accuracy, func(t *testing.T) {
			w := fragment(t, "conditional-deploy", `
- {name: evaluate-model, outputs: {parameters: [{name: accuracy, valueFrom: {path: /acc}}]}, container: {image: x}}
- {name: deploy-to-production, container: {image: x}}
- {name: send-notification, container: {image: x}}
`)
			w.result = func(attempt.Spec) attempt.Result {
				return attempt.Result{Outcome: attempt.Succeeded, Parameters: map[string]string{"accuracy": c.accuracy}}
			}
			w.play(first)
			w.ended(Succeeded, "")
			if got := strings.Join(w.starts, " "); got != "wf.evaluate "+c.runs {
				t.Errorf("started are %s", got)
			}
			if n := w.node(c.skipped); n.Phase != Skipped || !strings.Contains(n.Message, c.accuracy) {
				t.Errorf("%s is %s %q", n.Name, n.Phase, n.Message)
			}
		})
	}
}

func TestTrainWithRetryBacksOffAndGivesUp(t *testing.T) {
	w := fragment(t, "train-with-retry", "")
	var waits []time.Duration
	for try := 0; w.state.Phase() == Running; try++ {
		if spec := w.open[0]; spec.Resources.GPUs != 4 {
			t.Fatalf("try %d asks for %+v", try, spec.Resources)
		}
		w.end(fmt.Sprintf("wf(%d)", try), failed())
		if w.state.Phase() == Running {
			ended := w.now
			for len(w.open) == 0 {
				w.now = w.wake
				w.step(Event{Kind: Woken})
			}
			waits = append(waits, w.now.Sub(ended))
		}
	}
	if got := fmt.Sprint(waits); got != "[1m0s 2m0s 4m0s]" {
		t.Errorf("it waits %s, want 1, 2 and 4 minutes", got)
	}
	// A fourth wait, of eight minutes, would end after maxDuration: Argo sees that
	// first, and that no retries are left second.
	w.ended(Failed, "Backoff would exceed max duration limit")
}

func TestTrainWithRetryIsNotForErrors(t *testing.T) {
	w := fragment(t, "train-with-retry", "")
	w.end("wf(0)", attempt.Result{Outcome: attempt.Error, Message: "cannot find output"})
	w.ended(Errored, "cannot find output")
}

func TestTrainWithRetryEndsAfterItsTimeout(t *testing.T) {
	w := fragment(t, "train-with-retry", "")
	w.now = epoch.Add(4 * time.Hour)
	w.step(Event{Kind: Woken})
	if !w.stopped[w.open[0].Key] {
		t.Error("the attempt is not stopped after four hours")
	}
}

func TestGPUTrainingAsksForWhatItNeeds(t *testing.T) {
	w := fragment(t, "gpu-training", "")
	want := attempt.Resources{MilliCPU: 16_000, Memory: 64 << 30, MemoryLimit: 128 << 30, GPUs: 4}
	if got := w.open[0].Resources; got != want {
		t.Errorf("it asks for %+v, want %+v", got, want)
	}
	var unused []string
	for _, p := range w.state.plan.Unused {
		unused = append(unused, p.Path)
	}
	if got := strings.Join(unused, " "); got != "spec.templates[0].nodeSelector spec.templates[0].tolerations" {
		t.Errorf("said to be of no use are %s", got)
	}
}
