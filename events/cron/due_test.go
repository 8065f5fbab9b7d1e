package cron

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"
)

// A step asks Due at a time; the state goes from step to step, unless a server
// that was killed lost it.
type step struct {
	at     string
	fire   string // scheduled time, empty for none
	why    string
	stop   string
	active []string
	change func(*Spec)
}

func TestDue(t *testing.T) {
	hourly := Spec{Name: "train", Schedules: []string{"0 * * * *"}, Timezone: "UTC", Concurrency: Allow}
	with := func(change func(*Spec)) Spec { s := hourly; change(&s); return s }
	deadline := func(d time.Duration) Spec { return with(func(s *Spec) { s.StartingDeadline = &d }) }

	for _, test := range []struct {
		name  string
		spec  Spec
		steps []step
	}{
		{"a new schedule starts nothing for the past, then each time once", hourly, []step{
			{at: "2024-01-01T10:00:30Z", why: "new"},
			{at: "2024-01-01T10:59:59Z", why: "not due"},
			{at: "2024-01-01T11:00:00Z", fire: "2024-01-01T11:00:00Z"},
			{at: "2024-01-01T11:00:01Z", why: "not due"},
			{at: "2024-01-01T12:00:59Z", fire: "2024-01-01T12:00:00Z"},
		}},
		{"without startingDeadlineSeconds a missed time is not caught up", hourly, []step{
			{at: "2024-01-01T10:00:30Z"},
			{at: "2024-01-01T13:30:00Z", why: "without startingDeadlineSeconds"},
			{at: "2024-01-01T14:00:00Z", fire: "2024-01-01T14:00:00Z"},
		}},
		{"within startingDeadlineSeconds the latest missed time alone is caught up", deadline(31 * time.Minute), []step{
			{at: "2024-01-01T10:00:30Z"},
			{at: "2024-01-01T13:30:00Z", fire: "2024-01-01T13:00:00Z", why: "caught up"},
			{at: "2024-01-01T13:30:01Z", why: "not due"},
		}},
		{"after startingDeadlineSeconds it is not", deadline(29 * time.Minute), []step{
			{at: "2024-01-01T10:00:30Z"},
			{at: "2024-01-01T13:30:00Z", why: "by more than startingDeadlineSeconds"},
		}},
		{"a changed schedule forgets what was missed", deadline(24 * time.Hour), []step{
			{at: "2024-01-01T10:00:30Z"},
			{at: "2024-01-01T13:30:00Z", why: "new", change: func(s *Spec) { s.Schedules = []string{"15 * * * *"} }},
			{at: "2024-01-01T14:15:00Z", fire: "2024-01-01T14:15:00Z"},
		}},
		{"while suspended times pass and are not caught up", deadline(24 * time.Hour), []step{
			{at: "2024-01-01T10:00:30Z"},
			{at: "2024-01-01T11:00:00Z", why: "suspended", change: func(s *Spec) { s.Suspend = true }},
			{at: "2024-01-01T11:00:10Z", why: "not due", change: func(s *Spec) { s.Suspend = false }},
			{at: "2024-01-01T12:00:00Z", fire: "2024-01-01T12:00:00Z"},
		}},
		{"Forbid skips while a run is unfinished", with(func(s *Spec) { s.Concurrency = Forbid }), []step{
			{at: "2024-01-01T10:00:30Z"},
			{at: "2024-01-01T11:00:00Z", active: []string{"train-1"}, why: "Forbid"},
			{at: "2024-01-01T11:00:05Z", active: []string{}, why: "not due"},
			{at: "2024-01-01T12:00:00Z", active: []string{}, fire: "2024-01-01T12:00:00Z"},
		}},
		{"Replace stops the unfinished run first", with(func(s *Spec) { s.Concurrency = Replace }), []step{
			{at: "2024-01-01T10:00:30Z"},
			{at: "2024-01-01T11:00:00Z", active: []string{"train-1"}, fire: "2024-01-01T11:00:00Z", stop: "train-1", why: "stops 1"},
		}},
		{"Allow starts beside it", hourly, []step{
			{at: "2024-01-01T10:00:30Z"},
			{at: "2024-01-01T11:00:00Z", active: []string{"train-1"}, fire: "2024-01-01T11:00:00Z"},
		}},
		{"of two schedules that are due at once one run comes", with(func(s *Spec) { s.Schedules = []string{"0 * * * *", "*/30 * * * *"} }), []step{
			{at: "2024-01-01T10:00:30Z"},
			{at: "2024-01-01T10:30:00Z", fire: "2024-01-01T10:30:00Z"},
			{at: "2024-01-01T11:00:00Z", fire: "2024-01-01T11:00:00Z"},
			{at: "2024-01-01T11:00:01Z", why: "not due"},
		}},
		{"a clock that was wrong by years and is set back does not stop it", hourly, []step{
			{at: "2034-01-01T10:00:30Z"},
			{at: "2024-01-01T10:30:00Z", why: "not due"},
			{at: "2024-01-01T11:00:00Z"},
		}},
		{"@every counts from when it was first seen", with(func(s *Spec) { s.Schedules, s.Timezone = []string{"@every 90m"}, "" }), []step{
			{at: "2024-01-01T10:00:30Z"},
			{at: "2024-01-01T11:30:30Z", fire: "2024-01-01T11:30:30Z"},
			{at: "2024-01-01T13:00:31Z", fire: "2024-01-01T13:00:30Z"},
		}},
	} {
		t.Run(test.name, func(t *testing.T) { runSteps(t, test.spec, test.steps) })
	}
}

func runSteps(t *testing.T, spec Spec, steps []step) {
	t.Helper()
	var st State
	for _, s := range steps {
		if s.change != nil {
			s.change(&spec)
		}
		if s.active != nil {
			st.Active = s.active
		}
		now := at(t, s.at)
		d, err := Due(spec, st, now)
		if err != nil {
			t.Fatalf("at %s: %v", s.at, err)
		}
		fire := ""
		if d.Fire != nil {
			fire = d.Fire.UTC().Format(time.RFC3339)
			if d.Child != Child(spec.Name, *d.Fire) || !slices.Contains(d.State.Active, d.Child) || !d.State.LastScheduled.Equal(*d.Fire) {
				t.Errorf("at %s: child %q, state %+v", s.at, d.Child, d.State)
			}
		}
		if fire != s.fire || !strings.Contains(d.Why, s.why) || strings.Join(d.Stop, ",") != s.stop {
			t.Fatalf("at %s: fire %q, stop %q, why %q; want %+v", s.at, fire, d.Stop, d.Why, s)
		}
		if !d.Next.After(now) {
			t.Fatalf("at %s: next is %s", s.at, d.Next)
		}
		// A server that crashed before it kept the state decides the same again.
		again, err := Due(spec, st, now.Add(time.Millisecond))
		if err != nil || again.Child != d.Child {
			t.Errorf("at %s: asked again with the old state: %q, %v; want %q", s.at, again.Child, err, d.Child)
		}
		st = reload(t, d.State)
	}
}

func reload(t *testing.T, st State) State {
	t.Helper()
	b, err := json.Marshal(st)
	if err != nil {
		t.Fatal(err)
	}
	var back State
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	return back
}

// The times started are those of the schedule, each once, whatever the moments
// at which Due is asked, as long as it is asked when it said.
func TestDueStartsEveryTimeOnce(t *testing.T) {
	spec := Spec{Name: "x", Schedules: []string{"30 1 * * *", "*/20 2 * * *"}, Timezone: "America/Los_Angeles"}
	now, end := at(t, "2020-10-31T00:00:00Z"), at(t, "2020-11-03T00:00:00Z")
	var st State
	var got []time.Time
	for now.Before(end) {
		d, err := Due(spec, st, now)
		if err != nil {
			t.Fatal(err)
		}
		if d.Fire != nil {
			got = append(got, *d.Fire)
		}
		st, now = d.State, d.Next
	}
	var want []time.Time
	for at := at(t, "2020-10-31T00:00:00Z"); ; {
		n := at
		for i, line := range spec.Schedules {
			u, err := Next(line, spec.Timezone, at)
			if err != nil {
				t.Fatal(err)
			}
			if i == 0 || u.Before(n) {
				n = u
			}
		}
		if at = n; !at.Before(end) {
			break
		}
		want = append(want, at)
	}
	if len(want) < 10 || !slices.EqualFunc(got, want, time.Time.Equal) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestSpecOf(t *testing.T) {
	negative := int64(-1)
	for _, test := range []struct {
		name   string
		change func(*wfv1.CronWorkflow)
		want   string // path of the problem
	}{
		{"a good one", func(*wfv1.CronWorkflow) {}, ""},
		{"the old field alone", func(c *wfv1.CronWorkflow) { c.Spec.Schedules, c.Spec.Schedule = nil, "@daily" }, ""},
		{"the old field with a wrong line", func(c *wfv1.CronWorkflow) { c.Spec.Schedules, c.Spec.Schedule = nil, "x" }, "spec.schedule"},
		{"old and new field", func(c *wfv1.CronWorkflow) { c.Spec.Schedule = "@daily" }, "spec.schedule"},
		{"no schedule", func(c *wfv1.CronWorkflow) { c.Spec.Schedules = nil }, "spec.schedules"},
		{"a wrong line", func(c *wfv1.CronWorkflow) { c.Spec.Schedules = append(c.Spec.Schedules, "0 0 * * 7") }, "spec.schedules[1]"},
		{"a day that never comes", func(c *wfv1.CronWorkflow) { c.Spec.Schedules = []string{"0 0 31 2 *"} }, "spec.schedules[0]"},
		{"a policy of its own", func(c *wfv1.CronWorkflow) { c.Spec.ConcurrencyPolicy = "Queue" }, "spec.concurrencyPolicy"},
		{"a negative deadline", func(c *wfv1.CronWorkflow) { c.Spec.StartingDeadlineSeconds = &negative }, "spec.startingDeadlineSeconds"},
		{"a name of 53 characters", func(c *wfv1.CronWorkflow) { c.Name = strings.Repeat("n", 53) }, "metadata.name"},
	} {
		t.Run(test.name, func(t *testing.T) {
			cw := &wfv1.CronWorkflow{}
			cw.Name, cw.Spec.Schedules = "nightly", []string{"0 3 * * *"}
			test.change(cw)
			spec, ps := SpecOf(cw)
			path := ""
			if len(ps) > 0 {
				path = ps[0].Path
			}
			if path != test.want || len(ps) > 1 {
				t.Fatalf("got %v, want a problem at %q", ps, test.want)
			}
			if len(ps) == 0 && (spec.Concurrency != Allow || len(spec.Schedules) != 1) {
				t.Errorf("spec %+v", spec)
			}
		})
	}
}
