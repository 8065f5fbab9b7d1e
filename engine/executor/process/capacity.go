package process

import (
	"context"
	"sync"

	"github.com/pawl-dev/pawl/engine/attempt"
)

// need is what an attempt takes of the machine.
type need struct {
	MilliCPU int64 `json:"milliCPU"`
	Memory   int64 `json:"memory,omitempty"`
	GPUs     []int `json:"gpus,omitempty"` // which ones, once granted
	gpus     int   // how many
}

// defaultMilliCPU is what an attempt takes that does not say.
const defaultMilliCPU = 1000

// capacity hands out the machine to attempts, first come, first served. Nobody
// overtakes one that waits, but for this: who asks for no GPU need not wait
// behind one that waits for nothing but GPUs.
type capacity struct {
	mu       sync.Mutex
	milliCPU int64 // of the machine
	memory   int64
	usedCPU  int64
	usedMem  int64
	gpus     []bool // taken
	waiting  []*waiter
}

type waiter struct {
	need    need
	granted chan struct{}
}

func newCapacity(cores, gpus int, memory int64) *capacity {
	return &capacity{milliCPU: int64(cores) * 1000, memory: memory, gpus: make([]bool, gpus)}
}

// needOf clamps what r asks to what the machine has, so that an attempt that
// asks for more than that runs alone instead of never.
func (c *capacity) needOf(r attempt.Resources) need {
	n := need{MilliCPU: r.MilliCPU, Memory: r.Memory, gpus: int(r.GPUs)}
	if n.MilliCPU == 0 {
		n.MilliCPU = defaultMilliCPU
	}
	n.MilliCPU = min(n.MilliCPU, c.milliCPU)
	n.Memory = min(n.Memory, c.memory)
	return n
}

// acquire waits for room and returns n with its GPUs chosen.
func (c *capacity) acquire(ctx context.Context, n need) (need, error) {
	w := &waiter{need: n, granted: make(chan struct{})}
	c.mu.Lock()
	c.waiting = append(c.waiting, w)
	c.grant()
	c.mu.Unlock()
	select {
	case <-w.granted:
		return w.need, nil
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, other := range c.waiting {
		if other == w {
			c.waiting = append(c.waiting[:i], c.waiting[i+1:]...)
			c.grant() // it may have been in somebody's way
			return need{}, context.Cause(ctx)
		}
	}
	c.give(w.need, -1) // granted in the meantime
	c.grant()
	return need{}, context.Cause(ctx)
}

// adopt takes what a running attempt has already, room or not.
func (c *capacity) adopt(n need) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.give(n, 1)
}

func (c *capacity) release(n need) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.give(n, -1)
	c.grant()
}

// give books n (sign 1) or takes it back (sign -1).
func (c *capacity) give(n need, sign int64) {
	c.usedCPU += sign * n.MilliCPU
	c.usedMem += sign * n.Memory
	for _, g := range n.GPUs {
		if g < len(c.gpus) {
			c.gpus[g] = sign > 0
		}
	}
}

// grant lets in who fits. It is called with c.mu held.
func (c *capacity) grant() {
	onlyWithoutGPUs := false
	kept := c.waiting[:0]
	for i, w := range c.waiting {
		if onlyWithoutGPUs && w.need.gpus > 0 {
			kept = append(kept, w)
			continue
		}
		free := c.freeGPUs()
		switch {
		case c.usedCPU+w.need.MilliCPU > c.milliCPU || c.usedMem+w.need.Memory > c.memory:
			c.waiting = append(kept, c.waiting[i:]...)
			return
		case w.need.gpus > len(free):
			onlyWithoutGPUs = true
			kept = append(kept, w)
		default:
			w.need.GPUs = free[:w.need.gpus]
			c.give(w.need, 1)
			close(w.granted)
		}
	}
	c.waiting = kept
}

func (c *capacity) freeGPUs() []int {
	var free []int
	for g, taken := range c.gpus {
		if !taken {
			free = append(free, g)
		}
	}
	return free
}
