package sched

import (
	"github.com/pawl-dev/pawl/engine/expr"
	"github.com/pawl-dev/pawl/engine/plan"
)

// startDAG makes the tasks ready that need no other.
func (s *State) startDAG(n *node, f *frame) {
	f.waiting = make([]int32, len(n.tmpl.Tasks))
	for i, t := range n.tmpl.Tasks {
		f.waiting[i] = int32(len(t.Needs))
		if t.Wanted {
			f.total++
		}
	}
	for _, t := range n.tmpl.Tasks {
		if t.Wanted && len(t.Needs) == 0 {
			s.ready(n, f, t)
		}
	}
}

// ready decides a task whose needs are all over.
func (s *State) ready(n *node, f *frame, t *plan.Task) {
	name := n.name + "." + t.Name
	if t.Depends != nil {
		run, err := t.Depends.Eval(func(task string) expr.TaskResult { return s.taskResult(n, f, t, task) })
		switch {
		case err != nil:
			s.notRun(n, f, t, name, Errored, err.Error())
			return
		case !run:
			s.notRun(n, f, t, name, Omitted, "omitted: depends condition not met")
			return
		}
	}
	if f.closed {
		return
	}
	sc := &scope{s: s, self: n}
	ok, perItem, message, err := s.when(t, sc)
	switch {
	case err != nil:
		s.notRun(n, f, t, name, Errored, err.Error())
	case !ok:
		s.notRun(n, f, t, name, Skipped, message)
	case t.Loop != nil:
		s.readyLoop(n, f, t, sc, perItem)
	default:
		in, err := s.bind(t, sc)
		if err != nil {
			s.notRun(n, f, t, name, Errored, err.Error())
			return
		}
		s.offer(call{owner: n.index, task: t, in: in, item: none})
	}
}

// notRun makes the node of a task that does not run.
func (s *State) notRun(n *node, f *frame, t *plan.Task, name string, phase Phase, message string) {
	skipped := s.add(kindSkipped, name, n.index, n.index, t, nil, none)
	s.begun(n, skipped, nil)
	s.finish(skipped, phase, message)
}

// readyLoop expands a loop and offers its items.
func (s *State) readyLoop(n *node, f *frame, t *plan.Task, sc *scope, perItem bool) {
	name := n.name + "." + t.Name
	items, err := t.Loop.Expand(sc)
	if err != nil {
		s.notRun(n, f, t, name, Errored, sc.explain(err).Error())
		return
	}
	l := s.newLoop(f, t, items)
	if len(items) == 0 {
		s.notRun(n, f, t, name, Skipped, "Skipped, empty params")
		return
	}
	tg := s.add(kindTaskGroup, name, n.index, n.index, t, nil, none)
	tg.body = l
	s.begun(n, tg, nil)
	for i := range items {
		s.offerItem(tg, t, l, sc, i, perItem)
	}
}

// newLoop registers an expanded loop with its frame.
func (s *State) newLoop(f *frame, t *plan.Task, items []plan.Item) *loop {
	l := &loop{items: items, nodes: make([]int32, len(items))}
	l.total = int32(len(items))
	for i := range l.nodes {
		l.nodes[i] = none
	}
	if f.loops == nil {
		f.loops = map[int32]*loop{}
	}
	f.loops[int32(t.Index)] = l
	return l
}

// offerItem decides and offers one item of a TaskGroup.
func (s *State) offerItem(tg *node, t *plan.Task, l *loop, sc *scope, i int, perItem bool) {
	item := scope{s: s, self: sc.self, item: &l.items[i]}
	phase, message := Phase(""), ""
	if perItem {
		ok, why, err := s.whenItem(t, &item)
		if err != nil {
			phase, message = Errored, err.Error()
		} else if !ok {
			phase, message = Skipped, why
		}
	}
	var in *inputs
	if phase == "" {
		var err error
		if in, err = s.bind(t, &item); err != nil {
			phase, message = Errored, err.Error()
		}
	}
	c := call{owner: tg.index, task: t, in: in, item: int32(i)}
	if phase == "" {
		s.offer(c)
		return
	}
	name, _ := s.callName(c)
	n := s.add(kindSkipped, name, tg.index, tg.boundary, t, nil, int32(i))
	s.begun(tg, n, l)
	s.finish(n, phase, message)
}

// linkTask makes a task's node follow those of its needs in the graph.
func (s *State) linkTask(dag *node, f *frame, n *node) {
	if len(n.task.Needs) == 0 {
		s.link(dag.index, n)
		return
	}
	for _, need := range n.task.Needs {
		if i := f.nodes[need.Index]; i != none {
			for _, out := range s.outbound(nil, i) {
				s.link(out, n)
			}
		}
	}
}

// taskEnded goes on after a task is over.
func (s *State) taskEnded(dag *node, f *frame, n *node) {
	f.ended++
	doomed := s.dooms(dag, f, n)
	if doomed {
		// Dependents are still decided, so that those that can never run are
		// named as omitted; but nothing begins.
		f.failedTask, f.closed = n.index, true
	}
	for _, d := range n.task.Dependents {
		f.waiting[d.Index]--
		if f.waiting[d.Index] == 0 && d.Wanted && !dag.phase.Fulfilled() {
			s.ready(dag, f, d)
		}
	}
	if doomed {
		s.closeFrame(dag, f)
	}
	s.checkDAG(dag, f)
}

// dooms reports whether a task's end closes the DAG: it failed, failFast is on,
// and no task that depends on it can put up with that.
func (s *State) dooms(dag *node, f *frame, n *node) bool {
	if f.closed || !dag.tmpl.StopOnFailure || !n.phase.bad() || n.task.ContinuesOn(n.phase == Failed, n.phase == Errored) {
		return false
	}
	for _, d := range n.task.Dependents {
		if d.Wanted && d.Depends.Rescues(n.task.Name) {
			return false
		}
	}
	return true
}

// checkDAG ends a DAG whose tasks are over.
func (s *State) checkDAG(n *node, f *frame) {
	if n.phase.Fulfilled() || !f.over() {
		return
	}
	if f.failed {
		s.finish(n, Failed, failFastMessage)
		return
	}
	phase := s.assess(n, f)
	if phase == Succeeded && !f.whole() {
		phase = Failed
		if f.failedTask != none {
			phase = s.nodes[f.failedTask].phase
		}
	}
	if phase != Succeeded {
		s.finish(n, phase, "")
		return
	}
	s.finishWithOutputs(n)
}

const failFastMessage = "template has failed or errored children and failFast enabled"

// assess is the phase of a DAG by Argo's rule: the first target in the order of
// names that failed gives it; a target that was omitted has failed if what it
// waited for has.
func (s *State) assess(n *node, f *frame) Phase {
	branches := s.branches(n, f)
	for _, i := range n.tmpl.Targets {
		if f.nodes[i] == none {
			continue
		}
		phase := s.nodes[f.nodes[i]].phase
		if phase == Omitted {
			phase = branches[i].worst()
		}
		if phase.bad() && !n.tmpl.Tasks[i].ContinuesOn(phase == Failed, phase == Errored) {
			return phase
		}
	}
	return Succeeded
}

// branch is the set of phases that reach a task from those it needs.
type branch uint8

const (
	branchSucceeded branch = 1 << iota
	branchFailed
	branchErrored
)

func (b branch) worst() Phase {
	switch {
	case b&branchFailed != 0:
		return Failed
	case b&branchErrored != 0:
		return Errored
	}
	return Omitted
}

func branchOf(p Phase) branch {
	switch p {
	case Failed:
		return branchFailed
	case Errored:
		return branchErrored
	case Succeeded:
		return branchSucceeded
	}
	return 0
}

// branches walks the tasks in an order in which needs come first. Skipped and
// omitted tasks hand on what reached them.
func (s *State) branches(n *node, f *frame) []branch {
	tasks := n.tmpl.Tasks
	in, out := make([]branch, len(tasks)), make([]branch, len(tasks))
	waiting := make([]int32, len(tasks))
	var queue []*plan.Task
	for i, t := range tasks {
		waiting[i] = int32(len(t.Needs))
		if waiting[i] == 0 {
			queue = append(queue, t)
		}
	}
	for len(queue) > 0 {
		t := queue[0]
		queue = queue[1:]
		for _, need := range t.Needs {
			in[t.Index] |= out[need.Index]
		}
		out[t.Index] = in[t.Index]
		if i := f.nodes[t.Index]; i != none {
			if b := branchOf(s.nodes[i].phase); b != 0 {
				out[t.Index] = b
			}
		}
		for _, d := range t.Dependents {
			if waiting[d.Index]--; waiting[d.Index] == 0 {
				queue = append(queue, d)
			}
		}
	}
	return in
}

// taskResult is what depends may ask of a task that is over.
func (s *State) taskResult(n *node, f *frame, asker *plan.Task, task string) expr.TaskResult {
	t := n.tmpl.Task(task)
	if t == nil || f.nodes[t.Index] == none {
		return expr.TaskResult{}
	}
	tn := s.nodes[f.nodes[t.Index]]
	r := expr.TaskResult{
		Succeeded: tn.phase == Succeeded, Failed: tn.phase == Failed, Errored: tn.phase == Errored,
		Skipped: tn.phase == Skipped, Omitted: tn.phase == Omitted,
	}
	if tn.kind == kindTaskGroup && asker.Depends.AsksItems() {
		r.AnySucceeded, r.AllFailed = s.anyAll(tn)
	}
	return r
}

// anyAll looks at the items of a TaskGroup.
func (s *State) anyAll(tg *node) (anySucceeded, allFailed bool) {
	allFailed = len(tg.children) > 0
	for _, c := range tg.children {
		anySucceeded = anySucceeded || s.nodes[c].phase == Succeeded
		allFailed = allFailed && s.nodes[c].phase == Failed
	}
	return anySucceeded, allFailed
}
