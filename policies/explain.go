package policies

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/interpreter"
)

// explainer says in words why an expression came out as it did. It reads the
// expression as it was written and the values that its parts had.
type explainer struct {
	source *ast.SourceInfo
	state  interpreter.EvalState
}

// value is what a part came to. A part that a short cut left out has none.
func (x explainer) value(e ast.Expr) (ref.Val, bool) {
	if e.Kind() == ast.LiteralKind {
		return e.AsLiteral().ConvertToType(types.DoubleType), true
	}
	return x.state.Value(e.ID())
}

func (x explainer) number(e ast.Expr) (float64, bool) {
	v, ok := x.value(e)
	d, isDouble := v.(types.Double)
	return float64(d), ok && isDouble
}

func (x explainer) holds(e ast.Expr) (holds, known bool) {
	v, ok := x.value(e)
	b, isBool := v.(types.Bool)
	return bool(b), ok && isBool
}

// checkFinite refuses a calculation on the way that left the finite numbers: a
// division by zero must not let a comparison come out true.
func (x explainer) checkFinite(e ast.Expr) error {
	if v, ok := x.number(e); ok && !finite(v) {
		return fmt.Errorf("%s is %s, not a finite number", x.text(e), number(v))
	}
	if isMetric(e) || e.Kind() != ast.CallKind {
		return nil
	}
	for _, a := range e.AsCall().Args() {
		if err := x.checkFinite(a); err != nil {
			return err
		}
	}
	return nil
}

func isMetric(e ast.Expr) bool {
	return e.Kind() == ast.IdentKind || e.Kind() == ast.SelectKind ||
		e.Kind() == ast.CallKind && e.AsCall().FunctionName() == operators.Index
}

// reasons lists the comparisons that made e what it is.
func (x explainer) reasons(e ast.Expr) []string {
	if e.Kind() != ast.CallKind {
		return nil
	}
	call := e.AsCall()
	args := call.Args()
	switch name := call.FunctionName(); name {
	case operators.LogicalAnd, operators.LogicalOr:
		want, _ := x.holds(e)
		var all []string
		for _, a := range args {
			if got, known := x.holds(a); known && got == want {
				all = append(all, x.reasons(a)...)
			}
		}
		return all
	case operators.LogicalNot:
		return x.reasons(args[0])
	case operators.Conditional:
		chosen := args[2]
		if yes, _ := x.holds(args[0]); yes {
			chosen = args[1]
		}
		return append(x.reasons(args[0]), x.reasons(chosen)...)
	default:
		if isComparison(name) {
			return []string{x.comparison(e, name, args[0], args[1])}
		}
	}
	return nil
}

// comparison is a sentence such as "accuracy 0.93 is not > 0.95 (short by 0.02)".
func (x explainer) comparison(e ast.Expr, function string, left, right ast.Expr) string {
	symbol, _ := operators.FindReverse(function)
	verb := "is not"
	holds, _ := x.holds(e)
	if holds {
		verb = "is"
	}
	sentence := fmt.Sprintf("%s %s %s %s", x.side(left), verb, symbol, x.side(right))
	l, leftOK := x.number(left)
	r, rightOK := x.number(right)
	if !leftOK || !rightOK {
		return sentence
	}
	return sentence + margin(function, holds, l, r)
}

// margin says by how much a comparison holds or fails.
func margin(function string, holds bool, l, r float64) string {
	delta := l - r
	if delta < 0 {
		delta = -delta
	}
	switch by := difference(delta); {
	case function == operators.Equals || function == operators.NotEquals:
		if l == r {
			return ""
		}
		return " (they differ by " + by + ")"
	case l == r && holds:
		return " (equal is enough)"
	case l == r:
		return " (equal is not enough)"
	case holds:
		return " (by " + by + ")"
	case function == operators.Greater || function == operators.GreaterEquals:
		return " (short by " + by + ")"
	default:
		return " (over by " + by + ")"
	}
}

// side is one side of a comparison: a metric with its value, a calculation with
// its result, a number.
func (x explainer) side(e ast.Expr) string {
	v, known := x.number(e)
	if e.Kind() == ast.LiteralKind && known {
		return number(v)
	}
	text := x.text(e)
	switch {
	case !known:
		return text
	case isMetric(e):
		return text + " " + number(v)
	}
	return text + " = " + number(v)
}

// text is how the author wrote a part, in parentheses if it has operators.
func (x explainer) text(e ast.Expr) string {
	text, err := cel.ExprToString(e, x.source)
	if err != nil {
		return "(a part of the expression)"
	}
	text = strings.Join(strings.Fields(text), " ")
	if !isMetric(e) && isOperator(e) {
		text = "(" + text + ")"
	}
	return text
}

func isOperator(e ast.Expr) bool {
	if e.Kind() != ast.CallKind {
		return false
	}
	_, ok := operators.FindReverse(e.AsCall().FunctionName())
	return ok
}

// difference is a number without what subtracting doubles leaves behind its
// twelfth digit (0.979167-0.95 is 0.029167000000000054). The numbers themselves
// are shown whole; it decides nothing.
func difference(d float64) string {
	text := strconv.FormatFloat(d, 'g', 12, 64)
	rounded, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return number(d)
	}
	return number(rounded)
}
