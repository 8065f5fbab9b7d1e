package plan

import (
	"strings"

	"github.com/pawl-dev/pawl/engine/expr"
)

// Text is a field of the manifest in which tags are replaced at run time. It is
// parsed once.
type Text struct {
	source string
	tmpl   *expr.Template // nil: a literal
	// tasks are the tasks that expression tags of the text read; nil with every
	// set when that cannot be told without evaluating them.
	tasks []string
	every bool
	// expression: the whole text is an expression, which tags in it complete
	// before it is evaluated.
	expression bool
}

// Env gives values to the tags of a Text.
type Env interface {
	// Lookup is the value of a simple tag.
	Lookup(name string) (string, bool)
	// Expand is the environment of expression tags. Of the tasks or steps only
	// the named ones need be in it, or every one.
	Expand(tasks []string, every bool) map[string]any
}

func parseText(source string) (*Text, error) {
	tmpl, err := expr.Parse(source)
	if err != nil || tmpl.IsLiteral() {
		return literal(source), err
	}
	t := &Text{source: source, tmpl: tmpl}
	if !tmpl.HasExpression() {
		return t, nil
	}
	for _, name := range tmpl.Names() {
		task, _, ok := taskOf(name)
		switch {
		case ok:
			t.tasks = append(t.tasks, task)
		case name == "steps" || name == "tasks":
			t.every = true
		}
	}
	return t, nil
}

// parseExpression parses a field that is an expression as a whole, such as
// retryStrategy.expression. Tags in it are replaced in its text first.
func parseExpression(source string) (*Text, error) {
	if !strings.Contains(source, "{{") {
		return parseText("{{=" + source + "}}")
	}
	t, err := parseText(source)
	t.expression, t.every = true, true
	return t, err
}

// taskOf splits "tasks.NAME.REST" and "steps.NAME.REST".
func taskOf(name string) (task, rest string, ok bool) {
	if !strings.HasPrefix(name, "tasks.") && !strings.HasPrefix(name, "steps.") {
		return "", "", false
	}
	return strings.Cut(name[len("tasks."):], ".")
}

// literal is a text that arrives as it is, whatever braces are in it.
func literal(s string) *Text { return &Text{source: s} }

// Source is the text as written.
func (t *Text) Source() string { return t.source }

// Literal reports whether the text has no tags.
func (t *Text) Literal() bool { return t.tmpl == nil }

// Names are the names that the text's tags refer to.
func (t *Text) Names() []string {
	if t.tmpl == nil {
		return nil
	}
	return t.tmpl.Names()
}

// Reference is the name of the tag when the text is one simple tag alone: such a
// text passes a value on, or its absence.
func (t *Text) Reference() (string, bool) {
	if t.tmpl == nil {
		return "", false
	}
	return t.tmpl.SoleName()
}

// Render replaces the tags.
func (t *Text) Render(env Env) (string, error) {
	if t.tmpl == nil {
		return t.source, nil
	}
	expand := func() map[string]any { return env.Expand(t.tasks, t.every) }
	text, err := t.tmpl.Render(env.Lookup, expand)
	if err != nil || !t.expression {
		return text, err
	}
	v, err := expr.Eval(text, expand())
	if err != nil {
		return "", err
	}
	return expr.Format(v), nil
}

// ReadsItem reports whether the text refers to the item of a loop.
func (t *Text) ReadsItem() bool {
	for _, name := range t.Names() {
		if name == "item" || strings.HasPrefix(name, "item.") {
			return true
		}
	}
	return false
}

// HasExpression reports whether the text has expression tags.
func (t *Text) HasExpression() bool {
	return t.expression || t.tmpl != nil && t.tmpl.HasExpression()
}
