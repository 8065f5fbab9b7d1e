package engine

import (
	"strings"

	"github.com/pawl-dev/pawl/api"
	"github.com/pawl-dev/pawl/engine/attempt"
	"github.com/pawl-dev/pawl/engine/executor"
	"github.com/pawl-dev/pawl/engine/plan"
)

// CheckExecutor asks an executor, before the run, what of a plan it cannot run
// (errors) and what a user should know (notes, each once). Values that only the
// run will know stand as the tags that they come from.
func CheckExecutor(p *plan.Plan, checker executor.Checker) api.Problems {
	var problems api.Problems
	said := map[string]bool{}
	for _, t := range p.Templates {
		if !t.IsPod() {
			continue
		}
		refusals, notes := checker.Check(sketch(t))
		for _, r := range refusals {
			at := t.Path + "." + r.Path
			if t.Pod.Source != nil {
				at = scriptPath(t.Path, r.Path)
			}
			problems = append(problems, api.Problem{
				Severity: api.SeverityError, Position: t.Object.Position(at), Path: at,
				Message: "template " + t.Name + " " + r.Why, Hint: r.Hint,
			})
		}
		for _, n := range notes {
			if !said[n] {
				said[n] = true
				problems = append(problems, api.Problem{Severity: api.SeverityNote, Message: n})
			}
		}
	}
	return problems
}

// scriptPath is a path of a container's field in a script template.
func scriptPath(template, path string) string {
	if rest, ok := strings.CutPrefix(path, "container."); ok {
		path = "script." + rest
	}
	return template + "." + path
}

// sketch is a template's Spec as far as it is known before the run.
func sketch(t *plan.Template) attempt.Spec {
	var s attempt.Spec
	_ = t.Fill(&s, tags{t}) // an expression has no value yet
	for i := range t.InputArtifacts {
		in := &t.InputArtifacts[i]
		path, _ := in.Path.Render(tags{t})
		s.Inputs = append(s.Inputs, attempt.InputArtifact{Name: in.Name, Path: path})
	}
	return s
}

// tags gives every tag its own text as its value, but for the template's own
// paths, which executors know by their tokens.
type tags struct{ template *plan.Template }

func (t tags) Lookup(name string) (string, bool) {
	if token, ok := t.template.PathToken(name); ok {
		return token, true
	}
	return "{{" + name + "}}", true
}

func (tags) Expand([]string, bool) map[string]any { return nil }
