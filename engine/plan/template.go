package plan

import (
	"fmt"
	"sort"
	"strings"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"
)

// reference resolves template: NAME or templateRef within the library scope, or
// reports what is wrong with it; known lists the names that might be meant.
func (c *compiler) reference(at place, libraryScope, name string, ref *wfv1.TemplateRef, known func() []string) *Template {
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
		c.problem(at, fmt.Sprintf("names template %s which is not defined", name), meant(name, known(), "define it under spec.templates"))
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
