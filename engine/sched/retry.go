package sched

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/pawl-dev/pawl/engine/plan"
)

// retry is what a Retry node keeps while it runs.
type retry struct {
	attempts []int32
	wake     int64 // when the next attempt begins, 0 when one runs
}

// nextAttempt begins the next attempt as soon as the run has room.
func (s *State) nextAttempt(n *node) {
	s.offerPod(call{owner: n.index, task: n.task, attempt: true})
}

func (s *State) beginAttempt(n *node, r *retry) {
	a := s.add(kindFor(n.tmpl), n.name+index(len(r.attempts)), n.index, n.boundary, n.task, n.in, n.item)
	r.attempts = append(r.attempts, a.index)
	s.link(n.index, a)
	s.run(a)
	s.limitAttempt(n, r, a)
}

// limitAttempt ends an attempt where backoff.maxDuration does.
func (s *State) limitAttempt(n *node, r *retry, a *node) {
	strategy := n.tmpl.Retry
	if a.kind != kindPod || a.phase.Fulfilled() || strategy.MaxDuration == nil {
		return
	}
	if d, err := s.duration(strategy.MaxDuration, n); err == nil && d > 0 {
		s.wakeAt(fromNano(s.nodes[r.attempts[0]].started).Add(d), a.index, alarmTimeout)
	}
}

// retryEnded decides what follows an attempt, in the order in which Argo does,
// but for the waiting: it comes last, so that what is not tried again does not
// wait first. Back-off is honoured without a limit too.
func (s *State) retryEnded(n *node, r *retry, last *node) {
	n.out = last.out
	if !last.phase.bad() {
		s.finish(n, Succeeded, "")
		return
	}
	if !s.exempt(n) || s.shutdown == Terminate {
		switch {
		case s.shutdown != "":
			s.finish(n, last.phase, s.stoppedMessage())
			return
		case s.expired:
			s.finish(n, last.phase, fmt.Sprintf("retry exceeded workflow deadline %s", s.started.Add(s.plan.Deadline)))
			return
		}
	}
	wait, stop, err := s.backoff(n, r, last)
	switch {
	case err != nil:
		s.finish(n, Errored, err.Error())
	case stop != "":
		s.finish(n, last.phase, stop)
	default:
		s.decideRetry(n, r, last, wait)
	}
}

func (s *State) decideRetry(n *node, r *retry, last *node, wait time.Duration) {
	strategy := n.tmpl.Retry
	if !allowed(strategy.Policy, last) {
		s.finish(n, last.phase, last.message)
		return
	}
	if strategy.Limit != nil {
		limit, err := s.number(strategy.Limit, n)
		if err != nil {
			s.finish(n, Errored, "retryStrategy.limit: "+err.Error())
			return
		}
		if len(r.attempts) > limit {
			s.finish(n, last.phase, "No more retries left")
			return
		}
	}
	if strategy.Expression != nil {
		v, err := strategy.Expression.Render(&scope{s: s, self: n, last: last, tries: len(r.attempts)})
		if err != nil {
			s.finish(n, Errored, "retryStrategy.expression: "+err.Error())
			return
		}
		if v != "true" {
			s.finish(n, last.phase, "retryStrategy.expression evaluated to false")
			return
		}
	}
	due := fromNano(last.finished).Add(wait)
	if wait > 0 && s.now.Before(due) {
		n.message = "Backoff for " + humanDuration(due.Sub(s.now))
		s.mark(n)
		r.wake = s.wakeAt(due, n.index, alarmRetry)
		return
	}
	s.nextAttempt(n)
}

// backoff is how long to wait before the next attempt, or why there is none.
func (s *State) backoff(n *node, r *retry, last *node) (wait time.Duration, stop string, err error) {
	strategy := n.tmpl.Retry
	if !strategy.Backoff {
		return 0, "", nil
	}
	var maxAt time.Time
	if strategy.MaxDuration != nil {
		d, err := s.duration(strategy.MaxDuration, n)
		if err != nil {
			return 0, "", fmt.Errorf("retryStrategy.backoff.maxDuration: %w", err)
		}
		maxAt = fromNano(s.nodes[r.attempts[0]].started).Add(d)
		if s.now.After(maxAt) {
			return 0, "Max duration limit exceeded", nil
		}
	}
	if wait, err = s.wait(n, strategy, len(r.attempts)); err != nil {
		return 0, "", err
	}
	if !maxAt.IsZero() && fromNano(last.finished).Add(wait).After(maxAt) {
		return 0, "Backoff would exceed max duration limit", nil
	}
	return wait, "", nil
}

// wait is duration * factor^(attempts-1), at most cap.
func (s *State) wait(n *node, strategy *plan.Retry, attempts int) (time.Duration, error) {
	if strategy.Duration == nil {
		return 0, errors.New("no base duration specified for retryStrategy")
	}
	base, err := s.duration(strategy.Duration, n)
	if err != nil {
		return 0, fmt.Errorf("retryStrategy.backoff.duration: %w", err)
	}
	wait := float64(base)
	if strategy.Factor != nil {
		factor, err := s.number(strategy.Factor, n)
		if err != nil {
			return 0, fmt.Errorf("retryStrategy.backoff.factor: %w", err)
		}
		if factor > 0 {
			wait *= math.Pow(float64(factor), float64(attempts-1))
		}
	}
	// Larger waits than a century would overflow; nobody sees their end.
	d := time.Duration(min(wait, float64(100*365*24*time.Hour)))
	if strategy.Cap != nil {
		most, err := s.duration(strategy.Cap, n)
		if err != nil {
			return 0, fmt.Errorf("retryStrategy.backoff.cap: %w", err)
		}
		d = min(d, most)
	}
	return d, nil
}

func (s *State) duration(t *plan.Text, n *node) (time.Duration, error) {
	text, err := t.Render(&scope{s: s, self: n})
	if err != nil {
		return 0, err
	}
	return plan.ParseDuration(text)
}

func (s *State) number(t *plan.Text, n *node) (int, error) {
	text, err := t.Render(&scope{s: s, self: n})
	if err != nil {
		return 0, err
	}
	return plan.ParseInt(text)
}

// allowed applies the retry policy.
func allowed(p plan.Policy, last *node) bool {
	switch p {
	case plan.Always:
		return true
	case plan.OnFailure:
		return last.phase == Failed
	case plan.OnError:
		return last.phase == Errored
	case plan.OnTransientError:
		return (last.phase == Failed || last.phase == Errored) && transient(last.message)
	}
	return false
}

// humanDuration writes a duration in its two largest units, as Argo does:
// "4 seconds", "1 minute 20 seconds".
func humanDuration(d time.Duration) string {
	unit := func(n int64, name string) string {
		if n == 1 {
			return "1 " + name
		}
		return strconv.FormatInt(n, 10) + " " + name + "s"
	}
	seconds := int64(d.Seconds())
	switch {
	case seconds < 60:
		return unit(seconds, "second")
	case seconds < 3600:
		return unit(seconds/60, "minute") + " " + strconv.FormatInt(seconds%60, 10) + " seconds"
	case seconds < 24*3600:
		return unit(seconds/3600, "hour") + " " + strconv.FormatInt(seconds%3600/60, 10) + " minutes"
	}
	return unit(seconds/(24*3600), "day") + " " + strconv.FormatInt(seconds%(24*3600)/3600, 10) + " hours"
}
