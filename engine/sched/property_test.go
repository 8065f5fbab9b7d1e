package sched

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pawl-dev/pawl/engine/attempt"
)

var seed = flag.Uint64("seed", 0, "check this one random workflow only")

// generator writes random workflows: pods, dags and steps that call what comes
// after them, so that every run ends.
type generator struct {
	*rand.Rand
	b strings.Builder
}

func (g *generator) chance(percent int) bool { return g.IntN(100) < percent }

func (g *generator) line(format string, args ...any) { fmt.Fprintf(&g.b, format+"\n", args...) }

func (g *generator) workflow() string {
	g.line("apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata: {generateName: wf-}\nspec:\n  entrypoint: t0")
	g.line("  arguments: {parameters: [{name: list, value: '[\"u\",\"v\",\"w\"]'}]}")
	if g.chance(30) {
		g.line("  parallelism: %d", 1+g.IntN(3))
	}
	if g.chance(20) {
		g.line("  activeDeadlineSeconds: %d", 1+g.IntN(40))
	}
	if g.chance(40) {
		g.line("  onExit: bye")
	}
	g.line("  templates:\n  - name: bye\n    container: {image: x, args: ['{{workflow.status}} {{workflow.failures}}']}")
	inner := 1 + g.IntN(4)
	for i := 0; i < inner; i++ {
		if g.chance(65) {
			g.dag(i)
		} else {
			g.steps(i)
		}
	}
	for i := inner; i < inner+3; i++ {
		g.pod(i)
	}
	return g.b.String()
}

// common writes what every template has.
func (g *generator) common(i int, leaf bool) {
	g.line("  - name: t%d", i)
	g.line("    inputs: {parameters: [{name: p, value: d}], artifacts: [{name: a, optional: true%s}]}", map[bool]string{true: ", path: /a", false: ""}[leaf])
	if g.chance(25) {
		g.line("    retryStrategy: {limit: %d, retryPolicy: %s%s}", g.IntN(3), []string{"Always", "OnFailure", "OnError"}[g.IntN(3)],
			[]string{"", ", backoff: {duration: 2s, factor: 2}", ", backoff: {duration: '3', maxDuration: 20s, cap: 5s}", ", expression: \"lastRetry.exitCode != '2'\""}[g.IntN(4)])
	}
	if !leaf && g.chance(25) {
		g.line("    parallelism: %d", 1+g.IntN(2))
	}
	if !leaf && g.chance(15) {
		g.line("    failFast: true")
	}
	if leaf && g.chance(15) {
		g.line("    timeout: %ds", 1+g.IntN(6))
	}
}

func (g *generator) pod(i int) {
	g.common(i, true)
	g.line("    container: {image: x, command: [run], args: ['{{inputs.parameters.p}}', '{{inputs.artifacts.a.path}}']}")
	g.line("    outputs: {parameters: [{name: o, valueFrom: {path: /o, default: dflt}}], artifacts: [{name: b, path: /b, optional: true}]}")
}

// call writes the fields that tasks and steps have in common. word is tasks or
// steps, seen the earlier siblings that it may refer to.
func (g *generator) call(i, k int, word string, seen []string, at string) {
	g.line("%sname: n%d\n%s  template: t%d", at, k, strings.Repeat(" ", len(at)-2), i+1+g.IntN(3))
	pad := strings.Repeat(" ", len(at))
	loop := ""
	switch g.IntN(8) {
	case 0:
		loop = "withItems: [1, b, {k: v}]"
	case 1:
		loop = "withParam: '{{workflow.parameters.list}}'"
	case 2:
		loop = "withSequence: {count: 2}"
	case 3:
		loop = "withParam: '[]'"
	}
	if loop != "" && g.chance(60) {
		g.line("%s%s", pad, loop)
	} else {
		loop = ""
	}
	switch {
	case loop != "" && g.chance(30):
		g.line("%swhen: \"'{{item}}' != '1'\"", pad)
	case len(seen) > 0 && g.chance(20):
		g.line("%swhen: \"{{%s.%s.status}} == Succeeded\"", pad, word, seen[g.IntN(len(seen))])
	case g.chance(10):
		g.line("%swhen: \"a == b\"", pad)
	}
	value := "v"
	if len(seen) > 0 && g.chance(30) {
		value = fmt.Sprintf("{{%s.%s.outputs.parameters.o}}", word, seen[g.IntN(len(seen))])
	} else if loop != "" {
		value = "{{item}}"
	}
	g.line("%sarguments:\n%s  parameters: [{name: p, value: %q}]", pad, pad, value)
	if len(seen) > 0 && g.chance(30) {
		g.line("%s  artifacts: [{name: a, from: '{{%s.%s.outputs.artifacts.b}}'}]", pad, word, seen[g.IntN(len(seen))])
	}
}

func (g *generator) dag(i int) {
	g.common(i, false)
	n := 1 + g.IntN(5)
	last := fmt.Sprintf("n%d", n-1)
	g.line("    outputs: {parameters: [{name: o, valueFrom: {parameter: '{{tasks.%s.outputs.parameters.o}}', default: none}}], artifacts: [{name: b, optional: true, from: '{{tasks.%s.outputs.artifacts.b}}'}]}", last, last)
	g.line("    dag:")
	if g.chance(40) {
		g.line("      failFast: false")
	}
	g.line("      tasks:")
	enhanced := g.chance(30)
	for k := range n {
		var needs []string
		for j := range k {
			if g.chance(45) {
				needs = append(needs, fmt.Sprintf("n%d", j))
			}
		}
		g.call(i, k, "tasks", needs, "      - ")
		switch {
		case len(needs) == 0:
		case enhanced:
			var terms []string
			for _, need := range needs {
				terms = append(terms, need+[]string{"", ".Succeeded", ".Failed", ".Errored", ".Skipped", ".Omitted"}[g.IntN(6)])
			}
			g.line("        depends: \"%s\"", strings.Join(terms, []string{" && ", " || "}[g.IntN(2)]))
		default:
			g.line("        dependencies: [%s]", strings.Join(needs, ", "))
		}
		if !enhanced && g.chance(20) {
			g.line("        continueOn: {failed: true, error: %v}", g.chance(50))
		}
	}
}

func (g *generator) steps(i int) {
	g.common(i, false)
	groups := 1 + g.IntN(3)
	k := 0
	var seen []string
	var body strings.Builder
	outer := g.b
	g.b = strings.Builder{}
	for range groups {
		var group []string
		for j := range 1 + g.IntN(3) {
			at := "      - "
			if j == 0 {
				at = "    - - "
			}
			g.call(i, k, "steps", seen, at)
			if g.chance(20) {
				g.line("        continueOn: {failed: %v, error: true}", g.chance(50))
			}
			group = append(group, fmt.Sprintf("n%d", k))
			k++
		}
		seen = append(seen, group...)
	}
	body.WriteString(g.b.String())
	g.b = strings.Builder{}
	g.b.WriteString(outer.String())
	g.line("    outputs: {parameters: [{name: o, valueFrom: {parameter: '{{steps.n0.outputs.parameters.o}}', default: none}}], artifacts: [{name: b, optional: true, from: '{{steps.n0.outputs.artifacts.b}}'}]}")
	g.line("    steps:")
	g.b.WriteString(body.String())
}

// outcome draws how an attempt ends.
func (g *generator) outcome() attempt.Result {
	switch n := g.IntN(100); {
	case n < 12:
		return attempt.Result{Outcome: attempt.Failed, Message: "bad", ExitCode: code(1 + g.IntN(2))}
	case n < 17:
		return attempt.Result{Outcome: attempt.Error, Message: "no file"}
	case n < 22:
		return attempt.Result{Outcome: attempt.Lost}
	}
	return attempt.Result{Outcome: attempt.Succeeded, ExitCode: code(0), Parameters: map[string]string{"o": "out"},
		Artifacts: map[string]attempt.ArtifactRef{"b": {Digest: "sha256:00", Size: 3}}}
}

// TestRandomWorkflows checks the laws of the scheduler on random workflows with
// attempts that end in random order and ways.
func TestRandomWorkflows(t *testing.T) {
	n := uint64(300)
	if os.Getenv("PAWL_LONG") != "" {
		n = 5000
	}
	if *seed != 0 {
		checkRandom(t, *seed)
		return
	}
	for s := uint64(1); s <= n && !t.Failed(); s++ {
		checkRandom(t, s)
	}
}

func checkRandom(t *testing.T, s uint64) {
	g := &generator{Rand: rand.New(rand.NewPCG(s, 7))}
	manifest := g.workflow()
	p := compile(t, manifest)
	w := newWorld(t, p)
	defer func() {
		if t.Failed() {
			t.Logf("seed %d\n%s\n%s", s, manifest, w.tree())
		}
	}()
	w.start()
	prints := []string{fingerprint(w.state)}
	done := 0
	check := func() {
		prints = append(prints, fingerprint(w.state))
		checkOutstanding(t, w)
		done = checkOrder(t, w.state, done)
		checkParallelism(t, w)
	}
	for i := 0; w.state.Phase() == Running && !t.Failed(); i++ {
		if i > 3000 {
			t.Fatalf("seed %d: the run does not end", s)
		}
		randomEvent(t, g, w)
		check()
	}
	checkEnd(t, w)
	checkReplay(t, w, prints)
}

// randomEvent lets something happen that can happen.
func randomEvent(t *testing.T, g *generator, w *world) {
	t.Helper()
	w.now = w.now.Add(1300 * time.Millisecond)
	switch {
	case g.chance(1):
		w.step(Event{Kind: ShutdownRequested, Shutdown: []Shutdown{Stop, Terminate}[g.IntN(2)]})
	case g.chance(5):
		before := fingerprint(w.state)
		w.step(Event{Kind: AttemptEnded, Node: "wf.nobody", Result: &attempt.Result{Outcome: attempt.Succeeded}})
		if len(w.open) > 0 {
			w.step(Event{Kind: AttemptEnded, Node: w.open[0].Key.Node, Attempt: 77, Result: &attempt.Result{Outcome: attempt.Succeeded}})
		}
		if fingerprint(w.state) != before {
			t.Errorf("an event that does not fit changed the state")
		}
	case !w.wake.IsZero() && (!w.now.Before(w.wake) || len(w.open) == 0):
		if w.now.Before(w.wake) {
			w.now = w.wake
		}
		w.wake = time.Time{}
		w.step(Event{Kind: Woken})
	case len(w.open) > 0:
		spec := w.open[g.IntN(len(w.open))]
		w.result = func(attempt.Spec) attempt.Result { return g.outcome() }
		w.end(spec.Key.Node, w.outcome(spec))
	default:
		t.Fatalf("the run hangs:\n%s", w.tree())
	}
}

// checkOutstanding compares what Step returned and nobody answered with what the
// state alone says.
func checkOutstanding(t *testing.T, w *world) {
	t.Helper()
	var want []Command
	for i := range w.open {
		want = append(want, Command{Kind: StartAttempt, Spec: &w.open[i]})
		if w.stopped[w.open[i].Key] {
			want = append(want, Command{Kind: StopAttempt, Key: w.open[i].Key})
		}
	}
	got := w.state.Outstanding()
	for i, c := range got {
		if c.Kind == WakeAt {
			// Time has not passed it and the last wish was the same.
			if !c.At.Equal(w.wake) {
				t.Errorf("Outstanding wants to be woken at %s, Step last said %s", c.At, w.wake)
			}
			got = append(got[:i], got[i+1:]...)
			break
		}
	}
	if g, x := commandSet(got), commandSet(want); g != x {
		t.Errorf("Outstanding says\n%s\nbut not answered are\n%s", g, x)
	}
}

// checkOrder: a node comes to be only when all tasks that it depends on are over,
// and no earlier than the group before it.
func checkOrder(t *testing.T, s *State, from int) int {
	t.Helper()
	for _, n := range s.nodes[from:] {
		if n.kind == kindStepGroup && n.name[len(n.name)-3:] != "[0]" {
			for _, earlier := range s.nodes[:n.index] {
				if earlier.boundary == n.boundary && !earlier.phase.Fulfilled() {
					t.Errorf("%s began before %s was over", n.name, earlier.name)
				}
			}
		}
		if n.task == nil || n.boundary == none || s.nodes[n.boundary].kind != kindDAG {
			continue
		}
		dag := s.nodes[n.boundary]
		f, ok := dag.body.(*frame)
		if !ok {
			continue
		}
		for _, need := range n.task.Needs {
			i := f.nodes[need.Index]
			if i == none || !s.nodes[i].phase.Fulfilled() {
				t.Errorf("%s began before %s was over", n.name, need.Name)
			}
		}
	}
	return len(s.nodes)
}

func checkParallelism(t *testing.T, w *world) {
	t.Helper()
	limit := w.state.plan.Parallelism
	if limit > 0 && len(w.open) > limit {
		t.Errorf("%d attempts run, parallelism is %d", len(w.open), limit)
	}
	for _, n := range w.state.nodes {
		if f, ok := n.body.(*frame); ok && n.tmpl.Parallelism > 0 && int(f.active) > n.tmpl.Parallelism {
			t.Errorf("%s has %d active children, parallelism is %d", n.name, f.active, n.tmpl.Parallelism)
		}
	}
}

func checkEnd(t *testing.T, w *world) {
	t.Helper()
	if len(w.open) > 0 || len(w.state.Outstanding()) > 0 {
		t.Errorf("the run is over but attempts run: %v", w.openNames())
	}
	names := map[string]bool{}
	for _, n := range w.state.Nodes() {
		if !n.Phase.Fulfilled() {
			t.Errorf("the run is over but %s is %s", n.Name, n.Phase)
		}
		if names[n.Name] {
			t.Errorf("two nodes are called %s", n.Name)
		}
		names[n.Name] = true
	}
}

// checkReplay folds the journal again, and again from every point of a crash.
func checkReplay(t *testing.T, w *world, prints []string) {
	t.Helper()
	s := New(w.state.plan)
	k := 0
	for i, record := range w.journal {
		ev, err := Decode(record)
		if err != nil {
			t.Fatal(err)
		}
		s.Step(ev)
		_ = i
		for k < len(prints) && prints[k] == fingerprint(s) {
			k++
		}
	}
	if k != len(prints) {
		t.Errorf("the replay of %d records went another way at state %d of %d", len(w.journal), k, len(prints))
	}
	if s.Len() != w.state.Len() || fingerprint(s) != fingerprint(w.state) {
		t.Errorf("the replay ends elsewhere")
	}
}
