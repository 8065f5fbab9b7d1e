// Package executor is the contract between the engine and what runs its
// attempts. Implementations live in folders below and pass the suite in
// executortest.
package executor

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/pawl-dev/pawl/engine/attempt"
)

// Executor runs attempts. All methods are safe for concurrent use.
//
// The order of calls for one attempt is Start, Wait (any number of times, also
// by another process after a restart of the engine), Remove. Logs may be called
// any time between Start and Remove.
type Executor interface {
	// Start begins the attempt and returns once it is certain to be found again
	// by its Key. It is idempotent by s.Key: a second Start, also by a restarted
	// engine, returns the handle of the first. It may block until the machine
	// has room for s.Resources; ctx ends that wait. An error means that nothing
	// was started and that trying again may help; what the user did wrong (a
	// command that does not exist) is a Result with Outcome Failed instead.
	Start(ctx context.Context, s attempt.Spec) (Handle, error)
	// Wait returns how the attempt ended. Cancelling ctx stops the waiting, not
	// the attempt. An attempt that cannot be found again is a Result with
	// Outcome Lost.
	Wait(ctx context.Context, h Handle) (attempt.Result, error)
	// Logs streams what the attempt has printed so far, stdout and stderr as one
	// in the order written; while it runs, reading blocks for more, and io.EOF
	// comes when it has ended.
	Logs(ctx context.Context, h Handle) (io.ReadCloser, error)
	// Stop asks the attempt to end (SIGTERM) and kills what is left after grace.
	// It returns when the request is made; Wait tells the end. An attempt that
	// was never started, or has ended, is no error.
	Stop(ctx context.Context, h Handle, grace time.Duration) error
	// Remove forgets the attempt and frees what it holds, but for its log. Its
	// outputs are in the artifact store by then.
	Remove(ctx context.Context, h Handle) error
}

// Handle finds a started attempt again. It is a value that survives a restart.
type Handle struct {
	Key attempt.Key `json:"key"`
}

// ErrClosed is returned by an executor whose process is shutting down.
var ErrClosed = errors.New("executor is shut down")

// Refusal is why a Spec cannot be run by this executor at all; Check returns it
// at lint, before a run starts.
type Refusal struct {
	Path string // path within the template, such as "outputs.artifacts[0].path"
	Why  string
	Hint string
}

// Checker is implemented by executors that can tell before the run what they
// cannot do (a GPU count that can never be met, an absolute path without
// isolation) and what they will not use (an image), said once a run.
type Checker interface {
	Check(s attempt.Spec) (refusals []Refusal, notes []string)
}
