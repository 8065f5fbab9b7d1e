package sensor

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	eventsv1 "github.com/argoproj/argo-events/pkg/apis/events/v1alpha1"
	"github.com/casbin/govaluate"
	"github.com/tidwall/gjson"

	"github.com/pawl-dev/pawl/events"
)

func filterData(filters []eventsv1.DataFilter, op eventsv1.LogicalOperator, e events.Event, now time.Time) verdict {
	if e.Data == nil {
		return passed
	}
	var judges []func() verdict
	for _, f := range filters {
		judges = append(judges, func() verdict {
			return filterDatum(f, e, now)
		})
	}
	return combine(op, judges)
}

// filterDatum compares one member of the data with the values, of which one has
// to fit, also where the comparator is !=.
func filterDatum(f eventsv1.DataFilter, e events.Event, now time.Time) verdict {
	is := gjson.GetBytes(e.Data, f.Path)
	if !is.Exists() {
		return missed("data filter: the event has no %s", f.Path)
	}
	if f.Template != "" {
		out, err := render(f.Template, is.String(), now)
		if err != nil {
			return missed("data filter on %s: %v", f.Path, err)
		}
		is = gjson.Result{Type: gjson.String, Str: out, Raw: strconv.Quote(out)}
	}
	for _, want := range f.Value {
		fits, err := compare(f, is, want)
		if err != nil {
			return missed("data filter on %s: %v", f.Path, err)
		}
		if fits {
			return passed
		}
	}
	if len(f.Value) == 0 {
		return missed("data filter on %s: value is missing", f.Path)
	}
	return missed("data filter: %s is %s, wanted %s %s", f.Path, shorten(is.String()), operator(f.Comparator), strings.Join(f.Value, " or "))
}

func compare(f eventsv1.DataFilter, is gjson.Result, want string) (bool, error) {
	switch f.Type {
	case eventsv1.JSONTypeBool:
		w, err := strconv.ParseBool(want)
		return w == is.Bool(), err
	case eventsv1.JSONTypeNumber:
		w, err := strconv.ParseFloat(want, 64)
		return err == nil && compareNumber(f.Comparator, is.Float(), w), err
	case eventsv1.JSONTypeString:
		re, err := regexp.Compile(want)
		if err != nil {
			return false, err
		}
		switch f.Comparator {
		case eventsv1.EmptyComparator, eventsv1.EqualTo:
			return re.MatchString(is.String()), nil
		case eventsv1.NotEqualTo:
			return !re.MatchString(is.String()), nil
		}
		return false, fmt.Errorf("comparator %q is not one for strings", f.Comparator)
	}
	return false, fmt.Errorf("type %q is none of bool, number and string", f.Type)
}

func compareNumber(op eventsv1.Comparator, is, want float64) bool {
	switch op {
	case eventsv1.GreaterThanOrEqualTo:
		return is >= want
	case eventsv1.GreaterThan:
		return is > want
	case eventsv1.NotEqualTo:
		return is != want
	case eventsv1.LessThan:
		return is < want
	case eventsv1.LessThanOrEqualTo:
		return is <= want
	}
	return is == want
}

// noResult is a member that is there, to check values against.
func noResult() gjson.Result { return gjson.Result{Type: gjson.String} }

func comparators() []eventsv1.Comparator {
	return []eventsv1.Comparator{
		eventsv1.EmptyComparator, eventsv1.EqualTo, eventsv1.NotEqualTo, eventsv1.GreaterThan,
		eventsv1.GreaterThanOrEqualTo, eventsv1.LessThan, eventsv1.LessThanOrEqualTo,
	}
}

func operator(c eventsv1.Comparator) string {
	if c == eventsv1.EmptyComparator {
		return "="
	}
	return string(c)
}

func filterExprs(filters []eventsv1.ExprFilter, op eventsv1.LogicalOperator, e events.Event) verdict {
	if e.Data == nil {
		return passed
	}
	// A filter without fields says nothing, as in Argo: under "and" it passes,
	// under "or" it does not count.
	filters = slices.DeleteFunc(slices.Clone(filters), func(f eventsv1.ExprFilter) bool { return len(f.Fields) == 0 })
	var judges []func() verdict
	for _, f := range filters {
		judges = append(judges, func() verdict { return filterExpr(f, e) })
	}
	return combine(op, judges)
}

func filterExpr(f eventsv1.ExprFilter, e events.Event) verdict {
	fields := map[string]any{}
	for _, field := range f.Fields {
		v := gjson.GetBytes(e.Data, field.Path)
		if !v.Exists() {
			return missed("expr filter %q: the event has no %s", f.Expr, field.Path)
		}
		fields[field.Name] = v.Value()
	}
	expr, err := parseExpr(f.Expr)
	if err != nil {
		return missed("expr filter %q: %v", f.Expr, err)
	}
	result, err := evaluate(expr, fields)
	if err != nil {
		return missed("expr filter %q: %v", f.Expr, err)
	}
	if result != true {
		return missed("expr filter %q is %v", f.Expr, result)
	}
	return passed
}

func parseExpr(text string) (*govaluate.EvaluableExpression, error) {
	return govaluate.NewEvaluableExpression(text)
}

// evaluate turns a panic of the library into an error: which values an
// expression meets, others decide who send events, and one of them must not end
// the server.
func evaluate(expr *govaluate.EvaluableExpression, fields map[string]any) (result any, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the expression cannot be evaluated: %v", p)
		}
	}()
	return expr.Evaluate(fields)
}

// shorten keeps a value that others sent from filling a message.
func shorten(s string) string {
	const most = 100
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return strconv.Quote(s)
}
