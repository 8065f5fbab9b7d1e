package sensor

import (
	"context"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	eventsv1 "github.com/argoproj/argo-events/pkg/apis/events/v1alpha1"
	"sigs.k8s.io/yaml"

	"github.com/pawl-dev/pawl/events"
)

var noon = time.Date(2024, 5, 6, 12, 0, 0, 0, time.UTC)

func parseSensor(t testing.TB, text string) *eventsv1.Sensor {
	t.Helper()
	s := &eventsv1.Sensor{}
	if err := yaml.UnmarshalStrict([]byte(text), s); err != nil {
		t.Fatal(err)
	}
	return s
}

// three is a sensor of three dependencies whose trigger logs, under conditions.
func three(t testing.TB, conditions string) *eventsv1.Sensor {
	s := parseSensor(t, `
metadata: {name: s, namespace: ml}
spec:
  dependencies:
  - {name: a, eventSourceName: src, eventName: a}
  - {name: b-1, eventSourceName: src, eventName: b}
  - {name: c, eventSourceName: src, eventName: c}
  triggers:
  - template: {name: t, log: {}}
`)
	s.Spec.Triggers[0].Template.Conditions = conditions
	return s
}

func event(subject, id, data string) events.Event {
	return events.Event{ID: id, Source: "src", Type: "webhook", Subject: subject, Time: noon, Data: json.RawMessage(data)}
}

// replay evaluates and sends the state through JSON, as a store does.
func replay(t testing.TB, s *eventsv1.Sensor, st *State, e events.Event, now time.Time) Outcome {
	t.Helper()
	before, err := json.Marshal(st)
	if err != nil {
		t.Fatal(err)
	}
	out := Evaluate(context.Background(), s, *st, e, now)
	if after, _ := json.Marshal(st); string(after) != string(before) {
		t.Fatalf("Evaluate changed the state it was given from %s to %s", before, after)
	}
	b, err := json.Marshal(out.State)
	if err != nil {
		t.Fatal(err)
	}
	*st = State{}
	if err := json.Unmarshal(b, st); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestConditionsDecideWhichEventsFire(t *testing.T) {
	for _, test := range []struct {
		name, conditions string
		arrive           string // events as subject+number, in this order
		want             string // what fired after each, "-" for nothing
	}{
		{"no conditions wait for all dependencies", "", "a1 b1 c1", "- - a1+b1+c1"},
		{"after firing all are waited for again", "", "a1 b1 c1 c2 b2 a2", "- - a1+b1+c1 - - a2+b2+c2"},
		{"a later event takes the place of an earlier one", "", "a1 a2 b1 c1", "- - - a2+b1+c1"},
		{"or fires at once with the one event", "a || b-1", "a1 b1 c1", "a1 b1 -"},
		{"a single name fires at once and others do not count", "b-1", "a1 b1 c1", "- b1 -"},
		{"and waits for both", "a && b-1", "a1 c1 b1", "- - a1+b1"},
		{"parentheses: either both or the third", "(a && b-1) || c", "a1 b1 c1", "- a1+b1 c1"},
		{"firing by the third uses up the one that waits", "(a && b-1) || c", "a1 c1 b1", "- a1+c1 -"},
		{"and binds closer than or", "c || a && b-1", "a1 b1 c1", "- a1+b1 c1"},
		{"one of two and a third", "(a || b-1) && c", "a1 b1 c1", "- - a1+b1+c1"},
		{"an event that is delivered again changes nothing", "a && b-1", "a1 b1 b1 a1 b1", "- a1+b1 - - -"},
		{"an event of nobody changes nothing", "a", "x1 a1", "- a1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, st := three(t, test.conditions), State{}
			if ps := Check(s); len(ps) > 0 {
				t.Fatal(ps)
			}
			var got []string
			for id := range strings.SplitSeq(test.arrive, " ") {
				out := replay(t, s, &st, event(id[:1], id, "{}"), noon)
				fired := "-"
				for _, tr := range out.Triggers {
					fired = strings.Join(tr.EventIDs, "+")
				}
				got = append(got, fired)
			}
			if g := strings.Join(got, " "); g != test.want {
				t.Errorf("fired %q, want %q", g, test.want)
			}
		})
	}
}

func TestAChangedDependencyForgetsTheEventsItHolds(t *testing.T) {
	s, st := three(t, "a && b-1"), State{}
	replay(t, s, &st, event("a", "a1", "{}"), noon)
	s.Spec.Dependencies[0].Filters = &eventsv1.EventDependencyFilter{Data: []eventsv1.DataFilter{{Path: "x", Type: "string", Value: []string{"."}}}}
	if out := replay(t, s, &st, event("b", "b1", "{}"), noon); len(out.Triggers) > 0 {
		t.Errorf("fired with %v", out.Triggers[0].EventIDs)
	}
}

func TestADroppedEventSaysWhy(t *testing.T) {
	s, st := three(t, "a"), State{}
	s.Spec.Dependencies[0].Filters = &eventsv1.EventDependencyFilter{Data: []eventsv1.DataFilter{{Path: "x", Type: "string", Value: []string{"y"}}}}
	out := replay(t, s, &st, event("a", "a1", `{"x":"z"}`), noon)
	if len(out.Triggers) > 0 || len(out.Notes) != 1 || out.Notes[0] != (Note{Dependency: "a", Message: `event a1 is dropped: data filter: x is "z", wanted = y`}) {
		t.Errorf("got %+v", out)
	}
}

func TestConditionsResetForgetsAtItsTime(t *testing.T) {
	s, st := three(t, "a && b-1"), State{}
	s.Spec.Triggers[0].Template.ConditionsReset = []eventsv1.ConditionsResetCriteria{{ByTime: &eventsv1.ConditionsResetByTime{Cron: "0 * * * *"}}}
	replay(t, s, &st, event("a", "a1", "{}"), noon)
	if out := replay(t, s, &st, event("b", "b1", "{}"), noon.Add(time.Hour)); len(out.Triggers) > 0 {
		t.Errorf("fired with %v", out.Triggers[0].EventIDs)
	}
	if out := replay(t, s, &st, event("a", "a2", "{}"), noon.Add(119*time.Minute)); len(out.Triggers) != 1 {
		t.Errorf("b1 came within the hour: %+v", out)
	}
}

func TestOneEventOfTwoDependenciesFiresOnce(t *testing.T) {
	s, st := three(t, "a || b-1"), State{}
	s.Spec.Dependencies[1].EventName = "a"
	out := replay(t, s, &st, event("a", "a1", "{}"), noon)
	if len(out.Triggers) != 1 || !reflect.DeepEqual(out.Triggers[0].EventIDs, []string{"a1"}) {
		t.Errorf("got %+v", out.Triggers)
	}
}

func TestLogTriggerSaysItsEventsOncePerInterval(t *testing.T) {
	s, st := three(t, "a"), State{}
	s.Spec.Triggers[0].Template.Log.IntervalSeconds = 60
	for i, want := range []int{1, 0, 0, 1} {
		out := replay(t, s, &st, event("a", string(rune('0'+i)), `{"n":1}`), noon.Add(time.Duration(i)*20*time.Second))
		if len(out.Triggers) != want {
			t.Fatalf("event %d: %+v", i, out)
		}
		if want == 1 && (out.Triggers[0].Operation != events.Log || !strings.Contains(out.Triggers[0].Message, `"data":{"n":1}`)) {
			t.Errorf("trigger %+v", out.Triggers[0])
		}
	}
}

func TestTransform(t *testing.T) {
	for _, test := range []struct{ name, jq, data, want, note string }{
		{"the output is the data", `.body.n |= .+1`, `{"body":{"n":1}}`, `{"body":{"n":2}}`, ""},
		{"only the first output counts", `{a:1}, {a:2}`, `{}`, `{"a":1}`, ""},
		{"an endless program counts as its first output", `range(infinite) | {n: .}`, `{}`, `{"n":0}`, ""},
		{"the output is an object", `.n`, `{"n":1}`, "", "its first output is number"},
		{"the data is an object", `{}`, `[1]`, "", "the event's data is no object"},
		{"an output there is", `empty`, `{}`, "", "it has no output"},
		{"the environment is not to be seen", `{e: env|length}`, `{}`, `{"e":0}`, ""},
		{"an error drops the event", `error("no")`, `{}`, "", "no"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, st := three(t, "a"), State{}
			s.Spec.Dependencies[0].Transform = &eventsv1.EventDependencyTransformer{JQ: test.jq}
			if ps := Check(s); len(ps) > 0 {
				t.Fatal(ps)
			}
			out := replay(t, s, &st, event("a", "1", test.data), noon)
			if test.note != "" {
				if len(out.Triggers) > 0 || len(out.Notes) != 1 || !strings.Contains(out.Notes[0].Message, test.note) {
					t.Fatalf("got %+v, want a note %q", out, test.note)
				}
				return
			}
			if len(out.Triggers) != 1 || !strings.Contains(out.Triggers[0].Message, `"data":`+test.want+"}") {
				t.Fatalf("got %+v, want %s", out, test.want)
			}
		})
	}
}

func TestTheContextEndsATransform(t *testing.T) {
	s := three(t, "a")
	s.Spec.Dependencies[0].Transform = &eventsv1.EventDependencyTransformer{JQ: `last(range(infinite)) | {}`}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	out := Evaluate(ctx, s, State{}, event("a", "1", "{}"), noon)
	if len(out.Triggers) > 0 || len(out.Notes) != 1 || !strings.Contains(out.Notes[0].Message, "deadline") {
		t.Errorf("got %+v", out)
	}
}
