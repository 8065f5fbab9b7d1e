// Package fake is an executor without processes, for tests of what stands above
// it. What an attempt does is a Go function of its Spec; FromEnv, the default,
// takes it from the Spec's environment, so that a manifest can steer it.
package fake

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/pawl-dev/pawl/engine/attempt"
	"github.com/pawl-dev/pawl/engine/executor"
)

// Act is what an attempt does. What it writes to log is its log. Its context
// ends with cause ErrTerminated when the attempt is asked to stop; the kill
// channel is closed when it must end, and what it returns then is not used.
type Act func(ctx context.Context, s attempt.Spec, log io.Writer, kill <-chan struct{}) attempt.Result

// ErrTerminated is why the context of an Act ends.
var ErrTerminated = errors.New("terminated")

// Machine is where fake attempts run. It outlives the Executors on it, as a
// cluster outlives an engine.
type Machine struct {
	act Act
	now func() time.Time

	mu       sync.Mutex
	attempts map[attempt.Key]*running
	starts   []attempt.Spec
}

type running struct {
	terminate context.CancelCauseFunc
	kill      chan struct{}
	killed    sync.Once
	ended     chan struct{}
	result    attempt.Result
	log       log
}

// NewMachine returns a machine whose attempts do act; nil is FromEnv.
func NewMachine(act Act, now func() time.Time) *Machine {
	if act == nil {
		act = FromEnv
	}
	if now == nil {
		now = time.Now
	}
	return &Machine{act: act, now: now, attempts: map[attempt.Key]*running{}}
}

// Started returns the Specs of all attempts begun so far, in order.
func (m *Machine) Started() []attempt.Spec {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]attempt.Spec(nil), m.starts...)
}

// Lose makes the machine forget an attempt, as a node that burns down does.
func (m *Machine) Lose(k attempt.Key) {
	m.mu.Lock()
	r := m.attempts[k]
	delete(m.attempts, k)
	m.mu.Unlock()
	if r != nil {
		r.terminate(ErrTerminated)
		r.end()
	}
}

// Executor returns an executor on the machine.
func (m *Machine) Executor() *Executor { return &Executor{m: m} }

// Executor runs attempts on a Machine.
type Executor struct{ m *Machine }

var _ executor.Executor = (*Executor)(nil)

// Start implements executor.Executor.
func (e *Executor) Start(_ context.Context, s attempt.Spec) (executor.Handle, error) {
	h := executor.Handle{Key: s.Key}
	m := e.m
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.attempts[s.Key] != nil {
		return h, nil
	}
	ctx, terminate := context.WithCancelCause(context.Background()) // an attempt outlives its engine
	r := &running{terminate: terminate, kill: make(chan struct{}), ended: make(chan struct{})}
	r.log.more = make(chan struct{})
	m.attempts[s.Key] = r
	m.starts = append(m.starts, s)
	go m.run(ctx, s, r)
	return h, nil
}

func (m *Machine) run(ctx context.Context, s attempt.Spec, r *running) {
	started := m.now()
	if s.MaxRun > 0 {
		late := time.AfterFunc(s.MaxRun, r.end)
		defer late.Stop()
	}
	done := make(chan attempt.Result, 1)
	go func() { done <- m.act(ctx, s, &r.log, r.kill) }()
	var res attempt.Result
	select {
	case res = <-done:
	case <-r.kill:
		code := 137
		res = attempt.Result{Outcome: attempt.Failed, Message: "Error (exit code 137)", ExitCode: &code}
		if s.MaxRun > 0 && ctx.Err() == nil {
			res.Message = "Pod was active on the node longer than the specified deadline"
		}
		r.terminate(ErrTerminated)
	}
	res.StartedAt, res.FinishedAt = started, m.now()
	r.result = res
	r.log.close()
	close(r.ended)
}

func (r *running) end() { r.killed.Do(func() { close(r.kill) }) }

func (e *Executor) find(k attempt.Key) *running {
	e.m.mu.Lock()
	defer e.m.mu.Unlock()
	return e.m.attempts[k]
}

// Wait implements executor.Executor.
func (e *Executor) Wait(ctx context.Context, h executor.Handle) (attempt.Result, error) {
	r := e.find(h.Key)
	if r == nil {
		return attempt.Result{Outcome: attempt.Lost, Message: "the attempt cannot be found again"}, nil
	}
	select {
	case <-r.ended:
		if e.find(h.Key) != r {
			return attempt.Result{Outcome: attempt.Lost, Message: "the attempt cannot be found again"}, nil
		}
		return r.result, nil
	case <-ctx.Done():
		return attempt.Result{}, context.Cause(ctx)
	}
}

// Logs implements executor.Executor.
func (e *Executor) Logs(ctx context.Context, h executor.Handle) (io.ReadCloser, error) {
	r := e.find(h.Key)
	if r == nil {
		return io.NopCloser(bytes.NewReader(nil)), nil
	}
	ctx, cancel := context.WithCancel(ctx)
	return &logReader{ctx: ctx, cancel: cancel, log: &r.log}, nil
}

// Stop implements executor.Executor.
func (e *Executor) Stop(_ context.Context, h executor.Handle, grace time.Duration) error {
	if r := e.find(h.Key); r != nil {
		r.terminate(ErrTerminated)
		time.AfterFunc(grace, r.end)
	}
	return nil
}

// Remove implements executor.Executor.
func (e *Executor) Remove(ctx context.Context, h executor.Handle) error {
	r := e.find(h.Key)
	if r == nil {
		return nil
	}
	r.terminate(ErrTerminated)
	r.end()
	select {
	case <-r.ended:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	e.m.mu.Lock()
	delete(e.m.attempts, h.Key)
	e.m.mu.Unlock()
	return nil
}
