package promotion

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/pawl-dev/pawl/policies"
)

// Proposal is a pull request as it is to be: what a forge is asked for. The same
// request gives the same proposal, byte for byte, so that writing it again
// changes nothing.
type Proposal struct {
	Place     Place
	Digest    string // of the candidate
	Branch    string
	Title     string
	Body      string
	Message   string // of the one commit on the branch
	File      string // the one file that the commit changes
	Content   []byte
	Labels    []string
	Statuses  []Status
	AutoMerge bool
}

// Status is a commit status on the head of the branch.
type Status struct {
	Context     string // pawl/<stage>/<gate>
	State       StatusState
	Description string // at most 140 characters
}

// StatusState is a forge's word for how a check ended.
type StatusState string

// The states.
const (
	Success StatusState = "success"
	Failure StatusState = "failure"
	Errored StatusState = "error"
)

// Request is all that a proposal is made of.
type Request struct {
	Place      Place
	BaseCommit string // that Edit was made on top of
	Edit       Edit
	Candidate  policies.Evidence
	Current    *policies.Evidence // nil if the stage has no model
	Decisions  []policies.Decision
	// Metrics is the order in which metrics are shown; others follow by name.
	Metrics []string
	// AutoMerge is what the stage asks for; a first model is never merged so.
	AutoMerge bool
	// Labels are added to pawl's own.
	Labels []string
}

// What forges take.
const (
	maxTitle       = 255
	maxDescription = 140
)

// ErrNotPassed says that a candidate was to be proposed that its gates hold back.
var ErrNotPassed = errors.New("the gates have not let the candidate through")

// Propose writes a proposal. It refuses what must never be proposed: a candidate
// that did not pass, an edit that points to something else than the candidate.
func Propose(r Request) (Proposal, error) {
	doing := func(err error) error {
		return fmt.Errorf("proposing %s for %s: %w", r.Place.Model, r.Place.Stage, err)
	}
	if v := policies.Summary(r.Decisions); v != policies.Pass {
		return Proposal{}, doing(fmt.Errorf("%w: %s", ErrNotPassed, v))
	}
	digest := r.Candidate.ModelDigest
	if got := URIDigest(r.Edit.To); digest == "" || got != digest {
		return Proposal{}, doing(fmt.Errorf("the edit points to %s, the candidate is %q", r.Edit.To, digest))
	}
	if len(r.Edit.Content) == 0 {
		return Proposal{}, doing(errors.New("there is no edit"))
	}
	if _, ok := ParseMarker(r.marker().String()); !ok {
		return Proposal{}, doing(fmt.Errorf("%q is no commit to build on", r.BaseCommit))
	}
	p := Proposal{
		Place: r.Place, Digest: digest, Branch: r.Place.Branch(),
		Title: r.title(), Body: r.body(), Message: r.message(),
		File: r.Edit.File, Content: r.Edit.Content,
		Labels:    append(r.Place.Labels(), r.Labels...),
		AutoMerge: r.AutoMerge,
	}
	for _, d := range r.Decisions {
		p.AutoMerge = p.AutoMerge && !d.NoCurrent
		if !d.Shadow {
			p.Statuses = append(p.Statuses, r.status(d))
		}
	}
	return p, nil
}

func (r Request) marker() Marker {
	return Marker{Key: r.Place.Key(), Digest: r.Candidate.ModelDigest, Base: r.BaseCommit}
}

// subject says what is promoted in place of what.
func (r Request) subject() string {
	s := fmt.Sprintf("promote(%s): %s ", r.Place.Stage, r.Place.Model)
	if r.Edit.Digest != "" {
		s += Short(r.Edit.Digest) + " -> "
	}
	return s + Short(r.Candidate.ModelDigest)
}

// title adds the first metric to the subject.
func (r Request) title() string {
	t := r.subject()
	for _, m := range r.metrics() {
		now, ok := r.Candidate.Metrics[m]
		if !ok {
			continue
		}
		if was, ok := r.was(m); ok {
			t += fmt.Sprintf(" [%s %s -> %s]", m, number(was), number(now))
		} else {
			t += fmt.Sprintf(" [%s %s]", m, number(now))
		}
		break
	}
	return cut(t, maxTitle)
}

// message is the commit's: what, why, and trailers that a history can be read
// back from.
func (r Request) message() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\nThe gates of stage %s let the model of run %s through.\n\n", r.subject(), r.Place.Stage, oneLine(r.Candidate.Run))
	trailer := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%s: %s\n", name, oneLine(value))
		}
	}
	trailer("Promotion-Key", r.Place.Key())
	trailer("Model", r.Place.Namespace+"/"+r.Place.Model)
	trailer("Model-Digest", r.Candidate.ModelDigest)
	trailer("From-Digest", r.Edit.Digest)
	trailer("Stage", r.Place.Stage)
	trailer("Workflow-Run", r.Candidate.Run)
	trailer("Source-Commit", r.Candidate.Commit)
	trailer("Data-Digest", r.Candidate.DataDigest)
	for _, d := range r.Decisions {
		trailer("Gate-"+d.Gate, fmt.Sprintf("%s%s, %s; rule %s", d.Verdict, shadow(d), d.Reason, d.PolicyHash))
	}
	return b.String()
}

func (r Request) status(d policies.Decision) Status {
	s := Status{Context: r.Place.StatusContext(d.Gate), Description: cut(oneLine(d.Reason), maxDescription)}
	switch d.Verdict {
	case policies.Pass:
		s.State = Success
	case policies.Fail:
		s.State = Failure
	default:
		s.State = Errored
	}
	return s
}

func shadow(d policies.Decision) string {
	if d.Shadow {
		return " (shadow)"
	}
	return ""
}

// oneLine keeps a text from ending the line, the trailer or the table that it
// stands in.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// cut shortens a text to so many characters.
func cut(s string, most int) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most-1]) + "…"
}
