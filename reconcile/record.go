package reconcile

import (
	"time"

	"github.com/pawl-dev/pawl/api"
	"github.com/pawl-dev/pawl/promotion"
)

// Record is all that is known of an application at one moment.
type Record struct {
	Now time.Time
	// Head is the newest commit of the source that was seen; "" before the first.
	Head string
	// Tried is the newest commit that was rendered and admitted, or refused.
	Tried string
	// Refused says that Head was refused: what is in force is older.
	Refused bool
	// SyncNotBefore is when a sync of Head that failed may be tried again.
	SyncNotBefore time.Time

	Workflows []DesiredRun
	Stages    []StageView
}

// DesiredRun is a Workflow in the Set, with what has become of it.
type DesiredRun struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"` // of the Workflow, or its generateName
	Key       string `json:"key"`
	// Concurrency says what a new key does while an older run is unfinished.
	Concurrency Concurrency `json:"concurrency"`
	// Known says that the key has started a run, called Run.
	Known bool   `json:"known"`
	Run   string `json:"run,omitempty"`
	// Older are the names of unfinished runs of the same workflow with other keys.
	Older []string `json:"older,omitempty"`
	// Error is why the run could not be started at the last try, and NotBefore
	// when it may be tried again.
	Error     string    `json:"error,omitempty"`
	NotBefore time.Time `json:"-"`
}

// subject is what an action about the workflow is about.
func (r *DesiredRun) subject() string { return "run of " + r.Namespace + "/" + r.Name }

// Concurrency is the annotation pawl.dev/concurrency of a Workflow.
type Concurrency string

// What a new run key does while an older run of the workflow is unfinished.
const (
	Replace  Concurrency = "replace" // stops the older run; the default
	Queue    Concurrency = "queue"   // waits for its end
	Parallel Concurrency = "parallel"
)

// StageView is a stage of a ModelDeploy as it was observed.
type StageView struct {
	ID StageID
	// Unjudged is a candidate that the stage's gates have not judged yet, as
	// they are now and against what the stage serves now; nil for none.
	Unjudged *Candidate
	State    promotion.State
	// NotBefore is when an action that failed may be tried again.
	NotBefore time.Time
}

// StageID names a stage of a model.
type StageID struct {
	Namespace string `json:"namespace"`
	Model     string `json:"model"`
	Stage     string `json:"stage"`
}

func (id StageID) String() string { return id.Namespace + "/" + id.Model + "/" + id.Stage }

func (id StageID) subject() string { return "stage " + id.String() }

// Application is what is kept of an application, and what `pawl app get` shows.
type Application struct {
	Name     string `json:"name"`
	Repo     string `json:"repo"`
	Revision string `json:"revision,omitempty"` // as configured
	Path     string `json:"path"`

	// Head is the newest commit seen.
	Head      string    `json:"head,omitempty"`
	HeadRef   string    `json:"headRef,omitempty"`
	HeadSeen  time.Time `json:"headSeen,omitzero"`
	Synced    *Synced   `json:"synced,omitempty"` // what is in force
	Refused   *Refused  `json:"refused,omitempty"`
	GitError  string    `json:"gitError,omitempty"` // why the repository could not be read just now
	CheckedAt time.Time `json:"checkedAt,omitzero"` // the last look at the repository

	Workflows []DesiredRun `json:"workflows,omitempty"`
}

// Synced is a commit whose Set was rendered and admitted.
type Synced struct {
	Commit  string       `json:"commit"`
	Ref     string       `json:"ref,omitempty"`
	At      time.Time    `json:"at"`
	Digest  string       `json:"digest"` // of the Set
	Objects []string     `json:"objects"`
	Notes   api.Problems `json:"notes,omitempty"` // warnings and notes
}

// Refused is a commit that could not be synced; what was synced before stays in
// force until a push mends it.
type Refused struct {
	Commit   string       `json:"commit"`
	At       time.Time    `json:"at"`
	Message  string       `json:"message"`
	Problems api.Problems `json:"problems,omitempty"`
}
