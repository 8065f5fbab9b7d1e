package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawl-dev/pawl/engine/sched"
)

// crashing are workflows that together go through every kind of event and
// command.
var crashing = []struct {
	name, spec string
	// stop asks for a shutdown that long after the beginning.
	stop time.Duration
	how  sched.Shutdown
}{
	{name: "retries with back-off", spec: `
templates:
- name: main
  retryStrategy: {limit: "3", backoff: {duration: "10s", factor: "2"}}
  container:
    image: x
    command: [x]
    env: [{name: FAKE_FAILURES, value: "2"}]
`},
	{name: "a loop over outputs and a fan-in", spec: `
templates:
- name: main
  steps:
  - - {name: list, template: list}
  - - name: each
      template: each
      withParam: "{{steps.list.outputs.result}}"
      arguments: {parameters: [{name: k, value: "{{item}}"}]}
  - - name: sum
      template: sum
      arguments: {parameters: [{name: all, value: "{{steps.each.outputs.result}}"}]}
- name: list
  script: {image: x, command: [x], source: x, env: [{name: FAKE_PRINT, value: '[1,2,3]'}]}
- name: each
  inputs: {parameters: [{name: k}]}
  script: {image: x, command: [x], source: x, env: [{name: FAKE_PRINT, value: 'n{{inputs.parameters.k}}'}, {name: FAKE_DURATION, value: "1s"}]}
- name: sum
  inputs: {parameters: [{name: all}]}
  script: {image: x, command: [x], source: x, env: [{name: FAKE_PRINT, value: '{{inputs.parameters.all}}'}]}
`},
	{name: "a failure, what depends on it, and an exit handler", spec: `
onExit: bye
templates:
- name: main
  dag:
    tasks:
    - {name: a, template: bad}
    - {name: b, template: good}
    - {name: c, template: good, depends: "a.Failed && b"}
    - {name: d, template: good, depends: a}
` + pod("bad", "FAKE_EXIT=3", "FAKE_DURATION=2s") + pod("good", "FAKE_DURATION=1s") + pod("bye", "FAKE_DURATION=1s")},
	{name: "a deadline that passes", spec: `
activeDeadlineSeconds: 5
parallelism: 2
templates:
- name: main
  dag:
    tasks:
    - {name: quick, template: quick}
    - {name: slow, template: slow}
    - {name: stubborn, template: stubborn, dependencies: [quick]}
` + pod("quick", "FAKE_DURATION=1s") + pod("slow", "FAKE_BLOCK=1") + pod("stubborn", "FAKE_BLOCK=1", "FAKE_IGNORE_TERM=1")},
	{name: "a stop, which runs the exit handler", stop: 3 * time.Second, how: sched.Stop, spec: `
onExit: bye
templates:
- name: main
  steps:
  - - {name: a, template: quick}
  - - {name: b, template: slow}
    - {name: c, template: slow}
  - - {name: d, template: quick}
` + pod("quick", "FAKE_DURATION=1s") + pod("slow", "FAKE_BLOCK=1") + pod("bye")},
}

// TestACrashAfterAnyRecordChangesNothing kills the engine around every Append,
// starts another one on what is left, and compares what comes out.
func TestACrashAfterAnyRecordChangesNothing(t *testing.T) {
	for _, c := range crashing {
		t.Run(c.name, func(t *testing.T) {
			want, appends := crashOnce(t, c.spec, c.stop, c.how, 0, false)
			if appends < 3 {
				t.Fatalf("only %d appends", appends)
			}
			for n := 1; n <= appends; n++ {
				for _, before := range []bool{true, false} {
					got, _ := crashOnce(t, c.spec, c.stop, c.how, n, before)
					if got != want {
						t.Fatalf("after a crash around append %d (before it was written: %t)\ngot:\n%s\nwant:\n%s", n, before, got, want)
					}
				}
			}
		})
	}
}

// crashOnce runs a workflow with one crash at the n-th Append (0: none), and
// returns what came of it and how many Appends there were.
func crashOnce(t *testing.T, spec string, stop time.Duration, how sched.Shutdown, n int, before bool) (got string, appends int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		st := w.openStore()
		uid := submit(t, w.engine(st), "r", workflow(spec))
		m := &mortal{Store: st, left: n, before: before}
		end := time.Now().Add(stop)
		for life := 0; life == 0 || m.dead && life == 1; life++ {
			ctx, cancel := context.WithCancel(t.Context())
			if life == 0 {
				m.kill = cancel
			} else {
				m = &mortal{Store: st, dead: false, left: 0, kill: cancel}
			}
			live(ctx, t, w.engine(m), uid, end, how)
			cancel()
		}
		appends = -m.left
		got = outcome(t, st, uid)
		synctest.Wait()
		w.checkMachine()
	})
	return got, appends
}

// live is the life of one engine with one run, until the run or ctx ends.
func live(ctx context.Context, t *testing.T, e *Engine, uid string, end time.Time, how sched.Shutdown) {
	run, err := e.Load(ctx, uid)
	if err != nil {
		t.Error(err)
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	if how != "" {
		wg.Go(func() {
			select {
			case <-time.After(time.Until(end)):
			case <-ctx.Done():
				return
			}
			err := e.Shutdown(ctx, uid, how, "a test")
			if err != nil && ctx.Err() == nil && !errors.Is(err, ErrNotCarried) {
				t.Error(err)
			}
		})
	}
	if _, err := e.Carry(ctx, run); err != nil && ctx.Err() == nil {
		t.Error(fmt.Errorf("carrying: %w", err))
	}
}
