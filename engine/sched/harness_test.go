package sched

import (
	"encoding/json"
	"fmt"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/pawl-dev/pawl/api"
	"github.com/pawl-dev/pawl/engine/attempt"
	"github.com/pawl-dev/pawl/engine/plan"
)

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// compile turns manifests into a plan of a run called "wf".
func compile(t testing.TB, manifests string, params ...plan.Parameter) *plan.Plan {
	t.Helper()
	objects, problems := api.Decode("wf.yaml", []byte(manifests))
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	in := plan.Input{Name: "wf", UID: "uid-1", Namespace: "default", Created: epoch, Parameters: params}
	for _, o := range objects {
		if o.Kind == "Workflow" {
			in.Workflow = o
		} else {
			in.Library = append(in.Library, o)
		}
	}
	p, problems := plan.Compile(in)
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	return p
}

// wf wraps a spec into a workflow with an entrypoint main.
func wf(spec string) string {
	return "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata: {generateName: wf-}\nspec:\n  entrypoint: main\n" + indent(spec)
}

func indent(s string) string {
	var b strings.Builder
	for _, line := range strings.Split(strings.Trim(s, "\n"), "\n") {
		b.WriteString("  " + line + "\n")
	}
	return b.String()
}

// world stands in for the engine and its executor: it runs attempts by a script
// and keeps a journal.
type world struct {
	t       testing.TB
	state   *State
	now     time.Time
	journal [][]byte
	// open are the attempts asked for and not answered, oldest first.
	open    []attempt.Spec
	stopped map[attempt.Key]bool
	wake    time.Time
	starts  []string // node names in the order of starting
	// result says how an attempt ends; nil: Succeeded.
	result func(attempt.Spec) attempt.Result
}

func newWorld(t testing.TB, p *plan.Plan) *world {
	return &world{t: t, state: New(p), now: epoch, stopped: map[attempt.Key]bool{}}
}

func (w *world) step(ev Event) {
	w.t.Helper()
	ev.Time = w.now
	record := Encode(ev)
	w.journal = append(w.journal, record)
	ev, err := Decode(record)
	if err != nil {
		w.t.Fatal(err)
	}
	w.take(w.state.Step(ev))
}

func (w *world) take(commands []Command) {
	for _, c := range commands {
		switch c.Kind {
		case StartAttempt:
			w.open = append(w.open, *c.Spec)
			w.starts = append(w.starts, c.Spec.Key.Node)
		case StopAttempt:
			w.stopped[c.Key] = true
		case WakeAt:
			w.wake = c.At
		}
	}
}

// end ends the open attempt of a node.
func (w *world) end(node string, r attempt.Result) {
	w.t.Helper()
	for i, spec := range w.open {
		if spec.Key.Node == node {
			w.open = append(w.open[:i:i], w.open[i+1:]...)
			delete(w.stopped, spec.Key)
			w.step(Event{Kind: AttemptEnded, Node: node, Attempt: spec.Key.Attempt, Result: &r})
			return
		}
	}
	w.t.Fatalf("no open attempt of %q among %v", node, w.openNames())
}

func (w *world) openNames() []string {
	var names []string
	for _, s := range w.open {
		names = append(names, s.Key.Node)
	}
	return names
}

func (w *world) start() { w.t.Helper(); w.step(Event{Kind: RunStarted}) }

// play runs to the end, ending the attempt that pick chooses each time.
func (w *world) play(pick func(n int) int) {
	w.t.Helper()
	if w.state.Phase() == Pending {
		w.start()
	}
	for i := 0; w.state.Phase() == Running; i++ {
		if i > 1_000_000 {
			w.t.Fatal("the run does not end")
		}
		w.now = w.now.Add(time.Second)
		switch {
		case len(w.open) > 0:
			spec := w.open[pick(len(w.open))]
			w.end(spec.Key.Node, w.outcome(spec))
		case !w.wake.IsZero():
			if w.now.Before(w.wake) {
				w.now = w.wake
			}
			w.wake = time.Time{}
			w.step(Event{Kind: Woken})
		default:
			w.t.Fatalf("the run hangs:\n%s", w.tree())
		}
	}
}

func first(int) int { return 0 }

func (w *world) outcome(spec attempt.Spec) attempt.Result {
	if w.stopped[spec.Key] {
		return attempt.Result{Outcome: attempt.Failed, Message: "killed", ExitCode: code(143)}
	}
	if w.result != nil {
		return w.result(spec)
	}
	return succeeded()
}

func code(n int) *int           { return &n }
func text(s string) *string     { return &s }
func succeeded() attempt.Result { return attempt.Result{Outcome: attempt.Succeeded, ExitCode: code(0)} }
func failed() attempt.Result {
	return attempt.Result{Outcome: attempt.Failed, Message: "Error (exit code 1)", ExitCode: code(1)}
}

// tree prints the nodes, a line each, in the order of coming to be.
func (w *world) tree() string {
	var b strings.Builder
	for _, n := range w.state.Nodes() {
		fmt.Fprintf(&b, "%s %s %s", n.Name, n.Type, n.Phase)
		if n.Message != "" {
			fmt.Fprintf(&b, " %q", n.Message)
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "run %s", w.state.Phase())
	if w.state.Message() != "" {
		fmt.Fprintf(&b, " %q", w.state.Message())
	}
	return b.String()
}

// fingerprint is everything that can be seen of a state.
func fingerprint(s *State) string {
	data, err := json.Marshal(s.Nodes())
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf("%s|%s|%s|%s|%s", s.Phase(), s.Message(), s.FinishedAt(), data, commandSet(s.Outstanding()))
}

// commandSet prints commands without their order.
func commandSet(commands []Command) string {
	var lines []string
	for _, c := range commands {
		spec, _ := json.Marshal(c.Spec)
		lines = append(lines, fmt.Sprintf("%s %s %s %s", c.Kind, spec, c.Key, c.At))
	}
	sort.Strings(lines)
	return strings.Join(lines, "\n")
}
