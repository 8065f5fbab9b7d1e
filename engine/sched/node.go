package sched

import (
	"slices"
	"strconv"
	"time"

	"github.com/pawl-dev/pawl/engine/plan"
)

// none is no node, no item.
const none = int32(-1)

type kind uint8

const (
	kindPod kind = iota
	kindSteps
	kindStepGroup
	kindDAG
	kindTaskGroup
	kindRetry
	kindSkipped
)

// node is one node of the run. Its size counts: runs have 100,000 of them.
type node struct {
	name    string
	phase   Phase
	message string

	task *plan.Task
	tmpl *plan.Template // nil for groups and what never ran
	in   *inputs
	out  *Outputs
	body any // *frame, *group, *loop, *retry; nil for pods and when over

	started, finished int64
	children          []int32
	outbound          []int32 // Steps, DAG: how the graph goes on, once over

	index, parent, boundary int32
	item                    int32 // index in the loop it belongs to
	attempt                 int32 // number of the attempt that runs or ran last
	kind                    kind
	lost                    uint8

	counted  bool // its attempt counts among State.pods
	slot     bool // it counts among the active children of its frame
	stopping bool // it was asked to stop; message says why
	changed  bool
}

// inputs are the bound inputs of a node, by index of the template's.
type inputs struct {
	parameters []string
	artifacts  []Artifact // a zero Artifact: an optional one that is not there
}

// counts tells when all children of a node are over. A closed one begins no
// more of them.
type counts struct {
	total, begun, ended int32
	closed              bool
}

func (c *counts) over() bool { return c.ended == c.total || c.closed && c.begun == c.ended }

// whole reports whether no child was left out.
func (c *counts) whole() bool { return c.begun == c.total }

// frame is what a steps or dag node keeps while it runs: the scope of its tasks.
type frame struct {
	counts
	nodes   []int32         // by task: its node, none before
	waiting []int32         // DAG: needs that are not over, by task
	loops   map[int32]*loop // by task
	depth   int32
	// Steps: the group that runs, and its node.
	group, groupNode int32

	active     int32  // children that hold a slot
	queue      []call // wait for one
	failed     bool   // template failFast: a child has failed
	failedTask int32  // DAG: the node whose failure closed the frame
	exempt     bool   // part of the exit handler: Stop and deadline do not reach it
}

// group is what a step group keeps while it runs.
type group struct{ counts }

// loop is a loop that was expanded.
type loop struct {
	counts
	items []plan.Item
	nodes []int32
	// lists are aggregated outputs, made when first read.
	lists map[string]string
}

func (s *State) add(k kind, name string, parent, boundary int32, task *plan.Task, in *inputs, item int32) *node {
	n := &node{kind: k, name: name, phase: Running, index: int32(len(s.nodes)), parent: parent, boundary: boundary,
		task: task, in: in, item: item, started: s.now.UnixNano()}
	if k != kindStepGroup && k != kindTaskGroup && k != kindSkipped && task != nil {
		n.tmpl = task.Template
	}
	s.nodes = append(s.nodes, n)
	s.mark(n)
	return n
}

// mark notes that a node changed since Changed was last asked.
func (s *State) mark(n *node) {
	if !n.changed {
		n.changed = true
		s.changed = append(s.changed, n.index)
	}
}

// link makes child follow parent in the graph that people see.
func (s *State) link(parent int32, child *node) {
	p := s.nodes[parent]
	p.children = append(p.children, child.index)
	s.mark(p)
}

// finish ends a node. Its parent is told by settle.
func (s *State) finish(n *node, phase Phase, message string) {
	if n.phase.Fulfilled() {
		return
	}
	n.phase, n.message, n.finished = phase, message, s.now.UnixNano()
	for _, last := range s.lastNodes(n) {
		n.outbound = s.outbound(n.outbound, last)
	}
	n.body = nil
	delete(s.running, n.name)
	s.mark(n)
	s.ended = append(s.ended, n.index)
}

// frameOf is the frame that a node's task belongs to; nil at the top.
func (s *State) frameOf(boundary int32) *frame {
	if boundary == none {
		return nil
	}
	f, _ := s.nodes[boundary].body.(*frame)
	return f
}

// exempt reports whether a node is the exit handler or part of it.
func (s *State) exempt(n *node) bool {
	if f := s.frameOf(n.boundary); f != nil {
		return f.exempt
	}
	return s.exit != none && n.index >= s.exit
}

// outbound lists the nodes by which the graph goes on behind a node.
func (s *State) outbound(list []int32, i int32) []int32 {
	n := s.nodes[i]
	switch n.kind {
	case kindRetry:
		if len(n.children) > 0 {
			return s.outbound(list, n.children[len(n.children)-1])
		}
	case kindTaskGroup:
		if len(n.children) > 0 {
			for _, c := range n.children {
				list = s.outbound(list, c)
			}
			return list
		}
	case kindSteps, kindDAG:
		if len(n.outbound) > 0 {
			return append(list, n.outbound...)
		}
	}
	return append(list, i)
}

// lastNodes are the nodes that a steps or dag node ends with: the children of
// its last group, or its targets.
func (s *State) lastNodes(n *node) []int32 {
	f, _ := n.body.(*frame)
	if f == nil {
		return nil
	}
	if n.kind == kindDAG {
		var last []int32
		for _, t := range n.tmpl.Targets {
			if f.nodes[t] != none {
				last = append(last, f.nodes[t])
			}
		}
		return last
	}
	if f.groupNode == none {
		return nil
	}
	return s.nodes[f.groupNode].children
}

func (s *State) runningInOrder() []int32 {
	list := make([]int32, 0, len(s.running))
	for _, i := range s.running {
		list = append(list, i)
	}
	slices.Sort(list)
	return list
}

func (n *node) outputs() Outputs {
	if n.out == nil {
		return Outputs{}
	}
	return *n.out
}

func (s *State) stoppedMessage() string { return "Stopped with strategy '" + string(s.shutdown) + "'" }

func index(i int) string { return "(" + strconv.Itoa(i) + ")" }

func fromNano(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}
