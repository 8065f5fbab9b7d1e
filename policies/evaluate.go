package policies

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/cel-go/common/types"
)

// Decision is the judgement of one gate.
type Decision struct {
	Gate    string  `json:"gate"`
	Expr    string  `json:"expr"`
	Verdict Verdict `json:"verdict"`
	// Reason says why, in words and with every number in full precision.
	Reason string `json:"reason"`
	// Values are the metrics it saw, sorted by name; the current model's are named
	// current.NAME.
	Values []Value `json:"values,omitempty"`
	// NoCurrent says that the gate compares with the current model and there is
	// none. A pass with NoCurrent is never merged automatically.
	NoCurrent bool      `json:"noCurrent,omitempty"`
	Shadow    bool      `json:"shadow,omitempty"`
	At        time.Time `json:"at"`
	// PolicyHash is the hash of the rule that judged.
	PolicyHash string `json:"policyHash"`
}

// Value is one metric that a gate saw.
type Value struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
}

// Evaluate judges a candidate. current is the evidence of the model that the
// stage has now, nil if it has none. It never fails otherwise than by a verdict.
func Evaluate(gate *Program, candidate Evidence, current *Evidence, now time.Time) Decision {
	d := Decision{
		Gate: gate.gate.Name, Expr: gate.gate.Expr, Shadow: gate.gate.Shadow,
		At: now, PolicyHash: gate.hash, NoCurrent: gate.UsesCurrent() && current == nil,
	}
	inputs, problems := gate.inputs(candidate, current, &d)
	switch {
	case len(problems) > 0:
		d.Verdict, d.Reason = Error, strings.Join(problems, "; ")
	case d.NoCurrent && gate.gate.OnNoCurrent != Pass:
		d.Verdict, d.Reason = Fail, "there is no current model to compare with, and onNoCurrent is not pass"
	case gate.UsesCurrent() && current != nil && candidate.DataDigest != current.DataDigest:
		d.Verdict = Inconclusive
		d.Reason = fmt.Sprintf("the metrics were measured on different data (candidate %s, current %s), so they cannot be compared",
			orUnknown(candidate.DataDigest), orUnknown(current.DataDigest))
	default:
		gate.judge(inputs, &d)
	}
	return d
}

func orUnknown(digest string) string {
	if digest == "" {
		return "not recorded"
	}
	return digest
}

// inputs looks up every metric that the expression names, whether or not its
// value will matter.
func (p *Program) inputs(candidate Evidence, current *Evidence, d *Decision) (map[string]any, []string) {
	inputs := map[string]any{}
	var problems []string
	for i, r := range p.refs {
		from, whose := &candidate, "the candidate"
		if r.current {
			if current == nil {
				continue
			}
			from, whose = current, "the current model"
		}
		v, ok := from.Metrics[r.name]
		switch why := from.Problems[r.name]; {
		case why != "":
			problems = append(problems, fmt.Sprintf("metric %q of %s is not usable: %s", r.name, whose, why))
		case !ok:
			problems = append(problems, fmt.Sprintf("metric %q of %s is missing; it has %s", r.name, whose, known(from)))
		case !finite(v):
			problems = append(problems, fmt.Sprintf("metric %q of %s is not a finite number: %s", r.name, whose, number(v)))
		default:
			inputs[variable(i)] = v
			d.Values = append(d.Values, Value{Name: r.String(), Value: v})
		}
	}
	slices.SortFunc(d.Values, func(a, b Value) int { return cmp.Compare(a.Name, b.Name) })
	return inputs, problems
}

// known lists the names of the metrics there are.
func known(e *Evidence) string {
	const most = 20
	names := slices.Sorted(maps.Keys(e.Metrics))
	switch {
	case len(names) == 0:
		return "no metrics"
	case len(names) > most:
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}

// judge runs the conjuncts, all of them, so that the reason tells of all that
// failed. Without a current model those that compare with it have been decided by
// onNoCurrent, which cannot excuse the others.
func (p *Program) judge(inputs map[string]any, d *Decision) {
	d.Verdict = Pass
	var passed, failed, broken []string
	if d.NoCurrent {
		passed = append(passed, "there is no current model to compare with, and onNoCurrent is pass")
	}
	for _, c := range p.parts {
		if c.usesCurrent && d.NoCurrent {
			continue
		}
		ok, reasons, err := p.run(c, inputs)
		switch {
		case err != nil:
			broken = append(broken, err.Error())
		case ok:
			passed = append(passed, reasons...)
		default:
			failed = append(failed, reasons...)
		}
	}
	switch {
	case len(broken) > 0:
		d.Verdict, d.Reason = Error, strings.Join(broken, "; ")
	case len(failed) > 0:
		d.Verdict, d.Reason = Fail, strings.Join(failed, "; ")
	default:
		d.Reason = strings.Join(passed, "; ")
	}
}

func (p *Program) run(c conjunct, inputs map[string]any) (bool, []string, error) {
	out, details, err := c.program.Eval(inputs)
	if err != nil {
		return false, nil, fmt.Errorf("evaluate %q: %w", p.gate.Expr, err)
	}
	x := explainer{source: p.source, state: details.State()}
	if err := x.checkFinite(c.shown); err != nil {
		return false, nil, err
	}
	ok, isBool := out.(types.Bool)
	if !isBool {
		return false, nil, fmt.Errorf("evaluate %q: the result is %v, no boolean", p.gate.Expr, out)
	}
	return bool(ok), x.reasons(c.shown), nil
}

// Summary is the verdict of all gates together: all must pass. The worst counts,
// in the order error, inconclusive, fail. No gate at all is an error, and so are
// nothing but shadow gates: what nobody judged has not passed.
func Summary(decisions []Decision) Verdict {
	order := []Verdict{Pass, Fail, Inconclusive, Error}
	worst, judged := 0, false
	for _, d := range decisions {
		if d.Shadow {
			continue
		}
		judged = true
		rank := slices.Index(order, d.Verdict)
		if rank < 0 {
			rank = len(order) - 1
		}
		worst = max(worst, rank)
	}
	if !judged {
		return Error
	}
	return order[worst]
}
