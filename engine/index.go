package engine

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/pawl-dev/pawl/engine/attempt"
	"github.com/pawl-dev/pawl/engine/sched"
	"github.com/pawl-dev/pawl/store"
)

// Outputs are what a run left, as the index keeps them.
type Outputs struct {
	Parameters map[string]string              `json:"parameters,omitempty"`
	Artifacts  map[string]attempt.ArtifactRef `json:"artifacts,omitempty"`
}

func outputsOf(o sched.Outputs) Outputs {
	out := Outputs{Parameters: map[string]string{}, Artifacts: map[string]attempt.ArtifactRef{}}
	for _, p := range o.Parameters {
		out.Parameters[p.Name] = p.Value
	}
	for _, a := range o.Artifacts {
		if a.Ref != nil {
			out.Artifacts[a.Name] = *a.Ref
		}
	}
	return out
}

// IndexedNode is a node as the index keeps it: the scheduler's view, and whether
// its attempt has really started.
type IndexedNode struct {
	sched.Node
	Parent int  `json:"parent"` // index of the node it is shown below, -1 at the top
	Live   bool `json:"live,omitempty"`
}

// index writes what has changed to the index. What it writes may come late, and
// is written again by the next loop: it follows from the journal.
func (l *loop) index(ctx context.Context) error {
	changed := append(l.state.Changed(), l.relive...)
	l.relive = l.relive[:0]
	if len(changed) == 0 {
		return nil
	}
	nodes := make([]store.Node, 0, len(changed))
	for _, i := range changed {
		n := l.state.Node(i)
		l.progress(i, n)
		live := l.live[n.Name].Running
		data, err := json.Marshal(IndexedNode{Node: n, Parent: n.Parent, Live: live})
		if err != nil {
			return fmt.Errorf("node %s: %w", n.Name, err)
		}
		nodes = append(nodes, store.Node{Index: i, Name: n.Name, Phase: string(phaseOf(n, live)), Data: data})
	}
	if err := l.e.store.PutNodes(ctx, l.run.UID, nodes); err != nil {
		return err
	}
	status, err := l.status()
	if err != nil {
		return err
	}
	if status.Finished.IsZero() {
		return l.e.store.UpdateRunSoon(ctx, status)
	}
	return l.e.store.UpdateRun(ctx, status)
}

// phaseOf is what people see: a pod that waits for room has not started.
func phaseOf(n sched.Node, live bool) sched.Phase {
	if n.Type == sched.TypePod && n.Phase == sched.Running && !live {
		return sched.Pending
	}
	return n.Phase
}

// progress counts the pods that are over, each once.
func (l *loop) progress(i int, n sched.Node) {
	if n.Type != sched.TypePod {
		return
	}
	if _, seen := l.pods[n.Name]; !seen {
		l.pods[n.Name] = i
	}
	if n.Phase.Fulfilled() && l.pods[n.Name] != over {
		l.pods[n.Name] = over
		l.over++
	}
}

// over stands for the index of a pod that is over.
const over = -1

func (l *loop) status() (store.RunStatus, error) {
	out, err := json.Marshal(outputsOf(l.state.Outputs()))
	if err != nil {
		return store.RunStatus{}, fmt.Errorf("outputs of run %s: %w", l.run.Name, err)
	}
	return store.RunStatus{
		UID: l.run.UID, Phase: string(l.state.Phase()), Message: l.state.Message(),
		Started: l.state.StartedAt(), Finished: l.state.FinishedAt(),
		Progress: fmt.Sprintf("%d/%d", l.over, len(l.pods)), Outputs: out,
	}, nil
}

// observe tells who listens that the run has changed.
func (l *loop) observe() {
	if l.e.onChange != nil {
		l.e.onChange(l.run, l.state, l.live)
	}
}
