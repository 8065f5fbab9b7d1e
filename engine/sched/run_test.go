package sched

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pawl-dev/pawl/engine/attempt"
	"github.com/pawl-dev/pawl/engine/plan"
)

// begin starts a run of a spec whose templates include pods.
func begin(t *testing.T, spec string, params ...plan.Parameter) *world {
	t.Helper()
	w := newWorld(t, compile(t, wf(strings.Trim(spec, "\n")+"\n"+strings.Trim(pods, "\n")), params...))
	w.start()
	return w
}

// after lets time pass and the alarm ring.
func (w *world) after(d time.Duration) {
	w.t.Helper()
	w.now = w.now.Add(d)
	w.step(Event{Kind: Woken})
}

func (w *world) spec(node string) attempt.Spec {
	w.t.Helper()
	for _, s := range w.open {
		if s.Key.Node == node {
			return s
		}
	}
	w.t.Fatalf("no attempt of %s runs, but %v", node, w.openNames())
	return attempt.Spec{}
}

func (w *world) node(name string) Node {
	w.t.Helper()
	for _, n := range w.state.Nodes() {
		if n.Name == name {
			return n
		}
	}
	w.t.Fatalf("there is no node %s in\n%s", name, w.tree())
	return Node{}
}

func (w *world) wants(names ...string) {
	w.t.Helper()
	if got := w.openNames(); !slices.Equal(got, names) {
		w.t.Fatalf("%v run, want %v", got, names)
	}
}

func (w *world) ended(phase Phase, message string) {
	w.t.Helper()
	if w.state.Phase() != phase || w.state.Message() != message {
		w.t.Errorf("the run is %s %q, want %s %q\n%s", w.state.Phase(), w.state.Message(), phase, message, w.tree())
	}
}

func TestValuesReachTheAttemptAsTheyAre(t *testing.T) {
	odd := "he\"llo\n<x>&\t\x01\a{{inputs.parameters.p}}}}é😀"
	w := begin(t, `
arguments: {parameters: [{name: odd, value: x}, {name: count, value: 3}]}
templates:
- name: main
  inputs: {parameters: [{name: odd}]}
  dag:
    tasks:
    - name: a
      template: show
      arguments:
        parameters: [{name: p, value: "{{inputs.parameters.odd}}"}, {name: q, value: "{{=asInt(workflow.parameters.count) + 1}}"}]
- name: show
  inputs: {parameters: [{name: p}, {name: q}, {name: r, value: "{{workflow.name}}"}], artifacts: [{name: in, path: /in, raw: {data: "q={{inputs.parameters.q}}"}}]}
  outputs: {parameters: [{name: o, valueFrom: {path: "/tmp/{{inputs.parameters.q}}", default: none}}], artifacts: [{name: out, path: /out}]}
  activeDeadlineSeconds: 20
  script:
    image: img
    command: [sh]
    env: [{name: E, value: "{{inputs.parameters.p}}"}]
    source: "{{inputs.parameters.p}} {{inputs.parameters.r}} {{pod.name}} {{custom.tag}} {{inputs.artifacts.in.path}} {{outputs.artifacts.out.path}} {{outputs.parameters.o.path}}"
`, plan.Parameter{Name: "odd", Value: odd})
	s := w.spec("wf.a")
	want := odd + " wf wf-show-" + nameHash("wf.a") + " {{custom.tag}} " +
		attempt.PathToken(attempt.InputArtifactPath, "in") + " " + attempt.PathToken(attempt.OutputArtifactPath, "out") + " " + attempt.PathToken(attempt.OutputParameterPath, "o")
	if s.Script == nil || *s.Script != want {
		t.Errorf("the script is\n%q, want\n%q", *s.Script, want)
	}
	if s.Env[0].Value != odd {
		t.Errorf("the variable is %q", s.Env[0].Value)
	}
	if got := *s.Inputs[0].Raw; got != "q=4" {
		t.Errorf("the raw artifact is %q", got)
	}
	if p := s.OutputParameters[0]; p.Path != "/tmp/4" || *p.Default != "none" {
		t.Errorf("the output parameter is %+v", p)
	}
	if s.MaxRun != 20*time.Second || s.Image != "img" || s.Template != "show" || s.Workflow != "wf" || s.Key != (attempt.Key{Run: "uid-1", Node: "wf.a"}) {
		t.Errorf("the spec is %+v", s)
	}
}

func TestOutputsFlowToLaterTasks(t *testing.T) {
	w := begin(t, `
templates:
- name: main
  outputs:
    parameters: [{name: best, valueFrom: {parameter: "{{tasks.inner.outputs.parameters.deep}}"}}, {name: sum, valueFrom: {expression: "asInt(tasks.a.outputs.result) + 1"}}]
    artifacts: [{name: model, from: "{{tasks.a.outputs.artifacts.b}}"}]
  dag:
    tasks:
    - {name: a, template: pod}
    - {name: inner, template: inner, dependencies: [a], arguments: {artifacts: [{name: m, from: "{{tasks.a.outputs.artifacts.b}}", subPath: sub}]}}
    - {name: z, template: pod, dependencies: [inner], arguments: {parameters: [{name: p, value: "{{tasks.a.exitCode}} {{tasks.a.status}} {{tasks.a.outputs.result}}"}]}}
- name: inner
  inputs: {artifacts: [{name: m}]}
  outputs: {parameters: [{name: deep, valueFrom: {parameter: "{{steps.x.outputs.parameters.o}}"}}]}
  steps:
  - - {name: x, template: pod, arguments: {artifacts: [{name: a, from: "{{inputs.artifacts.m}}"}]}}
`)
	if !w.spec("wf.a").CaptureResult {
		t.Error("the result of a is read, but not captured")
	}
	ref := attempt.ArtifactRef{Digest: "sha256:aa", Size: 1, Dir: true}
	w.end("wf.a", attempt.Result{Outcome: attempt.Succeeded, ExitCode: code(0), Result: text("41"), Artifacts: map[string]attempt.ArtifactRef{"b": ref}})
	x := w.spec("wf.inner[0].x")
	if x.CaptureResult {
		t.Error("nobody reads the result of x, but it is captured")
	}
	ref.SubPath = "sub"
	if got := *x.Inputs[0].Ref; got != ref || x.Inputs[0].Path != "/a" {
		t.Errorf("the artifact is %+v at %s", got, x.Inputs[0].Path)
	}
	w.end("wf.inner[0].x", attempt.Result{Outcome: attempt.Succeeded, Parameters: map[string]string{"o": "deep value"}})
	if got := w.spec("wf.z").Args; len(got) > 0 || w.spec("wf.z").Command[1] != "0 Succeeded 41" {
		t.Errorf("z is called with %q", w.spec("wf.z").Command)
	}
	w.end("wf.z", succeeded())
	w.ended(Succeeded, "")
	out := w.state.Outputs()
	if fmt.Sprint(out.Parameters) != "[{best deep value} {sum 42}]" || out.Artifacts[0].Name != "model" || out.Artifacts[0].Ref.Digest != "sha256:aa" {
		t.Errorf("the outputs of the run are %+v", out)
	}
}

func TestLoopsAggregateOutputsInItemOrder(t *testing.T) {
	w := begin(t, `
templates:
- name: main
  dag:
    tasks:
    - {name: loop, template: pod, withItems: [x, v, z]}
    - name: after
      template: pod
      dependencies: [loop]
      arguments:
        parameters: [{name: p, value: "{{tasks.loop.outputs.parameters.o}} {{tasks.loop.outputs.result}} {{tasks.loop.outputs.parameters}}"}]
        artifacts: [{name: a, from: "{{tasks.loop.outputs.artifacts.b}}"}]
`)
	for _, i := range []int{2, 0, 1} {
		name := []string{"wf.loop(0:x)", "wf.loop(1:v)", "wf.loop(2:z)"}[i]
		w.end(name, attempt.Result{Outcome: attempt.Succeeded, Result: text(fmt.Sprint(i)), Parameters: map[string]string{"o": fmt.Sprint("<", i)},
			Artifacts: map[string]attempt.ArtifactRef{"b": {Digest: fmt.Sprint("sha256:", i)}}})
	}
	s := w.spec("wf.after")
	if want := `["<0","<1","<2"] [0,1,2] [{"o":"<0"},{"o":"<1"},{"o":"<2"}]`; s.Command[1] != want {
		t.Errorf("the lists are %s, want %s", s.Command[1], want)
	}
	if fmt.Sprint(s.Inputs[0].Items) != "[{sha256:0 0 false } {sha256:1 0 false } {sha256:2 0 false }]" {
		t.Errorf("the fan-in is %v", s.Inputs[0].Items)
	}
}

func TestAggregatedListsHaveArgosShapes(t *testing.T) {
	for _, c := range []struct {
		name   string
		values []string
		want   string
	}{
		{"texts stay texts", []string{"a", "b"}, `["a","b"]`},
		{"numbers stay texts", []string{"1", "2"}, `["1","2"]`},
		{"maps and lists are decoded", []string{`{"a":1}`, `[2]`}, `[{"a":1},[2]]`},
		{"one that is neither keeps all as texts", []string{`{"a":1}`, "2"}, `["{\"a\":1}","2"]`},
		{"none", nil, `[]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			values := []any{}
			for _, v := range c.values {
				values = append(values, v)
			}
			if got, err := marshal(valueList(values)); err != nil || got != c.want {
				t.Errorf("got %s %v, want %s", got, err, c.want)
			}
		})
	}
}

func TestSkippedProducers(t *testing.T) {
	w := begin(t, `
templates:
- name: main
  dag:
    tasks:
    - {name: none, template: pod, when: "1 == 2"}
    - {name: fallback, template: other, when: "1 == 2"}
    - {name: passes, template: pod, dependencies: [none], arguments: {parameters: [{name: p, value: "{{tasks.none.outputs.parameters.o}}"}]}}
    - {name: given, template: pod, dependencies: [fallback], arguments: {parameters: [{name: p, value: "{{tasks.fallback.outputs.parameters.o}}"}]}}
    - {name: mixed, template: pod, dependencies: [none], arguments: {parameters: [{name: p, value: "x{{tasks.none.outputs.parameters.o}}"}]}}
    - {name: guarded, template: pod, dependencies: [none], arguments: {parameters: [{name: p, value: "{{=tasks.none.outputs.parameters.o ?? 'g'}}"}]}}
- name: other
  outputs: {parameters: [{name: o, valueFrom: {path: /o, default: dflt}}]}
  container: {image: x}
`)
	if got := w.spec("wf.passes").Command[1]; got != "d" {
		t.Errorf("an absent output that is passed on alone gives %q, want the consumer's default", got)
	}
	if got := w.spec("wf.given").Command[1]; got != "dflt" {
		t.Errorf("an absent output with a default gives %q", got)
	}
	if n := w.node("wf.mixed"); n.Phase != Errored || n.Type != TypeSkipped ||
		n.Message != "unable to substitute {{tasks.none.outputs.parameters.o}}: output is an absent optional (skipped/omitted node with no default)" {
		t.Errorf("an absent output within a text: %+v", n)
	}
}

func TestBackoffGrowsIsCappedAndNeedsNoLimit(t *testing.T) {
	w := begin(t, `
templates:
- name: main
  retryStrategy: {backoff: {duration: "2", factor: 3, cap: 1m}}
  container: {image: x}
`)
	for i, want := range []string{"2 seconds", "6 seconds", "18 seconds", "54 seconds", "1 minute 0 seconds", "1 minute 0 seconds"} {
		node := fmt.Sprintf("wf(%d)", i)
		w.end(node, failed())
		if got := w.node("wf").Message; got != "Backoff for "+want {
			t.Fatalf("after attempt %d: %q, want %s", i, got, want)
		}
		w.wants()
		w.now = w.wake.Add(-time.Microsecond)
		w.step(Event{Kind: Woken})
		w.wants()
		w.after(time.Microsecond)
		w.wants(fmt.Sprintf("wf(%d)", i+1))
	}
	if n := w.node("wf"); n.Message != "" || n.Phase != Running || n.Type != TypeRetry {
		t.Errorf("while the attempt runs: %+v", n)
	}
	if n := w.node("wf(1)"); !n.Retried || n.DisplayName != "wf(1)" || n.Type != TypePod {
		t.Errorf("the attempt is %+v", n)
	}
}

func TestMaxDurationEndsRetries(t *testing.T) {
	spec := `
templates:
- name: main
  retryStrategy: {limit: 9, backoff: {duration: 5s, factor: 2, maxDuration: 20s}}
  container: {image: x}
`
	w := begin(t, spec)
	w.now = w.now.Add(time.Second)
	w.end("wf(0)", failed())
	w.now = w.wake
	w.step(Event{Kind: Woken})
	w.now = w.now.Add(time.Second)
	w.end("wf(1)", failed()) // at 7 s; 10 s more is 17 s
	w.now = w.wake
	w.step(Event{Kind: Woken})
	w.end("wf(2)", failed()) // at 17 s; 20 s more is too late
	w.ended(Failed, "Backoff would exceed max duration limit")

	w = begin(t, spec)
	w.after(20 * time.Second)
	if !w.stopped[attempt.Key{Run: "uid-1", Node: "wf(0)"}] {
		t.Error("an attempt runs beyond maxDuration")
	}
	w.now = w.now.Add(time.Second)
	w.end("wf(0)", failed())
	w.ended(Failed, "Max duration limit exceeded")
	if got := w.node("wf(0)").Message; got != podDeadlineMessage {
		t.Errorf("the attempt says %q", got)
	}
}

func TestLostAttemptsCostNoRetry(t *testing.T) {
	w := begin(t, `
templates:
- name: main
  container: {image: x}
`)
	for i := range lostBudget {
		w.end("wf", attempt.Result{Outcome: attempt.Lost})
		if got := w.spec("wf").Key.Attempt; got != i+1 {
			t.Fatalf("after %d losses attempt %d runs", i+1, got)
		}
	}
	w.end("wf", attempt.Result{Outcome: attempt.Lost, Message: "the machine went away"})
	w.ended(Errored, "the attempt was lost 6 times: the machine went away")
}

func TestParallelism(t *testing.T) {
	w := begin(t, `
parallelism: 3
templates:
- name: main
  dag:
    tasks:
    - {name: a, template: inner}
    - {name: b, template: inner}
    - {name: c, template: pod}
- name: inner
  parallelism: 1
  steps:
  - - {name: x, template: pod, withItems: [1, 2]}
`)
	w.wants("wf.a[0].x(0:1)", "wf.b[0].x(0:1)", "wf.c")
	w.end("wf.c", succeeded())
	w.wants("wf.a[0].x(0:1)", "wf.b[0].x(0:1)")
	w.end("wf.a[0].x(0:1)", succeeded())
	w.wants("wf.b[0].x(0:1)", "wf.a[0].x(1:2)")
	w.play(first)
	w.ended(Succeeded, "")

	w = begin(t, `
parallelism: 2
templates:
- name: main
  dag: {tasks: [{name: a, template: twice, withItems: [1, 2, 3]}]}
`)
	w.wants("wf.a(0:1)(0)", "wf.a(1:2)(0)")
	w.end("wf.a(0:1)(0)", failed())
	w.wants("wf.a(1:2)(0)", "wf.a(2:3)(0)")
	w.end("wf.a(1:2)(0)", succeeded())
	w.wants("wf.a(2:3)(0)", "wf.a(0:1)(1)")
}

func TestExitHandlerSeesHowTheRunEnded(t *testing.T) {
	spec := `
onExit: bye
templates:
- name: main
  steps: [[{name: a, template: pod}]]
- name: bye
  container: {image: x, args: ["{{workflow.status}}", "{{workflow.duration}}", "{{workflow.failures}}"]}
`
	w := begin(t, spec)
	w.now = w.now.Add(2500 * time.Millisecond)
	w.end("wf[0].a", failed())
	if w.state.Phase() != Running {
		t.Fatal("the run is over before its exit handler")
	}
	args := w.spec("wf.onExit").Args
	want := `"[{\"displayName\":\"a\",\"message\":\"Error (exit code 1)\",\"templateName\":\"pod\",\"phase\":\"Failed\",\"podName\":\"wf-pod-` + nameHash("wf[0].a")
	if args[0] != "Failed" || args[1] != "2.500000" || !strings.Contains(args[2], strings.TrimPrefix(want, `"[`)) {
		t.Errorf("the exit handler is called with %q", args)
	}
	w.end("wf.onExit", succeeded())
	w.ended(Failed, "child '"+"wf-"+nameHash("wf[0].a")+"' failed")
	if n := w.node("wf.onExit"); !n.Hooked || n.BoundaryID != "" {
		t.Errorf("the exit handler is %+v", n)
	}

	w = begin(t, spec)
	w.end("wf[0].a", succeeded())
	w.end("wf.onExit", failed())
	w.ended(Failed, "Error (exit code 1)")
}

func TestExitHookHasArgumentsAndAnExpression(t *testing.T) {
	spec := `
hooks: {exit: {template: pod, expression: "workflow.status == 'Failed'", arguments: {parameters: [{name: p, value: "got {{workflow.status}}"}]}}}
templates:
- name: main
  steps: [[{name: a, template: pod}]]
`
	w := begin(t, spec)
	w.end("wf[0].a", failed())
	if got := w.spec("wf.onExit").Command[1]; got != "got Failed" {
		t.Errorf("the hook is called with %q", got)
	}
	w = begin(t, spec)
	w.end("wf[0].a", succeeded())
	w.ended(Succeeded, "")
}

func TestStopAndTerminate(t *testing.T) {
	spec := `
onExit: pod
parallelism: 2
templates:
- name: main
  dag:
    tasks:
    - {name: a, template: pod, withItems: [1, 2, 3]}
    - {name: b, template: pod, dependencies: [a]}
`
	for _, how := range []Shutdown{Stop, Terminate} {
		w := begin(t, spec)
		w.end("wf.a(0:1)", succeeded())
		w.step(Event{Kind: ShutdownRequested, Shutdown: how, By: "user ann"})
		if len(w.stopped) != 2 {
			t.Fatalf("%s: %d attempts are stopped, want 2", how, len(w.stopped))
		}
		w.end("wf.a(1:2)", attempt.Result{Outcome: attempt.Failed, Message: "killed"})
		if got := w.node("wf.a(1:2)").Message; got != "workflow shutdown with strategy:  "+string(how) {
			t.Errorf("the stopped attempt says %q", got)
		}
		w.end("wf.a(2:3)", succeeded())
		if how == Stop {
			w.wants("wf.onExit")
			w.end("wf.onExit", succeeded())
		}
		w.ended(Failed, "Stopped with strategy '"+string(how)+"'")
		if _, later := w.state.running["wf.b"]; later || strings.Contains(w.tree(), "wf.b Pod") {
			t.Errorf("%s: something began afterwards:\n%s", how, w.tree())
		}
	}
}

func TestTerminateAfterStopEndsTheExitHandlerToo(t *testing.T) {
	w := begin(t, `
onExit: pod
templates:
- name: main
  steps: [[{name: a, template: pod}], [{name: b, template: pod}]]
`)
	w.step(Event{Kind: ShutdownRequested, Shutdown: Stop})
	w.end("wf[0].a", succeeded())
	w.wants("wf.onExit")
	w.step(Event{Kind: ShutdownRequested, Shutdown: Terminate})
	if !w.stopped[attempt.Key{Run: "uid-1", Node: "wf.onExit"}] {
		t.Fatal("the exit handler goes on after terminate")
	}
	w.end("wf.onExit", failed())
	w.ended(Failed, "Stopped with strategy 'Stop'")
}

func TestWorkflowDeadline(t *testing.T) {
	w := begin(t, `
activeDeadlineSeconds: 10
onExit: pod
templates:
- name: main
  steps: [[{name: a, template: pod}, {name: r, template: slow}]]
- name: slow
  retryStrategy: {limit: 3, backoff: {duration: 1h}}
  container: {image: x}
`)
	if !w.wake.Equal(epoch.Add(10 * time.Second)) {
		t.Fatalf("woken at %s", w.wake)
	}
	w.end("wf[0].r(0)", failed())
	w.after(10 * time.Second)
	w.end("wf[0].a", failed())
	if got := w.node("wf[0].a").Message; got != "Step exceeded its deadline" {
		t.Errorf("the stopped attempt says %q", got)
	}
	w.end("wf.onExit", succeeded())
	if w.state.Phase() != Failed {
		t.Errorf("the run is %s", w.state.Phase())
	}
}

func TestTimeoutCountsFromTheStartOfTheNode(t *testing.T) {
	w := begin(t, `
templates:
- name: main
  timeout: 4s
  container: {image: x}
`)
	w.after(4 * time.Second)
	if !w.stopped[attempt.Key{Run: "uid-1", Node: "wf"}] {
		t.Fatal("the attempt was not stopped")
	}
	w.end("wf", attempt.Result{Outcome: attempt.Failed, ExitCode: code(143)})
	w.ended(Failed, "Pod was active on the node longer than the specified deadline")
}

func TestRecursionEndsAtArgosLimit(t *testing.T) {
	w := begin(t, `
templates:
- name: main
  steps: [[{name: again, template: main}]]
`)
	if w.state.Phase() != Failed {
		t.Fatalf("the run is %s", w.state.Phase())
	}
	deepest := w.state.Nodes()[w.state.Len()-1]
	if !strings.HasPrefix(deepest.Message, "Maximum recursion depth exceeded") || strings.Count(deepest.Name, ".again") != 100 {
		t.Errorf("the deepest node is %s: %s", deepest.Name, deepest.Message)
	}
}

func TestRecursionWithAnEnd(t *testing.T) {
	w := begin(t, `
templates:
- name: main
  steps:
  - - {name: flip, template: pod}
  - - {name: heads, template: pod, when: "{{steps.flip.outputs.parameters.o}} == heads"}
    - {name: tails, template: main, when: "{{steps.flip.outputs.parameters.o}} == tails"}
`)
	flips := 0
	w.result = func(s attempt.Spec) attempt.Result {
		r := succeeded()
		if strings.HasSuffix(s.Key.Node, ".flip") {
			flips++
			r.Parameters = map[string]string{"o": map[bool]string{true: "heads", false: "tails"}[flips == 4]}
		}
		return r
	}
	w.play(first)
	w.ended(Succeeded, "")
	if flips != 4 {
		t.Errorf("%d flips", flips)
	}
}

func TestNodesLinkAsArgosGraphDoes(t *testing.T) {
	w := begin(t, `
templates:
- name: main
  dag:
    tasks:
    - {name: a, template: pod, withItems: [1, 2]}
    - {name: b, template: inner, dependencies: [a]}
    - {name: c, template: pod, dependencies: [b]}
- name: inner
  steps: [[{name: x, template: pod}], [{name: z, template: twice}]]
`)
	w.play(first)
	names := map[string]string{}
	for _, n := range w.state.Nodes() {
		names[n.ID] = n.Name
	}
	got := map[string]string{}
	for _, n := range w.state.Nodes() {
		var children, outbound []string
		for _, c := range n.Children {
			children = append(children, names[c])
		}
		for _, c := range n.OutboundNodes {
			outbound = append(outbound, names[c])
		}
		got[n.Name] = fmt.Sprint(n.DisplayName, " ", names[n.BoundaryID], " ", children, " ", outbound)
	}
	for name, want := range map[string]string{
		"wf":           "wf  [wf.a] [wf.c]",
		"wf.a":         "a wf [wf.a(0:1) wf.a(1:2)] []",
		"wf.a(1:2)":    "a(1:2) wf [wf.b] []",
		"wf.b":         "b wf [wf.b[0]] [wf.b[1].z(0)]",
		"wf.b[0]":      "[0] wf.b [wf.b[0].x] []",
		"wf.b[0].x":    "x wf.b [wf.b[1]] []",
		"wf.b[1].z":    "z wf.b [wf.b[1].z(0)] []",
		"wf.b[1].z(0)": "z(0) wf.b [wf.c] []",
		"wf.c":         "c wf [] []",
	} {
		if got[name] != want {
			t.Errorf("%s: %s, want %s", name, got[name], want)
		}
	}
}

func TestChangedTellsEachChangeOnce(t *testing.T) {
	w := begin(t, `
templates:
- name: main
  dag: {tasks: [{name: a, template: pod}, {name: b, template: pod}]}
`)
	if got := w.state.Changed(); fmt.Sprint(got) != "[0 1 2]" {
		t.Errorf("at the start %v changed", got)
	}
	w.end("wf.b", succeeded())
	if got := w.state.Changed(); fmt.Sprint(got) != "[2]" {
		t.Errorf("then %v changed", got)
	}
	if got := w.state.Changed(); len(got) != 0 {
		t.Errorf("then %v changed", got)
	}
}

func TestEventsThatDoNotFitChangeNothing(t *testing.T) {
	w := begin(t, `
templates:
- name: main
  dag: {tasks: [{name: a, template: pod}]}
`)
	ok := succeeded()
	events := []Event{
		{Kind: RunStarted},
		{Kind: AttemptEnded, Node: "wf.a", Attempt: 1, Result: &ok},
		{Kind: AttemptEnded, Node: "wf.x", Result: &ok},
		{Kind: AttemptEnded, Node: "wf.a"},
		{Kind: ShutdownRequested, Shutdown: "Later"},
		{Kind: "Unknown"},
	}
	before := fingerprint(w.state)
	for _, ev := range events {
		ev.Time = w.now
		if commands := w.state.Step(ev); len(commands) > 0 || fingerprint(w.state) != before {
			t.Errorf("%+v changed the state", ev)
		}
	}
	w.end("wf.a", ok)
	before = fingerprint(w.state)
	for _, ev := range append(events, Event{Kind: AttemptEnded, Node: "wf.a", Result: &ok}, Event{Kind: ShutdownRequested, Shutdown: Stop}, Event{Kind: Woken}) {
		if commands := w.state.Step(ev); len(commands) > 0 || fingerprint(w.state) != before {
			t.Errorf("%+v changed the state after the end", ev)
		}
	}
}

func TestJournalRecords(t *testing.T) {
	ev := Event{Kind: AttemptEnded, Time: epoch, Node: "wf.a(0:\n)", Attempt: 2, Result: &attempt.Result{Outcome: attempt.Failed, Message: "m", ExitCode: code(3)}}
	data := Encode(ev)
	if strings.Contains(string(data), "\n") {
		t.Errorf("the record has a line break: %q", data)
	}
	back, err := Decode(data)
	if err != nil || back.Node != ev.Node || !back.Time.Equal(epoch) || *back.Result.ExitCode != 3 {
		t.Errorf("%+v came back as %+v, %v", ev, back, err)
	}
	if _, err := Decode([]byte(`{"kind":"Woken","time":"2026-03-01T12:00:00Z","later":{"field":1}}`)); err != nil {
		t.Errorf("an unknown field: %v", err)
	}
	for _, bad := range []string{"", "{", `{"time":"2026-03-01T12:00:00Z"}`, `[]`} {
		if _, err := Decode([]byte(bad)); err == nil {
			t.Errorf("%q was read as an event", bad)
		}
	}
	h, err := DecodeHeader(Header{Scheduler: Version, Plan: "sha256:x"}.Encode())
	if err != nil || h.Plan != "sha256:x" {
		t.Errorf("the header came back as %+v, %v", h, err)
	}
	if _, err := DecodeHeader([]byte(`{"scheduler":99}`)); err == nil {
		t.Error("a later scheduler's journal was accepted")
	}
}
