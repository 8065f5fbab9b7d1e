package sched

import (
	"strings"
	"testing"
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
