package reconcile

import "github.com/pawl-dev/pawl/promotion"

// Action is the next thing to do.
type Action struct {
	Kind ActionKind
	// Run is what Start starts, after it has stopped the older runs that it replaces.
	Run *DesiredRun
	// Stage is what Judge and Promote are about.
	Stage *StageView
	// Promotion is what Promote does.
	Promotion promotion.Decided
}

// ActionKind says what to do.
type ActionKind string

// The kinds of action.
const (
	// Idle means that everything is as it should be.
	Idle ActionKind = "idle"
	// Sync fetches, renders and admits the head commit.
	Sync ActionKind = "sync"
	// Start starts the run of a new key; by the workflow's Concurrency it first
	// asks its older unfinished runs to stop.
	Start ActionKind = "start"
	// Judge evaluates the gates of a stage on a candidate.
	Judge ActionKind = "judge"
	// Promote does what the stage's pull request or destination needs.
	Promote ActionKind = "promote"
)

// Decide returns the next thing to do. It is level-based: an action that was
// carried out makes a Record that asks for something else.
func Decide(r Record) Action {
	if r.Head != "" && r.Head != r.Tried {
		return Action{Kind: Sync}
	}
	for i := range r.Workflows {
		w := &r.Workflows[i]
		if w.Known {
			continue
		}
		if w.Concurrency == Queue && len(w.Older) > 0 {
			continue // its turn comes when they have ended
		}
		return Action{Kind: Start, Run: w}
	}
	for i := range r.Stages {
		s := &r.Stages[i]
		if r.Now.Before(s.NotBefore) {
			continue
		}
		if s.Unjudged != nil {
			return Action{Kind: Judge, Stage: s}
		}
		// While the head is refused nobody knows what the stages' files will be.
		if d := promotion.Decide(s.State); d.Action != promotion.Rest && !r.Refused {
			return Action{Kind: Promote, Stage: s, Promotion: d}
		}
	}
	return Action{Kind: Idle}
}
