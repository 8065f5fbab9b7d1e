package expr

import (
	"fmt"
	"slices"
	"strings"
)

// Result is how a task ended, as `depends` can ask for it.
type Result string

// The results. AnySucceeded and AllFailed look at the items of a loop.
const (
	Succeeded    Result = "Succeeded"
	Failed       Result = "Failed"
	Errored      Result = "Errored"
	Skipped      Result = "Skipped"
	Omitted      Result = "Omitted"
	Daemoned     Result = "Daemoned"
	AnySucceeded Result = "AnySucceeded"
	AllFailed    Result = "AllFailed"
)

func (r Result) valid() bool {
	switch r {
	case Succeeded, Failed, Errored, Skipped, Omitted, Daemoned, AnySucceeded, AllFailed:
		return true
	}
	return false
}

// TaskResult says which results hold for a task that is over.
type TaskResult struct {
	Succeeded, Failed, Errored, Skipped, Omitted, Daemoned, AnySucceeded, AllFailed bool
}

// Has reports whether the result holds.
func (t TaskResult) Has(r Result) bool {
	switch r {
	case Succeeded:
		return t.Succeeded
	case Failed:
		return t.Failed
	case Errored:
		return t.Errored
	case Skipped:
		return t.Skipped
	case Omitted:
		return t.Omitted
	case Daemoned:
		return t.Daemoned
	case AnySucceeded:
		return t.AnySucceeded
	case AllFailed:
		return t.AllFailed
	}
	return false
}

// TaskRef is one mention of a task in `depends`: with a Result, or bare.
type TaskRef struct {
	Task   string
	Result Result // empty: a bare name
}

// ContinueOn is a task's continueOn: what its dependents put up with.
type ContinueOn struct{ Error, Failed bool }

// Depends is a parsed `depends`, or a list of `dependencies`. It is immutable.
type Depends struct {
	root node
	refs []TaskRef
}

// Refs lists every mention of a task in the order of the text.
func (d *Depends) Refs() []TaskRef { return slices.Clone(d.refs) }

// Tasks lists the tasks that are mentioned, each once, in the order of the text.
// Argo decides only when all of them are over, also those that a short cut would
// not look at.
func (d *Depends) Tasks() []string {
	var tasks []string
	for _, r := range d.refs {
		tasks = appendName(tasks, r.Task)
	}
	return tasks
}

// Eval decides whether the task may run. result is asked for every task that is
// mentioned; a task it does not know is its own error to report beforehand.
func (d *Depends) Eval(result func(task string) TaskResult) (bool, error) {
	if d.root == nil {
		return false, fmt.Errorf("depends was not parsed")
	}
	return d.root.eval(result), nil
}

// Dependencies is the meaning of a task's `dependencies`: all of them, each as a
// bare name. continueOn tells of the tasks that are depended on; it may be nil.
func Dependencies(tasks []string, continueOn func(task string) ContinueOn) *Depends {
	all := allOf{}
	refs := make([]TaskRef, 0, len(tasks))
	for _, t := range tasks {
		ref := taskNode{TaskRef: TaskRef{Task: t}}
		if continueOn != nil {
			ref.continueOn = continueOn(t)
		}
		all = append(all, ref)
		refs = append(refs, ref.TaskRef)
	}
	return &Depends{root: all, refs: refs}
}

// node is a part of a condition.
type node interface {
	eval(result func(string) TaskResult) bool
}

type (
	allOf []node
	anyOf []node
	notOf struct{ node }
)

func (n allOf) eval(result func(string) TaskResult) bool {
	for _, x := range n {
		if !x.eval(result) {
			return false
		}
	}
	return true
}

func (n anyOf) eval(result func(string) TaskResult) bool {
	for _, x := range n {
		if x.eval(result) {
			return true
		}
	}
	return false
}

func (n notOf) eval(result func(string) TaskResult) bool { return !n.node.eval(result) }

type taskNode struct {
	TaskRef
	continueOn ContinueOn
}

// eval of a bare name: succeeded, skipped or daemoned, and what its continueOn
// adds. Omitted is not among them.
func (n taskNode) eval(result func(string) TaskResult) bool {
	r := result(n.Task)
	if n.Result != "" {
		return r.Has(n.Result)
	}
	return r.Succeeded || r.Skipped || r.Daemoned ||
		n.continueOn.Error && r.Errored || n.continueOn.Failed && r.Failed
}

// ParseDepends reads a `depends`: names, NAME.Result, &&, ||, ! and parentheses.
// Argo hands the text to a larger language, but takes every word in it for a
// task first, so this is all that passes its lint.
func ParseDepends(text string) (*Depends, error) {
	if len(text) > maxSource {
		return nil, fmt.Errorf("depends has %d bytes, more than %d", len(text), maxSource)
	}
	p := dependsParser{text: text}
	if p.peek() == "" {
		return nil, fmt.Errorf("depends %q: it names no task", text)
	}
	root, err := p.or(0)
	if err == nil && p.peek() != "" {
		err = p.unexpected("&& or || before it")
	}
	if err != nil {
		return nil, fmt.Errorf("depends %s: %w", excerpt(text), err)
	}
	return &Depends{root: root, refs: p.refs}, nil
}

type dependsParser struct {
	text string
	pos  int
	refs []TaskRef
}

// peek returns the next token without taking it: a word, an operator, "" at the end.
func (p *dependsParser) peek() string {
	for p.pos < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.pos]) >= 0 {
		p.pos++
	}
	rest := p.text[p.pos:]
	switch {
	case rest == "":
		return ""
	case strings.HasPrefix(rest, "&&"), strings.HasPrefix(rest, "||"):
		return rest[:2]
	}
	n := strings.IndexFunc(rest, func(r rune) bool { return !isWord(r) })
	switch {
	case n < 0:
		return rest
	case n > 0:
		return rest[:n]
	}
	for i := range rest {
		if i > 0 {
			return rest[:i]
		}
	}
	return rest
}

func isWord(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_' || r == '.'
}

func (p *dependsParser) take() string {
	token := p.peek()
	p.pos += len(token)
	return token
}

func (p *dependsParser) unexpected(want string) error {
	token := p.peek()
	if token == "" {
		return fmt.Errorf("it ends where %s is expected", want)
	}
	return fmt.Errorf("unexpected %q at column %d: %s is expected; what may stand here is NAME, NAME.Result, &&, ||, !, ()",
		token, p.pos+1, want)
}

func (p *dependsParser) or(depth int) (node, error) {
	return p.list("||", depth, p.and, func(n []node) node { return anyOf(n) })
}

func (p *dependsParser) and(depth int) (node, error) {
	return p.list("&&", depth, p.unary, func(n []node) node { return allOf(n) })
}

func (p *dependsParser) list(op string, depth int, item func(int) (node, error), join func([]node) node) (node, error) {
	first, err := item(depth)
	if err != nil {
		return nil, err
	}
	nodes := []node{first}
	for p.peek() == op {
		p.take()
		next, err := item(depth)
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, next)
	}
	if len(nodes) == 1 {
		return first, nil
	}
	return join(nodes), nil
}

func (p *dependsParser) unary(depth int) (node, error) {
	if depth > 200 {
		return nil, fmt.Errorf("it is nested more than 200 deep")
	}
	switch token := p.peek(); {
	case token == "!":
		p.take()
		n, err := p.unary(depth + 1)
		return notOf{n}, err
	case token == "(":
		p.take()
		n, err := p.or(depth + 1)
		if err != nil {
			return nil, err
		}
		if p.peek() != ")" {
			return nil, p.unexpected("a closing parenthesis")
		}
		p.take()
		return n, nil
	case token != "" && isWord(rune(token[0])):
		return p.task()
	}
	return nil, p.unexpected("a task")
}

func (p *dependsParser) task() (node, error) {
	column := p.pos + 1
	word := p.take()
	name, result, dotted := strings.Cut(word, ".")
	ref := TaskRef{Task: name, Result: Result(result)}
	switch {
	case name == "" || name[0] == '-' || name[0] == '.':
		return nil, fmt.Errorf("%q at column %d is no name of a task", word, column)
	case name[0] >= '0' && name[0] <= '9':
		return nil, fmt.Errorf("task name %q at column %d begins with a digit, which depends and dependencies do not allow", name, column)
	case dotted && !ref.Result.valid():
		return nil, fmt.Errorf("task result '%s' for task '%s' is invalid: it is one of Succeeded, Failed, Errored, Skipped, Omitted, Daemoned, AnySucceeded, AllFailed", result, name)
	}
	p.refs = append(p.refs, ref)
	return taskNode{TaskRef: ref}, nil
}
