// Package forge is where pull requests are: one small interface, which every
// forge (the local one, GitHub, Gitea) fulfils alike. The suite in forgetest is
// what they all pass.
package forge

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// State is what has become of a pull request.
type State string

// The states.
const (
	StateOpen   State = "open"
	StateMerged State = "merged"
	StateClosed State = "closed" // without a merge
)

// Mergeable says whether a pull request could be merged as it is.
type Mergeable string

// The answers. Unknown: the forge has not found out yet.
const (
	MergeClean    Mergeable = "clean"
	MergeConflict Mergeable = "conflict"
	MergeUnknown  Mergeable = "unknown"
)

// Method is how a pull request is merged.
type Method string

// The methods. Merge makes a commit with two parents, Squash one commit with the
// changes of all.
const (
	MethodMerge  Method = "merge"
	MethodSquash Method = "squash"
	MethodRebase Method = "rebase"
)

// ByGit is who closed or merged a pull request when it was done with plain git
// and no name is known.
const ByGit = "git"

// PullRequest is a pull request at the moment it was read.
type PullRequest struct {
	Number int    `json:"number"`
	Title  string `json:"title"`
	Body   string `json:"body,omitempty"`
	// Head and Base are branches, without refs/heads/.
	Head string `json:"head"`
	Base string `json:"base"`
	// HeadSHA and BaseSHA are where they are; after the end, where they last were.
	HeadSHA string   `json:"headSHA"`
	BaseSHA string   `json:"baseSHA"`
	State   State    `json:"state"`
	Draft   bool     `json:"draft,omitempty"`
	Author  string   `json:"author,omitempty"`
	Labels  []string `json:"labels,omitempty"` // sorted

	Created time.Time `json:"created"`
	// Updated is the last change of anything here.
	Updated time.Time `json:"updated"`
	// Ended is when it was merged or closed; zero while it is open.
	Ended time.Time `json:"ended,omitzero"`
	// EndedBy is who merged or closed it, ByGit when nobody knows.
	EndedBy string `json:"endedBy,omitempty"`
	// Reason is why it was closed, in words.
	Reason string `json:"reason,omitempty"`
	// MergeCommit is the commit of Base that brought the changes.
	MergeCommit string `json:"mergeCommit,omitempty"`

	Mergeable Mergeable `json:"mergeable,omitempty"`
	// Conflicts are the paths in the way of a merge, where the forge knows them.
	Conflicts []string `json:"conflicts,omitempty"`
	// Commits are those of Head that Base lacks, youngest first, at most 50.
	Commits []Commit `json:"commits,omitempty"`
	// Statuses are those of HeadSHA, by context.
	Statuses []Status  `json:"statuses,omitempty"`
	Comments []Comment `json:"comments,omitempty"`
	URL      string    `json:"url,omitempty"`
}

// Commit is a commit of a pull request, as far as its authorship matters.
type Commit struct {
	SHA            string `json:"sha"`
	Subject        string `json:"subject"`
	Author         string `json:"author"`
	AuthorEmail    string `json:"authorEmail"`
	Committer      string `json:"committer"`
	CommitterEmail string `json:"committerEmail"`
}

// Query chooses pull requests. What is empty chooses all: State "" is any state.
type Query struct {
	Head, Base string
	State      State
}

// Opening is what a pull request is opened with.
type Opening struct {
	Title, Body string
	Head, Base  string
	Draft       bool
	Author      string
	Labels      []string
}

// Edit is what changes of a pull request; nil leaves things as they are.
type Edit struct {
	Title, Body *string
	Draft       *bool
	Labels      *[]string
}

// MergeOptions says what is merged and how.
type MergeOptions struct {
	// ExpectedHead is the commit that was judged, and the only one that is
	// merged. It must be given.
	ExpectedHead string
	// Method is MethodMerge if empty.
	Method Method
	// By is who merges, for the record.
	By string
	// Message is the commit's; if empty the forge writes one.
	Message string
}

// What a forge answers. Test with errors.Is. Anything else is trouble that may
// pass: try again later.
var (
	// ErrNotFound: there is no pull request of that number.
	ErrNotFound = errors.New("no such pull request")
	// ErrExists: an open pull request has the same head and base. It comes with
	// that pull request.
	ErrExists = errors.New("a pull request is open already")
	// ErrNotOpen: it was merged or closed before.
	ErrNotOpen = errors.New("pull request is not open")
	// ErrHeadMoved: its head is another commit than the one that was judged.
	ErrHeadMoved = errors.New("head of the pull request has moved")
	// ErrConflict: base and head changed the same path. See ConflictError.
	ErrConflict = errors.New("pull request conflicts with its base")
	// ErrDraft: a draft is not merged.
	ErrDraft = errors.New("pull request is a draft")
	// ErrNoBranch: the head or the base branch does not exist.
	ErrNoBranch = errors.New("no such branch")
	// ErrNoChange: the base has all that the head would bring.
	ErrNoChange = errors.New("nothing to merge")
	// ErrUnsupported: this forge cannot do that.
	ErrUnsupported = errors.New("forge cannot do that")
)

// ConflictError names the paths, where the forge knows them.
type ConflictError struct {
	Number int
	Paths  []string
}

func (e *ConflictError) Error() string {
	text := fmt.Sprintf("pull request %d: %v", e.Number, ErrConflict)
	if len(e.Paths) > 0 {
		text += " in " + strings.Join(e.Paths, ", ")
	}
	return text
}

// Unwrap is ErrConflict.
func (e *ConflictError) Unwrap() error { return ErrConflict }

// Forge is where the pull requests of one repository are. All methods may be
// called by several goroutines at once, and repeated: one that was carried out
// already is a success. What people do meanwhile, on the forge or with plain
// git, shows in the next answer.
type Forge interface {
	// List returns the pull requests of a query, the oldest first.
	List(ctx context.Context, q Query) ([]PullRequest, error)

	// Get returns one, or ErrNotFound.
	Get(ctx context.Context, number int) (PullRequest, error)

	// Open opens a pull request for a branch that was pushed before. If one is
	// open for the same head and base it is returned, unchanged, with ErrExists;
	// of two opened at the same moment the lower number stays. ErrNoBranch when
	// head or base does not exist, ErrNoChange when there is nothing to merge.
	Open(ctx context.Context, o Opening) (PullRequest, error)

	// Update changes the text, the labels or the draft mark of one in any state.
	Update(ctx context.Context, number int, e Edit) (PullRequest, error)

	// Merge merges the expected head into the base, and deletes the head branch
	// if nobody pushed to it since. Merging what is merged at that head is a
	// success. ErrNotOpen, ErrDraft, ErrHeadMoved, ErrConflict: nothing happened.
	// The content of a file is never merged: what both sides changed is a conflict.
	Merge(ctx context.Context, number int, o MergeOptions) (PullRequest, error)

	// Close closes without a merge and leaves the branches. Closing what is closed
	// keeps the first closer and reason. ErrNotOpen when it is merged.
	Close(ctx context.Context, number int, by, reason string) (PullRequest, error)
}
