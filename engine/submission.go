package engine

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"

	"github.com/pawl-dev/pawl/api"
	"github.com/pawl-dev/pawl/engine/attempt"
	"github.com/pawl-dev/pawl/engine/plan"
	"github.com/pawl-dev/pawl/engine/sched"
	"github.com/pawl-dev/pawl/store"
)

// Submission asks for a run. Its zero fields mean what Argo's submit means by
// leaving them out.
type Submission struct {
	Workflow   *api.Object   // kind Workflow
	Library    []*api.Object // templates and config maps that it may refer to
	Entrypoint string
	Parameters []plan.Parameter // replace those of the workflow

	Namespace string
	Name      string // of the run; required
	App       string // application it belongs to
	// WorkflowName is what runs of the same workflow have in common; with App,
	// Namespace and Key it makes a run one and no other.
	WorkflowName string
	Key          string // run key; empty: always a new run
	Origin       Origin
	Labels       map[string]string

	Code    Code
	Visible []string // folders of this machine that its steps may read
}

// Origin says who or what started a run.
type Origin struct {
	Kind   string `json:"kind"`             // "push", "cron", "sensor", "user"
	Name   string `json:"name,omitempty"`   // of the cron workflow, sensor or user
	Commit string `json:"commit,omitempty"` // that the manifest and the code are from
	Detail string `json:"detail,omitempty"` // for people
	PID    int    `json:"pid,omitempty"`    // of the `pawl run` that carries the run on itself
	// Scheduled is the time a cron run is for.
	Scheduled time.Time `json:"scheduled,omitzero"`
}

// Code is the working directory of a run's steps: a folder in the artifact
// store, or one of this machine as it is.
type Code struct {
	Ref *attempt.ArtifactRef `json:"ref,omitempty"`
	Dir string               `json:"dir,omitempty"`
}

// stored is a run as the store keeps it: enough to compile its plan again, with
// the exact text of every template that it used.
type stored struct {
	Workflow   map[string]any   `json:"workflow"`
	Library    []map[string]any `json:"library,omitempty"`
	Entrypoint string           `json:"entrypoint,omitempty"`
	Parameters []plan.Parameter `json:"parameters,omitempty"`
	Code       Code             `json:"code,omitzero"`
	Visible    []string         `json:"visible,omitempty"`
}

// Compile checks a submission and makes its plan; the run's UID and time of
// creation are drawn here.
func (e *Engine) Compile(s Submission) (*plan.Plan, api.Problems) {
	return plan.Compile(plan.Input{
		Workflow: s.Workflow, Library: s.Library, Entrypoint: s.Entrypoint, Parameters: s.Parameters,
		Name: s.Name, Namespace: s.Namespace, UID: newUID(), Created: e.now().UTC().Truncate(time.Millisecond),
	})
}

// Create records a run for a compiled submission, without carrying it on. If
// its key has started a run before, existing is true and run is that one.
func (e *Engine) Create(ctx context.Context, s Submission, p *plan.Plan) (uid string, existing bool, err error) {
	data, err := json.Marshal(stored{
		Workflow: s.Workflow.Raw, Library: rawOf(p.Used), Entrypoint: s.Entrypoint, Parameters: s.Parameters,
		Code: s.Code, Visible: s.Visible,
	})
	if err != nil {
		return "", false, fmt.Errorf("run %s/%s: %w", s.Namespace, s.Name, err)
	}
	origin, err := json.Marshal(s.Origin)
	if err != nil {
		return "", false, fmt.Errorf("run %s/%s: %w", s.Namespace, s.Name, err)
	}
	uid, existing, err = e.store.CreateRun(ctx, store.Run{
		UID: p.UID, Namespace: s.Namespace, Name: s.Name, App: s.App, WorkflowName: s.WorkflowName, Key: s.Key,
		Workflow: data, Origin: origin, Labels: s.Labels, Created: p.Created,
		Status: store.RunStatus{UID: p.UID, Phase: string(sched.Pending)},
	}, sched.Header{Plan: p.Digest, Scheduler: sched.Version}.Encode())
	if err != nil {
		return "", false, fmt.Errorf("run %s/%s: %w", s.Namespace, s.Name, err)
	}
	return uid, existing, nil
}

// Load makes a recorded run ready to be carried on.
func (e *Engine) Load(ctx context.Context, uid string) (Run, error) {
	row, err := e.store.RunByUID(ctx, uid)
	if err != nil {
		return Run{}, fmt.Errorf("run %s: %w", uid, err)
	}
	what := fmt.Sprintf("run %s/%s", row.Namespace, row.Name)
	st, wf, library, err := decodeStored(row)
	if err != nil {
		return Run{}, &UnfitError{err}
	}
	p, problems := plan.Compile(plan.Input{
		Workflow: wf, Library: library, Entrypoint: st.Entrypoint, Parameters: st.Parameters,
		Name: row.Name, Namespace: row.Namespace, UID: row.UID, Created: row.Created,
	})
	if err := problems.Err(); err != nil {
		return Run{}, &UnfitError{fmt.Errorf("%s: its recorded manifest does not compile any more: %w", what, err)}
	}
	dir, err := e.codeDir(st.Code)
	if err != nil {
		return Run{}, fmt.Errorf("%s: code folder: %w", what, err)
	}
	return Run{UID: row.UID, Namespace: row.Namespace, Name: row.Name, CodeDir: dir, Visible: st.Visible, Plan: p}, nil
}

func (e *Engine) codeDir(c Code) (string, error) {
	if c.Ref == nil {
		return c.Dir, nil
	}
	return e.artifacts.Path(*c.Ref)
}

func rawOf(objects []*api.Object) []map[string]any {
	var raw []map[string]any
	for _, o := range objects {
		raw = append(raw, o.Raw)
	}
	return raw
}

// objectOf decodes an object from its recorded form; what was worth a warning
// was said when it was submitted.
func objectOf(raw map[string]any) (*api.Object, error) {
	data, err := json.Marshal(raw)
	if err != nil {
		return nil, err
	}
	objects, problems := api.Decode("", data)
	if err := problems.Err(); err != nil {
		return nil, err
	}
	if len(objects) != 1 {
		return nil, fmt.Errorf("%d objects where one is expected", len(objects))
	}
	return objects[0], nil
}

// newUID is a random (version 4) UUID.
func newUID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// SubmissionOf is the submission that a run was made from.
func SubmissionOf(row store.Run) (Submission, error) {
	st, wf, library, err := decodeStored(row)
	if err != nil {
		return Submission{}, err
	}
	return Submission{
		Workflow: wf, Library: library, Entrypoint: st.Entrypoint, Parameters: st.Parameters,
		Namespace: row.Namespace, Name: row.Name, App: row.App, WorkflowName: row.WorkflowName, Key: row.Key,
		Labels: row.Labels, Code: st.Code, Visible: st.Visible,
	}, nil
}

// decodeStored reads back what a run was made from.
func decodeStored(row store.Run) (stored, *api.Object, []*api.Object, error) {
	what := fmt.Sprintf("run %s/%s", row.Namespace, row.Name)
	var st stored
	if err := json.Unmarshal(row.Workflow, &st); err != nil {
		return st, nil, nil, fmt.Errorf("%s: its recorded manifest: %w", what, err)
	}
	wf, err := objectOf(st.Workflow)
	if err != nil {
		return st, nil, nil, fmt.Errorf("%s: its recorded manifest: %w", what, err)
	}
	var library []*api.Object
	for _, raw := range st.Library {
		o, err := objectOf(raw)
		if err != nil {
			return st, nil, nil, fmt.Errorf("%s: a recorded template: %w", what, err)
		}
		library = append(library, o)
	}
	return st, wf, library, nil
}

// ParametersOf are the workflow's parameters as they were for a run, in the
// manifest's order.
func ParametersOf(row store.Run) ([]plan.Parameter, error) {
	st, wf, library, err := decodeStored(row)
	if err != nil {
		return nil, err
	}
	p, problems := plan.Compile(plan.Input{
		Workflow: wf, Library: library, Entrypoint: st.Entrypoint, Parameters: st.Parameters,
		Name: row.Name, Namespace: row.Namespace, UID: row.UID, Created: row.Created,
	})
	if problems.Err() != nil {
		return nil, nil // another version's run: it is shown without them
	}
	return p.Parameters, nil
}
