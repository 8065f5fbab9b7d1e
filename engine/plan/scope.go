package plan

import (
	"fmt"
	"strings"

	"github.com/pawl-dev/pawl/api"
)

// scope says which names a text may refer to.
type scope struct {
	at place
	// kind is "workflow" (values of the workflow alone), "input" (the default of
	// an input), "template" (inside a template), "task" (the fields of a task or step of parent) or "outputs"
	// (the outputs of parent, when all its tasks are over).
	kind     string
	template *Template // whose inputs are seen
	parent   *Template
	task     *Task
	loop     bool
}

// text parses a field and checks what it refers to.
func (c *compiler) text(s scope, source string, at place) *Text {
	t, err := parseText(source)
	return c.checked(s, t, err, at)
}

// expression parses and checks a field that is an expression as a whole.
func (c *compiler) expression(s scope, source string, at place) *Text {
	t, err := parseExpression(source)
	return c.checked(s, t, err, at)
}

// path parses a field that is a path itself: it cannot have tags that stand for
// one, which only the executor knows.
func (c *compiler) path(s scope, source string, at place) *Text {
	t := c.text(s, source, at)
	for _, name := range t.Names() {
		if strings.HasSuffix(name, ".path") && (strings.HasPrefix(name, "inputs.artifacts.") || strings.HasPrefix(name, "outputs.")) {
			c.problem(at, fmt.Sprintf("{{%s}} cannot be part of a path", name), "write the path out; its tag is for command, args, env and source")
		}
	}
	return t
}

func (c *compiler) checked(s scope, t *Text, err error, at place) *Text {
	if err != nil {
		c.errorf(at, "%v", err)
		return t
	}
	for _, name := range t.Names() {
		if why, hint := s.check(c, name); why != "" {
			if t.HasExpression() {
				c.warn(at, why, hint) // ?? or ?. may guard it
			} else {
				c.problem(at, why, hint)
			}
		}
	}
	return t
}

// check says why a name cannot be resolved in the scope; "" when it can, or when
// it is no name of Argo's, which stays as it is.
func (s scope) check(c *compiler, name string) (why, hint string) {
	head, rest, _ := strings.Cut(name, ".")
	unresolved := fmt.Sprintf("failed to resolve {{%s}}", name)
	switch head {
	case "workflow":
		return c.checkGlobal(name, rest, unresolved)
	case "inputs":
		return s.checkInput(rest, unresolved)
	case "outputs":
		return s.checkOutput(rest, unresolved)
	case "item":
		if s.kind == "task" && s.loop {
			return "", ""
		}
		return unresolved, "there is an item only in a task or step with withItems, withParam or withSequence"
	case "tasks", "steps":
		if rest == "name" || rest == "" {
			return "", ""
		}
		return s.checkTask(c, name, unresolved)
	}
	return "", ""
}

func (c *compiler) checkGlobal(name, rest, unresolved string) (why, hint string) {
	if _, ok := c.plan.Globals[name]; ok {
		return "", ""
	}
	field, of, _ := strings.Cut(rest, ".")
	switch field {
	case "status", "failures", "duration", "", "labels", "annotations", "scheduledTime", "priority":
		return "", ""
	case "outputs":
		return "{{" + name + "}} is not run by pawl yet", "pass the output on as an argument, up through the outputs of steps or dag templates"
	case "parameters":
		if of == "" || c.open {
			return "", ""
		}
		var known []string
		for _, p := range c.plan.Parameters {
			known = append(known, p.Name)
		}
		return unresolved, meant(of, known, "add the parameter to spec.arguments.parameters")
	}
	return unresolved, ""
}

func (s scope) checkInput(rest, unresolved string) (why, hint string) {
	if s.template == nil {
		return unresolved, "there are no inputs here"
	}
	kind, name, _ := strings.Cut(rest, ".")
	switch {
	case name == "":
		return "", ""
	case kind == "parameters":
		if parameterIndex(s.template, name) >= 0 {
			return "", ""
		}
		var known []string
		for _, p := range s.template.Inputs {
			known = append(known, p.Name)
		}
		if s.kind == "input" {
			return unresolved, meant(name, known, "a default sees the inputs.parameters declared above it")
		}
		return unresolved, meant(name, known, "add it to the template's inputs.parameters")
	case kind == "artifacts":
		name = strings.TrimSuffix(name, ".path")
		if artifactIndex(s.template, name) >= 0 {
			return "", ""
		}
		var known []string
		for _, a := range s.template.InputArtifacts {
			known = append(known, a.Name)
		}
		return unresolved, meant(name, known, "add it to the template's inputs.artifacts")
	}
	return unresolved, ""
}

func (s scope) checkOutput(rest, unresolved string) (why, hint string) {
	if s.template == nil {
		return unresolved, ""
	}
	kind, name, _ := strings.Cut(rest, ".")
	name = strings.TrimSuffix(name, ".path")
	var known []string
	for _, p := range s.template.OutputParameters {
		if kind == "parameters" && p.Value == nil {
			known = append(known, p.Name)
		}
	}
	for _, a := range s.template.OutputArtifacts {
		if kind == "artifacts" {
			known = append(known, a.Name)
		}
	}
	for _, k := range known {
		if k == name {
			return "", ""
		}
	}
	return unresolved, meant(name, known, "add it to the template's outputs")
}

// checkTask checks a name that begins with tasks. or steps.: the task exists, is
// over by then, and has the output.
func (s scope) checkTask(c *compiler, name, unresolved string) (why, hint string) {
	if s.parent == nil {
		return unresolved, "tasks and steps are seen only by their siblings; pass the value as an argument"
	}
	of, rest, _ := taskOf(name)
	t := s.parent.Task(of)
	if t == nil {
		return unresolved, meant(of, s.parent.taskNames(), "")
	}
	if word := strings.TrimSuffix(strings.SplitN(name, ".", 2)[0], "s"); word == "task" != (s.parent.Type == DAG) {
		return unresolved, "write steps. in a steps template and tasks. in a dag"
	}
	if s.task != nil && !c.before(s.parent, t, s.task) {
		if s.parent.Type == DAG {
			return fmt.Sprintf("missing dependency '%s' for {{%s}}", of, name), "add it to the task's dependencies"
		}
		return unresolved, "a step sees the outputs of earlier groups only"
	}
	return t.checkField(rest, unresolved)
}

func (t *Template) taskNames() []string {
	var names []string
	for _, x := range t.Tasks {
		names = append(names, x.Name)
	}
	return names
}

// checkField checks what follows tasks.NAME.
func (t *Task) checkField(rest, unresolved string) (why, hint string) {
	field, name, _ := strings.Cut(rest, ".")
	switch field {
	case "id", "status", "exitCode", "startedAt", "finishedAt", "":
		return "", ""
	case "ip", "hostNodeName":
		return strings.TrimPrefix(unresolved, "failed to resolve ") + " is not run by pawl yet", "local processes share the machine's network: write 127.0.0.1"
	case "outputs":
	default:
		return unresolved, "known are id, status, exitCode, startedAt, finishedAt and outputs"
	}
	kind, name, _ := strings.Cut(name, ".")
	if t.Template == nil || kind == "" || kind == "result" || kind == "exitCode" || name == "" {
		return "", ""
	}
	var known []string
	switch kind {
	case "parameters":
		for _, p := range t.Template.OutputParameters {
			known = append(known, p.Name)
		}
	case "artifacts":
		for _, a := range t.Template.OutputArtifacts {
			known = append(known, a.Name)
		}
	}
	for _, k := range known {
		if k == name {
			return "", ""
		}
	}
	if n := api.Nearest(name, known); n != "" {
		return unresolved, "did you mean " + n + "?"
	}
	return unresolved, fmt.Sprintf("template %s has no output of that name", t.Template.Name)
}
