package plan

import (
	"fmt"
	"strings"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"
)

// declareOutputs makes the names of the outputs known before the body is
// compiled, which may call the template itself.
func (c *compiler) declareOutputs(t *Template, w *wfv1.Template) {
	for _, p := range w.Outputs.Parameters {
		out := OutputParameter{Name: p.Name}
		if p.Value != nil {
			out.Value = literal("") // no file: it has no path to be asked for
		}
		t.OutputParameters = append(t.OutputParameters, out)
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
	if p.Value != nil {
		if from != nil {
			c.problem(at, fmt.Sprintf("outputs.parameters.%s has both value and valueFrom", p.Name), "keep one of them")
		}
		s := scope{at: at, kind: "template", template: t}
		if !t.IsPod() {
			s.kind, s.parent = "outputs", t
		}
		out.Value = c.text(s, p.Value.String(), at.field("value"))
		return
	}
	if from == nil {
		c.problem(at, fmt.Sprintf("outputs.parameters.%s.valueFrom is required", p.Name), "say where the value comes from")
		return
	}
	s := scope{at: at, kind: "template", template: t}
	if from.Default != nil {
		out.Default = c.path(s, from.Default.String(), at.below("valueFrom.default"))
	}
	at = at.field("valueFrom")
	if t.IsPod() {
		if from.Path == "" {
			c.problem(at, fmt.Sprintf("outputs.parameters.%s of a %s template needs valueFrom.path", p.Name, strings.ToLower(string(t.Type))),
				"name the file that the command writes")
		}
		out.Path = c.path(s, from.Path, at.field("path"))
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
	if t.IsPod() {
		if a.Path == "" {
			c.problem(at, fmt.Sprintf("outputs.artifacts.%s needs a path", a.Name), "name the file or folder that the command writes")
		}
		if a.From != "" {
			c.errorf(at.field("from"), "from is only for steps and dag templates; a %s has a path", strings.ToLower(string(t.Type)))
		}
		out.Path = *c.path(scope{at: at, kind: "template", template: t}, a.Path, at.field("path"))
		return
	}
	out.Path = *literal("")
	if a.From == "" {
		if a.FromExpression != "" {
			return // refused by the table of fields
		}
		c.problem(at, fmt.Sprintf("outputs.artifacts.%s needs from", a.Name), "name the output of a task or step: {{tasks.NAME.outputs.artifacts.NAME}}")
		return
	}
	out.From = c.artifactSource(scope{at: at, kind: "outputs", template: t, parent: t}, a, at)
}
