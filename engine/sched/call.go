package sched

import (
	"fmt"

	"github.com/pawl-dev/pawl/engine/plan"
)

// call is a task, or one item of its loop, that is ready to begin, with its
// arguments bound; or the next attempt of a Retry node.
type call struct {
	owner   int32 // DAG, TaskGroup, StepGroup, or Retry for an attempt
	task    *plan.Task
	in      *inputs
	item    int32
	attempt bool
}

// maxDepth is how many templates may stand inside one another, Argo's limit.
const maxDepth = 100

const tooDeep = "Maximum recursion depth exceeded. See https://argo-workflows.readthedocs.io/en/latest/scaling/#maximum-recursion-depth"

// boundaryOf is the steps or dag node that a call's node belongs to.
func (s *State) boundaryOf(owner int32) int32 {
	n := s.nodes[owner]
	if n.kind == kindDAG {
		return owner
	}
	return n.boundary
}

// offer begins a call as soon as its template's parallelism has room.
func (s *State) offer(c call) {
	boundary := s.boundaryOf(c.owner)
	f := s.frameOf(boundary)
	if f.closed {
		return
	}
	if limit := s.nodes[boundary].tmpl.Parallelism; limit > 0 && int(f.active) >= limit {
		f.queue = append(f.queue, c)
		return
	}
	f.active++
	s.offerPod(c)
}

// offerPod begins a call that has its slot as soon as the run's parallelism has
// room, in the order of asking. Only pods count there.
func (s *State) offerPod(c call) {
	isPod := c.task.Template.IsPod() && (c.attempt || c.task.Template.Retry == nil)
	if limit := s.plan.Parallelism; isPod && limit > 0 && (s.pods >= limit || len(s.podQueue) > 0) {
		s.podQueue = append(s.podQueue, c)
		return
	}
	s.begin(c)
}

// pumpPods begins calls that wait for the run's parallelism.
func (s *State) pumpPods() {
	for len(s.podQueue) > 0 && s.pods < s.plan.Parallelism {
		c := s.podQueue[0]
		s.podQueue[0] = call{}
		s.podQueue = s.podQueue[1:]
		owner := s.nodes[c.owner]
		f := s.frameOf(s.boundaryOf(c.owner))
		if owner.phase.Fulfilled() || f != nil && f.closed && !c.attempt {
			continue
		}
		s.begin(c)
	}
}

// leaveFrame gives back the slot of an ended node and begins who waits for it.
func (s *State) leaveFrame(n *node) {
	f := s.frameOf(n.boundary)
	if f == nil || !n.slot {
		return
	}
	n.slot = false
	f.active--
	boundary := s.nodes[n.boundary]
	if n.phase.bad() && boundary.tmpl.FailFast && !f.closed {
		f.failed = true
		s.closeFrame(boundary, f)
	}
	for len(f.queue) > 0 && int(f.active) < boundary.tmpl.Parallelism && !f.closed {
		c := f.queue[0]
		f.queue[0] = call{}
		f.queue = f.queue[1:]
		f.active++
		s.offerPod(c)
	}
}

// begin makes the node of a call.
func (s *State) begin(c call) {
	owner := s.nodes[c.owner]
	if c.attempt {
		s.beginAttempt(owner, owner.body.(*retry))
		return
	}
	name, l := s.callName(c)
	n := s.execute(name, c.owner, s.boundaryOf(c.owner), c.task, c.in, c.item)
	n.slot = true
	s.begun(owner, n, l)
}

// callName is the full name of a call's node, and the loop it is an item of.
func (s *State) callName(c call) (string, *loop) {
	owner := s.nodes[c.owner]
	prefix := owner.name
	if owner.kind == kindTaskGroup {
		prefix = s.nodes[owner.boundary].name
	}
	name := prefix + "." + c.task.Name
	if c.item == none {
		return name, nil
	}
	l := s.frameOf(s.boundaryOf(c.owner)).loops[int32(c.task.Index)]
	return name + l.items[c.item].Suffix(int(c.item)), l
}

// begun enters a node in the books of its owner.
func (s *State) begun(owner, n *node, l *loop) {
	f := s.frameOf(n.boundary)
	if l != nil {
		l.nodes[n.item] = n.index
	} else if f != nil {
		f.nodes[n.task.Index] = n.index
	}
	switch body := owner.body.(type) {
	case *frame:
		body.begun++
		s.linkTask(owner, body, n)
	case *loop:
		body.begun++
		s.link(owner.index, n)
	case *group:
		body.begun++
		s.link(owner.index, n)
	}
}

// execute makes a node that runs the task's template.
func (s *State) execute(name string, parent, boundary int32, task *plan.Task, in *inputs, item int32) *node {
	t := task.Template
	if f := s.frameOf(boundary); f != nil && f.depth+1 >= maxDepth {
		n := s.add(kindFor(t), name, parent, boundary, task, in, item)
		s.finish(n, Errored, tooDeep)
		return n
	}
	if t.Retry != nil {
		n := s.add(kindRetry, name, parent, boundary, task, in, item)
		r := &retry{}
		n.body = r
		s.nextAttempt(n)
		return n
	}
	n := s.add(kindFor(t), name, parent, boundary, task, in, item)
	s.run(n)
	return n
}

func kindFor(t *plan.Template) kind {
	switch t.Type {
	case plan.Steps:
		return kindSteps
	case plan.DAG:
		return kindDAG
	}
	return kindPod
}

// run starts a node by its kind.
func (s *State) run(n *node) {
	switch n.kind {
	case kindPod:
		s.startPod(n)
	case kindSteps:
		n.body = s.newFrame(n)
		s.startGroup(n, n.body.(*frame))
	case kindDAG:
		n.body = s.newFrame(n)
		s.startDAG(n, n.body.(*frame))
	}
}

func (s *State) newFrame(n *node) *frame {
	f := &frame{nodes: make([]int32, len(n.tmpl.Tasks)), groupNode: none, failedTask: none, exempt: s.exempt(n)}
	for i := range f.nodes {
		f.nodes[i] = none
	}
	if up := s.frameOf(n.boundary); up != nil {
		f.depth = up.depth + 1
	}
	return f
}

// closeFrame begins nothing new in a steps or dag node; what runs may end.
func (s *State) closeFrame(n *node, f *frame) {
	f.closed, f.queue = true, nil
	for _, i := range f.nodes {
		if i == none || s.nodes[i].phase.Fulfilled() {
			continue
		}
		if l, ok := s.nodes[i].body.(*loop); ok {
			l.closed = true
			s.checkLoop(s.nodes[i], l)
		}
	}
	if n.kind == kindSteps {
		if f.groupNode != none {
			if g, ok := s.nodes[f.groupNode].body.(*group); ok {
				g.closed = true
				s.checkGroup(s.nodes[f.groupNode], g)
			}
		}
		return
	}
	s.checkDAG(n, f)
}

// checkLoop ends a TaskGroup whose items are over.
func (s *State) checkLoop(n *node, l *loop) {
	if !l.over() {
		return
	}
	phase, message := Succeeded, ""
	for _, c := range n.children {
		if child := s.nodes[c]; child.phase.bad() {
			phase = child.phase
		}
	}
	if phase == Succeeded && !l.whole() {
		phase, message = Failed, s.leftOut(l.total-l.begun)
	}
	s.finish(n, phase, message)
}

// leftOut says why children were not begun.
func (s *State) leftOut(n int32) string {
	switch {
	case s.shutdown != "":
		return s.stoppedMessage()
	case s.expired:
		return deadlineMessage
	}
	return fmt.Sprintf("%d items were not started: another task has failed and failFast is set", n)
}
