package sched

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/pawl-dev/pawl/engine/expr"
	"github.com/pawl-dev/pawl/engine/plan"
)

// scope is the plan.Env of one place: what the tags there stand for.
type scope struct {
	s    *State
	self *node // whose inputs are seen; its tasks or steps too while it runs
	item *plan.Item
	pod  bool // inside a pod: paths, pod.name, retries

	tries int   // attempts before this one
	last  *node // the one before

	// absent is the output asked for of a task that was skipped or omitted.
	absent string
	// lacking is the last field asked for that a task does not have, why says
	// for people why not.
	lacking, why string
}

// explain adds to the error of a tag why its task does not have what it names.
func (sc *scope) explain(err error) error {
	var unresolved *expr.UnresolvedError
	if sc.why != "" && errors.As(err, &unresolved) && strings.HasSuffix(unresolved.Name, "."+sc.lacking) {
		return fmt.Errorf("%w: %s", err, sc.why)
	}
	return err
}

// Lookup is the value of a simple tag.
func (sc *scope) Lookup(name string) (string, bool) {
	if v, ok := sc.s.plan.Globals[name]; ok {
		return v, true
	}
	head, rest, _ := strings.Cut(name, ".")
	switch head {
	case "workflow":
		return sc.s.late(rest)
	case "inputs":
		return sc.input(name, rest)
	case "outputs":
		if sc.pod {
			return sc.self.tmpl.PathToken(name)
		}
	case "item":
		return sc.itemValue(rest)
	case "pod", "node":
		return sc.nodeName(name)
	case "retries", "lastRetry":
		return sc.retryValue(name)
	case "tasks", "steps":
		return sc.task(rest)
	}
	return "", false
}

// late are the values of workflow.* that a run has only later.
func (s *State) late(rest string) (string, bool) {
	switch rest {
	case "status":
		if s.mainPhase != "" {
			return string(s.mainPhase), true
		}
	case "failures":
		if s.mainPhase != "" {
			return s.failures(), true
		}
	case "duration":
		return fmt.Sprintf("%f", s.now.Sub(s.started).Seconds()), true
	}
	return "", false
}

// failures is workflow.failures: JSON in a Go string, as Argo has it.
func (s *State) failures() string {
	type failure struct {
		DisplayName  string    `json:"displayName"`
		Message      string    `json:"message"`
		TemplateName string    `json:"templateName"`
		Phase        Phase     `json:"phase"`
		PodName      string    `json:"podName"`
		FinishedAt   time.Time `json:"finishedAt"`
	}
	list := []failure{}
	for _, n := range s.nodes {
		if !n.phase.bad() {
			continue
		}
		f := failure{DisplayName: s.displayName(n), Message: n.message, Phase: n.phase, PodName: s.podName(n), FinishedAt: fromNano(n.finished).Truncate(time.Second)}
		if n.tmpl != nil {
			f.TemplateName = n.tmpl.Name
		}
		list = append(list, f)
	}
	text, err := json.Marshal(list)
	if err != nil {
		return strconv.Quote("[]")
	}
	return strconv.Quote(string(text))
}

func (sc *scope) input(name, rest string) (string, bool) {
	if sc.self == nil || sc.self.in == nil {
		return "", false
	}
	t := sc.self.tmpl
	if p, ok := strings.CutPrefix(rest, "parameters."); ok {
		for i := range t.Inputs {
			if t.Inputs[i].Name == p && i < len(sc.self.in.parameters) {
				return sc.self.in.parameters[i], true
			}
		}
		return "", false
	}
	if rest == "parameters" {
		return inputsJSON(t, sc.self.in), true
	}
	if sc.pod {
		return t.PathToken(name)
	}
	return "", false
}

func inputsJSON(t *plan.Template, in *inputs) string {
	list := make([]plan.Parameter, len(in.parameters))
	for i, value := range in.parameters {
		list[i] = plan.Parameter{Name: t.Inputs[i].Name, Value: value}
	}
	text, _ := json.Marshal(list)
	return string(text)
}

func (sc *scope) itemValue(field string) (string, bool) {
	switch {
	case sc.item == nil:
		return "", false
	case field == "":
		return sc.item.String(), true
	}
	return sc.item.Field(field)
}

func (sc *scope) nodeName(name string) (string, bool) {
	if !sc.pod {
		return "", false
	}
	switch name {
	case "pod.name":
		return sc.s.podName(sc.self), true
	case "node.name":
		return sc.self.name, true
	}
	return "", false
}

func (sc *scope) retryValue(name string) (string, bool) {
	if sc.self == nil || sc.self.tmpl == nil || sc.self.tmpl.Retry == nil {
		return "", false
	}
	if name == "retries" {
		return strconv.Itoa(sc.tries), true
	}
	field := strings.TrimPrefix(name, "lastRetry.")
	if sc.last == nil {
		v, ok := map[string]string{"exitCode": "0", "status": "", "duration": "0", "message": ""}[field]
		return v, ok
	}
	switch field {
	case "exitCode":
		if code := sc.last.outputs().ExitCode; code != nil {
			return strconv.Itoa(*code), true
		}
		return "-1", true
	case "status":
		return string(sc.last.phase), true
	case "duration":
		return strconv.FormatFloat(time.Duration(sc.last.finished-sc.last.started).Seconds(), 'f', -1, 64), true
	case "message":
		return sc.last.message, true
	}
	return "", false
}

// task is the value of "NAME.FIELD" of a task or step.
func (sc *scope) task(rest string) (string, bool) {
	if rest == "name" && sc.self != nil && sc.self.task != nil {
		return sc.self.task.Name, true
	}
	name, field, _ := strings.Cut(rest, ".")
	n, l, t := sc.find(name)
	switch {
	case t == nil:
		return "", false
	case l != nil:
		v, ok, absent := sc.s.loopValue(n, l, t, field)
		if absent {
			sc.absent = "tasks." + rest
		}
		if !ok {
			sc.lacking, sc.why = rest, sc.s.loopLacks(l, field)
		}
		return v, ok
	case n == nil:
		sc.lacking, sc.why = rest, name+" has not run"
		return "", false
	}
	v, ok, absent := sc.s.nodeValue(n, t, field)
	if absent {
		sc.absent = sc.word() + rest
	}
	if !ok {
		sc.lacking, sc.why = rest, lacks(n, t, field)
	}
	return v, ok
}

// lacks says why an ended node has no such field.
func lacks(n *node, t *plan.Task, field string) string {
	switch {
	case n.phase.bad() && n.message != "":
		return fmt.Sprintf("%s ended %s: %s", t.Name, n.phase, n.message)
	case n.phase != Succeeded:
		return fmt.Sprintf("%s is %s", t.Name, n.phase)
	case field == "outputs.result" && !t.Template.IsPod():
		return fmt.Sprintf("template %s prints nothing, as it is no container or script: declare an output parameter", t.Template.Name)
	}
	return ""
}

// word is how tasks are called here.
func (sc *scope) word() string {
	if sc.self.kind == kindSteps {
		return "steps."
	}
	return "tasks."
}

// find is the node and the loop of a task or step of the scope.
func (sc *scope) find(name string) (*node, *loop, *plan.Task) {
	if sc.self == nil || sc.pod {
		return nil, nil, nil
	}
	f, ok := sc.self.body.(*frame)
	if !ok {
		return nil, nil, nil
	}
	t := sc.self.tmpl.Task(name)
	if t == nil {
		return nil, nil, nil
	}
	var n *node
	if i := f.nodes[t.Index]; i != none {
		n = sc.s.nodes[i]
	}
	return n, f.loops[int32(t.Index)], t
}

// nodeValue is a field of an ended node. absent: an output of one that did not
// run and has no default.
func (s *State) nodeValue(n *node, t *plan.Task, field string) (value string, ok, absent bool) {
	switch field {
	case "id":
		return s.id(n), true, false
	case "status":
		return string(n.phase), true, false
	case "startedAt":
		return fromNano(n.started).Format(time.RFC3339), true, false
	case "finishedAt":
		return fromNano(n.finished).Format(time.RFC3339), true, false
	case "exitCode", "outputs.exitCode":
		if code := n.outputs().ExitCode; code != nil {
			return strconv.Itoa(*code), true, false
		}
		return "", false, notRun(n)
	case "outputs.result":
		if r := n.outputs().Result; r != nil {
			return *r, true, false
		}
		return "", false, notRun(n)
	}
	p, isParameter := strings.CutPrefix(field, "outputs.parameters.")
	if !isParameter {
		return "", false, false
	}
	if v, ok := n.outputs().parameter(p); ok {
		return v, true, false
	}
	if !notRun(n) {
		return "", false, false
	}
	v, ok := s.defaultOutput(t, p)
	return v, ok, !ok
}

func notRun(n *node) bool { return n.phase == Skipped || n.phase == Omitted }

// defaultOutput is valueFrom.default of a task that did not run.
func (s *State) defaultOutput(t *plan.Task, name string) (string, bool) {
	for _, p := range t.Template.OutputParameters {
		if p.Name == name && p.Default != nil {
			if v, err := p.Default.Render(&scope{s: s}); err == nil {
				return v, true
			}
		}
	}
	return "", false
}

// Expand is the environment of expression tags.
func (sc *scope) Expand(tasks []string, every bool) map[string]any {
	return expr.Env(func(yield func(string, string) bool) {
		put := func(name string) bool {
			v, ok := sc.Lookup(name)
			return !ok || yield(name, v)
		}
		for name, v := range sc.s.plan.Globals {
			if !yield(name, v) {
				return
			}
		}
		for _, name := range sc.names(tasks, every) {
			if !put(name) {
				return
			}
		}
	})
}

// names lists what a scope knows besides the globals.
func (sc *scope) names(tasks []string, every bool) []string {
	names := []string{"workflow.status", "workflow.failures", "workflow.duration"}
	if sc.self != nil && sc.self.tmpl != nil {
		names = append(names, "node.name", "pod.name", "retries",
			"lastRetry.exitCode", "lastRetry.status", "lastRetry.duration", "lastRetry.message")
		t := sc.self.tmpl
		for _, p := range t.Inputs {
			names = append(names, "inputs.parameters."+p.Name)
		}
		for _, a := range t.InputArtifacts {
			names = append(names, "inputs.artifacts."+a.Name+".path")
		}
		for _, p := range t.OutputParameters {
			names = append(names, "outputs.parameters."+p.Name+".path")
		}
		for _, a := range t.OutputArtifacts {
			names = append(names, "outputs.artifacts."+a.Name+".path")
		}
		if every {
			tasks = nil
			for _, x := range t.Tasks {
				tasks = append(tasks, x.Name)
			}
		}
		for _, name := range tasks {
			names = sc.taskFields(names, name)
		}
	}
	if sc.item != nil {
		names = append(names, "item")
		for _, k := range sc.item.Fields() {
			names = append(names, "item."+k)
		}
	}
	return names
}

func (sc *scope) taskFields(names []string, name string) []string {
	_, _, t := sc.find(name)
	if t == nil {
		return names
	}
	prefix := sc.word() + name + "."
	for _, field := range []string{"id", "status", "startedAt", "finishedAt", "exitCode", "outputs.result"} {
		names = append(names, prefix+field)
	}
	for _, p := range t.Template.OutputParameters {
		names = append(names, prefix+"outputs.parameters."+p.Name)
	}
	return names
}
