package sched

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pawl-dev/pawl/engine/attempt"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// pods are templates that the tests below call.
const pods = `
- name: pod
  inputs: {parameters: [{name: p, default: d}], artifacts: [{name: a, path: /a, optional: true}]}
  outputs:
    parameters: [{name: o, valueFrom: {path: /o}}]
    artifacts: [{name: b, path: /b, optional: true}]
  container: {image: x, command: [run, "{{inputs.parameters.p}}"]}
- name: twice
  retryStrategy: {limit: 1}
  container: {image: x, command: [run]}
`

// flows are small workflows with what their attempts do; the golden file of the
// same name holds the nodes that must come of it, with Argo's names, types,
// phases and messages.
var flows = []struct {
	name string
	spec string
	// ends says how the attempts of a node end, by node name; else Succeeded.
	ends map[string]attempt.Outcome
}{
	{"a diamond of dependencies", `
- name: main
  dag:
    tasks:
    - {name: a, template: pod}
    - {name: b, template: pod, dependencies: [a]}
    - {name: c, template: pod, dependencies: [a]}
    - {name: d, template: pod, dependencies: [b, c]}`, nil},
	{"a failed task omits what depends on it and fails the dag", `
- name: main
  dag:
    tasks:
    - {name: a, template: pod}
    - {name: b, template: pod, dependencies: [a]}
    - {name: c, template: pod, dependencies: [b]}`, map[string]attempt.Outcome{"wf.a": attempt.Failed}},
	{"failFast starts nothing new after a failure", `
- name: main
  dag:
    tasks:
    - {name: bad, template: pod}
    - {name: slow, template: pod}
    - {name: later, template: pod, dependencies: [slow]}`, map[string]attempt.Outcome{"wf.bad": attempt.Failed}},
	{"failFast false runs all branches to their end", `
- name: main
  dag:
    failFast: false
    tasks:
    - {name: bad, template: pod}
    - {name: slow, template: pod}
    - {name: later, template: pod, dependencies: [slow]}`, map[string]attempt.Outcome{"wf.bad": attempt.Failed}},
	{"depends on a failure makes it good", `
- name: main
  dag:
    tasks:
    - {name: a, template: pod}
    - {name: rescue, template: pod, depends: a.Failed || a.Errored}
    - {name: fine, template: pod, depends: a.Succeeded}
    - {name: end, template: pod, depends: rescue.Succeeded || fine.Succeeded}`, map[string]attempt.Outcome{"wf.a": attempt.Failed}},
	{"continueOn goes on after an error", `
- name: main
  dag:
    tasks:
    - {name: a, template: pod, continueOn: {error: true}}
    - {name: b, template: pod, dependencies: [a]}`, map[string]attempt.Outcome{"wf.a": attempt.Error}},
	{"a target leaves out what it does not need", `
- name: main
  dag:
    target: b
    tasks:
    - {name: a, template: pod}
    - {name: b, template: pod, dependencies: [a]}
    - {name: c, template: pod, dependencies: [a]}`, nil},
	{"when false skips a task and its dependents run", `
- name: main
  dag:
    tasks:
    - {name: a, template: pod, when: "1 == 2"}
    - {name: b, template: pod, dependencies: [a]}`, nil},
	{"a when that is no condition is an error", `
- name: main
  dag:
    tasks:
    - {name: a, template: pod, when: "foo"}
    - {name: b, template: pod, dependencies: [a]}`, nil},
	{"exactly one branch of a condition runs", `
- name: main
  dag:
    tasks:
    - {name: evaluate, template: pod}
    - {name: deploy, template: pod, dependencies: [evaluate], when: "{{tasks.evaluate.outputs.parameters.o}} > 0.95"}
    - {name: notify, template: pod, dependencies: [evaluate], when: "{{tasks.evaluate.outputs.parameters.o}} <= 0.95"}`, nil},
	{"loops name their items", `
- name: main
  dag:
    tasks:
    - {name: a, template: pod, withItems: [x, 2, true, {k: v, j: 1}, [l, m], "a(b)"]}
    - {name: b, template: pod, withParam: '["p","q"]', when: "'{{item}}' != 'q'"}
    - {name: c, template: pod, withSequence: {start: 3, end: 1, format: "n%02d"}}
    - {name: none, template: pod, withParam: "[]"}
    - {name: after, template: pod, dependencies: [a, b, c, none]}`, nil},
	{"a failed item fails the loop after all items have ended", `
- name: main
  dag:
    tasks:
    - {name: a, template: pod, withItems: [x, z]}
    - {name: any, template: pod, depends: a.AnySucceeded}
    - {name: all, template: pod, depends: a.AllFailed}`, map[string]attempt.Outcome{"wf.a(0:x)": attempt.Failed}},
	{"a withParam that is no list is an error", `
- name: main
  dag:
    tasks:
    - {name: gen, template: pod}
    - {name: a, template: pod, dependencies: [gen], withParam: "{{tasks.gen.outputs.parameters.o}}"}`, nil},
	{"groups of steps one after another", `
- name: main
  steps:
  - - {name: a, template: pod}
    - {name: b, template: pod, withItems: [1, 2]}
  - - {name: c, template: pod, when: "{{steps.a.status}} == Failed"}
    - {name: d, template: inner}
  - - {name: e, template: pod, withParam: "[]"}
- name: inner
  steps:
  - - {name: x, template: pod}
  - - {name: z, template: pod}`, nil},
	{"a failed step ends its group and no other begins", `
- name: main
  steps:
  - - {name: a, template: pod}
    - {name: b, template: pod}
  - - {name: c, template: pod}`, map[string]attempt.Outcome{"wf[0].a": attempt.Error}},
	{"a step may continue on failure", `
- name: main
  steps:
  - - {name: a, template: pod, continueOn: {failed: true}}
  - - {name: b, template: pod}`, map[string]attempt.Outcome{"wf[0].a": attempt.Failed}},
	{"a step that cannot be resolved fails its group as an error", `
- name: main
  steps:
  - - {name: a, template: pod}
  - - {name: b, template: pod, arguments: {parameters: [{name: p, value: "{{steps.a.outputs.result}}x"}]}}
    - {name: c, template: pod}`, nil},
	{"no retries left", `
- name: main
  steps:
  - - {name: a, template: twice}`, map[string]attempt.Outcome{"wf[0].a(0)": attempt.Failed, "wf[0].a(1)": attempt.Failed}},
	{"a retry succeeds", `
- name: main
  dag: {tasks: [{name: a, template: twice}]}`, map[string]attempt.Outcome{"wf.a(0)": attempt.Failed}},
	{"an error is not retried by policy OnFailure", `
- name: main
  dag: {tasks: [{name: a, template: twice}]}`, map[string]attempt.Outcome{"wf.a(0)": attempt.Error}},
	{"a retried dag is run anew", `
- name: main
  retryStrategy: {limit: 1, retryPolicy: Always}
  dag: {tasks: [{name: a, template: pod}]}`, map[string]attempt.Outcome{"wf(0).a": attempt.Failed}},
	{"a retry expression decides by the exit code", `
- name: main
  retryStrategy: {limit: 5, expression: "asInt(lastRetry.exitCode) > 1 || asInt(retries) < 2"}
  container: {image: x}`, map[string]attempt.Outcome{"wf(0)": attempt.Failed, "wf(1)": attempt.Failed, "wf(2)": attempt.Failed}},
	{"template failFast starts no child after a failed one", `
- name: main
  failFast: true
  parallelism: 1
  dag:
    tasks:
    - {name: a, template: pod, withItems: [1, 2, 3]}
    - {name: b, template: pod}`, map[string]attempt.Outcome{"wf.a(0:1)": attempt.Failed}},
	{"an omitted leaf inherits the error above it", `
- name: main
  dag:
    failFast: false
    tasks:
    - {name: a, template: pod}
    - {name: b, template: pod, depends: a.Succeeded}
    - {name: c, template: pod, depends: b.Succeeded}`, map[string]attempt.Outcome{"wf.a": attempt.Error}},
	{"an omitted leaf below a success does not fail", `
- name: main
  dag:
    tasks:
    - {name: a, template: pod}
    - {name: b, template: pod, depends: a.Failed}`, nil},
}

func TestFlows(t *testing.T) {
	for _, flow := range flows {
		t.Run(flow.name, func(t *testing.T) {
			w := newWorld(t, compile(t, wf("templates:"+flow.spec+"\n"+strings.Trim(pods, "\n"))))
			w.result = func(spec attempt.Spec) attempt.Result {
				switch flow.ends[spec.Key.Node] {
				case attempt.Failed:
					return failed()
				case attempt.Error:
					return attempt.Result{Outcome: attempt.Error, Message: "no such command"}
				}
				r := succeeded()
				r.Parameters = map[string]string{"o": "0.97"}
				return r
			}
			w.play(first)
			golden(t, flow.name, w.tree()+"\n")
		})
	}
}

// golden compares with testdata/NAME.txt.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", strings.ReplaceAll(name, " ", "-")+".txt")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
