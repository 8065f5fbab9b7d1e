package plan

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// reference resolves template: NAME or templateRef within the library scope, or
// reports what is wrong with it.
func (c *compiler) reference(at place, libraryScope, name string, ref *wfv1.TemplateRef, known []string) *Template {
	if ref != nil {
		key := templateKey{"namespaced/" + ref.Name, ref.Template}
		if ref.ClusterScope {
			key.scope = "cluster/" + ref.Name
		}
		return c.libraryTemplate(at, key, ref)
	}
	key := templateKey{libraryScope, name}
	if name == "" {
		c.problem(at, "template name is required", "name the template to run")
		return nil
	}
	if t := c.template(key); t != nil {
		return t
	}
	if _, ok := c.defined(key); !ok {
		c.problem(at, fmt.Sprintf("names template %s which is not defined", name), meant(name, known, "define it under spec.templates"))
	}
	return nil
}

func (c *compiler) libraryTemplate(at place, key templateKey, ref *wfv1.TemplateRef) *Template {
	if ref.Name == "" || ref.Template == "" {
		c.errorf(at, "templateRef needs a name and a template")
		return nil
	}
	o, spec := c.library(at.field("name"), ref.Name, ref.ClusterScope)
	if o == nil {
		return nil
	}
	t := c.template(key)
	if t == nil {
		if _, ok := c.defined(key); !ok {
			c.problem(at.field("template"), fmt.Sprintf("names template %s which is not defined in %s", ref.Template, o.Title()),
				meant(ref.Template, templateNames(spec.Templates), ""))
		}
	}
	return t
}

func templateNames(templates []wfv1.Template) []string {
	var names []string
	for i := range templates {
		names = append(names, templates[i].Name)
	}
	return names
}

// defined finds a template as written.
func (c *compiler) defined(key templateKey) (definition, bool) {
	if key.scope == "" {
		d, ok := c.local[key.name]
		return d, ok
	}
	level, name, _ := strings.Cut(key.scope, "/")
	kind := wfKindTemplate
	if level == "cluster" {
		kind = wfKindCluster
	}
	o := c.find(kind, name)
	if o == nil {
		return definition{}, false
	}
	var templates []wfv1.Template
	switch t := o.Typed.(type) {
	case *wfv1.WorkflowTemplate:
		templates = t.Spec.Templates
	case *wfv1.ClusterWorkflowTemplate:
		templates = t.Spec.Templates
	}
	for i := range templates {
		if templates[i].Name == key.name {
			return definition{&templates[i], place{o, "spec.templates"}.index(i)}, true
		}
	}
	return definition{}, false
}

// template compiles a template once. It is registered before its body is
// compiled, so that templates may call themselves.
func (c *compiler) template(key templateKey) *Template {
	if t, ok := c.templates[key]; ok {
		return t
	}
	d, ok := c.defined(key)
	if !ok {
		return nil
	}
	if key.scope != "" {
		if raw := rawAt(d.at); raw != nil {
			c.walk(d.at, raw, templateFields)
		}
	}
	t := &Template{Name: key.name, Scope: key.scope, index: map[string]int{}}
	if key.scope == "" {
		t.Scope = "local/" + c.plan.Name
	}
	c.templates[key] = t
	c.plan.Templates = append(c.plan.Templates, t)
	c.compileTemplate(t, d, key.scope)
	return t
}

// rawAt is the raw template at spec.templates[i] of a library object.
func rawAt(at place) any {
	spec, _ := at.object.Raw["spec"].(map[string]any)
	list, _ := spec["templates"].([]any)
	var i int
	if _, err := fmt.Sscanf(at.path, "spec.templates[%d]", &i); err != nil || i >= len(list) {
		return nil
	}
	return list[i]
}

func (c *compiler) compileTemplate(t *Template, d definition, libraryScope string) {
	t.Object, t.Path = d.at.object, d.at.path
	w := c.withDefaults(d)
	kinds := templateKinds(w)
	switch {
	case len(kinds) == 0:
		c.problem(d.at, "template type unspecified", "choose one of: container, script, steps, dag")
		return
	case len(kinds) > 1:
		c.problem(d.at, "multiple template types specified: "+strings.Join(kinds, ", "), "keep one")
		return
	}
	switch kinds[0] {
	case "container":
		t.Type = Container
	case "script":
		t.Type = Script
	case "steps":
		t.Type = Steps
	case "dag":
		t.Type = DAG
	default:
		return // refused by the table of fields
	}
	c.inputs(t, w, d.at.field("inputs"))
	c.limits(t, w, d.at)
	switch t.Type {
	case Container, Script:
		c.declareOutputs(t, w)
		c.pod(t, w, d.at)
		c.outputs(t, w, d.at.field("outputs"))
	case Steps:
		c.declareOutputs(t, w)
		c.steps(t, w, d.at.field("steps"), libraryScope)
		c.outputs(t, w, d.at.field("outputs"))
		c.captureResults(t)
	case DAG:
		c.declareOutputs(t, w)
		c.dag(t, w, d.at.field("dag"), libraryScope)
		c.outputs(t, w, d.at.field("outputs"))
		c.captureResults(t)
	}
}

// withDefaults lays the template over spec.templateDefaults.
func (c *compiler) withDefaults(d definition) *wfv1.Template {
	w := d.template
	if c.spec.TemplateDefaults == nil {
		return w
	}
	defaults := c.spec.TemplateDefaults.DeepCopy()
	if kinds := templateKinds(w); len(kinds) == 1 {
		keepKind(defaults, kinds[0])
	}
	var merged wfv1.Template
	if err := layOver(w, defaults, &merged, wfv1.Template{}); err != nil {
		c.errorf(d.at, "laying the template over spec.templateDefaults: %v", err)
		return w
	}
	return &merged
}

// keepKind drops what defaults say about other kinds of template, and limits
// that only leaves may have.
func keepKind(t *wfv1.Template, kind string) {
	if kind != "container" {
		t.Container = nil
	}
	if kind != "script" {
		t.Script = nil
	}
	if kind == "steps" || kind == "dag" {
		t.ActiveDeadlineSeconds, t.Timeout = nil, ""
	} else {
		t.Parallelism = nil
	}
}

func templateKinds(w *wfv1.Template) []string {
	var kinds []string
	for name, set := range map[string]bool{
		"container": w.Container != nil, "script": w.Script != nil, "steps": w.Steps != nil, "dag": w.DAG != nil,
		"containerSet": w.ContainerSet != nil, "resource": w.Resource != nil, "suspend": w.Suspend != nil,
		"data": w.Data != nil, "http": w.HTTP != nil, "plugin": w.Plugin != nil,
	} {
		if set {
			kinds = append(kinds, name)
		}
	}
	sort.Strings(kinds)
	return kinds
}

func (c *compiler) inputs(t *Template, w *wfv1.Template, at place) {
	names := map[string]bool{}
	for i, p := range w.Inputs.Parameters {
		at := at.field("parameters").index(i)
		if !c.nameOnce(names, p.Name, "inputs.parameters", at) {
			continue
		}
		in := InputParameter{Name: p.Name}
		if source, ok := c.parameterValue(p, at); ok {
			in.Default = c.text(scope{at: at, kind: "workflow"}, source, at.field("value"))
		}
		if len(p.Enum) > 0 && in.Default != nil && in.Default.Literal() && !inEnum(p.Enum, in.Default.Source()) {
			c.errorf(at, "value %q of parameter %s is not in its enum", in.Default.Source(), p.Name)
		}
		t.Inputs = append(t.Inputs, in)
	}
	names = map[string]bool{}
	for i, a := range w.Inputs.Artifacts {
		at := at.field("artifacts").index(i)
		if !c.nameOnce(names, a.Name, "inputs.artifacts", at) {
			continue
		}
		in := InputArtifact{Name: a.Name, Optional: a.Optional, Mode: a.Mode, Path: *literal(a.Path)}
		switch {
		case t.IsPodType() && a.Path == "":
			c.errorf(at, "inputs.artifacts.%s needs a path", a.Name)
		case !t.IsPodType() && a.Path != "":
			c.errorf(at.field("path"), "a path is only for container and script templates")
		}
		if located(a.ArtifactLocation) { // all but raw are refused by the table of fields
			in.Default = &ArtifactSource{Raw: literal("")}
		}
		t.InputArtifacts = append(t.InputArtifacts, in)
	}
	// Paths and raw content may have tags of the inputs: parsed once all are known.
	for i := range t.InputArtifacts {
		a := w.Inputs.Artifacts[i]
		at := at.field("artifacts").index(i)
		s := scope{at: at, kind: "template", template: t}
		t.InputArtifacts[i].Path = *c.text(s, a.Path, at.field("path"))
		if a.Raw != nil {
			t.InputArtifacts[i].Default.Raw = c.text(s, a.Raw.Data, at.below("raw.data"))
		}
	}
}

// located reports whether an artifact says where it is kept.
func located(l wfv1.ArtifactLocation) bool {
	l.ArchiveLogs = nil
	return l != (wfv1.ArtifactLocation{})
}

// IsPodType reports whether templates of the type run as attempts.
func (t *Template) IsPodType() bool { return t.Type == Container || t.Type == Script }

// nameOnce checks a name in a list.
func (c *compiler) nameOnce(names map[string]bool, name, list string, at place) bool {
	switch {
	case name == "":
		c.errorf(at, "%s: a name is required", list)
	case names[name]:
		c.errorf(at.field("name"), "%s: name '%s' is not unique", list, name)
	case !validName(name):
		c.errorf(at.field("name"), "%s: name '%s' is invalid: letters, digits, - and _ only, 128 at most", list, name)
	default:
		names[name] = true
		return true
	}
	return false
}

func validName(name string) bool {
	if len(name) > 128 {
		return false
	}
	for i := 0; i < len(name); i++ {
		b := name[i]
		plain := b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || b == '_'
		if !plain && (b != '-' || i == 0) {
			return false
		}
	}
	return name != ""
}

func (c *compiler) limits(t *Template, w *wfv1.Template, at place) {
	s := scope{at: at, kind: "template", template: t}
	leaf := t.IsPodType()
	if w.Parallelism != nil {
		if leaf {
			c.errorf(at.field("parallelism"), "parallelism is only for steps and dag templates")
		} else if *w.Parallelism <= 0 {
			c.errorf(at.field("parallelism"), "parallelism must be greater than 0")
		}
		t.Parallelism = int(*w.Parallelism)
	}
	t.FailFast = w.FailFast != nil && *w.FailFast
	if w.Timeout != "" {
		c.leafOnly(leaf, at.field("timeout"), t)
		t.Timeout = c.text(s, w.Timeout, at.field("timeout"))
		c.durationOf(t.Timeout, at.field("timeout"))
	}
	if d := w.ActiveDeadlineSeconds; d != nil {
		c.leafOnly(leaf, at.field("activeDeadlineSeconds"), t)
		t.MaxRun = c.text(s, d.String(), at.field("activeDeadlineSeconds"))
		if n, err := strconv.Atoi(d.String()); t.MaxRun.Literal() && (err != nil || n <= 0) {
			c.errorf(at.field("activeDeadlineSeconds"), "activeDeadlineSeconds must be a number of seconds greater than 0")
		}
		if t.Timeout != nil {
			c.warn(at.field("activeDeadlineSeconds"), "timeout replaces activeDeadlineSeconds, even where that is shorter", "keep one of them")
		}
	}
	retry, where := w.RetryStrategy, at.field("retryStrategy")
	if retry == nil {
		retry, where = c.spec.RetryStrategy, c.root.field("retryStrategy")
	}
	if retry != nil {
		t.Retry = c.retry(s, retry, where)
	}
}

func (c *compiler) leafOnly(leaf bool, at place, t *Template) {
	if !leaf {
		c.errorf(at, "%s template doesn't support %s field", t.Type, at.last())
	}
}

// durationOf checks a duration that is already known.
func (c *compiler) durationOf(t *Text, at place) {
	if !t.Literal() {
		return
	}
	if d, err := ParseDuration(t.Source()); err != nil || d < 0 {
		c.problem(at, fmt.Sprintf("%q is not a duration", t.Source()), "write 90s, 10m, 1h30m or a number of seconds")
	}
}

// ParseDuration reads a number of seconds or a Go duration.
func ParseDuration(s string) (time.Duration, error) {
	if n, err := strconv.Atoi(s); err == nil {
		return time.Duration(n) * time.Second, nil
	}
	return time.ParseDuration(s)
}

func (c *compiler) retry(s scope, r *wfv1.RetryStrategy, at place) *Retry {
	out := &Retry{Policy: Policy(r.RetryPolicy)}
	switch out.Policy {
	case OnFailure, OnError, Always, OnTransientError:
	case "":
		out.Policy = OnFailure
		if r.Expression != "" {
			out.Policy = Always
		}
	default:
		c.problem(at.field("retryPolicy"), fmt.Sprintf("%s is not a valid RetryPolicy", r.RetryPolicy),
			meant(string(r.RetryPolicy), []string{string(OnFailure), string(OnError), string(Always), string(OnTransientError)}, ""))
	}
	s.retrying = true
	out.Limit = c.number(s, r.Limit, at.field("limit"))
	if r.Expression != "" {
		out.Expression = c.expression(s, r.Expression, at.field("expression"))
	}
	if b := r.Backoff; b != nil {
		at := at.field("backoff")
		out.Backoff = true
		if b.Duration == "" {
			c.problem(at, "no base duration specified for retryStrategy", "give backoff.duration, such as 10s")
		}
		for _, f := range []struct {
			name, value string
			to          **Text
		}{{"duration", b.Duration, &out.Duration}, {"maxDuration", b.MaxDuration, &out.MaxDuration}, {"cap", b.Cap, &out.Cap}} {
			if f.value != "" {
				*f.to = c.text(s, f.value, at.field(f.name))
				c.durationOf(*f.to, at.field(f.name))
			}
		}
		out.Factor = c.number(s, b.Factor, at.field("factor"))
	}
	return out
}

// number is a whole number, or a text with tags that becomes one.
func (c *compiler) number(s scope, n *intstr.IntOrString, at place) *Text {
	if n == nil {
		return nil
	}
	t := c.text(s, n.String(), at)
	if t.Literal() {
		if _, err := ParseInt(t.Source()); err != nil {
			c.errorf(at, "%q is not a whole number", t.Source())
		}
	}
	return t
}

// ParseInt reads a whole number, spaces around it allowed.
func ParseInt(s string) (int, error) {
	n, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil {
		return 0, fmt.Errorf("%q is not a whole number", s)
	}
	return n, nil
}

// declareOutputs makes the names of the outputs known before the body is
// compiled, which may call the template itself.
func (c *compiler) declareOutputs(t *Template, w *wfv1.Template) {
	for _, p := range w.Outputs.Parameters {
		t.OutputParameters = append(t.OutputParameters, OutputParameter{Name: p.Name})
	}
	for _, a := range w.Outputs.Artifacts {
		t.OutputArtifacts = append(t.OutputArtifacts, OutputArtifact{Name: a.Name, Optional: a.Optional})
	}
}

func (c *compiler) outputs(t *Template, w *wfv1.Template, at place) {
	names := map[string]bool{}
	for i, p := range w.Outputs.Parameters {
		at := at.field("parameters").index(i)
		c.nameOnce(names, p.Name, "outputs.parameters", at)
		c.outputParameter(t, &t.OutputParameters[i], p, at)
	}
	names = map[string]bool{}
	for i, a := range w.Outputs.Artifacts {
		at := at.field("artifacts").index(i)
		c.nameOnce(names, a.Name, "outputs.artifacts", at)
		c.outputArtifact(t, &t.OutputArtifacts[i], &a, at)
	}
}

func (c *compiler) outputParameter(t *Template, out *OutputParameter, p wfv1.Parameter, at place) {
	from := p.ValueFrom
	if from == nil {
		c.problem(at, fmt.Sprintf("outputs.parameters.%s.valueFrom is required", p.Name), "say where the value comes from")
		return
	}
	s := scope{at: at, kind: "template", template: t}
	if from.Default != nil {
		out.Default = c.text(s, from.Default.String(), at.below("valueFrom.default"))
	}
	at = at.field("valueFrom")
	if t.IsPodType() {
		if from.Path == "" {
			c.problem(at, fmt.Sprintf("outputs.parameters.%s of a %s template needs valueFrom.path", p.Name, strings.ToLower(string(t.Type))),
				"name the file that the command writes")
		}
		out.Path = c.text(s, from.Path, at.field("path"))
		return
	}
	s = scope{at: at, kind: "outputs", template: t, parent: t}
	switch {
	case from.Parameter != "":
		out.Value = c.text(s, from.Parameter, at.field("parameter"))
	case from.Expression != "":
		out.Value = c.expression(s, from.Expression, at.field("expression"))
	case out.Default == nil:
		c.problem(at, fmt.Sprintf("outputs.parameters.%s of a %s template needs valueFrom.parameter or valueFrom.expression", p.Name, strings.ToLower(string(t.Type))), "")
	}
}

func (c *compiler) outputArtifact(t *Template, out *OutputArtifact, a *wfv1.Artifact, at place) {
	if t.IsPodType() {
		if a.Path == "" {
			c.problem(at, fmt.Sprintf("outputs.artifacts.%s needs a path", a.Name), "name the file or folder that the command writes")
		}
		if a.From != "" {
			c.errorf(at.field("from"), "from is only for steps and dag templates; a %s has a path", strings.ToLower(string(t.Type)))
		}
		out.Path = *c.text(scope{at: at, kind: "template", template: t}, a.Path, at.field("path"))
		return
	}
	out.Path = *literal("")
	if a.From == "" {
		c.problem(at, fmt.Sprintf("outputs.artifacts.%s needs from", a.Name), "name the output of a task or step: {{tasks.NAME.outputs.artifacts.NAME}}")
		return
	}
	out.From = c.artifactSource(scope{at: at, kind: "outputs", template: t, parent: t}, a, at)
}

func parameterIndex(t *Template, name string) int {
	for i := range t.Inputs {
		if t.Inputs[i].Name == name {
			return i
		}
	}
	return -1
}

func artifactIndex(t *Template, name string) int {
	for i := range t.InputArtifacts {
		if t.InputArtifacts[i].Name == name {
			return i
		}
	}
	return -1
}
