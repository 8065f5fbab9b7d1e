package cron

import (
	"fmt"
	"slices"
	"strings"
	"time"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"

	"github.com/pawl-dev/pawl/api"
)

// Concurrency says what a due schedule does about runs of it that are unfinished.
type Concurrency string

// The policies; Allow is the default.
const (
	Allow   Concurrency = "Allow"
	Forbid  Concurrency = "Forbid"
	Replace Concurrency = "Replace"
)

// maxName keeps "<name>-<unix seconds>" a valid name of 63 characters.
const maxName = 52

// Spec is what Due needs to know of a CronWorkflow.
type Spec struct {
	Name string
	// Schedules are lines of cron; the workflow is due when any of them is.
	Schedules []string
	// Timezone is an IANA name; empty means the location of the time given to Due.
	Timezone    string
	Suspend     bool
	Concurrency Concurrency
	// StartingDeadline is how late a missed time may still be started; nil means
	// that missed times are not caught up.
	StartingDeadline *time.Duration
}

// SpecOf reads a CronWorkflow. The problems name the fields; their positions are
// the caller's to fill in.
func SpecOf(cw *wfv1.CronWorkflow) (Spec, api.Problems) {
	s := Spec{
		Name:        cw.Name,
		Schedules:   slices.Clone(cw.Spec.Schedules),
		Timezone:    cw.Spec.Timezone,
		Suspend:     cw.Spec.Suspend,
		Concurrency: Concurrency(cw.Spec.ConcurrencyPolicy),
	}
	if s.Concurrency == "" {
		s.Concurrency = Allow
	}
	if d := cw.Spec.StartingDeadlineSeconds; d != nil {
		deadline := time.Duration(*d) * time.Second
		s.StartingDeadline = &deadline
	}
	var ps api.Problems
	refuse := func(path, message, hint string) {
		ps = append(ps, api.Problem{Severity: api.SeverityError, Path: path, Message: message, Hint: hint})
	}
	if len(s.Name) > maxName {
		refuse("metadata.name", fmt.Sprintf("has %d characters", len(s.Name)), fmt.Sprintf("at most %d, as its runs are named <name>-<unix seconds>", maxName))
	}
	if s.Name == "" {
		refuse("metadata.name", "is missing", "runs are named after it")
	}
	old := cw.Spec.Schedule != ""
	switch {
	case old && len(s.Schedules) > 0:
		refuse("spec.schedule", "stands beside spec.schedules", "move it into spec.schedules")
	case old:
		s.Schedules = []string{cw.Spec.Schedule}
	case len(s.Schedules) == 0:
		refuse("spec.schedules", "is missing", `such as ["0 3 * * *"]`)
	}
	for i, line := range s.Schedules {
		path := api.IndexPath("spec.schedules", i)
		if old {
			path = "spec.schedule"
		}
		sch, err := parse(line, s.Timezone)
		if err != nil {
			refuse(path, err.Error(), "five fields: minute hour day month weekday (0 to 6)")
		} else if sch.Next(time.Unix(0, 0)).IsZero() {
			refuse(path, fmt.Sprintf("schedule %q: %v", line, ErrNever), "")
		}
	}
	if !slices.Contains([]Concurrency{Allow, Forbid, Replace}, s.Concurrency) {
		refuse("spec.concurrencyPolicy", fmt.Sprintf("%q is not one", s.Concurrency), "Allow, Forbid or Replace")
	}
	if s.StartingDeadline != nil && *s.StartingDeadline < 0 {
		refuse("spec.startingDeadlineSeconds", "is negative", "")
	}
	return s, ps
}

// identity is what State remembers of the schedules: with another one, what was
// missed before does not count.
func (s Spec) identity() string {
	return s.Timezone + "|" + strings.Join(s.Schedules, "|")
}
