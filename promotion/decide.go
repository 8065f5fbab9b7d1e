package promotion

import "fmt"

// State is all that is known of one place when deciding about its pull request.
// It is a picture of the moment: every pass takes a new one.
type State struct {
	// Base is what the stage's files on the base branch name; the zero Deployed
	// if nothing yet.
	Base Deployed
	// Candidate is the newest run's model that was judged for this stage; nil if
	// there is none.
	Candidate *Candidacy
	// Open is the place's open pull request; nil if there is none.
	Open *OpenPullRequest
	// Rejected are the digests whose pull request a person closed unmerged. What
	// pawl closed itself is not among them.
	Rejected map[string]int // digest to number of the pull request
	// Running is the digest that the destination is seen to serve, "" for none.
	Running string
}

// Candidacy is a candidate and how the gates judged it.
type Candidacy struct {
	Digest string
	Passed bool
	Why    string // why it did not pass, in words
}

// OpenPullRequest is what a decision needs to know of a pull request.
type OpenPullRequest struct {
	Number int
	Digest string // of the marker in its body
	Head   string // commit that its branch was seen at
	// Foreign says that the head branch holds commits that pawl did not make.
	Foreign bool
	// Stale says that it cannot be merged as it is: the stage's files changed on
	// the base branch since, or the forge reports a conflict.
	Stale bool
}

// Action is what to do about a place's pull request.
type Action string

// The actions. Each may be repeated.
const (
	// Rest does nothing; Decided.Why says what is waited for.
	Rest Action = "rest"
	// Create publishes the candidate and opens a pull request.
	Create Action = "create"
	// Supersede publishes the candidate and puts it in the place of the one in
	// the open pull request: same branch, same number, new head, new text.
	Supersede Action = "supersede"
	// Regenerate makes the edit of the open pull request again, on top of the
	// present base. Conflicts are never merged as text.
	Regenerate Action = "regenerate"
	// Close closes the open pull request, which has become pointless. This is no
	// rejection of its candidate.
	Close Action = "close"
	// Deploy brings the model that the base branch names to the destination.
	Deploy Action = "deploy"
)

// Decided is an action, the pull request it is about (0 for none) and why, in
// words for people.
type Decided struct {
	Action Action
	Number int
	Why    string
}

// Decide says what is to be done next. It is level-based: the same state gives
// the same answer, and an action that was carried out makes a state that asks
// for something else.
func Decide(s State) Decided {
	if s.Base.Digest != "" && s.Base.Digest != s.Running {
		return Decided{Action: Deploy, Why: fmt.Sprintf("the base branch names %s, which is not deployed yet", Short(s.Base.Digest))}
	}
	if o := s.Open; o != nil {
		return decideOpen(s, *o)
	}
	c := s.Candidate
	switch {
	case c == nil:
		return rest("no candidate yet")
	case c.Digest == s.Base.Digest:
		return rest("%s is already deployed", Short(c.Digest))
	case !c.Passed:
		return rest("%s did not pass: %s", Short(c.Digest), c.Why)
	case s.Rejected[c.Digest] != 0:
		return Decided{Action: Rest, Number: s.Rejected[c.Digest], Why: fmt.Sprintf("%s was rejected: pull request %d was closed unmerged", Short(c.Digest), s.Rejected[c.Digest])}
	}
	return Decided{Action: Create, Why: fmt.Sprintf("%s passed", Short(c.Digest))}
}

// decideOpen decides while a pull request is open.
func decideOpen(s State, o OpenPullRequest) Decided {
	c := s.Candidate
	about := func(a Action, format string, args ...any) Decided {
		return Decided{Action: a, Number: o.Number, Why: fmt.Sprintf(format, args...)}
	}
	newer := c != nil && c.Passed && c.Digest != o.Digest && c.Digest != s.Base.Digest && s.Rejected[c.Digest] == 0
	switch {
	case o.Foreign:
		return about(Rest, "pull request %d holds commits of others and is theirs now", o.Number)
	case newer:
		return about(Supersede, "%s passed and is newer than %s", Short(c.Digest), Short(o.Digest))
	case o.Digest == s.Base.Digest:
		return about(Close, "%s is already deployed", Short(o.Digest))
	case o.Stale:
		return about(Regenerate, "the stage's files changed on the base branch")
	case c != nil && !c.Passed && c.Digest != o.Digest:
		return about(Rest, "%s did not pass: %s; pull request %d stays open with %s", Short(c.Digest), c.Why, o.Number, Short(o.Digest))
	}
	return about(Rest, "pull request %d is open with %s", o.Number, Short(o.Digest))
}

func rest(format string, args ...any) Decided {
	return Decided{Action: Rest, Why: fmt.Sprintf(format, args...)}
}

// Short is a digest for people: its first 12 hex digits.
func Short(digest string) string {
	if hex := hexOf(digest); len(hex) > 12 {
		return hex[:12]
	}
	return digest
}
