// Package api decodes every kind of manifest that pawl reads, strictly, with
// file, line and path in each problem. It knows no clients, no git, no engine.
package api

import (
	"go.yaml.in/yaml/v3"
)

// Object is one decoded manifest.
type Object struct {
	APIVersion   string
	Kind         string
	Namespace    string
	Name         string // empty when GenerateName is given
	GenerateName string
	Labels       map[string]string
	Annotations  map[string]string

	// Typed is the owner's Go type for the kinds that pawl itself acts on
	// (*wfv1.Workflow, *wfv1.WorkflowTemplate, *wfv1.ClusterWorkflowTemplate,
	// *wfv1.CronWorkflow, *wfv1.WorkflowEventBinding, *eventsv1.EventSource,
	// *eventsv1.Sensor, *eventsv1.EventBus, *corev1.ConfigMap, *corev1.Secret,
	// *corev1.PersistentVolumeClaim, *argocd.Application,
	// *v1alpha1.ModelDeploy); nil for others, which are passed to their
	// destination as they are. Fields that nobody knows are not in it.
	Typed any
	// Raw is the whole object as decoded from YAML, JSON types only: nil, bool,
	// int64, float64, string, []any, map[string]any.
	Raw map[string]any

	// Origin is where the object starts.
	Origin Position

	node *yaml.Node // root of the document, for positions
	root string     // what the root is, in words
}

// Title names the object to people, as "Workflow train" or "Workflow train-"
// for one with a generated name.
func (o *Object) Title() string {
	if o.Name != "" {
		return o.Kind + " " + o.Name
	}
	return o.Kind + " " + o.GenerateName
}

// Group is the API group, empty for Kubernetes' core.
func (o *Object) Group() string {
	group, _ := splitAPIVersion(o.APIVersion)
	return group
}
