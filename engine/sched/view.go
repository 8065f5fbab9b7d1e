package sched

import (
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"github.com/pawl-dev/pawl/engine/plan"
)

// NodeType is Argo's word for what a node is.
type NodeType string

// The types of node.
const (
	TypePod       NodeType = "Pod"
	TypeSteps     NodeType = "Steps"
	TypeStepGroup NodeType = "StepGroup"
	TypeDAG       NodeType = "DAG"
	TypeTaskGroup NodeType = "TaskGroup"
	TypeRetry     NodeType = "Retry"
	TypeSkipped   NodeType = "Skipped"
)

// Node is one node of a run as Argo's status.nodes shows it.
type Node struct {
	ID            string    `json:"id"`
	Name          string    `json:"name"`
	DisplayName   string    `json:"displayName"`
	Type          NodeType  `json:"type"`
	TemplateName  string    `json:"templateName,omitempty"`
	TemplateScope string    `json:"templateScope,omitempty"`
	Phase         Phase     `json:"phase"`
	Message       string    `json:"message,omitempty"`
	StartedAt     time.Time `json:"startedAt,omitzero"`
	FinishedAt    time.Time `json:"finishedAt,omitzero"`
	BoundaryID    string    `json:"boundaryID,omitempty"`
	Children      []string  `json:"children,omitempty"`
	OutboundNodes []string  `json:"outboundNodes,omitempty"`
	Inputs        *Inputs   `json:"inputs,omitempty"`
	Outputs       *Outputs  `json:"outputs,omitempty"`

	// Attempt is the number of the attempt that runs or ran last: above 0 after
	// attempts were lost. Pods only.
	Attempt int `json:"attempt,omitempty"`
	// Hooked marks an exit handler, Retried an attempt of a Retry node.
	Hooked  bool `json:"hooked,omitempty"`
	Retried bool `json:"retried,omitempty"`
	// Stopping: the attempt was asked to end.
	Stopping bool `json:"stopping,omitempty"`

	// Parent is the index of the node that waits for this one, -1 at the top:
	// the tree that people see when they do not look at the graph.
	Parent int `json:"-"`
}

// Len is the number of nodes.
func (s *State) Len() int { return len(s.nodes) }

// Nodes are all nodes in the order in which they came to be.
func (s *State) Nodes() []Node {
	list := make([]Node, len(s.nodes))
	for i := range s.nodes {
		list[i] = s.Node(i)
	}
	return list
}

// Changed are the indexes of the nodes that came to be or changed since it was
// last asked.
func (s *State) Changed() []int {
	list := make([]int, len(s.changed))
	for i, k := range s.changed {
		list[i] = int(k)
		s.nodes[k].changed = false
	}
	s.changed = s.changed[:0]
	return list
}

// Node is the node of an index, counted in the order of coming to be.
func (s *State) Node(i int) Node {
	n := s.nodes[i]
	v := Node{
		ID: s.id(n), Name: n.name, DisplayName: s.displayName(n), Type: types[n.kind],
		Phase: n.phase, Message: n.message, StartedAt: fromNano(n.started), FinishedAt: fromNano(n.finished),
		Children: s.ids(n.children), OutboundNodes: s.ids(n.outbound), Outputs: n.out,
		Attempt: int(n.attempt), Stopping: n.stopping && !n.phase.Fulfilled(),
		Hooked: n.index == s.exit, Retried: s.retryOf(n) != nil, Parent: int(n.parent),
	}
	if n.boundary != none {
		v.BoundaryID = s.id(s.nodes[n.boundary])
	}
	if n.task != nil && n.kind != kindStepGroup {
		v.TemplateName, v.TemplateScope = n.task.Template.Name, n.task.Template.Scope
	}
	if n.in != nil && n.tmpl != nil {
		v.Inputs = viewInputs(n.tmpl, n.in)
	}
	return v
}

var types = [...]NodeType{
	kindPod: TypePod, kindSteps: TypeSteps, kindStepGroup: TypeStepGroup, kindDAG: TypeDAG,
	kindTaskGroup: TypeTaskGroup, kindRetry: TypeRetry, kindSkipped: TypeSkipped,
}

func viewInputs(t *plan.Template, in *inputs) *Inputs {
	if len(in.parameters) == 0 && len(in.artifacts) == 0 {
		return nil
	}
	v := &Inputs{}
	for i, value := range in.parameters {
		v.Parameters = append(v.Parameters, Parameter{Name: t.Inputs[i].Name, Value: value})
	}
	for _, a := range in.artifacts {
		if !a.empty() {
			v.Artifacts = append(v.Artifacts, a)
		}
	}
	return v
}

func (s *State) ids(list []int32) []string {
	if len(list) == 0 {
		return nil
	}
	ids := make([]string, len(list))
	for i, k := range list {
		ids[i] = s.id(s.nodes[k])
	}
	return ids
}

// id is Argo's node id. It is for people and tools: in very large runs two nodes
// may have the same.
func (s *State) id(n *node) string {
	if n.name == s.plan.Name {
		return n.name
	}
	return s.plan.Name + "-" + nameHash(n.name)
}

func nameHash(name string) string {
	h := fnv.New32a()
	h.Write([]byte(name))
	return fmt.Sprint(h.Sum32())
}

// podName is what Argo would call the node's pod.
func (s *State) podName(n *node) string {
	if n.name == s.plan.Name {
		return n.name
	}
	prefix := s.plan.Name
	if n.task != nil && n.task.Template.Name != "" {
		prefix += "-" + n.task.Template.Name
	}
	const most = 253 - 10
	if len(prefix) > most-1 {
		prefix = prefix[:most-1]
	}
	return prefix + "-" + nameHash(n.name)
}

// displayName is the last component of the name.
func (s *State) displayName(n *node) string {
	if n.parent == none {
		return n.name
	}
	parent := s.nodes[n.parent]
	switch {
	case parent.kind == kindRetry:
		return s.displayName(parent) + strings.TrimPrefix(n.name, parent.name)
	case n.kind == kindStepGroup:
		return strings.TrimPrefix(n.name, parent.name)
	case parent.kind == kindTaskGroup:
		return strings.TrimPrefix(n.name, s.nodes[parent.boundary].name+".")
	}
	return strings.TrimPrefix(n.name, parent.name+".")
}
