package expr

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Render replaces the tags. A simple tag becomes what lookup says of its key; an
// expression tag is evaluated against what env returns, asked for at most once
// and only when there is one, and inserted as Format writes it. A tag that
// lookup does not know stays as it is written, as Argo leaves it, but for names
// that begin with steps. or tasks.: those give an *UnresolvedError, except for
// artifacts, which are resolved elsewhere.
func (t *Template) Render(lookup func(name string) (value string, ok bool), env func() map[string]any) (string, error) {
	if len(t.parts) == 0 {
		return t.text, nil
	}
	r := renderer{lookup: lookup, env: env}
	if len(t.parts) == 1 {
		return r.part(&t.parts[0])
	}
	return r.all(t.parts, len(t.text))
}

type renderer struct {
	lookup func(string) (string, bool)
	env    func() map[string]any
	known  map[string]any // what env returned
	asked  bool
}

func (r *renderer) all(parts []part, size int) (string, error) {
	var b strings.Builder
	b.Grow(size)
	for i := range parts {
		s, err := r.part(&parts[i])
		if err != nil {
			return "", err
		}
		b.WriteString(s)
	}
	return b.String(), nil
}

func (r *renderer) part(p *part) (string, error) {
	switch {
	case p.program != nil:
		return r.expression(p)
	case p.key != nil:
		key, err := r.all(p.key, len(p.text))
		if err != nil {
			return "", err
		}
		return r.simple(strings.TrimSpace(key), "{{"+key+"}}")
	case p.name != "":
		return r.simple(p.name, p.text)
	}
	return p.text, nil
}

func (r *renderer) simple(name, written string) (string, error) {
	if r.lookup != nil {
		if v, ok := r.lookup(name); ok {
			return v, nil
		}
	}
	if mustResolve(name) {
		return "", &UnresolvedError{Name: name}
	}
	return written, nil
}

func mustResolve(name string) bool {
	if !strings.HasPrefix(name, "steps.") && !strings.HasPrefix(name, "tasks.") {
		return false
	}
	return !strings.Contains(name, ".outputs.artifacts.")
}

func (r *renderer) expression(p *part) (string, error) {
	if !r.asked && r.env != nil {
		r.known = r.env()
	}
	r.asked = true
	v, err := p.program.Eval(r.known)
	if err == nil && v == nil {
		err = errNoValue
	}
	var s string
	if err == nil {
		s, err = format(v)
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", excerpt(p.text), err)
	}
	return s, nil
}

// Format is how the result of an expression, or a JSON value, is inserted into
// text: a string as it is, anything else as its JSON, which loses its quotes if
// it is a JSON string. A value that has no JSON is printed as Go does.
func Format(v any) string {
	s, err := format(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return s
}

func format(v any) (string, error) {
	if s, ok := v.(string); ok {
		return s, nil
	}
	text, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("write the result as JSON: %w", err)
	}
	if text[0] == '"' {
		var s string
		if err := json.Unmarshal(text, &s); err == nil {
			return s, nil
		}
	}
	return string(text), nil
}
