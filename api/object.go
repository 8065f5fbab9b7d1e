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
	// *wfv1.CronWorkflow, *eventsv1.EventSource, *eventsv1.Sensor,
	// *corev1.ConfigMap, *corev1.Secret, *v1alpha1.ModelDeploy); nil for others,
	// which are passed to their destination as they are.
	Typed any
	// Raw is the whole object as decoded from YAML, JSON types only.
	Raw map[string]any

	// Origin is where the object starts.
	Origin Position

	node *yaml.Node // root mapping of the document, for positions; nil after rendering
}
