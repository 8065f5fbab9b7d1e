package events

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"
)

// Operation says what a Trigger asks for.
type Operation string

// The operations.
const (
	// Submit asks for a run of the Trigger's workflow.
	Submit Operation = "submit"
	// Log asks for the Trigger's message to be written to the log.
	Log Operation = "log"
)

// Trigger is what a sensor or a cron schedule asks for. Carrying out two
// triggers with one ID must do what carrying out one does.
type Trigger struct {
	ID        string
	Operation Operation
	Namespace string
	// Sensor and Name are the Sensor and its trigger, or Cron is the CronWorkflow.
	Sensor string `json:",omitempty"`
	Name   string `json:",omitempty"`
	Cron   string `json:",omitempty"`
	// Workflow is the whole manifest of a Submit, ready to be decoded.
	Workflow json.RawMessage `json:",omitempty"`
	// RunName is the name that the run is to have: metadata.name of the
	// workflow, or its generateName followed by a part of the ID, so that a
	// trigger carried out again finds its own run.
	RunName string `json:",omitempty"`
	// EventIDs are the events behind it, in the order of the sensor's dependencies.
	EventIDs []string `json:",omitempty"`
	// Message is the text of a Log.
	Message string `json:",omitempty"`
	// At is when the decision was made; of a cron schedule, the scheduled time.
	At time.Time
}

// NewID derives an identity from its parts: the same parts give the same ID,
// and no two lists of parts share one.
func NewID(parts ...string) string {
	b, err := json.Marshal(parts)
	if err != nil {
		panic("events: a list of strings has no JSON: " + err.Error())
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}
