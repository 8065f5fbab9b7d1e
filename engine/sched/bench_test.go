package sched

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/pawl-dev/pawl/engine/attempt"
	"github.com/pawl-dev/pawl/engine/plan"
)

// fanOut is one loop of n items.
func fanOut(tb testing.TB, n int) *plan.Plan {
	return compile(tb, wf(fmt.Sprintf(`
templates:
- name: main
  dag:
    tasks:
    - name: loop
      template: pod
      withSequence: {count: %d}
      arguments: {parameters: [{name: p, value: "{{item}}"}]}
    - {name: after, template: pod, dependencies: [loop], arguments: {parameters: [{name: p, value: x}]}}
- name: pod
  inputs: {parameters: [{name: p}]}
  container: {image: x, command: [echo, "{{inputs.parameters.p}}"]}
`, n)))
}

// chain is n tasks, each after the other.
func chain(tb testing.TB, n int) *plan.Plan {
	var b strings.Builder
	b.WriteString("templates:\n- name: pod\n  container: {image: x, command: [echo]}\n- name: main\n  dag:\n    tasks:\n    - {name: t0, template: pod}\n")
	for i := 1; i < n; i++ {
		fmt.Fprintf(&b, "    - {name: t%d, template: pod, dependencies: [t%d]}\n", i, i-1)
	}
	return compile(tb, wf(b.String()))
}

// list is a loop over a JSON list of n maps, whose condition is decided item by
// item.
func list(tb testing.TB, n int) *plan.Plan {
	var items []string
	for i := range n {
		items = append(items, fmt.Sprintf(`{"name":"model-%d","rate":%d}`, i, i))
	}
	return compile(tb, wf(`
arguments: {parameters: [{name: list}]}
templates:
- name: main
  dag:
    tasks:
    - name: loop
      template: pod
      withParam: "{{workflow.parameters.list}}"
      when: "{{item.rate}} >= 0"
      arguments: {parameters: [{name: p, value: "{{item.name}}"}]}
    - {name: after, template: pod, depends: loop.AnySucceeded, arguments: {parameters: [{name: p, value: x}]}}
- name: pod
  inputs: {parameters: [{name: p}]}
  container: {image: x, command: [echo, "{{inputs.parameters.p}}"]}
`), plan.Parameter{Name: "list", Value: "[" + strings.Join(items, ",") + "]"})
}

// nested is a loop of n items, each a dag with a loop of n items.
func nested(tb testing.TB, n int) *plan.Plan {
	return compile(tb, wf(fmt.Sprintf(`
templates:
- name: main
  steps:
  - - {name: outer, template: inner, withSequence: {count: %d}}
- name: inner
  dag:
    tasks:
    - {name: loop, template: pod, withSequence: {count: %d}}
    - {name: after, template: pod, dependencies: [loop]}
- name: pod
  container: {image: x, command: [echo]}
`, n, n)))
}

// layers are n layers of n tasks, each of which depends on all of the layer
// before, by dependencies or by a condition.
func layers(tb testing.TB, n int, depends bool) *plan.Plan {
	var b strings.Builder
	b.WriteString("templates:\n- name: pod\n  container: {image: x, command: [echo]}\n- name: main\n  dag:\n    tasks:\n")
	for l := range n {
		var before []string
		for i := range n {
			before = append(before, fmt.Sprintf("t%d-%d", l-1, i))
		}
		for i := range n {
			needs := ""
			switch {
			case l > 0 && depends:
				needs = `, depends: "` + strings.Join(before, " && ") + `"`
			case l > 0:
				needs = ", dependencies: [" + strings.Join(before, ", ") + "]"
			}
			fmt.Fprintf(&b, "    - {name: t%d-%d, template: pod%s}\n", l, i, needs)
		}
	}
	return compile(tb, wf(b.String()))
}

// back is a chain of n tasks, each of which reads an output of the first.
func back(tb testing.TB, n int) *plan.Plan {
	var b strings.Builder
	b.WriteString("templates:\n- name: pod\n  inputs: {parameters: [{name: p, value: x}]}\n  container: {image: x, command: [echo]}\n- name: main\n  dag:\n    tasks:\n    - {name: t0, template: pod}\n")
	for i := 1; i < n; i++ {
		fmt.Fprintf(&b, "    - {name: t%d, template: pod, dependencies: [t%d], arguments: {parameters: [{name: p, value: \"{{tasks.t0.status}}\"}]}}\n", i, i-1)
	}
	return compile(tb, wf(b.String()))
}

// benchmark runs a plan to its end, b.N times, and reports the cost of one event.
func benchmark(b *testing.B, p *plan.Plan) {
	b.ReportAllocs()
	events, bytesPerNode := 0, 0.0
	for b.Loop() {
		var before, after runtime.MemStats
		b.StopTimer()
		runtime.GC()
		runtime.ReadMemStats(&before)
		b.StartTimer()
		s := New(p)
		var queue []attempt.Key
		now := epoch
		take := func(commands []Command) {
			for _, c := range commands {
				if c.Kind == StartAttempt {
					queue = append(queue, c.Spec.Key)
				}
			}
		}
		take(s.Step(Event{Kind: RunStarted, Time: now}))
		for len(queue) > 0 {
			key := queue[0]
			queue = queue[1:]
			now = now.Add(time.Millisecond)
			r := succeeded()
			take(s.Step(Event{Kind: AttemptEnded, Time: now, Node: key.Node, Attempt: key.Attempt, Result: &r}))
			events++
		}
		if s.Phase() != Succeeded {
			b.Fatalf("the run is %s: %s", s.Phase(), s.Message())
		}
		b.StopTimer()
		queue = nil
		runtime.GC()
		runtime.ReadMemStats(&after)
		bytesPerNode = float64(after.HeapAlloc-before.HeapAlloc) / float64(s.Len())
		runtime.KeepAlive(s)
		b.StartTimer()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(events), "ns/event")
	b.ReportMetric(bytesPerNode, "bytes/node")
}

func BenchmarkFanOut10k(b *testing.B)  { benchmark(b, fanOut(b, 10_000)) }
func BenchmarkFanOut100k(b *testing.B) { benchmark(b, fanOut(b, 100_000)) }
func BenchmarkChain10k(b *testing.B)   { benchmark(b, chain(b, 10_000)) }
func BenchmarkChain100k(b *testing.B)  { benchmark(b, chain(b, 100_000)) }
func BenchmarkList5k(b *testing.B)     { benchmark(b, list(b, 5_000)) }
func BenchmarkList50k(b *testing.B)    { benchmark(b, list(b, 50_000)) }
func BenchmarkNested100(b *testing.B)  { benchmark(b, nested(b, 100)) }
func BenchmarkNested300(b *testing.B)  { benchmark(b, nested(b, 300)) }

// In these an event costs what a task has dependents.
func BenchmarkLayers30(b *testing.B)   { benchmark(b, layers(b, 30, false)) }
func BenchmarkLayers100(b *testing.B)  { benchmark(b, layers(b, 100, false)) }
func BenchmarkDepends100(b *testing.B) { benchmark(b, layers(b, 100, true)) }

func BenchmarkCompileBack1k(b *testing.B)  { benchmarkCompile(b, 1_000) }
func BenchmarkCompileBack10k(b *testing.B) { benchmarkCompile(b, 10_000) }

// benchmarkCompile compiles a workflow whose tags refer far back.
func benchmarkCompile(b *testing.B, n int) {
	for b.Loop() {
		back(b, n)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n*b.N), "ns/task")
}
