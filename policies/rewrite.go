package policies

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
)

// rewriter turns the tree of an expression into one over double variables: each
// metric becomes a variable, each whole number a double. What is left can have
// only two types, so that CEL's checker finds every mistake before a run is judged.
type rewriter struct {
	source *ast.SourceInfo
	text   string
	refs   []metricRef
}

// variable is the name of the metric refs[i] in the rewritten tree. Nobody can
// write it, since a bare name is rewritten.
func variable(i int) string { return "m" + strconv.Itoa(i) }

func (w *rewriter) errorAt(e ast.Expr, format string, args ...any) error {
	loc := w.source.GetStartLocation(e.ID())
	return inText(w.text, loc.Line(), loc.Column(), fmt.Sprintf(format, args...))
}

func (w *rewriter) rewrite(e ast.Expr, top bool) error {
	switch e.Kind() {
	case ast.LiteralKind:
		return w.literal(e, top)
	case ast.IdentKind, ast.SelectKind:
		return w.metric(e)
	case ast.CallKind:
		if e.AsCall().FunctionName() == operators.Index {
			return w.metric(e)
		}
		return w.call(e)
	}
	return w.errorAt(e, "a gate compares numbers; lists, maps and messages have no use here")
}

func (w *rewriter) literal(e ast.Expr, top bool) error {
	var v float64
	switch n := e.AsLiteral().(type) {
	case types.Int:
		v = float64(n)
	case types.Uint:
		v = float64(n)
	case types.Double:
		v = float64(n)
	case types.Bool:
		if top {
			return w.errorAt(e, "%v alone says nothing about the candidate: write a condition such as \"accuracy > 0.95\"", n)
		}
		return w.errorAt(e, "the constant %v would decide for every candidate: leave it out", n)
	default:
		return w.errorAt(e, "metrics are numbers and are not compared with text; a name with other characters is written metrics[\"val-acc\"]")
	}
	if !finite(v) {
		return w.errorAt(e, "the number is not finite")
	}
	e.SetKindCase(factory().NewLiteral(e.ID(), types.Double(v)))
	return nil
}

func factory() ast.ExprFactory { return ast.NewExprFactory() }

// metric makes a variable of accuracy, slices.young.auc, metrics["val-acc"],
// current.accuracy and the like.
func (w *rewriter) metric(e ast.Expr) error {
	path, err := w.path(e)
	if err != nil {
		return err
	}
	ref := metricRef{}
	if path[0] == "current" {
		ref.current = true
		path = path[1:]
	}
	if len(path) > 0 && path[0] == "metrics" {
		path = path[1:]
	}
	if len(path) == 0 {
		return w.errorAt(e, "this is not a number: name a metric, such as current.accuracy or metrics[\"val-acc\"]")
	}
	ref.name = strings.Join(path, ".")
	i := slices.Index(w.refs, ref)
	if i < 0 {
		i = len(w.refs)
		w.refs = append(w.refs, ref)
	}
	e.SetKindCase(factory().NewIdent(e.ID(), variable(i)))
	return nil
}

// path reads a.b["c"] as its steps.
func (w *rewriter) path(e ast.Expr) ([]string, error) {
	switch e.Kind() {
	case ast.IdentKind:
		return []string{e.AsIdent()}, nil
	case ast.SelectKind:
		s := e.AsSelect()
		path, err := w.path(s.Operand())
		return append(path, s.FieldName()), err
	case ast.CallKind:
		call := e.AsCall()
		if call.FunctionName() == operators.Index {
			args := call.Args()
			if args[1].Kind() == ast.LiteralKind {
				if key, ok := args[1].AsLiteral().(types.String); ok && key != "" {
					path, err := w.path(args[0])
					return append(path, string(key)), err
				}
			}
			return nil, w.errorAt(args[1], "a metric is named by text in quotes, as in metrics[\"val-acc\"]")
		}
	}
	return nil, w.errorAt(e, "a metric is named by identifiers and by text in brackets, as in slices[\"18-25\"].auc")
}

func (w *rewriter) call(e ast.Expr) error {
	call := e.AsCall()
	if why := refused(call); why != "" {
		return w.errorAt(e, "%s", why)
	}
	for _, a := range call.Args() {
		if err := w.rewrite(a, false); err != nil {
			return err
		}
	}
	if args := call.Args(); isComparison(call.FunctionName()) && same(args[0], args[1]) {
		return w.errorAt(e, "both sides are the same, so the candidate does not matter")
	}
	return nil
}

// refused says why a call has no place in a gate, or nothing.
func refused(call ast.CallExpr) string {
	name := call.FunctionName()
	switch name {
	case operators.Add, operators.Subtract, operators.Multiply, operators.Divide, operators.Negate,
		operators.LogicalAnd, operators.LogicalOr, operators.LogicalNot, operators.Conditional,
		operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals, operators.Equals, operators.NotEquals:
		return ""
	case "abs", "min", "max":
		if !call.IsMemberFunction() {
			return ""
		}
		return fmt.Sprintf("write %s(x), not x.%s()", name, name)
	case "has":
		return "has() would let a missing metric pass; a metric that is named must be there"
	}
	if symbol, ok := operators.FindReverse(name); ok && symbol != "" {
		name = symbol
	}
	return fmt.Sprintf("%s is not known to gates: there are + - * / < <= > >= == != && || ! ?: abs min max", name)
}

func isComparison(function string) bool {
	switch function {
	case operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals, operators.Equals, operators.NotEquals:
		return true
	}
	return false
}

// same reports whether two rewritten expressions are the same.
func same(a, b ast.Expr) bool {
	if a.Kind() != b.Kind() {
		return false
	}
	switch a.Kind() {
	case ast.IdentKind:
		return a.AsIdent() == b.AsIdent()
	case ast.LiteralKind:
		return a.AsLiteral() == b.AsLiteral()
	case ast.CallKind:
		return a.AsCall().FunctionName() == b.AsCall().FunctionName() &&
			slices.EqualFunc(a.AsCall().Args(), b.AsCall().Args(), same)
	}
	return false
}

// mentionsCurrent reports whether a rewritten expression reads the current model.
func (w *rewriter) mentionsCurrent(e ast.Expr) bool {
	switch e.Kind() {
	case ast.IdentKind:
		for i, r := range w.refs {
			if r.current && variable(i) == e.AsIdent() {
				return true
			}
		}
	case ast.CallKind:
		return slices.ContainsFunc(e.AsCall().Args(), w.mentionsCurrent)
	}
	return false
}

// conjuncts lists what && joins at the top of an expression.
func conjuncts(e ast.Expr) []ast.Expr {
	if e.Kind() != ast.CallKind || e.AsCall().FunctionName() != operators.LogicalAnd {
		return []ast.Expr{e}
	}
	var all []ast.Expr
	for _, a := range e.AsCall().Args() {
		all = append(all, conjuncts(a)...)
	}
	return all
}

// language declares what CEL itself does not have.
func language() []cel.EnvOption {
	d := cel.DoubleType
	abs := cel.Function("abs", cel.Overload("abs_double", []*cel.Type{d}, d, cel.FunctionBinding(fold(absolute))))
	several := func(name string, pick func(a, b float64) float64) cel.EnvOption {
		var overloads []cel.FunctionOpt
		for n := 2; n <= 8; n++ {
			overloads = append(overloads, cel.Overload(fmt.Sprintf("%s_%d", name, n), slices.Repeat([]*cel.Type{d}, n), d, cel.FunctionBinding(fold(pick))))
		}
		return cel.Function(name, overloads...)
	}
	return []cel.EnvOption{abs, several("min", smaller), several("max", larger)}
}
