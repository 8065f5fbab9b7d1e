package reconcile

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/pawl-dev/pawl/engine/attempt"
	"github.com/pawl-dev/pawl/promotion/forge"
	"github.com/pawl-dev/pawl/store"
)

// TestACrashAtAnyWriteChangesNothing plays a story (two models, each proposed,
// merged and deployed to both stages) and kills everything at the n-th write of
// the store, for each n. What comes of it must be the same. Without PAWL_LONG=1
// only some n are tried.
func TestACrashAtAnyWriteChangesNothing(t *testing.T) {
	t.Parallel()
	wanted, writes, _ := story(t, 0, false)
	if !strings.Contains(wanted, "production serves 2: the model m2") {
		t.Fatalf("without a crash it ends so:\n%s", wanted)
	}
	every := 17
	if os.Getenv("PAWL_LONG") != "" {
		every = 1
	}
	for n := 1; n <= writes; n += every {
		before := (n/every)%2 == 0
		for _, before := range slices.Compact([]bool{before, before != (every == 1)}) {
			got, _, at := story(t, n, before)
			if got != wanted {
				t.Errorf("after a crash at write %d, %s (made: %t)\ngot:\n%s\nwant:\n%s", n, at, !before, got, wanted)
			}
		}
	}
	t.Logf("there were %d writes", writes)
}

// story returns what came of it, how many writes there were, and the one that it
// crashed at.
func story(t *testing.T, n int, before bool) (outcome string, writes int, at string) {
	t.Helper()
	w := newWorld(t, repository)
	defer w.down()
	w.now = ticking()
	g := &gate{n: n, before: before}
	b := w.up(g)
	b.restore()
	// again does a step, and once more in a new life if it was cut short.
	again := func(step func()) {
		step()
		if g.crashed() && b.gate == g {
			w.down()
			b = w.steps()
			b.settle()
			step()
		}
	}
	merge := func() {
		for _, p := range b.list(forge.StateOpen) {
			_, err := b.forge.Merge(b.ctx, p.Number, forge.MergeOptions{ExpectedHead: p.HeadSHA, By: "ada"})
			if err != nil && b.ctx.Err() == nil {
				t.Fatal(err)
			}
		}
		b.settle()
	}
	model := func(name string) {
		w.model(name, map[string]float64{"m1": 0.97, "m2": 0.98}[name])
		again(func() { b.settle() })
		for len(b.list(forge.StateOpen)) > 0 {
			again(merge)
		}
	}
	model("m1")
	model("m2")
	return w.story(b), g.writes, g.last
}

func (b *boot) list(s forge.State) []forge.PullRequest {
	list, err := b.forge.List(context.Background(), forge.Query{State: s})
	if err != nil && !b.gate.crashed() {
		b.w.t.Fatal(err)
	}
	return list
}

// story is what must be the same whatever happened on the way: all but times,
// and what is derived from them.
func (w *world) story(b *boot) string {
	w.t.Helper()
	var s strings.Builder
	started := map[attempt.Key]int{}
	for _, spec := range w.machine.Started() {
		if started[spec.Key]++; started[spec.Key] > 1 {
			fmt.Fprintf(&s, "%s was started twice\n", spec.Key)
		}
	}
	rows, err := b.store.ListRuns(context.Background(), store.RunFilter{})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, r := range slices.Backward(rows) {
		fmt.Fprintf(&s, "run %s %s %q %s %s\n", r.Name, r.Status.Phase, r.Status.Message, r.Status.Progress, r.Status.Outputs)
	}
	for _, j := range b.judged() {
		fmt.Fprintln(&s, "judged", j)
	}
	for i, p := range b.pulls() { // a number may be lost by a crash
		fmt.Fprintf(&s, "pull request no. %d %s %s: %s\n", i+1, strings.Split(p.Head, "-")[0], p.State, p.Title)
	}
	for _, stage := range []string{"staging", "production"} {
		st := b.stages()[stage]
		fmt.Fprintf(&s, "%s serves %s; it is %s, %s, %s\n", stage, w.deployed(stage), st.State, st.Error, st.Why)
	}
	return s.String()
}
