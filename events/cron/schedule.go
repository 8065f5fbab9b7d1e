// Package cron decides when a CronWorkflow is due. It is pure: the time and what
// happened before come in as values, the decision and the new state go out.
package cron

import (
	"errors"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // zones are part of what a schedule means, not of the machine it runs on

	"github.com/robfig/cron/v3"
)

// ErrNever is the error of a schedule whose time never comes, such as 31 February.
var ErrNever = errors.New("no such time comes within five years")

// A schedule is one line of cron in one time zone.
type schedule struct {
	cron.Schedule
}

// parse reads five fields, or a descriptor such as @daily or "@every 90m". The
// time zone may stand in front of the line (TZ=… or CRON_TZ=…) or beside it, not
// both; with neither, the location of the times asked about counts.
func parse(line, timezone string) (schedule, error) {
	line = strings.TrimSpace(line)
	zoned := strings.HasPrefix(line, "TZ=") || strings.HasPrefix(line, "CRON_TZ=")
	if zoned {
		if timezone != "" {
			return schedule{}, fmt.Errorf("schedule %q: the time zone stands in it and in timezone %q: keep one", line, timezone)
		}
		if !strings.Contains(line, " ") {
			return schedule{}, fmt.Errorf("schedule %q: a time zone and nothing after it", line)
		}
	}
	spec := line
	if timezone != "" {
		if _, err := time.LoadLocation(timezone); err != nil {
			return schedule{}, fmt.Errorf("timezone %q: %w", timezone, err)
		}
		spec = "CRON_TZ=" + timezone + " " + line
	}
	s, err := cron.ParseStandard(spec)
	if err != nil {
		return schedule{}, fmt.Errorf("schedule %q: %w", line, err)
	}
	return schedule{s}, nil
}

// Next is the first time after the given one at which the schedule is due. A
// wall time that a change of the clock leaves out is skipped that day, one that
// comes twice is due twice.
func Next(line, timezone string, after time.Time) (time.Time, error) {
	s, err := parse(line, timezone)
	if err != nil {
		return time.Time{}, err
	}
	t := s.Next(after)
	if t.IsZero() {
		return time.Time{}, fmt.Errorf("schedule %q: %w", line, ErrNever)
	}
	return t, nil
}

// latest is the last time in (after, until] at which the schedule is due, or
// zero. It looks back in windows that double, so that it costs little however
// long ago after is.
func (s schedule) latest(after, until time.Time) time.Time {
	if every, ok := s.Schedule.(cron.ConstantDelaySchedule); ok {
		first := every.Next(after)
		if first.After(until) {
			return time.Time{}
		}
		return first.Add(until.Sub(first).Truncate(every.Delay))
	}
	for window := time.Minute; ; window *= 2 {
		from, all := until.Add(-window), false
		if !from.After(after) {
			from, all = after, true
		}
		var last time.Time
		for t := s.Next(from); !t.IsZero() && !t.After(until); t = s.Next(t) {
			last = t
		}
		if all || !last.IsZero() {
			return last
		}
	}
}
