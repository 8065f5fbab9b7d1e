package server

import (
	"context"
	"encoding/json"
	"fmt"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pawl-dev/pawl/engine"
	"github.com/pawl-dev/pawl/engine/sched"
	"github.com/pawl-dev/pawl/store"
)

// Index is what Workflow reads.
type Index interface {
	Nodes(ctx context.Context, uid string, from, limit int) ([]store.Node, error)
}

// Annotations by which a run says what Argo has no field for.
const (
	AnnotationOrigin = "pawl.dev/origin"  // who or what started it, JSON
	AnnotationRunKey = "pawl.dev/run-key" // what makes it one run and no other
	AnnotationApp    = "pawl.dev/application"
)

// Workflow is a run as an Argo Workflow object: the manifest that was submitted,
// and a status with Argo's field names, node names and ids.
func Workflow(ctx context.Context, ix Index, r store.Run) (*wfv1.Workflow, error) {
	what := fmt.Sprintf("run %s/%s", r.Namespace, r.Name)
	var submitted struct {
		Workflow wfv1.Workflow `json:"workflow"`
	}
	if err := json.Unmarshal(r.Workflow, &submitted); err != nil {
		return nil, fmt.Errorf("%s: its recorded manifest: %w", what, err)
	}
	wf := submitted.Workflow
	wf.APIVersion, wf.Kind = "argoproj.io/v1alpha1", "Workflow"
	wf.Name, wf.Namespace, wf.UID = r.Name, r.Namespace, types.UID(r.UID)
	wf.CreationTimestamp = metav1.NewTime(r.Created)
	if len(r.Labels) > 0 {
		wf.Labels = r.Labels
	}
	annotate(&wf, AnnotationOrigin, string(r.Origin))
	annotate(&wf, AnnotationRunKey, r.Key)
	annotate(&wf, AnnotationApp, r.App)
	nodes, err := ix.Nodes(ctx, r.UID, 0, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: its nodes: %w", what, err)
	}
	wf.Status = wfv1.WorkflowStatus{
		Phase: wfv1.WorkflowPhase(r.Status.Phase), Message: r.Status.Message, Progress: wfv1.Progress(r.Status.Progress),
		StartedAt: metav1.NewTime(r.Status.Started), FinishedAt: metav1.NewTime(r.Status.Finished),
		Nodes: make(wfv1.Nodes, len(nodes)),
	}
	for _, row := range nodes {
		var n engine.IndexedNode
		if err := json.Unmarshal(row.Data, &n); err != nil {
			return nil, fmt.Errorf("%s: node %s: %w", what, row.Name, err)
		}
		wf.Status.Nodes[n.ID] = nodeStatus(n, row.Phase)
	}
	if root, ok := wf.Status.Nodes[r.Name]; ok && root.Fulfilled() {
		wf.Status.Outputs = root.Outputs
	}
	return &wf, nil
}

func annotate(wf *wfv1.Workflow, name, value string) {
	if value == "" || value == "null" {
		return
	}
	if wf.Annotations == nil {
		wf.Annotations = map[string]string{}
	}
	wf.Annotations[name] = value
}

// nodeStatus is a node in Argo's words; phase is the one people see.
func nodeStatus(n engine.IndexedNode, phase string) wfv1.NodeStatus {
	s := wfv1.NodeStatus{
		ID: n.ID, Name: n.Name, DisplayName: n.DisplayName, Type: wfv1.NodeType(n.Type),
		TemplateName: n.TemplateName, TemplateScope: n.TemplateScope,
		Phase: wfv1.NodePhase(phase), Message: n.Message, BoundaryID: n.BoundaryID,
		StartedAt: metav1.NewTime(n.StartedAt), FinishedAt: metav1.NewTime(n.FinishedAt),
		Children: n.Children, OutboundNodes: n.OutboundNodes,
	}
	if n.Hooked || n.Retried {
		s.NodeFlag = &wfv1.NodeFlag{Hooked: n.Hooked, Retried: n.Retried}
	}
	if n.Inputs != nil {
		s.Inputs = &wfv1.Inputs{Parameters: parameters(n.Inputs.Parameters), Artifacts: artifacts(n.Inputs.Artifacts)}
	}
	if o := n.Outputs; o != nil {
		s.Outputs = &wfv1.Outputs{Parameters: parameters(o.Parameters), Artifacts: artifacts(o.Artifacts), Result: o.Result}
		if o.ExitCode != nil {
			code := fmt.Sprint(*o.ExitCode)
			s.Outputs.ExitCode = &code
		}
	}
	return s
}

func parameters(list []sched.Parameter) []wfv1.Parameter {
	var out []wfv1.Parameter
	for _, p := range list {
		out = append(out, wfv1.Parameter{Name: p.Name, Value: wfv1.AnyStringPtr(p.Value)})
	}
	return out
}

// artifacts name their content by its digest, as the key that Argo's S3 fields
// would hold.
func artifacts(list []sched.Artifact) wfv1.Artifacts {
	var out wfv1.Artifacts
	for _, a := range list {
		x := wfv1.Artifact{Name: a.Name}
		switch {
		case a.Ref != nil:
			x.S3 = &wfv1.S3Artifact{Key: a.Ref.Digest}
		case a.Raw != nil:
			x.Raw = &wfv1.RawArtifact{Data: *a.Raw}
		}
		out = append(out, x)
	}
	return out
}
