package policies

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
)

// Verdict is what becomes of a candidate at a gate.
type Verdict string

// The verdicts. Only Pass lets a candidate through. Fail says that the candidate
// is not good enough, Inconclusive that it cannot be compared, Error that the gate
// could not be evaluated.
const (
	Pass         Verdict = "pass"
	Fail         Verdict = "fail"
	Inconclusive Verdict = "inconclusive"
	Error        Verdict = "error"
)

// Gate is a rule on evidence.
type Gate struct {
	Name string `json:"name"`
	// Expr is a CEL expression over numbers that must be true.
	Expr string `json:"expr"`
	// OnNoCurrent is what becomes of a comparison with the current model when there
	// is none: Pass or, if empty, Fail.
	OnNoCurrent Verdict `json:"onNoCurrent,omitempty"`
	// Shadow gates are evaluated and shown, and decide nothing.
	Shadow bool `json:"shadow,omitempty"`
}

// Program is a compiled Gate. It is immutable and safe for concurrent use.
type Program struct {
	gate    Gate
	hash    string
	metrics []string // sorted
	refs    []metricRef
	parts   []conjunct
	source  *ast.SourceInfo
}

// conjunct is one of the conditions that an expression joins by &&: each must
// hold by itself.
type conjunct struct {
	shown       ast.Expr // as the author wrote it
	program     cel.Program
	usesCurrent bool
}

// metricRef is a mention of a metric: of the candidate or of the current model.
type metricRef struct {
	name    string
	current bool
}

// String is how the metric is written in an expression.
func (r metricRef) String() string {
	if r.current {
		return "current." + r.name
	}
	return r.name
}

const (
	maxExpr = 4096
	// maxCost is far above what an expression of maxExpr bytes can cost; there are
	// no loops.
	maxCost = 100_000
)

// Compile reads a gate's expression. Numbers are doubles, whole ones too. A
// metric is written by its name (accuracy, slices.young.auc) or, where that is no
// identifier, as metrics["val-acc"]; the current model's as current.accuracy or
// current["val-acc"]. There are + - * /, comparisons, && || !, ?: and the
// functions abs, min and max, and nothing else: no text, no lists, no default for
// what is missing.
//
// An expression that does not look at the candidate is an error, and so is one in
// which a part is decided beforehand.
func Compile(gate Gate) (*Program, error) {
	p := &Program{gate: gate, hash: hashOf(gate)}
	if err := p.compile(); err != nil {
		return nil, fmt.Errorf("gate %q: %w", gate.Name, err)
	}
	return p, nil
}

func (p *Program) compile() error {
	switch p.gate.OnNoCurrent {
	case "", Pass, Fail:
	default:
		return fmt.Errorf("onNoCurrent is %q: write pass or fail", p.gate.OnNoCurrent)
	}
	text := p.gate.Expr
	if strings.TrimSpace(text) == "" {
		return errors.New(`expr is empty: write a condition such as "accuracy > 0.95"`)
	}
	if len(text) > maxExpr {
		return fmt.Errorf("expr has %d bytes, more than %d", len(text), maxExpr)
	}
	env, err := cel.NewEnv(append(language(), cel.ClearMacros())...)
	if err != nil {
		return fmt.Errorf("make the language: %w", err)
	}
	// The first tree is kept as it is written, for messages; the second is rewritten
	// to be run. Both have the same ids.
	shown, issues := env.Parse(text)
	if issues.Err() != nil {
		return problemsOf(issues, text)
	}
	run, issues := env.Parse(text)
	if issues.Err() != nil {
		return problemsOf(issues, text)
	}
	p.source = shown.NativeRep().SourceInfo()
	rw := &rewriter{source: p.source, text: text}
	if err := rw.rewrite(run.NativeRep().Expr(), true); err != nil {
		return err
	}
	p.refs = rw.refs
	if err := p.checkRefs(); err != nil {
		return err
	}
	return p.plan(env, shown, run, rw)
}

// checkRefs refuses an expression that names no metric of the candidate.
func (p *Program) checkRefs() error {
	candidates := 0
	for _, r := range p.refs {
		if !r.current {
			candidates++
		}
		p.metrics = append(p.metrics, r.name)
	}
	slices.Sort(p.metrics)
	p.metrics = slices.Compact(p.metrics)
	switch {
	case len(p.refs) == 0:
		return fmt.Errorf("expr %q names no metric, so it says nothing about the candidate: write a condition such as \"accuracy > 0.95\"", p.gate.Expr)
	case candidates == 0:
		return fmt.Errorf("expr %q looks at the current model only: name a metric of the candidate", p.gate.Expr)
	}
	return nil
}

// plan type-checks the rewritten tree and makes a program of each conjunct.
func (p *Program) plan(env *cel.Env, shown, run *cel.Ast, rw *rewriter) error {
	var variables []cel.EnvOption
	for i := range rw.refs {
		variables = append(variables, cel.Variable(variable(i), cel.DoubleType))
	}
	env, err := env.Extend(variables...)
	if err != nil {
		return fmt.Errorf("declare the metrics: %w", err)
	}
	checked, issues := env.Check(run)
	if issues.Err() != nil {
		return problemsOf(issues, p.gate.Expr)
	}
	if checked.OutputType() != cel.BoolType {
		return fmt.Errorf("expr %q is a number, not a condition: compare it, as in \"accuracy > 0.95\"", p.gate.Expr)
	}
	written := conjuncts(shown.NativeRep().Expr())
	for i, e := range conjuncts(checked.NativeRep().Expr()) {
		part := ast.NewCheckedAST(ast.NewAST(e, p.source), checked.NativeRep().TypeMap(), checked.NativeRep().ReferenceMap())
		program, err := env.PlanProgram(part, cel.EvalOptions(cel.OptTrackState), cel.CostLimit(maxCost))
		if err != nil {
			return fmt.Errorf("prepare %q: %w", p.gate.Expr, err)
		}
		p.parts = append(p.parts, conjunct{shown: written[i], program: program, usesCurrent: rw.mentionsCurrent(e)})
	}
	return nil
}

// Name is the gate's name.
func (p *Program) Name() string { return p.gate.Name }

// Metrics lists the metrics that the expression names, of the candidate or of the
// current model, sorted.
func (p *Program) Metrics() []string { return slices.Clone(p.metrics) }

// UsesCurrent reports whether the expression compares with the current model.
func (p *Program) UsesCurrent() bool {
	return slices.ContainsFunc(p.refs, func(r metricRef) bool { return r.current })
}

// Hash identifies the rule: it changes whenever the gate could judge differently.
func (p *Program) Hash() string { return p.hash }

func hashOf(gate Gate) string {
	if gate.OnNoCurrent == "" {
		gate.OnNoCurrent = Fail
	}
	text, err := json.Marshal(gate)
	if err != nil {
		panic(err) // strings and a bool
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// problemsOf turns the issues of CEL into one error with places.
func problemsOf(issues *cel.Issues, text string) error {
	var all []error
	for _, e := range issues.Errors() {
		all = append(all, inText(text, e.Location.Line(), e.Location.Column(), e.Message))
	}
	return errors.Join(all...)
}

// inText is an error at a line and a column (from 0) of an expression.
func inText(text string, line, column int, message string) error {
	where := fmt.Sprintf("column %d", column+1)
	if strings.Contains(strings.TrimSpace(text), "\n") {
		where = fmt.Sprintf("line %d, column %d", line, column+1)
	}
	return fmt.Errorf("expr %q, %s: %s", text, where, strings.TrimSpace(message))
}
