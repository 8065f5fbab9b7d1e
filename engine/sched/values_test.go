package sched

import (
	"strings"
	"testing"

	"github.com/pawl-dev/pawl/engine/attempt"
)

func TestDefaultsSeeTheInputsAboveThem(t *testing.T) {
	w := newWorld(t, compile(t, wf(`
templates:
- name: main
  steps:
  - - {name: plain, template: pod}
    - {name: given, template: pod, arguments: {parameters: [{name: stage, value: prod}]}}
- name: pod
  inputs:
    parameters:
    - {name: stage, value: dev}
    - {name: bucket, value: "data-{{inputs.parameters.stage}}"}
    - {name: list, value: "{{= toJson([inputs.parameters.bucket]) }}"}
  container: {image: x, args: ["{{inputs.parameters.list}}"]}`)))
	w.start()
	for i, want := range []string{`["data-dev"]`, `["data-prod"]`} {
		if got := strings.Join(strings.Fields(w.open[i].Args[0]), ""); got != want {
			t.Errorf("%s was given %s, want %s", w.open[i].Key.Node, got, want)
		}
	}
}

func TestAnOutputMayHaveItsValueFromTheManifest(t *testing.T) {
	w := newWorld(t, compile(t, wf(`
templates:
- name: main
  dag:
    tasks:
    - {name: a, template: pod, arguments: {parameters: [{name: p, value: "{{item}}"}]}, withItems: [1, 2]}
  outputs:
    parameters:
    - {name: all, valueFrom: {parameter: "{{tasks.a.outputs.parameters.o}}"}}
    - {name: fixed, value: "{{workflow.name}}"}
- name: pod
  inputs: {parameters: [{name: p}]}
  outputs: {parameters: [{name: o, value: "<{{inputs.parameters.p}}>"}]}
  container: {image: x}`)))
	w.start()
	if n := len(w.open[0].OutputParameters); n != 0 {
		t.Errorf("the executor is asked for %d output parameters, want none", n)
	}
	w.play(first)
	out := w.state.Outputs()
	if all, _ := out.parameter("all"); all != `["<1>","<2>"]` {
		t.Errorf("all is %s", all)
	}
	if fixed, _ := out.parameter("fixed"); fixed != "wf" {
		t.Errorf("fixed is %s", fixed)
	}
}

func TestATagThatCannotBeResolvedSaysWhy(t *testing.T) {
	for _, c := range []struct {
		name, tasks string
		ends        map[string]attempt.Result
		node, want  string
	}{
		{"a loop whose results are no JSON", `
    - {name: greet, template: twice, withItems: [Hello, Hallo]}
    - {name: after, template: pod, dependencies: [greet], arguments: {parameters: [{name: p, value: "{{tasks.greet.outputs.result}}"}]}}`,
			map[string]attempt.Result{"wf.greet(0:Hello)(0)": {Outcome: attempt.Succeeded, Result: text(`"1"`)}, "wf.greet(1:Hallo)(0)": {Outcome: attempt.Succeeded, Result: text("Hallo, world!")}},
			"wf.after", `failed to resolve {{tasks.greet.outputs.result}}: greet(1:Hallo) printed "Hallo, world!", which is no JSON, and the results of a loop are a list of JSON values: print JSON, or use an output parameter`},
		{"a loop over such results", `
    - {name: greet, template: pod, withItems: [Hello]}
    - {name: after, template: pod, dependencies: [greet], withParam: "{{tasks.greet.outputs.result}}"}`,
			map[string]attempt.Result{"wf.greet(0:Hello)": {Outcome: attempt.Succeeded, Result: text("nope")}},
			"wf.after", `failed to resolve {{tasks.greet.outputs.result}}: greet(0:Hello) printed "nope", which is no JSON, and the results of a loop are a list of JSON values: print JSON, or use an output parameter`},
		{"an output of a task that failed", `
    - {name: a, template: pod}
    - {name: after, template: pod, depends: a.Failed, arguments: {parameters: [{name: p, value: "{{tasks.a.outputs.parameters.o}}"}]}}`,
			map[string]attempt.Result{"wf.a": failed()},
			"wf.after", `failed to resolve {{tasks.a.outputs.parameters.o}}: a ended Failed: Error (exit code 1)`},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, compile(t, wf("templates:\n- name: main\n  dag:\n    tasks:"+c.tasks+pods)))
			w.result = func(s attempt.Spec) attempt.Result { return c.ends[s.Key.Node] }
			w.play(first)
			if got := w.node(c.node).Message; got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}
