package gitsync

import (
	"errors"
	"fmt"
	"strings"
)

// What can be wrong with a Source or a push. Test with errors.Is.
var (
	// ErrNotFound: there is no repository at the URL (or none that we may see).
	ErrNotFound = errors.New("repository does not exist")
	// ErrNoRevision: the repository has no such branch, tag, reference or commit.
	ErrNoRevision = errors.New("revision does not exist")
	// ErrEmpty: the repository has no commit yet.
	ErrEmpty = errors.New("repository is empty")
	// ErrUnreachable: the repository did not answer as a git repository does; it may later.
	ErrUnreachable = errors.New("repository is not reachable")
	// ErrAuth: the repository wants other credentials.
	ErrAuth = errors.New("repository refuses access")
	// ErrUnsupported: something git can do and we do not.
	ErrUnsupported = errors.New("not supported")
	// ErrMoved: a reference is not at the value that was expected.
	ErrMoved = errors.New("reference has moved")
	// ErrLocked: another process holds the lock of a reference.
	ErrLocked = errors.New("reference is locked")
	// ErrNoChange: the change leaves every file as it is.
	ErrNoChange = errors.New("nothing changes")
	// ErrCheckedOut: the branch is checked out in a work tree, which a push would leave behind.
	ErrCheckedOut = errors.New("branch is checked out")
	// ErrRefused: the content of a commit is not laid down on this machine.
	ErrRefused = errors.New("content is refused")
	// ErrNoObject: an object is not in the store; a running git gc may just have
	// moved it. See View.
	ErrNoObject = errors.New("no such object")
	// ErrNoFile: the commit has no such path.
	ErrNoFile = errors.New("no such path in the commit")
)

// SourceError says which repository had which trouble, and what to do. It
// unwraps to one of the sentinels and, where there is one, to the cause.
type SourceError struct {
	URL    string // without credentials
	Reason error
	Detail string
	Hint   string
	Cause  error
}

func (e *SourceError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %v", e.URL, e.Reason)
	if e.Detail != "" {
		b.WriteString(": " + e.Detail)
	}
	if e.Cause != nil {
		fmt.Fprintf(&b, ": %v", e.Cause)
	}
	if e.Hint != "" {
		b.WriteString(" (" + e.Hint + ")")
	}
	return b.String()
}

// Unwrap makes errors.Is find the sentinel and the cause.
func (e *SourceError) Unwrap() []error {
	if e.Cause == nil {
		return []error{e.Reason}
	}
	return []error{e.Reason, e.Cause}
}

// MovedError says where a reference was found instead of where it was expected.
type MovedError struct {
	Ref, Expected, Actual string // "" = does not exist
}

func (e *MovedError) Error() string {
	return fmt.Sprintf("%s: %v: expected %s, found %s", e.Ref, ErrMoved, orNone(e.Expected), orNone(e.Actual))
}

// Unwrap is ErrMoved.
func (e *MovedError) Unwrap() error { return ErrMoved }

func orNone(hash string) string {
	if hash == "" {
		return "no such reference"
	}
	return hash
}
