package plan

import (
	"fmt"
	"strings"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"

	"github.com/pawl-dev/pawl/engine/expr"
)

// Depends is the condition under which a task runs once all its needs are over.
type Depends struct {
	*expr.Depends
	// rescues names the tasks whose failure the condition may put up with.
	rescues map[string]bool
	items   bool
}

// AsksItems reports whether the condition looks at the items of a loop.
func (d *Depends) AsksItems() bool { return d.items }

// Rescues reports whether the task may run although the named one failed.
func (d *Depends) Rescues(task string) bool { return d.rescues[task] }

// dependencies reads depends and dependencies of all tasks of a dag.
func (c *compiler) dependencies(t *Template, written []*wfv1.DAGTask, calls []call) {
	enhanced := false
	for _, w := range written {
		enhanced = enhanced || w.Depends != ""
	}
	for i, w := range written {
		task, at := t.Tasks[i], calls[i].at
		if enhanced && len(w.Dependencies) > 0 {
			c.problem(at.field("dependencies"), "dependencies cannot be used in a dag in which a task has depends", "write depends: "+strings.Join(w.Dependencies, " && "))
			continue
		}
		if enhanced && w.ContinueOn != nil {
			c.problem(at.field("continueOn"), "continueOn cannot be used in a dag in which a task has depends", "say so in depends: NAME.Failed")
			continue
		}
		switch {
		case w.Depends != "":
			d, err := expr.ParseDepends(w.Depends)
			if err != nil {
				c.errorf(at.field("depends"), "%v", err)
				continue
			}
			c.checkItemsConditions(t, written, d, at.field("depends"))
			task.Depends = &Depends{Depends: d, rescues: rescues(d, w.Depends), items: asksItems(d)}
			c.needs(t, task, d.Tasks(), func(int) place { return at.field("depends") })
		case len(w.Dependencies) > 0:
			task.Depends = &Depends{Depends: expr.Dependencies(w.Dependencies, func(name string) expr.ContinueOn {
				if n := t.Task(name); n != nil {
					return expr.ContinueOn{Error: n.ContinueOnError, Failed: n.ContinueOnFailed}
				}
				return expr.ContinueOn{}
			})}
			c.needs(t, task, w.Dependencies, func(k int) place { return at.field("dependencies").index(k) })
		}
	}
}

func (c *compiler) needs(t *Template, task *Task, names []string, at func(int) place) {
	seen := map[string]bool{}
	for k, name := range names {
		n := t.Task(name)
		switch {
		case n == nil:
			c.problem(at(k), fmt.Sprintf("names task %s which is not defined", name), meant(name, t.taskNames(), ""))
		case name[0] >= '0' && name[0] <= '9':
			c.errorf(at(k), "task name %s begins with a digit, which dependencies do not allow", name)
		case !seen[name]:
			seen[name] = true
			task.Needs = append(task.Needs, n)
			n.Dependents = append(n.Dependents, task)
		}
	}
}

func (c *compiler) checkItemsConditions(t *Template, written []*wfv1.DAGTask, d *expr.Depends, at place) {
	for _, ref := range d.Refs() {
		if ref.Result != expr.AnySucceeded && ref.Result != expr.AllFailed {
			continue
		}
		if n := t.Task(ref.Task); n != nil {
			w := written[n.Index]
			if len(w.WithItems) == 0 && w.WithParam == "" && w.WithSequence == nil {
				c.errorf(at, "%s uses an items-based condition such as .AnySucceeded or .AllFailed but does not contain any items", ref.Task)
			}
		}
	}
}

func asksItems(d *expr.Depends) bool {
	for _, ref := range d.Refs() {
		if ref.Result == expr.AnySucceeded || ref.Result == expr.AllFailed {
			return true
		}
	}
	return false
}

// rescues lists the tasks whose failure may make the condition true. With ! or
// || in it any of them may.
func rescues(d *expr.Depends, text string) map[string]bool {
	any := strings.ContainsAny(text, "!|")
	m := map[string]bool{}
	for _, ref := range d.Refs() {
		switch ref.Result {
		case expr.Failed, expr.Errored, expr.AllFailed, expr.AnySucceeded:
			m[ref.Task] = true
		default:
			m[ref.Task] = m[ref.Task] || any
		}
	}
	return m
}

// cycle is a path from a task back to itself, nil if there is none.
func (t *Template) cycle() []*Task {
	// Kahn's algorithm leaves the tasks on or behind a cycle.
	waiting := make([]int, len(t.Tasks))
	var queue []*Task
	for i, task := range t.Tasks {
		waiting[i] = len(task.Needs)
		if waiting[i] == 0 {
			queue = append(queue, task)
		}
	}
	left := len(t.Tasks)
	for len(queue) > 0 {
		task := queue[0]
		queue = queue[1:]
		left--
		for _, d := range task.Dependents {
			if waiting[d.Index]--; waiting[d.Index] == 0 {
				queue = append(queue, d)
			}
		}
	}
	if left == 0 {
		return nil
	}
	// Every task left needs one that is left: walking needs must come round.
	var at *Task
	for i, task := range t.Tasks {
		if waiting[i] > 0 {
			at = task
			break
		}
	}
	seen := map[*Task]int{}
	var path []*Task
	for {
		if k, ok := seen[at]; ok {
			return append(path[k:], at)
		}
		seen[at] = len(path)
		path = append(path, at)
		for _, n := range at.Needs {
			if waiting[n.Index] > 0 {
				at = n
				break
			}
		}
	}
}
