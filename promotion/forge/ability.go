package forge

import (
	"context"
	"time"

	"github.com/pawl-dev/pawl/gitsync"
)

// StatusState is a verdict on a commit.
type StatusState string

// The verdicts.
const (
	StatusPending StatusState = "pending"
	StatusSuccess StatusState = "success"
	StatusFailure StatusState = "failure"
	StatusError   StatusState = "error"
)

// Status is what one checker says of one commit.
type Status struct {
	// Context names the checker, such as "pawl/staging/accurate". A later status
	// of the same context and commit replaces the earlier.
	Context string      `json:"context"`
	State   StatusState `json:"state"`
	// Description is cut to 140 characters.
	Description string    `json:"description,omitempty"`
	URL         string    `json:"url,omitempty"`
	SHA         string    `json:"sha"`
	Updated     time.Time `json:"updated"`
}

// Comment is a remark on a pull request.
type Comment struct {
	ID int `json:"id"`
	// Key makes a comment one that is rewritten: a later one of the same key and
	// author takes its place. Empty: always a new one.
	Key     string    `json:"key,omitempty"`
	Author  string    `json:"author,omitempty"`
	Body    string    `json:"body"`
	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`
}

// Statuser is a forge that shows statuses of commits.
type Statuser interface {
	// SetStatus sets a status of s.SHA, seen on the pull request while that is
	// its head. The same status again changes nothing.
	SetStatus(ctx context.Context, number int, s Status) error
}

// Commenter is a forge that takes comments.
type Commenter interface {
	// PutComment adds a comment or, by its key, rewrites it. ID and times are
	// the forge's.
	PutComment(ctx context.Context, number int, c Comment) (Comment, error)
}

// Differ is a forge that shows what a pull request changes.
type Differ interface {
	// Diff is what the head changed since it left the base.
	Diff(ctx context.Context, number int) (gitsync.Diff, error)
}
