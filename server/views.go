package server

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/pawl-dev/pawl/engine"
	"github.com/pawl-dev/pawl/engine/sched"
	"github.com/pawl-dev/pawl/store"
)

// RunSummary is a run as lists show it.
type RunSummary struct {
	Namespace string            `json:"namespace"`
	Name      string            `json:"name"`
	UID       string            `json:"uid"`
	Workflow  string            `json:"workflow,omitempty"`
	App       string            `json:"application,omitempty"`
	Phase     string            `json:"phase"`
	Message   string            `json:"message,omitempty"`
	Progress  string            `json:"progress,omitempty"`
	RunKey    string            `json:"runKey,omitempty"`
	Origin    engine.Origin     `json:"origin"`
	Labels    map[string]string `json:"labels,omitempty"`
	Created   time.Time         `json:"createdAt"`
	Started   time.Time         `json:"startedAt,omitzero"`
	Finished  time.Time         `json:"finishedAt,omitzero"`
}

func summaryOf(r store.Run) RunSummary {
	s := RunSummary{
		Namespace: r.Namespace, Name: r.Name, UID: r.UID, Workflow: r.WorkflowName, App: r.App,
		Phase: r.Status.Phase, Message: r.Status.Message, Progress: r.Status.Progress, RunKey: r.Key,
		Labels: r.Labels, Created: r.Created, Started: r.Status.Started, Finished: r.Status.Finished,
	}
	// An origin that cannot be read is an empty one: the run is shown all the same.
	_ = json.Unmarshal(r.Origin, &s.Origin)
	return s
}

// RunDetail is a run with its nodes, as people look at it: with times to the
// millisecond, which Argo's object has not.
type RunDetail struct {
	RunSummary
	Parameters []sched.Parameter `json:"parameters,omitempty"`
	Outputs    []sched.Parameter `json:"outputs,omitempty"`
	Nodes      []NodeView        `json:"nodes"` // in the order of coming to be
}

// NodeView is a node as people look at it. Phase is Pending while the attempt
// waits for room.
type NodeView struct {
	engine.IndexedNode
	// LastLog is the last line that a running step printed, for people.
	LastLog string `json:"lastLog,omitempty"`
}

// Detail is a run with its nodes.
func Detail(ctx context.Context, ix Index, r store.Run) (*RunDetail, error) {
	d := &RunDetail{RunSummary: summaryOf(r)}
	rows, err := ix.Nodes(ctx, r.UID, 0, 0)
	if err != nil {
		return nil, fmt.Errorf("run %s/%s: its nodes: %w", r.Namespace, r.Name, err)
	}
	for _, row := range rows {
		var n NodeView
		if err := json.Unmarshal(row.Data, &n); err != nil {
			return nil, fmt.Errorf("run %s/%s: node %s: %w", r.Namespace, r.Name, row.Name, err)
		}
		n.Phase = sched.Phase(row.Phase)
		d.Nodes = append(d.Nodes, n)
		if len(d.Nodes) == 1 && n.Outputs != nil {
			d.Outputs = n.Outputs.Parameters
		}
	}
	if d.Parameters, err = engine.ParametersOf(r); err != nil {
		return nil, err
	}
	return d, nil
}

// LogLine is one line that a step printed.
type LogLine struct {
	Node    string `json:"node"`    // display name
	Attempt int    `json:"attempt"` // from 0
	Content string `json:"content"`
}

// Submitted says which run a wish has started, or had started before.
type Submitted struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	UID       string `json:"uid"`
}

// ErrorBody is the answer of a request that went wrong.
type ErrorBody struct {
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}
