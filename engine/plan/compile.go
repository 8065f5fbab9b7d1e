package plan

import (
	"fmt"
	"sort"
	"strings"
	"time"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"
	corev1 "k8s.io/api/core/v1"

	"github.com/pawl-dev/pawl/api"
)

// Input is what a plan is compiled from.
type Input struct {
	Workflow *api.Object
	// Library holds WorkflowTemplates, ClusterWorkflowTemplates and ConfigMaps
	// that the workflow may refer to, in any order; others in it do not matter.
	Library []*api.Object

	Entrypoint string      // overrides the workflow's; "" keeps it
	Parameters []Parameter // override spec.arguments.parameters

	Name, Namespace, UID string // of the run; an empty Namespace is the workflow's
	Created              time.Time
}

// Compile checks the workflow and turns it into a Plan. With an Error among the
// problems there is no plan; warnings and notes come beside one.
func Compile(in Input) (*Plan, api.Problems) {
	if in.Namespace == "" && in.Workflow != nil {
		in.Namespace = in.Workflow.Namespace
	}
	c := newCompiler(in)
	c.compile()
	if problems := c.sorted(); problems.Err() != nil {
		return nil, problems
	}
	c.plan.Digest = c.digest()
	c.plan.Used = c.usedInOrder()
	return c.plan, c.problems
}

func newCompiler(in Input) *compiler {
	return &compiler{
		in:        in,
		plan:      &Plan{Name: in.Name, Namespace: in.Namespace, UID: in.UID, Created: in.Created.UTC(), Globals: map[string]string{}},
		local:     map[string]definition{},
		templates: map[templateKey]*Template{},
		said:      map[string]bool{},
		seen:      map[string]bool{},
		used:      map[*api.Object]bool{},
	}
}

type compiler struct {
	in       Input
	plan     *Plan
	problems api.Problems

	workflow *wfv1.Workflow
	spec     *wfv1.WorkflowSpec // merged with the template it refers to
	local    map[string]definition
	// root is the object and path prefix that errors about the spec point to.
	root place
	// open: other workflow parameters than those of spec may be given.
	open bool

	templates map[templateKey]*Template
	said      map[string]bool // kinds of unused field noted
	seen      map[string]bool // problems reported
	used      map[*api.Object]bool
	volumes   []volume // of the workflow
	order     order
}

// definition is a template as written, with where.
type definition struct {
	template *wfv1.Template
	at       place
}

// templateKey names a template: its library ("" for the workflow's own) and name.
type templateKey struct{ scope, name string }

func (c *compiler) add(p api.Problem) {
	key := p.String()
	if !c.seen[key] {
		c.seen[key] = true
		c.problems = append(c.problems, p)
	}
}

func (c *compiler) problem(at place, message, hint string) {
	c.add(api.Problem{Severity: api.SeverityError, Position: at.position(), Path: at.path, Message: message, Hint: hint})
}

func (c *compiler) errorf(at place, format string, args ...any) {
	c.problem(at, fmt.Sprintf(format, args...), "")
}

func (c *compiler) warn(at place, message, hint string) {
	c.add(api.Problem{Severity: api.SeverityWarning, Position: at.position(), Path: at.path, Message: message, Hint: hint})
}

func (c *compiler) compile() {
	w := c.in.Workflow
	if w == nil {
		c.add(api.Problem{Severity: api.SeverityError, Message: "no workflow to compile"})
		return
	}
	c.root = place{w, "spec"}
	typed, ok := w.Typed.(*wfv1.Workflow)
	if !ok {
		c.errorf(place{w, ""}, "%s is not a Workflow", w.Title())
		return
	}
	c.workflow = typed
	c.walkSpec(w)
	if !c.merge() {
		return
	}
	c.setGlobals()
	c.workflowLimits()
	c.volumes = c.compileVolumes(c.spec.Volumes, c.root.field("volumes"))
	c.compileClaims()
	c.compileEntry()
	c.compileExit()
	c.compileRest(w) // those of a library are its own affair
}

func (c *compiler) walkSpec(o *api.Object) {
	if spec, ok := o.Raw["spec"].(map[string]any); ok {
		c.walk(place{o, "spec"}, spec, workflowFields)
	}
}

func (c *compiler) workflowLimits() {
	if p := c.spec.Parallelism; p != nil {
		if *p <= 0 {
			c.errorf(c.root.field("parallelism"), "parallelism must be greater than 0")
		}
		c.plan.Parallelism = int(*p)
	}
	if d := c.spec.ActiveDeadlineSeconds; d != nil {
		if *d <= 0 {
			c.errorf(c.root.field("activeDeadlineSeconds"), "activeDeadlineSeconds must be greater than 0")
		}
		c.plan.Deadline = time.Duration(*d) * time.Second
	}
}

// compileEntry makes the task that the run begins with.
func (c *compiler) compileEntry() {
	name, at := c.spec.Entrypoint, c.root.field("entrypoint")
	if c.in.Entrypoint != "" {
		name = c.in.Entrypoint
	}
	if name == "" {
		c.problem(c.root, "spec.entrypoint is required", "name the template that the run begins with")
		return
	}
	t := c.reference(at, "", name, nil, c.localNames)
	if t == nil {
		return
	}
	entry := &Task{Name: c.plan.Name, Template: t, Wanted: true,
		Arguments: make([]*Text, len(t.Inputs)), Artifacts: make([]*ArtifactSource, len(t.InputArtifacts))}
	for i, input := range t.Inputs {
		if _, ok := c.plan.Globals["workflow.parameters."+input.Name]; ok {
			entry.Arguments[i] = literal(c.plan.Globals["workflow.parameters."+input.Name])
		}
	}
	for i, a := range c.spec.Arguments.Artifacts {
		at := c.root.field("arguments").field("artifacts").index(i)
		if k := artifactIndex(t, a.Name); k >= 0 {
			entry.Artifacts[k] = c.artifactSource(scope{at: at, kind: "workflow"}, &a, at)
		}
	}
	c.checkGiven(at, entry)
	c.plan.Entry = entry
}

// compileExit makes the exit handler: spec.onExit, or hooks.exit.
func (c *compiler) compileExit() {
	hook, ok := c.spec.Hooks["exit"]
	at := c.root.field("hooks").field("exit")
	if !ok {
		if c.spec.OnExit == "" {
			return
		}
		hook, at = wfv1.LifecycleHook{Template: c.spec.OnExit}, c.root
	}
	ref := at.field("template")
	if !ok {
		ref = c.root.field("onExit")
	}
	t := c.reference(ref, "", hook.Template, hook.TemplateRef, c.localNames)
	if t == nil {
		return
	}
	task := &Task{Name: c.plan.Name + ".onExit", Template: t, Wanted: true}
	args := hook.Arguments
	if !ok || len(args.Parameters) == 0 {
		args = c.entryArguments(t, args)
	}
	c.arguments(scope{at: at, kind: "workflow"}, task, args, at.field("arguments"))
	if hook.Expression != "" {
		c.plan.OnExitWhen = c.expression(scope{at: at, kind: "workflow"}, hook.Expression, at.field("expression"))
	}
	c.plan.OnExit = task
}

// entryArguments hands the workflow's parameters to an exit handler that asks
// for them by name, as Argo does.
func (c *compiler) entryArguments(t *Template, args wfv1.Arguments) wfv1.Arguments {
	for _, input := range t.Inputs {
		if _, ok := c.plan.Globals["workflow.parameters."+input.Name]; ok {
			value := wfv1.AnyString("{{workflow.parameters." + input.Name + "}}")
			args.Parameters = append(args.Parameters, wfv1.Parameter{Name: input.Name, Value: &value})
		}
	}
	return args
}

func (c *compiler) localNames() []string {
	names := make([]string, 0, len(c.local))
	for name := range c.local {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// find looks an object of the library up. One of the run's namespace is
// preferred to one that names none.
func (c *compiler) find(kind, name string) *api.Object {
	var found *api.Object
	for _, o := range c.in.Library {
		if o.Kind != kind || o.Name != name {
			continue
		}
		if kind == wfKindCluster || o.Namespace == c.in.Namespace {
			return o
		}
		if o.Namespace == "" || c.in.Namespace == "" {
			if found == nil {
				found = o
			}
		}
	}
	return found
}

const (
	wfKindTemplate = "WorkflowTemplate"
	wfKindCluster  = "ClusterWorkflowTemplate"
)

// known lists the names of the library's objects of a kind, for hints.
func (c *compiler) known(kind string) []string {
	var names []string
	for _, o := range c.in.Library {
		if o.Kind == kind && o != c.in.Workflow {
			names = append(names, o.Name)
		}
	}
	return names
}

func (c *compiler) configMap(name string) *corev1.ConfigMap {
	o := c.find("ConfigMap", name)
	if o == nil {
		return nil
	}
	cm, _ := o.Typed.(*corev1.ConfigMap)
	c.used[o] = true
	return cm
}

// meant is the hint "did you mean X?", or the fallback when nothing is near.
func meant(name string, known []string, fallback string) string {
	if n := api.Nearest(name, known); n != "" {
		return "did you mean " + n + "?"
	}
	if len(known) > 0 && len(known) <= 12 {
		return "defined are " + strings.Join(known, ", ")
	}
	return fallback
}
