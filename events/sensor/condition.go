package sensor

import (
	"fmt"
	"slices"
)

// A condition says which dependencies a trigger waits for: names joined by &&
// and ||, with parentheses; && binds closer. There is no negation: an event that
// did not come is not a fact.
//
//	condition = and { "||" and }
//	and       = term { "&&" term }
//	term      = name | "(" condition ")"
type condition struct {
	name string // of a dependency; else the condition is all or any of the parts
	all  bool
	of   []condition
}

// maxDepth bounds the nesting of parentheses.
const maxDepth = 100

// parseCondition reads a condition over the dependencies of these names.
func parseCondition(text string, names []string) (condition, error) {
	p := conditionParser{tokens: tokenize(text), names: names}
	c, err := p.any(0)
	if err == nil && p.next < len(p.tokens) {
		err = fmt.Errorf("%q is not expected", p.peek().text)
	}
	if err != nil {
		column := len(text) + 1
		if p.next < len(p.tokens) {
			column = p.peek().column
		}
		return condition{}, fmt.Errorf("condition %q, column %d: %w", text, column, err)
	}
	return c, nil
}

// allOf is the condition of a trigger that has none: every dependency.
func allOf(names []string) condition {
	c := condition{all: true}
	for _, n := range names {
		c.of = append(c.of, condition{name: n})
	}
	return c
}

// holds reports whether the condition is true when have tells the names.
func (c condition) holds(have func(string) bool) bool {
	if c.name != "" {
		return have(c.name)
	}
	holds := func(of condition) bool { return of.holds(have) }
	if c.all {
		return !slices.ContainsFunc(c.of, func(of condition) bool { return !holds(of) })
	}
	return slices.ContainsFunc(c.of, holds)
}

// waits reports whether one event can ever be too little: without an && in it, a
// condition holds as soon as anything named in it has come.
func (c condition) waits() bool {
	return c.all && len(c.of) > 1 || slices.ContainsFunc(c.of, condition.waits)
}

// names reports the dependencies that the condition names.
func (c condition) names() []string {
	if c.name != "" {
		return []string{c.name}
	}
	var names []string
	for _, of := range c.of {
		names = append(names, of.names()...)
	}
	return names
}

type token struct {
	text   string
	column int
}

// tokenize splits a condition into operators, parentheses and names.
func tokenize(text string) []token {
	var tokens []token
	for i := 0; i < len(text); {
		n := 1
		switch c := text[i]; {
		case isBlank(c):
			i++
			continue
		case c == '(' || c == ')':
		case c == '&' || c == '|':
			for i+n < len(text) && n < 2 && text[i+n] == c {
				n++
			}
		default:
			for i+n < len(text) && !isBlank(text[i+n]) && !isOperator(text[i+n]) {
				n++
			}
		}
		tokens = append(tokens, token{text[i : i+n], i + 1})
		i += n
	}
	return tokens
}

func isBlank(c byte) bool    { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }
func isOperator(c byte) bool { return c == '(' || c == ')' || c == '&' || c == '|' }

type conditionParser struct {
	tokens []token
	next   int
	names  []string
}

func (p *conditionParser) peek() token {
	if p.next == len(p.tokens) {
		return token{}
	}
	return p.tokens[p.next]
}

func (p *conditionParser) any(depth int) (condition, error) {
	return p.list("||", false, depth, func() (condition, error) {
		return p.list("&&", true, depth, func() (condition, error) { return p.term(depth) })
	})
}

// list reads parts joined by one operator; a single part stands for itself.
func (p *conditionParser) list(operator string, all bool, depth int, part func() (condition, error)) (condition, error) {
	c := condition{all: all}
	for {
		of, err := part()
		if err != nil {
			return condition{}, err
		}
		c.of = append(c.of, of)
		if p.peek().text != operator {
			break
		}
		p.next++
	}
	if len(c.of) == 1 {
		return c.of[0], nil
	}
	return c, nil
}

func (p *conditionParser) term(depth int) (condition, error) {
	switch t := p.peek().text; {
	case t == "":
		return condition{}, fmt.Errorf("it ends where the name of a dependency is expected")
	case t == "(":
		if depth == maxDepth {
			return condition{}, fmt.Errorf("more than %d parentheses deep", maxDepth)
		}
		p.next++
		c, err := p.any(depth + 1)
		if err != nil {
			return condition{}, err
		}
		if p.peek().text != ")" {
			return condition{}, fmt.Errorf("a ) is missing")
		}
		p.next++
		return c, nil
	case isOperator(t[0]):
		return condition{}, fmt.Errorf("%q stands where the name of a dependency is expected", t)
	case !slices.Contains(p.names, t):
		return condition{}, fmt.Errorf("%q is not the name of a dependency", t)
	default:
		p.next++
		return condition{name: t}, nil
	}
}
