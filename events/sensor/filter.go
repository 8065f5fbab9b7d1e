package sensor

import (
	"fmt"
	"strings"
	"time"

	eventsv1 "github.com/argoproj/argo-events/pkg/apis/events/v1alpha1"

	"github.com/pawl-dev/pawl/events"
)

// A verdict is what a filter says of an event: pass, or why not. A fault is a
// filter that could not be judged, such as a path that the event does not have;
// it never passes.
type verdict struct {
	pass bool
	why  string
}

var passed = verdict{pass: true}

func missed(format string, args ...any) verdict {
	return verdict{why: fmt.Sprintf(format, args...)}
}

// filter judges an event by all filters of a dependency, in Argo's order. Under
// "or" one passing filter is enough, whatever is wrong with the others; Argo
// lets a filter that cannot be judged veto those that pass.
func filter(d eventsv1.EventDependency, e events.Event, now time.Time) verdict {
	f := d.Filters
	if f == nil {
		return passed
	}
	var judges []func() verdict
	if len(f.Exprs) > 0 {
		judges = append(judges, func() verdict { return filterExprs(f.Exprs, f.ExprLogicalOperator, e) })
	}
	if len(f.Data) > 0 {
		judges = append(judges, func() verdict { return filterData(f.Data, f.DataLogicalOperator, e, now) })
	}
	if f.Context != nil {
		judges = append(judges, func() verdict { return filterContext(*f.Context, e) })
	}
	if f.Time != nil {
		judges = append(judges, func() verdict { return filterTime(*f.Time, e.Time) })
	}
	return combine(d.FiltersLogicalOperator, judges)
}

// combine asks the judges in order until the answer is known.
func combine(op eventsv1.LogicalOperator, judges []func() verdict) verdict {
	if len(judges) == 0 {
		return passed
	}
	var why []string
	for _, judge := range judges {
		v := judge()
		if v.pass && op == eventsv1.OrLogicalOperator {
			return passed
		}
		if !v.pass {
			why = append(why, v.why)
			if op != eventsv1.OrLogicalOperator {
				return v
			}
		}
	}
	if len(why) == 0 {
		return passed
	}
	return verdict{why: strings.Join(why, "; ")}
}

// filterContext wants the members that are given to be equal.
func filterContext(want eventsv1.EventContext, e events.Event) verdict {
	for _, m := range []struct{ name, want, is string }{
		{"type", want.Type, e.Type},
		{"subject", want.Subject, e.Subject},
		{"source", want.Source, e.Source},
		{"datacontenttype", want.DataContentType, events.ContentType},
	} {
		if m.want != "" && m.want != m.is {
			return missed("context filter: %s is %q, not %q", m.name, m.is, m.want)
		}
	}
	return passed
}

const clock = "15:04:05"

// filterTime wants the time of day of the event from start (inclusive) to stop
// (exclusive) in the filter's time zone; a stop that is not later than the start
// is one of the next day.
func filterTime(f eventsv1.TimeFilter, at time.Time) verdict {
	start, stop, zone, err := timeWindow(f)
	if err != nil {
		return missed("time filter: %v", err)
	}
	at = at.In(zone)
	is := sinceMidnight(at)
	if start < stop && is >= start && is < stop || start >= stop && (is >= start || is < stop) {
		return passed
	}
	return missed("time filter: %s is not between %s and %s (%s)", at.Format(clock), f.Start, f.Stop, zone)
}

func timeWindow(f eventsv1.TimeFilter) (start, stop time.Duration, zone *time.Location, err error) {
	if start, err = timeOfDay("start", f.Start); err != nil {
		return 0, 0, nil, err
	}
	if stop, err = timeOfDay("stop", f.Stop); err != nil {
		return 0, 0, nil, err
	}
	zone, err = time.LoadLocation(f.Timezone) // empty is UTC
	if err != nil {
		return 0, 0, nil, fmt.Errorf("timezone %q: %w", f.Timezone, err)
	}
	return start, stop, zone, nil
}

func timeOfDay(field, text string) (time.Duration, error) {
	t, err := time.Parse(clock, text)
	if err != nil {
		return 0, fmt.Errorf("%s %q is not of the form HH:MM:SS", field, text)
	}
	return sinceMidnight(t), nil
}

func sinceMidnight(t time.Time) time.Duration {
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute +
		time.Duration(t.Second())*time.Second + time.Duration(t.Nanosecond())
}
