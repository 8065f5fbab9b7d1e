package plan

import (
	"sort"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"

	"github.com/pawl-dev/pawl/api"
)

// Check checks a WorkflowTemplate or ClusterWorkflowTemplate by itself, as far
// as that can be told without the workflow that uses it: the workflow may have
// parameters that the template does not declare. Other kinds have no problems.
func Check(o *api.Object, library []*api.Object) api.Problems {
	var spec *wfv1.WorkflowSpec
	switch t := o.Typed.(type) {
	case *wfv1.WorkflowTemplate:
		spec = t.Spec.DeepCopy()
	case *wfv1.ClusterWorkflowTemplate:
		spec = t.Spec.DeepCopy()
	default:
		return nil
	}
	c := newCompiler(Input{Workflow: o, Library: library, Name: o.Name, Namespace: o.Namespace, UID: "check"})
	c.root, c.spec, c.open = place{o, "spec"}, spec, true
	c.workflow = &wfv1.Workflow{Spec: *spec}
	for _, p := range spec.Arguments.Parameters {
		if p.Value == nil && p.ValueFrom == nil && p.Default == nil {
			c.in.Parameters = append(c.in.Parameters, Parameter{Name: p.Name, Value: anyOf(p)})
		}
	}
	c.walkSpec(o)
	c.define(o, spec.Templates)
	c.setGlobals()
	c.workflowLimits()
	c.volumes = c.compileVolumes(c.spec.Volumes, c.root.field("volumes"))
	c.compileClaims()
	if spec.Entrypoint != "" {
		c.reference(c.root.field("entrypoint"), "", spec.Entrypoint, nil, c.localNames)
	}
	c.compileExit()
	c.compileRest(o)
	return append(c.sorted(), c.plan.Unused...)
}

// anyOf stands for the value that a parameter without one will be given.
func anyOf(p wfv1.Parameter) string {
	if len(p.Enum) > 0 {
		return p.Enum[0].String()
	}
	return "{{workflow.parameters." + p.Name + "}}"
}

// compileRest compiles the templates of an object that nothing reaches: a
// mistake in one is a mistake.
func (c *compiler) compileRest(o *api.Object) {
	names := make([]string, 0, len(c.local))
	for name := range c.local {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		if c.local[name].at.object == o {
			c.template(templateKey{"", name})
		}
	}
}

// sorted are the problems in the order of the file.
func (c *compiler) sorted() api.Problems {
	sort.SliceStable(c.problems, func(i, j int) bool {
		a, b := c.problems[i].Position, c.problems[j].Position
		return a.File < b.File || a.File == b.File && a.Line < b.Line
	})
	return c.problems
}
