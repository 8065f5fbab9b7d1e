package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/pawl-dev/pawl/engine"
	"github.com/pawl-dev/pawl/engine/sched"
	"github.com/pawl-dev/pawl/server"
	"github.com/pawl-dev/pawl/store"
)

// runView shows a run of this process as it goes: on a terminal a live tree,
// drawn from the index a few times a second; elsewhere a line for each node that
// begins or ends, as it does. With -o it shows nothing.
type runView struct {
	quiet bool
	out   io.Writer
	data  string // folder
	store *store.Store
	live  bool

	mu   sync.Mutex // of said, which the run's loop writes
	said map[string]sched.Phase
	next int // nodes before it are all over and said
}

func newRunView(g *globals, data string, st *store.Store) *runView {
	return &runView{quiet: g.output != "", out: g.out, data: data, store: st, live: isTerminal(g.out), said: map[string]sched.Phase{}}
}

// begin draws until the returned function is called.
func (v *runView) begin(ctx context.Context, run engine.Run) (stop func()) {
	if v.quiet || !v.live {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var done sync.WaitGroup
	p := newProgress(v.out)
	draw := func() {
		row, err := v.store.RunByUID(ctx, run.UID)
		if err != nil {
			return
		}
		if d, err := server.Detail(ctx, v.store, row); err == nil {
			server.LastLogs(v.data, d)
			p.show(d)
		}
	}
	done.Go(func() {
		tick := time.NewTicker(250 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				draw()
			case <-ctx.Done():
				return
			}
		}
	})
	return func() {
		cancel()
		done.Wait()
		ctx = context.WithoutCancel(ctx)
		draw()
	}
}

// changed prints a line for each pod that has begun or ended.
func (v *runView) changed(_ engine.Run, s *sched.State, live map[string]engine.Live) {
	if v.quiet || v.live {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	settled := true
	for i := v.next; i < s.Len(); i++ {
		n := s.Node(i)
		phase := n.Phase
		if n.Type == sched.TypePod && phase == sched.Running && !live[n.Name].Running {
			phase = sched.Pending
		}
		if v.said[n.Name] != phase {
			v.said[n.Name] = phase
			if line := stepLine(n, phase); line != "" {
				fmt.Fprintln(v.out, line)
			}
		}
		if !phase.Fulfilled() {
			settled = false
		} else if settled {
			v.next = i + 1
			delete(v.said, n.Name)
		}
	}
}
