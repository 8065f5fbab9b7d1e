package store

import (
	"errors"
	"fmt"
)

// What callers can act on. They come wrapped: use errors.Is.
var (
	// ErrNotFound means that the thing asked for is not there.
	ErrNotFound = errors.New("not found")
	// ErrConflict means that a document has another version than expected.
	ErrConflict = errors.New("changed by somebody else")
	// ErrExists means that a run of that name is there already.
	ErrExists = errors.New("exists already")
	// ErrUnfinished means that a run cannot be deleted yet.
	ErrUnfinished = errors.New("not finished yet")
	// ErrClosed means that the store is closed.
	ErrClosed = errors.New("store is closed")
	// ErrReadOnly means that the store was opened for reading.
	ErrReadOnly = errors.New("store was opened for reading only")
)

// refused reports whether err is an answer rather than a failure: a write that
// returns one has changed nothing, and the writes beside it go on.
func refused(err error) bool {
	for _, answer := range []error{ErrNotFound, ErrConflict, ErrExists, ErrUnfinished} {
		if errors.Is(err, answer) {
			return true
		}
	}
	return false
}

// InUseError says that another process writes to the folder.
type InUseError struct {
	Dir string
	PID int // 0 if it is not known yet
}

func (e *InUseError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("another pawl serve uses %s: stop it, or choose another folder with --data", e.Dir)
	}
	return fmt.Sprintf("another pawl serve uses %s (pid %d): stop it, or choose another folder with --data", e.Dir, e.PID)
}

// FormatError says that the store's format is not the one this pawl knows.
type FormatError struct {
	Found, Known int
}

func (e *FormatError) Error() string {
	if e.Found > e.Known {
		return fmt.Sprintf("it was written by a newer pawl (format %d, this pawl knows up to %d): use that pawl, or a newer one", e.Found, e.Known)
	}
	return fmt.Sprintf("it was written by an older pawl (format %d, this pawl reads %d): start `pawl serve` on it once, which brings it up to date", e.Found, e.Known)
}
