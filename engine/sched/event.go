// Package sched decides what a run does next. It is a deterministic state
// machine: State is the fold of Events, Step takes one more and returns what
// should now be done, Outstanding derives all of that again from the state
// alone. It reads no clock, does no I/O and starts no goroutine; times enter in
// events, waiting leaves as WakeAt.
package sched

import (
	"time"

	"github.com/pawl-dev/pawl/engine/attempt"
)

// Event is a fact in a run's journal, encoded as one JSON object.
type Event struct {
	Kind EventKind `json:"kind"`
	Time time.Time `json:"time"` // when it happened; never goes back within a journal

	// Node and Attempt name the attempt of an AttemptEnded.
	Node    string          `json:"node,omitempty"`
	Attempt int             `json:"attempt,omitempty"`
	Result  *attempt.Result `json:"result,omitempty"`

	// Shutdown and By belong to ShutdownRequested.
	Shutdown Shutdown `json:"shutdown,omitempty"`
	By       string   `json:"by,omitempty"` // who asked, for people: "user ann", "newer run key 1f2e3d4c"
}

// EventKind says what happened.
type EventKind string

// The kinds of event.
const (
	// RunStarted is the first event of every journal.
	RunStarted EventKind = "RunStarted"
	// AttemptEnded carries the Result of an attempt that a StartAttempt asked for.
	AttemptEnded EventKind = "AttemptEnded"
	// Woken says that a time asked for by WakeAt has come.
	Woken EventKind = "Woken"
	// ShutdownRequested asks the run to end early.
	ShutdownRequested EventKind = "ShutdownRequested"
)

// Shutdown is Argo's spec.shutdown: Stop runs exit handlers, Terminate does not.
type Shutdown string

// The ways of shutting down.
const (
	Stop      Shutdown = "Stop"
	Terminate Shutdown = "Terminate"
)

// Command is a wish of the scheduler. Commands are not journaled: Outstanding
// derives them again. Carrying one out twice is harmless.
type Command struct {
	Kind CommandKind
	// Spec is what a StartAttempt is to run.
	Spec *attempt.Spec
	// Key is the attempt that a StopAttempt is to end; an AttemptEnded follows.
	Key attempt.Key
	// At is when a WakeAt wants its Woken.
	At time.Time
}

// CommandKind says what is wished for.
type CommandKind string

// The kinds of command.
const (
	StartAttempt CommandKind = "StartAttempt"
	StopAttempt  CommandKind = "StopAttempt"
	WakeAt       CommandKind = "WakeAt"
)

// Phase is Argo's word for where a node or a run is.
type Phase string

// The phases; a run has no Skipped or Omitted.
const (
	Pending   Phase = "Pending"
	Running   Phase = "Running"
	Succeeded Phase = "Succeeded"
	Failed    Phase = "Failed"
	Errored   Phase = "Error"
	Skipped   Phase = "Skipped"
	Omitted   Phase = "Omitted"
)

// Fulfilled reports whether a node in this phase is over.
func (p Phase) Fulfilled() bool {
	switch p {
	case Succeeded, Failed, Errored, Skipped, Omitted:
		return true
	}
	return false
}
