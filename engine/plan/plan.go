// Package plan compiles a Workflow, with the templates and config maps it
// refers to, into a Plan: checked, resolved and never changed afterwards. It is
// pure: it reads nothing but its arguments. Argo's published types stop here;
// the scheduler sees only what this package declares.
package plan

import (
	"time"

	"github.com/pawl-dev/pawl/api"
)

// Plan is a compiled Workflow. Nothing in it changes once Compile has returned.
type Plan struct {
	Name      string
	Namespace string
	UID       string
	Created   time.Time
	// Digest is "sha256:<hex>" of everything the plan was compiled from.
	Digest string

	// Entry is the entrypoint with the workflow's arguments.
	Entry *Task
	// OnExit runs after the entrypoint has ended; nil for none. Its Expression,
	// if any, decides whether it runs.
	OnExit     *Task
	OnExitWhen *Text

	// Globals are the values of workflow.* that are known before the run starts.
	Globals map[string]string
	// Parameters are the workflow's parameters in the manifest's order.
	Parameters []Parameter

	Parallelism int           // pods at once; 0: no limit
	Deadline    time.Duration // from the start of the run; 0: none

	// Templates are all templates that the run can reach, in the order met.
	Templates []*Template

	// Used are the objects of the library that the workflow refers to: with the
	// workflow itself, all that the plan follows from.
	Used []*api.Object

	// Unused says which fields have no meaning for a local executor; it is to be
	// said once a run.
	Unused api.Problems
}

// Parameter is a name with its value.
type Parameter struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Type is what a template is.
type Type string

// The types of template that run so far.
const (
	Container Type = "Container"
	Script    Type = "Script"
	Steps     Type = "Steps"
	DAG       Type = "DAG"
)

// Template is one resolved template.
type Template struct {
	Name string
	// Scope is Argo's: "local/WORKFLOW", "namespaced/TEMPLATE", "cluster/TEMPLATE".
	Scope string
	Type  Type
	// Object and Path say where the template is written, such as
	// "spec.templates[2]".
	Object *api.Object
	Path   string

	Inputs           []InputParameter
	InputArtifacts   []InputArtifact
	OutputParameters []OutputParameter
	OutputArtifacts  []OutputArtifact

	Retry       *Retry
	Timeout     *Text // leaf only; from the start of the node
	MaxRun      *Text // activeDeadlineSeconds, leaf only; from the start of the command
	Parallelism int   // children at once; 0: no limit
	// FailFast is the template's own failFast: no new child after a failed one.
	FailFast bool

	Pod *Pod // Container, Script

	// Tasks are the tasks of a DAG, or the steps of all groups in order.
	Tasks  []*Task
	Groups [][]*Task // Steps
	// StopOnFailure is dag.failFast (default true): once a task has failed in a
	// way that no other task can make good, no new task starts.
	StopOnFailure bool
	Targets       []int // DAG: indexes of the target tasks, by name

	index map[string]int
}

// IsPod reports whether the template runs as an attempt of an executor.
func (t *Template) IsPod() bool { return t.Type == Container || t.Type == Script }

// Task finds a task or step by name.
func (t *Template) Task(name string) *Task {
	if i, ok := t.index[name]; ok {
		return t.Tasks[i]
	}
	return nil
}

// InputParameter is one inputs.parameters entry. Default (value before
// default) stands in when no argument is given; nil: an argument is required.
type InputParameter struct {
	Name    string
	Default *Text
}

// InputArtifact is one inputs.artifacts entry.
type InputArtifact struct {
	Name     string
	Path     Text // pods only
	Optional bool
	Mode     *int32
	Default  *ArtifactSource // raw content given by the template itself
}

// OutputParameter is one outputs.parameters entry: Path for pods, Value
// (valueFrom.parameter or .expression) for steps and dag, or for either a value
// that the manifest gives.
type OutputParameter struct {
	Name    string
	Path    *Text
	Value   *Text
	Default *Text
}

// OutputArtifact is one outputs.artifacts entry: Path for pods, From for steps
// and dag.
type OutputArtifact struct {
	Name     string
	Path     Text
	From     *ArtifactSource
	Optional bool
}

// ArtifactSource says where an artifact comes from; exactly one of Input, Task
// and Raw is set.
type ArtifactSource struct {
	Input   string // an input artifact of the enclosing template
	Task    *Task  // an output artifact of a task or step ...
	Output  string // ... of this name
	Raw     *Text
	SubPath *Text
}

// Task is one call of a template: a DAG task, a step, the entrypoint or an exit
// handler.
type Task struct {
	Name     string
	Index    int // in the enclosing Template.Tasks
	Group    int // Steps: which group
	Template *Template

	// Arguments and Artifacts are by index of Template.Inputs and
	// Template.InputArtifacts; nil: not given.
	Arguments []*Text
	Artifacts []*ArtifactSource

	When *Text
	Loop *Loop

	ContinueOnFailed bool
	ContinueOnError  bool
	// CaptureResult is set when a text of the enclosing template reads the
	// task's outputs.result.
	CaptureResult bool

	// Needs are the tasks whose end is waited for, Dependents those that wait
	// for this one; Depends is the condition over them, nil without any.
	Needs      []*Task
	Dependents []*Task
	Depends    *Depends
	// Wanted is false for a task that no target needs: it never gets a node.
	Wanted bool
}

// ContinuesOn reports whether the flow goes on after the task failed or errored.
func (t *Task) ContinuesOn(failed, errored bool) bool {
	return failed && t.ContinueOnFailed || errored && t.ContinueOnError
}

// Policy says which failures are tried again.
type Policy string

// The policies of retryStrategy.
const (
	OnFailure        Policy = "OnFailure"
	OnError          Policy = "OnError"
	Always           Policy = "Always"
	OnTransientError Policy = "OnTransientError"
)

// Retry is a retryStrategy. Its texts may hold tags of the template's inputs.
type Retry struct {
	Limit      *Text // nil: no limit
	Policy     Policy
	Expression *Text

	Backoff     bool
	Duration    *Text
	Factor      *Text
	MaxDuration *Text
	Cap         *Text
}
