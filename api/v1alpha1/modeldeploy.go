// Package v1alpha1 has the kinds of pawl.dev/v1alpha1, pawl's own.
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ModelDeploy says which runs bring forth a model, and how the model goes from
// stage to stage: judged by gates, proposed by pull request, deployed by merge.
type ModelDeploy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec ModelDeploySpec `json:"spec"`
}

// ModelDeploySpec is the user's part of a ModelDeploy.
type ModelDeploySpec struct {
	// Candidate says where candidates come from.
	Candidate Candidate `json:"candidate"`
	// Stages are the places the model is deployed to. At least one.
	Stages []Stage `json:"stages"`
}

// Candidate says which runs bring forth a model, and where it is in what they
// leave. Exactly one of WorkflowTemplateRef and WorkflowRef is given.
type Candidate struct {
	// WorkflowTemplateRef takes every succeeded run of a template, whoever
	// started it: a Workflow that refers to it, a CronWorkflow, a Sensor, a person.
	WorkflowTemplateRef *WorkflowTemplateRef `json:"workflowTemplateRef,omitempty"`
	// WorkflowRef takes every succeeded run of a Workflow of this namespace.
	WorkflowRef *WorkflowRef `json:"workflowRef,omitempty"`
	// Artifact is the name of the output artifact that is the model.
	Artifact string `json:"artifact"`
	// Metrics are the names that gates may read: numeric output parameters, or
	// numbers of an output artifact that is a metrics.json.
	Metrics []string `json:"metrics,omitempty"`
	// Publish is the prefix to which a candidate that passed is copied, to
	// <prefix>/<sha256>/, before it is proposed: file:///absolute/folder.
	Publish string `json:"publish"`
}

// WorkflowTemplateRef names a WorkflowTemplate of this namespace or, with
// ClusterScope, a ClusterWorkflowTemplate.
type WorkflowTemplateRef struct {
	Name         string `json:"name"`
	ClusterScope bool   `json:"clusterScope,omitempty"`
}

// WorkflowRef names a Workflow by its name or generateName.
type WorkflowRef struct {
	Name string `json:"name"`
}

// Destination is the kind of place that a stage deploys to.
type Destination string

// The destinations. An empty one is the application's: its cluster, or the
// model repository when it has none.
const (
	DestinationCluster         Destination = "cluster"
	DestinationModelRepository Destination = "modelRepository"
)

// Stage is one place a model is deployed to.
type Stage struct {
	// Name is unique within the ModelDeploy and fit for a branch name:
	// lower-case letters, digits and '-'.
	Name string `json:"name"`
	// Path is the folder of this repository that is rendered for the stage,
	// relative to the repository's root. What is in it is the stage's: it is
	// never an input of a run.
	Path string `json:"path"`
	// After names the stages in which a candidate must be deployed before it is
	// judged for this one.
	After []string `json:"after,omitempty"`
	// Target is the rendered object that holds the model's URI. It may be left
	// out when exactly one object of the stage fits.
	Target *Target `json:"target,omitempty"`
	// Destination is where the stage's objects go.
	Destination Destination `json:"destination,omitempty"`
	// Gates must all pass before the candidate is proposed. At least one.
	Gates []Gate `json:"gates"`
	// PullRequest says how the proposal is made.
	PullRequest *PullRequest `json:"pullRequest,omitempty"`
}

// Target names an object among the rendered ones of a stage.
type Target struct {
	// APIVersion is needed only when two groups have the kind.
	APIVersion string `json:"apiVersion,omitempty"`
	Kind       string `json:"kind"`
	Name       string `json:"name"`
}

// OnNoCurrent says what a gate that compares with the stage's current model
// does when the stage has none yet.
type OnNoCurrent string

// The ways to judge a first model. A pull request that passed by
// OnNoCurrentPass is never merged automatically.
const (
	OnNoCurrentFail OnNoCurrent = "fail" // the default
	OnNoCurrentPass OnNoCurrent = "pass"
)

// Gate is a rule on what a run left.
type Gate struct {
	// Name is unique within the stage: lower-case letters, digits and '-'.
	Name string `json:"name"`
	// Expr is a CEL expression that must be true, such as
	// "accuracy > 0.95 && accuracy > current.accuracy". A metric that is missing
	// or no finite number never passes.
	Expr string `json:"expr"`
	// OnNoCurrent is read when Expr refers to current and there is none.
	OnNoCurrent OnNoCurrent `json:"onNoCurrent,omitempty"`
}

// PullRequest says how a stage's proposals are made.
type PullRequest struct {
	// Reviewers are users or teams who are asked to review.
	Reviewers []string `json:"reviewers,omitempty"`
	// AutoMerge merges as soon as the gates have passed and the forge allows it.
	AutoMerge bool `json:"autoMerge,omitempty"`
	// Labels are added to pawl's own: pawl, stage/<stage>, model/<model>.
	Labels []string `json:"labels,omitempty"`
}
