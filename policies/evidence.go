package policies

import "time"

// Evidence is what a run left for gates to judge a candidate by.
type Evidence struct {
	Run       string `json:"run"`
	RunUID    string `json:"runUID"`
	Namespace string `json:"namespace,omitempty"`
	Workflow  string `json:"workflow,omitempty"`
	Template  string `json:"template,omitempty"` // the WorkflowTemplate, if it came from one
	Commit    string `json:"commit,omitempty"`
	RunKey    string `json:"runKey,omitempty"`

	// Metrics are finite numbers; Problems says of other names why they are none.
	Metrics  map[string]float64 `json:"metrics,omitempty"`
	Problems map[string]string  `json:"problems,omitempty"`

	Parameters map[string]string   `json:"parameters,omitempty"`
	Artifacts  map[string]Artifact `json:"artifacts,omitempty"`
	// ModelDigest is the digest of the model itself.
	ModelDigest string `json:"modelDigest,omitempty"`
	// DataDigest is the digest of the data that the metrics were measured on, if
	// it is known. Metrics measured on different data are not compared; where neither
	// run recorded its data, they are.
	DataDigest string `json:"dataDigest,omitempty"`

	StartedAt  time.Time `json:"startedAt,omitzero"`
	FinishedAt time.Time `json:"finishedAt,omitzero"`
}

// Artifact is an output of a run, known by its content.
type Artifact struct {
	Digest string `json:"digest"`
	Size   int64  `json:"size"`
}
