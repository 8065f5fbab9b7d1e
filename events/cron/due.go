package cron

import (
	"fmt"
	"slices"
	"time"
)

// OnTime is how late a due time may be noticed and still count as met. It covers
// a busy machine and a quick restart; what is later was missed, and
// startingDeadlineSeconds says whether it is caught up.
const OnTime = time.Minute

// State is what is known of a CronWorkflow's past. The zero State is that of one
// never seen before. It is kept as JSON.
type State struct {
	// LastScheduled is the scheduled time of the last run that was started.
	LastScheduled time.Time `json:"lastScheduled,omitzero"`
	// LastUsedSchedule identifies the schedules that Since belongs to.
	LastUsedSchedule string `json:"lastUsedSchedule,omitempty"`
	// Since is the time up to which every due time is dealt with: started,
	// skipped, missed, or before the schedule was first seen.
	Since time.Time `json:"since,omitzero"`
	// Active is the names of the runs of it that are unfinished. The caller,
	// who knows, sets it before each Due; Due adds what it starts.
	Active []string `json:"active,omitempty"`
}

// Decision is what Due decides.
type Decision struct {
	// Fire is the scheduled time to start a run for, or nil.
	Fire *time.Time
	// Child is the name of that run, the same for one scheduled time always.
	Child string
	// Stop is the unfinished runs to terminate first (concurrencyPolicy Replace).
	Stop []string
	// Next is when to ask again, unless something changes earlier.
	Next time.Time
	// Why explains the decision to people.
	Why string
	// State replaces the one given, in the same transaction that records the run.
	State State
}

// Due decides what to do at now. Asking again with the State it returned changes
// nothing until the next due time; asking again with the old one, after a crash,
// names the same Child.
func Due(spec Spec, st State, now time.Time) (Decision, error) {
	schedules := make([]schedule, len(spec.Schedules))
	for i, line := range spec.Schedules {
		s, err := parse(line, spec.Timezone)
		if err != nil {
			return Decision{}, fmt.Errorf("cron workflow %s: %w", spec.Name, err)
		}
		schedules[i] = s
	}
	st.Active = slices.Clone(st.Active)
	d := decide(spec, schedules, st, now)
	d.Next = next(schedules, d.State.Since, now)
	if d.Next.IsZero() {
		return Decision{}, fmt.Errorf("cron workflow %s: %w", spec.Name, ErrNever)
	}
	return d, nil
}

func decide(spec Spec, schedules []schedule, st State, now time.Time) Decision {
	if st.LastUsedSchedule != spec.identity() {
		st.LastUsedSchedule, st.Since = spec.identity(), now
		return Decision{State: st, Why: "the schedule is new: nothing before now counts"}
	}
	if spec.Suspend {
		st.Since = now
		return Decision{State: st, Why: "suspended"}
	}
	// A clock that was set back must not stop the schedule.
	since := st.Since
	if since.After(now) {
		since = now
	}
	at := latest(schedules, since.In(now.Location()), now)
	if at.IsZero() {
		return Decision{State: st, Why: "not due"}
	}
	st.Since = at
	if late := now.Sub(at); late > OnTime {
		if spec.StartingDeadline == nil {
			return Decision{State: st, Why: fmt.Sprintf("%s was missed; without startingDeadlineSeconds it is not caught up", stamp(at))}
		}
		if late > *spec.StartingDeadline {
			return Decision{State: st, Why: fmt.Sprintf("%s was missed by more than startingDeadlineSeconds (%s)", stamp(at), *spec.StartingDeadline)}
		}
	}
	return start(spec, st, at, now)
}

// start applies the concurrency policy to a due time.
func start(spec Spec, st State, at, now time.Time) Decision {
	d := Decision{Child: Child(spec.Name, at), Why: stamp(at) + " is due"}
	if now.Sub(at) > OnTime {
		d.Why = stamp(at) + " was missed and is caught up"
	}
	unfinished := slices.DeleteFunc(slices.Clone(st.Active), func(run string) bool { return run == d.Child })
	if len(unfinished) > 0 {
		switch spec.Concurrency {
		case Forbid:
			return Decision{State: st, Why: fmt.Sprintf("%s is due, but %s is unfinished and concurrencyPolicy is Forbid", stamp(at), unfinished[0])}
		case Replace:
			d.Stop = unfinished
			d.Why += fmt.Sprintf("; concurrencyPolicy Replace stops %d unfinished", len(unfinished))
		}
	}
	st.LastScheduled = at
	if !slices.Contains(st.Active, d.Child) {
		st.Active = append(st.Active, d.Child)
	}
	d.Fire, d.State = &at, st
	return d
}

// Child is the name of the run for a scheduled time, as Argo names it.
func Child(cron string, at time.Time) string {
	return fmt.Sprintf("%s-%d", cron, at.Unix())
}

func latest(schedules []schedule, after, until time.Time) time.Time {
	var last time.Time
	for _, s := range schedules {
		if t := s.latest(after, until); t.After(last) {
			last = t
		}
	}
	return last
}

// next is the first due time that is not dealt with. It counts from since, as
// "@every" does, but is never in the past.
func next(schedules []schedule, since, now time.Time) time.Time {
	since = since.In(now.Location())
	var first time.Time
	for _, s := range schedules {
		t := s.Next(since)
		if !t.IsZero() && !t.After(now) {
			t = s.Next(now)
		}
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}

func stamp(t time.Time) string { return t.Format(time.RFC3339) }
