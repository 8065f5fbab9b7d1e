package plan

import (
	"encoding/json"
	"fmt"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"

	"github.com/pawl-dev/pawl/api"
)

// merge lays the workflow's own spec over the one of the template it refers to
// and collects the templates by name. It reports whether there is a spec to go
// on with.
func (c *compiler) merge() bool {
	own := c.workflow.Spec.DeepCopy()
	ref := own.WorkflowTemplateRef
	if ref == nil {
		ref = c.impliedRef(own)
	}
	if ref == nil {
		c.spec = own
		c.define(c.in.Workflow, own.Templates)
		return true
	}
	if len(own.Templates) > 0 {
		c.problem(c.root.field("templates"), "templates are given although spec.workflowTemplateRef is", "keep one of the two")
		return false
	}
	o, base := c.library(c.root.below("workflowTemplateRef.name"), ref.Name, ref.ClusterScope)
	if o == nil {
		return false
	}
	c.walkSpec(o)
	merged, err := mergeSpecs(own, base)
	if err != nil {
		c.errorf(c.root.field("workflowTemplateRef"), "laying the workflow over %s: %v", o.Title(), err)
		return false
	}
	c.spec = merged
	c.define(o, base.Templates)
	return true
}

// impliedRef makes a workflow that has no templates of its own, but whose
// entrypoint is the name of a WorkflowTemplate, run that template.
func (c *compiler) impliedRef(own *wfv1.WorkflowSpec) *wfv1.WorkflowTemplateRef {
	name := own.Entrypoint
	if len(own.Templates) > 0 || name == "" || c.find(wfKindTemplate, name) == nil {
		return nil
	}
	c.add(api.Problem{Severity: api.SeverityNote, Position: c.root.field("entrypoint").position(), Path: "spec.entrypoint",
		Message: fmt.Sprintf("the workflow has no templates; it runs WorkflowTemplate %s", name),
		Hint:    "say workflowTemplateRef: {name: " + name + "}"})
	own.Entrypoint = ""
	return &wfv1.WorkflowTemplateRef{Name: name}
}

// library finds a WorkflowTemplate or ClusterWorkflowTemplate, or reports that
// there is none.
func (c *compiler) library(at place, name string, cluster bool) (*api.Object, *wfv1.WorkflowSpec) {
	kind := wfKindTemplate
	if cluster {
		kind = wfKindCluster
	}
	o := c.find(kind, name)
	if o == nil {
		hint := "give its manifest too"
		if near := api.Nearest(name, c.known(kind)); near != "" {
			hint = "did you mean " + near + "?"
		}
		c.problem(at, fmt.Sprintf("names %s %s which is not defined", kind, name), hint)
		return nil, nil
	}
	c.used[o] = true
	switch t := o.Typed.(type) {
	case *wfv1.WorkflowTemplate:
		return o, &t.Spec
	case *wfv1.ClusterWorkflowTemplate:
		return o, &t.Spec
	}
	c.errorf(at, "names %s %s which could not be read", kind, name)
	return nil, nil
}

func (c *compiler) define(o *api.Object, templates []wfv1.Template) {
	for i := range templates {
		t := &templates[i]
		at := place{o, "spec.templates"}.index(i)
		switch _, twice := c.local[t.Name]; {
		case t.Name == "":
			c.errorf(at, "a template needs a name")
		case twice:
			c.errorf(at.field("name"), "template name '%s' is not unique", t.Name)
		default:
			c.local[t.Name] = definition{t, at}
		}
	}
}

// mergeSpecs lays over on base: lists with names are merged by name, other
// lists and values of over replace those of base.
func mergeSpecs(over, base *wfv1.WorkflowSpec) (*wfv1.WorkflowSpec, error) {
	var merged wfv1.WorkflowSpec
	if err := layOver(over, base, &merged, wfv1.WorkflowSpec{}); err != nil {
		return nil, err
	}
	merged.Suspend = over.Suspend
	// Value, valueFrom and default of one parameter come from one place, the
	// nearer one, or an overridden valueFrom would win over a value.
	for i := range merged.Arguments.Parameters {
		p := &merged.Arguments.Parameters[i]
		for _, from := range [][]wfv1.Parameter{base.Arguments.Parameters, over.Arguments.Parameters} {
			for _, q := range from {
				if q.Name == p.Name && (q.Value != nil || q.ValueFrom != nil || q.Default != nil) {
					*p = q
				}
			}
		}
	}
	for name, hook := range over.Hooks {
		if merged.Hooks == nil {
			merged.Hooks = wfv1.LifecycleHooks{}
		}
		merged.Hooks[name] = hook
	}
	return &merged, nil
}

// layOver merges strategically, by the merge keys of the type's fields.
func layOver(over, base, merged, schema any) error {
	patch, err := json.Marshal(over)
	if err != nil {
		return err
	}
	original, err := json.Marshal(base)
	if err != nil {
		return err
	}
	both, err := strategicpatch.StrategicMergePatch(original, patch, schema)
	if err != nil {
		return err
	}
	return json.Unmarshal(both, merged)
}
