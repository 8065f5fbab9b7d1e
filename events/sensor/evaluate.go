// Package sensor decides what an event triggers. It is pure: sensor, state and
// event come in, triggers and the new state go out. The order is Argo Events':
// for each dependency that the event is of, transform, then filter; then for
// each trigger conditions, then parameters.
//
// Four things differ from Argo Events on purpose. A filter that cannot be judged
// does not veto others under filtersLogicalOperator "or". One event fires a
// trigger at most once, also where two dependencies are of it. Every drop and
// every default that is taken instead of a value is said. And a tag {{…}} in the
// arguments of a submitted workflow is bound from the event (see events.Alias)
// or refuses the trigger; it is never submitted as it is.
package sensor

import (
	"context"
	"fmt"
	"strings"
	"time"

	eventsv1 "github.com/argoproj/argo-events/pkg/apis/events/v1alpha1"

	"github.com/pawl-dev/pawl/events"
)

// Outcome is what an event led to.
type Outcome struct {
	// State replaces the one given, in the same transaction that records the
	// triggers.
	State    State
	Triggers []events.Trigger
	Notes    []Note
}

// Note says to people what became of an event.
type Note struct {
	Dependency string `json:"dependency,omitempty"`
	Trigger    string `json:"trigger,omitempty"`
	Message    string `json:"message"`
	// Failed marks a trigger that was due and could not be made: its event is
	// used up, and somebody has to repair the sensor.
	Failed bool `json:"failed,omitempty"`
}

// Evaluate decides what an event triggers at now. The sensor has passed Check.
// An event that was evaluated before, or that no dependency is of, changes
// nothing. The context bounds jq programs; when it ends their events are
// dropped with a note.
func Evaluate(ctx context.Context, s *eventsv1.Sensor, st State, e events.Event, now time.Time) Outcome {
	ev := evaluation{sensor: s, now: now, out: Outcome{State: st.clone()}}
	ev.out.State.prune(s, now)
	if !concerns(s, e) {
		return ev.out
	}
	if ev.out.State.see(e) {
		ev.note(Note{Message: fmt.Sprintf("event %s was evaluated before", e.ID)})
		return ev.out
	}
	came := ev.arrive(ctx, e)
	if len(came) == 0 {
		return ev.out
	}
	for _, t := range s.Spec.Triggers {
		ev.offer(t, came)
	}
	return ev.out
}

// concerns reports whether the sensor has a dependency of the event.
func concerns(s *eventsv1.Sensor, e events.Event) bool {
	for _, d := range s.Spec.Dependencies {
		if d.EventSourceName == e.Source && d.EventName == e.Subject {
			return true
		}
	}
	return false
}

type evaluation struct {
	sensor *eventsv1.Sensor
	now    time.Time
	out    Outcome
}

func (ev *evaluation) note(n Note) { ev.out.Notes = append(ev.out.Notes, n) }

// arrive takes the event to each dependency it is of: as it is after the
// dependency's transform, if it passes the dependency's filters.
func (ev *evaluation) arrive(ctx context.Context, e events.Event) []namedEvent {
	var came []namedEvent
	for _, d := range ev.sensor.Spec.Dependencies {
		if d.EventSourceName != e.Source || d.EventName != e.Subject {
			continue
		}
		transformed, err := transform(ctx, d.Transform, e)
		if err != nil {
			ev.note(Note{Dependency: d.Name, Message: fmt.Sprintf("event %s is dropped: transform: %v", e.ID, err)})
			continue
		}
		if v := filter(d, transformed, ev.now); !v.pass {
			ev.note(Note{Dependency: d.Name, Message: fmt.Sprintf("event %s is dropped: %s", e.ID, v.why)})
			continue
		}
		came = append(came, namedEvent{d.Name, transformed})
	}
	return came
}

// offer lets a trigger have the events it waits for and makes it if its
// conditions hold.
func (ev *evaluation) offer(t eventsv1.Trigger, came []namedEvent) {
	name := t.Template.Name
	cond, err := ev.condition(t.Template)
	if err != nil {
		ev.note(Note{Trigger: name, Message: err.Error(), Failed: true})
		return
	}
	wanted := map[string]bool{}
	for _, n := range cond.names() {
		wanted[n] = true
	}
	have := map[string]events.Event{}
	for _, c := range came {
		if wanted[c.dependency] {
			have[c.dependency] = c.Event
		}
	}
	if len(have) == 0 {
		return
	}
	if cond.waits() {
		if have = ev.hold(t.Template, cond, have); have == nil {
			return
		}
	}
	ev.fire(t, ev.inOrder(have))
}

func (ev *evaluation) condition(t *eventsv1.TriggerTemplate) (condition, error) {
	names := dependencyNames(ev.sensor)
	if strings.TrimSpace(t.Conditions) == "" {
		return allOf(names), nil
	}
	return parseCondition(t.Conditions, names)
}

func dependencyNames(s *eventsv1.Sensor) []string {
	var names []string
	for _, d := range s.Spec.Dependencies {
		names = append(names, d.Name)
	}
	return names
}

// hold adds events to those that wait, a later one in place of an earlier one,
// and returns all of them once the conditions hold; then none waits any more.
func (ev *evaluation) hold(t *eventsv1.TriggerTemplate, cond condition, came map[string]events.Event) map[string]events.Event {
	held := ev.out.State.Held[t.Name]
	if held == nil {
		held = map[string]Held{}
		ev.out.State.Held[t.Name] = held
	}
	for dependency, e := range came {
		held[dependency] = Held{Event: e, At: ev.now, Of: identity(*findDependency(ev.sensor, dependency), t.Conditions)}
	}
	if !cond.holds(func(name string) bool { _, ok := held[name]; return ok }) {
		var missing []string
		for _, n := range cond.names() {
			if _, ok := held[n]; !ok {
				missing = append(missing, n)
			}
		}
		ev.note(Note{Trigger: t.Name, Message: "waits, no event yet of " + strings.Join(missing, ", ")})
		return nil
	}
	delete(ev.out.State.Held, t.Name)
	have := map[string]events.Event{}
	for dependency, h := range held {
		have[dependency] = h.Event
	}
	return have
}

// inOrder lists events in the order of the sensor's dependencies.
func (ev *evaluation) inOrder(have map[string]events.Event) []namedEvent {
	var list []namedEvent
	for _, d := range ev.sensor.Spec.Dependencies {
		if e, ok := have[d.Name]; ok {
			list = append(list, namedEvent{d.Name, e})
		}
	}
	return list
}
