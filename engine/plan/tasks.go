package plan

import (
	"fmt"
	"sort"
	"strings"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"
)

// call is what a dag task and a step have in common.
type call struct {
	name, template string
	ref            *wfv1.TemplateRef
	inline         *wfv1.Template
	arguments      wfv1.Arguments
	items          []wfv1.Item
	param          string
	sequence       *wfv1.Sequence
	when           string
	continueOn     *wfv1.ContinueOn
	at             place
}

func stepCall(s *wfv1.WorkflowStep, at place) call {
	return call{s.Name, s.Template, s.TemplateRef, s.Inline, s.Arguments, s.WithItems, s.WithParam, s.WithSequence, s.When, s.ContinueOn, at}
}

func taskCall(t *wfv1.DAGTask, at place) call {
	return call{t.Name, t.Template, t.TemplateRef, t.Inline, t.Arguments, t.WithItems, t.WithParam, t.WithSequence, t.When, t.ContinueOn, at}
}

// steps compiles the groups of a steps template.
func (c *compiler) steps(t *Template, w *wfv1.Template, at place, libraryScope string) {
	var calls []call
	for g, group := range w.Steps {
		if len(group.Steps) == 0 {
			c.errorf(at.index(g), "a group of steps needs at least one step")
		}
		t.Groups = append(t.Groups, nil)
		for i := range group.Steps {
			k := call(stepCall(&group.Steps[i], at.index(g).index(i)))
			task := c.declareTask(t, k, "step")
			if task == nil {
				continue
			}
			task.Group, task.Wanted = g, true
			t.Groups[g] = append(t.Groups[g], task)
			calls = append(calls, k)
		}
	}
	for i, k := range calls {
		c.resolveTemplate(t.Tasks[i], k, libraryScope)
	}
	for i, k := range calls {
		c.fillTask(t, t.Tasks[i], k)
	}
}

// declareTask makes a task known by name; nil if it cannot have its name.
func (c *compiler) declareTask(t *Template, k call, word string) *Task {
	switch _, twice := t.index[k.name]; {
	case k.name == "":
		c.errorf(k.at, "a %s needs a name", word)
		return nil
	case twice:
		c.errorf(k.at.field("name"), "%s name '%s' is not unique", word, k.name)
		return nil
	case !validName(k.name) || strings.Contains(k.name, "_"):
		c.errorf(k.at.field("name"), "%s name '%s' is invalid: letters, digits and - only, 128 at most", word, k.name)
		return nil
	}
	task := &Task{Name: k.name, Index: len(t.Tasks)}
	t.index[k.name] = task.Index
	t.Tasks = append(t.Tasks, task)
	return task
}

// resolveTemplate finds what the task runs.
func (c *compiler) resolveTemplate(task *Task, k call, libraryScope string) {
	given := 0
	for _, is := range []bool{k.template != "", k.ref != nil, k.inline != nil} {
		if is {
			given++
		}
	}
	switch {
	case given > 1:
		c.problem(k.at, "only one of template, templateRef and inline may be given", "keep one of them")
	case k.inline != nil:
		task.Template = c.inline(k, libraryScope)
	case k.ref != nil:
		task.Template = c.reference(k.at.field("templateRef"), libraryScope, "", k.ref, nil)
	default:
		task.Template = c.reference(k.at.field("template"), libraryScope, k.template, nil, func() []string { return c.scopeNames(libraryScope) })
	}
}

// inline compiles an anonymous template where it is written.
func (c *compiler) inline(k call, libraryScope string) *Template {
	at := k.at.field("inline")
	if k.inline.Steps != nil || k.inline.DAG != nil {
		c.problem(at, "an inline template cannot be steps or dag", "give it a name under spec.templates")
		return nil
	}
	if raw := rawPath(at); raw != nil {
		c.walk(at, raw, templateFields)
	}
	t := &Template{Scope: libraryScope, index: map[string]int{}}
	if libraryScope == "" {
		t.Scope = "local/" + c.plan.Name
	}
	c.plan.Templates = append(c.plan.Templates, t)
	c.compileTemplate(t, definition{k.inline, at}, libraryScope)
	return t
}

// rawPath is the raw value at a place.
func rawPath(at place) any {
	var v any = at.object.Raw
	for _, step := range strings.FieldsFunc(at.path, func(r rune) bool { return r == '.' || r == '[' || r == ']' }) {
		switch x := v.(type) {
		case map[string]any:
			v = x[step]
		case []any:
			i, err := ParseInt(step)
			if err != nil || i < 0 || i >= len(x) {
				return nil
			}
			v = x[i]
		default:
			return nil
		}
	}
	return v
}

// scopeNames lists the templates that can be named in a library scope.
func (c *compiler) scopeNames(libraryScope string) []string {
	if libraryScope == "" {
		return c.localNames()
	}
	level, name, _ := strings.Cut(libraryScope, "/")
	kind := wfKindTemplate
	if level == "cluster" {
		kind = wfKindCluster
	}
	switch t := c.find(kind, name).Typed.(type) {
	case *wfv1.WorkflowTemplate:
		return templateNames(t.Spec.Templates)
	case *wfv1.ClusterWorkflowTemplate:
		return templateNames(t.Spec.Templates)
	}
	return nil
}

// fillTask compiles the fields of a task once all its siblings are known.
func (c *compiler) fillTask(t *Template, task *Task, k call) {
	if k.continueOn != nil {
		task.ContinueOnFailed, task.ContinueOnError = k.continueOn.Failed, k.continueOn.Error
	}
	s := scope{at: k.at, kind: "task", template: t, parent: t, task: task}
	task.Loop = c.loop(s, k)
	s.loop = task.Loop != nil
	if k.when != "" {
		task.When = c.text(s, k.when, k.at.field("when"))
	}
	if task.Template != nil {
		c.arguments(s, task, k.arguments, k.at.field("arguments"))
	}
}

// arguments binds what is given to the inputs of the task's template.
func (c *compiler) arguments(s scope, task *Task, args wfv1.Arguments, at place) {
	t := task.Template
	task.Arguments = make([]*Text, len(t.Inputs))
	task.Artifacts = make([]*ArtifactSource, len(t.InputArtifacts))
	for i, p := range args.Parameters {
		at := at.field("parameters").index(i)
		k := parameterIndex(t, p.Name)
		if k < 0 {
			c.warn(at, fmt.Sprintf("template %s has no input parameter %s", t.Name, p.Name), "")
			continue
		}
		if source, ok := c.parameterValue(p, at); ok {
			task.Arguments[k] = c.text(s, source, at.field("value"))
		}
	}
	for i := range args.Artifacts {
		a := &args.Artifacts[i]
		at := at.field("artifacts").index(i)
		k := artifactIndex(t, a.Name)
		if k < 0 {
			c.warn(at, fmt.Sprintf("template %s has no input artifact %s", t.Name, a.Name), "")
			continue
		}
		task.Artifacts[k] = c.artifactSource(s, a, at)
	}
	c.checkGiven(s.at, task)
}

// checkGiven reports inputs that have neither argument nor default.
func (c *compiler) checkGiven(at place, task *Task) {
	t := task.Template
	for i, in := range t.Inputs {
		if task.Arguments[i] == nil && in.Default == nil {
			c.problem(at, fmt.Sprintf("inputs.parameters.%s was not supplied", in.Name),
				fmt.Sprintf("template %s asks for it: pass it under arguments.parameters or give it a default", t.Name))
		}
	}
	for i, in := range t.InputArtifacts {
		if task.Artifacts[i] == nil && in.Default == nil && !in.Optional {
			c.problem(at, fmt.Sprintf("inputs.artifacts.%s was not supplied", in.Name),
				fmt.Sprintf("template %s asks for it: pass it under arguments.artifacts or make it optional", t.Name))
		}
	}
}

// artifactSource resolves from: "{{...}}" or raw; nil: neither is given. After a
// problem it is a source all the same, so that the problem is said once.
func (c *compiler) artifactSource(s scope, a *wfv1.Artifact, at place) *ArtifactSource {
	src := &ArtifactSource{}
	if a.SubPath != "" {
		src.SubPath = c.text(s, a.SubPath, at.field("subPath"))
	}
	if a.Raw != nil {
		src.Raw = c.text(s, a.Raw.Data, at.below("raw.data"))
		return src
	}
	if a.From == "" {
		if located(a.ArtifactLocation) || a.FromExpression != "" {
			return src // refused by the table of fields
		}
		if !a.Optional {
			c.problem(at, fmt.Sprintf("artifact %s needs from or raw", a.Name), "write from: {{tasks.NAME.outputs.artifacts.NAME}} or {{inputs.artifacts.NAME}}")
			return src
		}
		return nil
	}
	at = at.field("from")
	t, err := parseText(a.From)
	if err != nil {
		c.errorf(at, "%v", err)
		return src
	}
	name, ok := t.Reference()
	if !ok {
		c.problem(at, fmt.Sprintf("%q is not one reference to an artifact", a.From), "write {{tasks.NAME.outputs.artifacts.NAME}} or {{inputs.artifacts.NAME}}")
		return src
	}
	if why, hint := s.check(c, name); why != "" {
		c.problem(at, why, hint)
		return src
	}
	if input, ok := strings.CutPrefix(name, "inputs.artifacts."); ok && s.template != nil {
		src.Input = input
		return src
	}
	if of, rest, ok := taskOf(name); ok && s.parent != nil {
		if output, ok := strings.CutPrefix(rest, "outputs.artifacts."); ok && s.parent.Task(of) != nil {
			src.Task, src.Output = s.parent.Task(of), output
			return src
		}
	}
	c.problem(at, fmt.Sprintf("{{%s}} is no artifact", name), "write {{tasks.NAME.outputs.artifacts.NAME}} or {{inputs.artifacts.NAME}}")
	return src
}

// captureResults marks the tasks whose standard output somebody reads.
func (c *compiler) captureResults(t *Template) {
	read := func(text *Text) {
		if text == nil || text.Literal() {
			return
		}
		if text.every {
			for _, task := range t.Tasks {
				task.CaptureResult = true
			}
		}
		for _, name := range text.Names() {
			of, rest, ok := taskOf(name)
			if !ok {
				of, rest = strings.TrimPrefix(strings.TrimPrefix(name, "tasks."), "steps."), "outputs"
			}
			if task := t.Task(of); task != nil && (rest == "outputs.result" || rest == "outputs") {
				task.CaptureResult = true
			}
		}
	}
	for _, task := range t.Tasks {
		read(task.When)
		for _, a := range task.Arguments {
			read(a)
		}
		for _, a := range task.Artifacts {
			if a != nil {
				read(a.Raw)
				read(a.SubPath)
			}
		}
		for _, text := range task.Loop.texts() {
			read(text)
		}
	}
	for _, p := range t.OutputParameters {
		read(p.Value)
	}
}

// dag compiles the tasks of a dag template.
func (c *compiler) dag(t *Template, w *wfv1.Template, at place, libraryScope string) {
	t.StopOnFailure = w.DAG.FailFast == nil || *w.DAG.FailFast
	if len(w.DAG.Tasks) == 0 {
		c.errorf(at, "dag.tasks: at least one task is required")
	}
	var calls []call
	var written []*wfv1.DAGTask
	for i := range w.DAG.Tasks {
		k := taskCall(&w.DAG.Tasks[i], at.field("tasks").index(i))
		if c.declareTask(t, k, "task") != nil {
			calls = append(calls, k)
			written = append(written, &w.DAG.Tasks[i])
		}
	}
	for i, k := range calls {
		if k.continueOn != nil {
			t.Tasks[i].ContinueOnFailed, t.Tasks[i].ContinueOnError = k.continueOn.Failed, k.continueOn.Error
		}
	}
	c.dependencies(t, written, calls)
	if cycle := t.cycle(); cycle != nil {
		c.problem(calls[cycle[0].Index].at, "dependency cycle detected: "+joinTasks(cycle), "remove one of these dependencies")
		return
	}
	c.targets(t, w.DAG.Target, at.field("target"))
	for i, k := range calls {
		c.resolveTemplate(t.Tasks[i], k, libraryScope)
	}
	for i, k := range calls {
		c.fillTask(t, t.Tasks[i], k)
	}
}

func joinTasks(tasks []*Task) string {
	var names []string
	for _, t := range tasks {
		names = append(names, t.Name)
	}
	return strings.Join(names, "->")
}

// targets marks the tasks that the targets need, and lists the targets by name.
func (c *compiler) targets(t *Template, target string, at place) {
	if target == "" {
		for _, task := range t.Tasks {
			if len(task.Dependents) == 0 {
				t.Targets = append(t.Targets, task.Index)
			}
		}
	}
	if strings.Contains(target, "{{") {
		c.problem(at, "a tag in dag.target is not run by pawl yet", "name the tasks")
		return
	}
	for _, name := range strings.Fields(target) {
		task := t.Task(name)
		if task == nil {
			c.problem(at, fmt.Sprintf("target '%s' is not defined", name), meant(name, t.taskNames(), ""))
			continue
		}
		t.Targets = append(t.Targets, task.Index)
	}
	sort.Slice(t.Targets, func(i, j int) bool { return t.Tasks[t.Targets[i]].Name < t.Tasks[t.Targets[j]].Name })
	queue := append([]int(nil), t.Targets...)
	for len(queue) > 0 {
		task := t.Tasks[queue[0]]
		queue = queue[1:]
		if task.Wanted {
			continue
		}
		task.Wanted = true
		for _, n := range task.Needs {
			queue = append(queue, n.Index)
		}
	}
}
