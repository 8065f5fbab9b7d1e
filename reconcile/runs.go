package reconcile

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"

	"github.com/pawl-dev/pawl/api"
	"github.com/pawl-dev/pawl/engine"
	"github.com/pawl-dev/pawl/engine/sched"
	"github.com/pawl-dev/pawl/gitsync"
	"github.com/pawl-dev/pawl/store"
)

// Annotations that pawl reads.
const (
	// AnnotationCode names a run's code folder, from the root of the repository.
	AnnotationCode = "pawl.dev/code"
	// AnnotationConcurrency says what a new run key does to an older run.
	AnnotationConcurrency = "pawl.dev/concurrency"
	// LabelTemplate is Argo's label for the WorkflowTemplate a run is from;
	// LabelClusterTemplate that for a ClusterWorkflowTemplate.
	LabelTemplate        = "workflows.argoproj.io/workflow-template"
	LabelClusterTemplate = "workflows.argoproj.io/cluster-workflow-template"
)

// stopWithin bounds how long a run that is in trouble may keep the loop from other
// work.
const stopWithin = 10 * time.Second

// desired is a Workflow in the Set.
type desired struct {
	DesiredRun
	object *api.Object
	code   codeFolder
}

// desiredRuns compiles the Workflows of a Set and computes their run keys.
func (l *Loop) desiredRuns(snap *gitsync.Snapshot, cur *synced) ([]desired, api.Problems, error) {
	var out []desired
	var problems api.Problems
	for _, o := range cur.objects {
		if o.Kind != "Workflow" {
			continue
		}
		d := desired{object: o, DesiredRun: DesiredRun{Namespace: o.Namespace, Name: workflowName(o)}}
		switch c := Concurrency(o.Annotations[AnnotationConcurrency]); c {
		case "":
			d.Concurrency = Replace
		case Replace, Queue, Parallel:
			d.Concurrency = c
		default:
			problems = append(problems, annotationProblem(o, AnnotationConcurrency, fmt.Sprintf("%q is not one of replace, queue, parallel", c)))
		}
		code, err := l.codeOf(snap, cur, o, o)
		if err != nil {
			problems = append(problems, annotationProblem(o, AnnotationCode, err.Error()))
			continue
		}
		d.code = code
		s := l.submission(cur, o)
		s.Name = d.Name
		p, ps := l.Engine.Compile(s)
		problems = append(problems, ps...)
		if p == nil {
			continue
		}
		problems = append(problems, p.Unused...)
		if l.Checker != nil {
			problems = append(problems, engine.CheckExecutor(p, l.Checker)...)
		}
		if d.Key, err = runKey(o, p.Used, code.hash); err != nil {
			return nil, nil, err
		}
		out = append(out, d)
	}
	return out, problems, nil
}

func annotationProblem(o *api.Object, name, message string) api.Problem {
	p := "metadata.annotations." + name
	return api.Problem{Severity: api.SeverityError, Position: o.Position("metadata.annotations"), Path: p, Message: message}
}

// runKey is what makes a run one and no other: the Workflow, all that it refers
// to, and its code.
func runKey(o *api.Object, used []*api.Object, code string) (string, error) {
	h := sha256.New()
	for _, raw := range append([]map[string]any{o.Raw}, rawOf(used)...) {
		data, err := json.Marshal(raw)
		if err != nil {
			return "", fmt.Errorf("%s: run key: %w", o.Title(), err)
		}
		fmt.Fprintf(h, "%d:%s", len(data), data)
	}
	fmt.Fprintf(h, "code:%s", code)
	return hex.EncodeToString(h.Sum(nil)), nil
}

func rawOf(objects []*api.Object) []map[string]any {
	var raw []map[string]any
	for _, o := range objects {
		raw = append(raw, o.Raw)
	}
	return raw
}

// workflowName is what runs of a Workflow have in common.
func workflowName(o *api.Object) string {
	if o.Name != "" {
		return o.Name
	}
	return strings.TrimSuffix(o.GenerateName, "-")
}

// submission is a Workflow with the library of its namespace.
func (l *Loop) submission(cur *synced, o *api.Object) engine.Submission {
	s := engine.Submission{Workflow: o, Namespace: o.Namespace, App: l.Name, WorkflowName: workflowName(o), Labels: map[string]string{}}
	for _, other := range cur.objects {
		switch other.Kind {
		case "WorkflowTemplate", "ConfigMap":
			if other.Namespace == o.Namespace {
				s.Library = append(s.Library, other)
			}
		case "ClusterWorkflowTemplate":
			s.Library = append(s.Library, other)
		}
	}
	for k, v := range o.Labels {
		s.Labels[k] = v
	}
	if ref := templateRef(o); ref != nil {
		label := LabelTemplate
		if ref.ClusterScope {
			label = LabelClusterTemplate
		}
		s.Labels[label] = ref.Name
	}
	return s
}

func templateRef(o *api.Object) *wfv1.WorkflowTemplateRef {
	if wf, ok := o.Typed.(*wfv1.Workflow); ok {
		return wf.Spec.WorkflowTemplateRef
	}
	return nil
}

// startDesired starts the run of a Workflow whose key is new, and asks the older
// ones that it replaces to stop.
func (l *Loop) startDesired(ctx context.Context, r DesiredRun) error {
	cur := l.inForce()
	for _, d := range cur.runs {
		if d.Namespace != r.Namespace || d.Name != r.Name || d.Key != r.Key {
			continue
		}
		if d.Concurrency == Replace {
			if err := l.stopOlder(ctx, r); err != nil {
				return err
			}
		}
		s := l.submission(cur, d.object)
		s.Key = d.Key
		s.Origin = engine.Origin{Kind: "push", Commit: cur.snapshot.Commit}
		s.Name = d.Name + "-" + d.Key[:8]
		_, err := l.submit(ctx, cur, s, d.code)
		if errors.Is(err, store.ErrExists) { // of another application, say
			s.Name = d.Name + "-" + d.Key[:16]
			_, err = l.submit(ctx, cur, s, d.code)
		}
		return err
	}
	return nil // no longer asked for
}

func (l *Loop) stopOlder(ctx context.Context, r DesiredRun) error {
	for _, name := range r.Older {
		if err := l.stopRun(ctx, r.Namespace, name, sched.Stop, "newer run key "+r.Key[:8]); err != nil {
			return err
		}
	}
	return nil
}

// stopRun asks an unfinished run to end, and returns when the wish cannot be
// lost any more.
func (l *Loop) stopRun(ctx context.Context, namespace, name string, how sched.Shutdown, why string) error {
	run, err := l.Store.GetRun(ctx, namespace, name)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, stopWithin)
	defer cancel()
	err = l.Engine.Shutdown(ctx, run.UID, how, why)
	if errors.Is(err, engine.ErrNotCarried) { // it may have ended meanwhile
		if run, err := l.Store.RunByUID(ctx, run.UID); err == nil && !run.Status.Finished.IsZero() {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("stopping run %s/%s: %w", namespace, name, err)
	}
	l.Log.Info("stopping", "run", namespace+"/"+name, "why", why)
	return nil
}

// submit starts a run with its code folder.
func (l *Loop) submit(ctx context.Context, cur *synced, s engine.Submission, code codeFolder) (Started, error) {
	ref, err := l.codeRef(ctx, cur, code)
	if err != nil {
		return Started{}, err
	}
	s.Code = engine.Code{Ref: ref}
	return l.create(ctx, s)
}

// create records a run and sets it going; a run that is there already is no
// error.
func (l *Loop) create(ctx context.Context, s engine.Submission) (Started, error) {
	p, problems := l.Engine.Compile(s)
	if err := problems.Err(); err != nil {
		return Started{}, err
	}
	uid, existing, err := l.Engine.Create(ctx, s, p)
	if err != nil {
		return Started{}, err
	}
	if !existing {
		l.Log.Info("run started", "run", s.Namespace+"/"+s.Name, "by", s.Origin.Kind, "key", s.Key)
		if err := l.Engine.Launch(ctx, uid); err != nil {
			return Started{}, err
		}
	}
	return Started{Namespace: s.Namespace, Name: s.Name, UID: uid, Existing: existing}, nil
}

// Started says which run a wish has started, or had started before.
type Started struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	UID       string `json:"uid"`
	Existing  bool   `json:"existing,omitempty"`
}

// ErrNothingSynced says that no commit is in force yet.
var ErrNothingSynced = errors.New("nothing is synced yet")

// Resubmit runs once more what a run was made from.
func (l *Loop) Resubmit(ctx context.Context, run store.Run, who string) (Started, error) {
	s, err := engine.SubmissionOf(run)
	if err != nil {
		return Started{}, err
	}
	s.Name = s.WorkflowName + "-" + strings.ToLower(rand.Text()[:5])
	s.Key = ""
	var was engine.Origin
	if err := json.Unmarshal(run.Origin, &was); err != nil {
		return Started{}, fmt.Errorf("run %s/%s: its origin: %w", run.Namespace, run.Name, err)
	}
	s.Origin = engine.Origin{Kind: "user", Name: who, Commit: was.Commit, Detail: "resubmitted from " + run.Name}
	return l.create(ctx, s)
}
