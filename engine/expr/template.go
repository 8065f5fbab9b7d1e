package expr

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Template is text with tags, parsed. The zero value is the empty text. It is
// immutable and safe for use by many goroutines.
type Template struct {
	text  string
	parts []part // nil for a literal
	names []string
}

// part is a piece of a Template: literal text, a simple tag or an expression tag.
type part struct {
	text    string   // literal text, or the tag as it was written
	name    string   // a simple tag without tags inside: its key, trimmed
	key     []part   // a simple tag with tags inside: the pieces of its key
	program *Program // an expression tag
}

func (p *part) isLiteral() bool { return p.name == "" && p.key == nil && p.program == nil }

// maxDepth is how deep tags may stand inside tags; nobody writes more than two.
const maxDepth = 16

// Parse reads text with tags. A tag begins at {{ and ends at the first }} that
// is not taken by a tag inside it; {{= begins an expression, which ends at the
// first }} whatever it holds. An expression that does not compile is an error,
// and so is a {{ that no }} follows.
func Parse(text string) (*Template, error) {
	t := &Template{text: text}
	if !strings.Contains(text, "{{") {
		return t, nil
	}
	p := parser{text: text, levels: []level{{}}}
	if err := p.run(); err != nil {
		return nil, err
	}
	parts := p.levels[0].parts
	if len(parts) == 1 && parts[0].isLiteral() {
		return t, nil
	}
	t.parts = parts
	t.names = appendNames(nil, parts)
	return t, nil
}

// appendNames adds the names that parts refer to, in order, each once.
func appendNames(names []string, parts []part) []string {
	for i := range parts {
		switch p := &parts[i]; {
		case p.key != nil:
			names = appendNames(names, p.key)
		case p.program != nil:
			for _, n := range p.program.names {
				names = appendName(names, n)
			}
		case p.name != "":
			names = appendName(names, p.name)
		}
	}
	return names
}

func appendName(names []string, name string) []string {
	if slices.Contains(names, name) {
		return names
	}
	return append(names, name)
}

// String is the text as it was written.
func (t *Template) String() string { return t.text }

// IsLiteral reports whether the text has no tags, so that it renders to itself.
func (t *Template) IsLiteral() bool { return len(t.parts) == 0 }

// Names lists what the text refers to, in order, each once: the keys of simple
// tags, and in expressions the dotted names that can be told without evaluating
// ("steps['a-b'].outputs.result" is "steps.a-b.outputs.result"). The key of a tag
// with another tag inside is not known here; the inner one is listed.
func (t *Template) Names() []string { return slices.Clone(t.names) }

// SoleName returns the key of the tag when the text is one simple tag and
// nothing else. Such a text passes a value on and may stand for a missing one.
func (t *Template) SoleName() (string, bool) {
	if len(t.parts) == 1 && t.parts[0].name != "" {
		return t.parts[0].name, true
	}
	return "", false
}

// HasExpression reports whether rendering may ask for the environment.
func (t *Template) HasExpression() bool { return hasExpression(t.parts) }

func hasExpression(parts []part) bool {
	for i := range parts {
		if parts[i].program != nil || hasExpression(parts[i].key) {
			return true
		}
	}
	return false
}

// level is one open tag, or the text itself at the bottom.
type level struct {
	start int // where the {{ is
	parts []part
}

type parser struct {
	text      string
	levels    []level
	lastClose int // just behind the last }} seen; an unclosed {{ before it is text
}

func (p *parser) run() error {
	for pos := 0; pos < len(p.text); {
		next := nextBraces(p.text, pos, len(p.levels) > 1)
		p.literal(p.text[pos:next])
		switch pos = next; {
		case pos == len(p.text):
		case strings.HasPrefix(p.text[pos:], "}}"):
			pos += 2
			p.close(pos)
		case strings.HasPrefix(p.text[pos:], "{{="):
			end, err := p.expression(pos)
			if err != nil {
				return err
			}
			pos = end
		default:
			if len(p.levels) > maxDepth {
				return fmt.Errorf("tags stand more than %d deep inside each other at %s", maxDepth, excerpt(p.text[p.levels[1].start:]))
			}
			p.levels = append(p.levels, level{start: pos})
			pos += 2
		}
	}
	return p.finish()
}

// nextBraces finds the next {{, or }} where one can close a tag.
func nextBraces(text string, from int, open bool) int {
	for i := from; i+1 < len(text); i++ {
		if text[i] == '{' && text[i+1] == '{' || open && text[i] == '}' && text[i+1] == '}' {
			return i
		}
	}
	return len(text)
}

func (p *parser) top() *level { return &p.levels[len(p.levels)-1] }

// literal adds text, joined to literal text before it.
func (p *parser) literal(text string) {
	if text == "" {
		return
	}
	top := p.top()
	if n := len(top.parts); n > 0 && top.parts[n-1].isLiteral() {
		top.parts[n-1].text += text
		return
	}
	top.parts = append(top.parts, part{text: text})
}

// close ends the innermost open tag.
func (p *parser) close(end int) {
	p.lastClose = end
	done := *p.top()
	p.levels = p.levels[:len(p.levels)-1]
	written := p.text[done.start:end]
	switch {
	case len(done.parts) == 0:
		p.literal(written)
	case len(done.parts) == 1 && done.parts[0].isLiteral():
		name := strings.TrimSpace(done.parts[0].text)
		if name == "" {
			p.literal(written)
			return
		}
		p.top().parts = append(p.top().parts, part{text: written, name: name})
	default:
		p.top().parts = append(p.top().parts, part{text: written, key: done.parts})
	}
}

// expression reads the expression tag at start and returns where it ends.
func (p *parser) expression(start int) (int, error) {
	n := strings.Index(p.text[start:], "}}")
	if n < 0 {
		return 0, unclosed(p.text[start:])
	}
	end := start + n + 2
	p.lastClose = end
	source := p.text[start+3 : end-2]
	program, err := Compile(source)
	if err != nil {
		if strings.Count(source, "{") > strings.Count(source, "}") {
			err = fmt.Errorf("%w\n(a tag ends at its first }}: write a space between closing braces)", err)
		}
		return 0, fmt.Errorf("%s: %w", excerpt(p.text[start:end]), err)
	}
	p.top().parts = append(p.top().parts, part{text: p.text[start:end], program: program})
	return end, nil
}

// finish turns what was opened and never closed into text, unless no }} follows
// it at all, which is a mistake.
func (p *parser) finish() error {
	for len(p.levels) > 1 {
		open := *p.top()
		if open.start >= p.lastClose {
			return unclosed(p.text[open.start:])
		}
		p.levels = p.levels[:len(p.levels)-1]
		p.literal("{{")
		for _, q := range open.parts {
			if q.isLiteral() {
				p.literal(q.text)
			} else {
				p.top().parts = append(p.top().parts, q)
			}
		}
	}
	return nil
}

func unclosed(text string) error {
	return fmt.Errorf("no }} ends the tag that begins at %s", excerpt(text))
}

// excerpt shortens text for a message.
func excerpt(text string) string {
	const most = 60
	if len(text) <= most {
		return fmt.Sprintf("%q", text)
	}
	return fmt.Sprintf("%q…", strings.ToValidUTF8(text[:most], ""))
}

// UnresolvedError says that a tag refers to the output or state of a step or
// task that is not known.
type UnresolvedError struct{ Name string }

func (e *UnresolvedError) Error() string { return fmt.Sprintf("failed to resolve {{%s}}", e.Name) }

// errNoValue is what an expression that evaluates to nil is in text.
var errNoValue = errors.New("it has no value (nil); give one with ?? \"default\"")
