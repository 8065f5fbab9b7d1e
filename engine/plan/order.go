package plan

// order remembers what comes after a task of a dag, for those that tags name.
type order struct {
	after map[*Task][]bool // by Task.Index
	size  int
}

// orderSize bounds what an order remembers, in tasks.
const orderSize = 1 << 26

// before reports whether task a of t is over whenever b begins. A tag mostly
// names a task that is near, or one of few that many name: both are quick, so
// that a dag of many tasks costs little more for each of them.
func (c *compiler) before(t *Template, a, b *Task) bool {
	if t.Type == Steps {
		return a.Group < b.Group
	}
	if near, all := reaches(b, a, 64); near || all {
		return near
	}
	after, ok := c.order.after[a]
	if !ok {
		after = afterTask(t, a)
		if c.order.size += len(after); c.order.after == nil || c.order.size > orderSize {
			c.order = order{after: map[*Task][]bool{}, size: len(after)}
		}
		c.order.after[a] = after
	}
	return after[b.Index]
}

// reaches looks for a among the tasks that b needs, directly or not, but no
// further than steps tasks; all says that it has seen every one.
func reaches(b, a *Task, steps int) (found, all bool) {
	seen := map[*Task]bool{b: true}
	queue := []*Task{b}
	for len(queue) > 0 {
		for _, n := range queue[0].Needs {
			switch {
			case n == a:
				return true, true
			case !seen[n]:
				if len(seen) == steps {
					return false, false
				}
				seen[n] = true
				queue = append(queue, n)
			}
		}
		queue = queue[1:]
	}
	return false, true
}

// afterTask marks the tasks that depend on a, directly or not.
func afterTask(t *Template, a *Task) []bool {
	after := make([]bool, len(t.Tasks))
	stack := []*Task{a}
	for len(stack) > 0 {
		x := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		for _, d := range x.Dependents {
			if !after[d.Index] {
				after[d.Index] = true
				stack = append(stack, d)
			}
		}
	}
	return after
}
