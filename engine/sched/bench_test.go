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
