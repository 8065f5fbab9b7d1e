package reconcile

import (
	"fmt"

	"github.com/pawl-dev/pawl/promotion"
)

// Action is the next thing to do.
type Action struct {
	Kind ActionKind
	// Commit is what Sync syncs.
	Commit string
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
	if r.Head != "" && r.Head != r.Tried && !r.Now.Before(r.SyncNotBefore) {
		return Action{Kind: Sync, Commit: r.Head}
	}
	for i := range r.Workflows {
		w := &r.Workflows[i]
		if w.Known || r.Now.Before(w.NotBefore) {
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
		if !r.settled() {
			continue
		}
		if d := promotion.Decide(s.State); d.Action != promotion.Rest {
			return Action{Kind: Promote, Stage: s, Promotion: d}
		}
	}
	return Action{Kind: Idle}
}

// settled reports whether the head commit is what is in force. While it is not,
// nobody knows what the stages' files will be.
func (r Record) settled() bool { return r.Head != "" && r.Head == r.Tried && !r.Refused }

// subject is what the action is about: what rests after it has failed.
func (a Action) subject() string {
	switch a.Kind {
	case Sync:
		return syncSubject(a.Commit)
	case Start:
		return a.Run.subject()
	case Judge, Promote:
		return a.Stage.ID.subject()
	}
	return ""
}

func syncSubject(commit string) string { return "commit " + commit }

// String says what is done to what. An action that was carried out is not
// decided on again, so that two of one text in a row are a mistake.
func (a Action) String() string {
	s := fmt.Sprintf("%s: %s", a.subject(), a.Kind)
	switch a.Kind {
	case Start:
		s += " " + a.Run.Key
	case Judge:
		s += " run " + a.Stage.Unjudged.RunUID
	case Promote:
		s += " " + string(a.Promotion.Action)
		if c := a.Stage.State.Candidate; c != nil {
			s += " " + promotion.Short(c.Digest)
		}
	}
	return s
}
