package sched

import (
	"fmt"
	"strings"

	"github.com/pawl-dev/pawl/engine/attempt"
)

// lostBudget is how often an attempt that was lost is started again without
// costing a retry.
const lostBudget = 5

const (
	podDeadlineMessage = "Pod was active on the node longer than the specified deadline"
	deadlineMessage    = "Step exceeded its deadline"
)

// startPod asks for the first attempt of a pod node.
func (s *State) startPod(n *node) {
	n.counted = true
	s.pods++
	spec, err := s.spec(n)
	if err != nil {
		s.finish(n, Errored, err.Error())
		return
	}
	s.running[n.name] = n.index
	s.commands = append(s.commands, Command{Kind: StartAttempt, Spec: spec})
	if n.tmpl.Timeout != nil {
		d, err := s.duration(n.tmpl.Timeout, n)
		if err == nil {
			s.wakeAt(s.now.Add(d), n.index, alarmTimeout)
		}
	}
}

// spec is what the current attempt of a pod node is to run. It is built when
// asked for and not kept.
func (s *State) spec(n *node) (*attempt.Spec, error) {
	spec := &attempt.Spec{
		Key:       attempt.Key{Run: s.plan.UID, Node: n.name, Attempt: int(n.attempt)},
		Namespace: s.plan.Namespace, Workflow: s.plan.Name,
		CaptureResult: n.task.CaptureResult,
	}
	sc := &scope{s: s, self: n, pod: true}
	if r := s.retryOf(n); r != nil {
		sc.tries = s.tryOf(r, n)
		if sc.tries > 0 {
			sc.last = s.nodes[r.children[sc.tries-1]]
		}
	}
	if err := n.tmpl.Fill(spec, sc); err != nil {
		return nil, err
	}
	for i := range n.tmpl.InputArtifacts {
		in := &n.tmpl.InputArtifacts[i]
		a := n.in.artifacts[i]
		if a.empty() {
			continue
		}
		path, err := in.Path.Render(sc)
		if err != nil {
			return nil, fmt.Errorf("inputs.artifacts.%s: %w", in.Name, err)
		}
		spec.Inputs = append(spec.Inputs, attempt.InputArtifact{Name: in.Name, Path: path, Mode: in.Mode, Ref: a.Ref, Raw: a.Raw, Items: a.Items})
	}
	return spec, nil
}

// retryOf is the Retry node that a node is an attempt of, nil for none.
func (s *State) retryOf(n *node) *node {
	if n.parent == none || s.nodes[n.parent].kind != kindRetry {
		return nil
	}
	return s.nodes[n.parent]
}

// tryOf is the number of a retry attempt. It is the newest one or close to it.
func (s *State) tryOf(r, n *node) int {
	for i := len(r.children) - 1; i >= 0; i-- {
		if r.children[i] == n.index {
			return i
		}
	}
	return len(r.children)
}

// attemptEnded takes the result of an attempt.
func (s *State) attemptEnded(n *node, r *attempt.Result) {
	if r.Outcome == attempt.Lost {
		s.attemptLost(n, r)
		return
	}
	var err error
	n.out, err = s.outputsOf(n, r)
	switch {
	case r.Outcome == attempt.Succeeded && err != nil:
		s.finish(n, Errored, err.Error())
	case r.Outcome == attempt.Succeeded:
		s.finish(n, Succeeded, "")
	case n.stopping:
		s.finish(n, Failed, n.message)
	case r.Outcome == attempt.Failed:
		s.finish(n, Failed, r.Message)
	default:
		s.finish(n, Errored, r.Message)
	}
}

// attemptLost starts a lost attempt again, a few times.
func (s *State) attemptLost(n *node, r *attempt.Result) {
	if n.stopping {
		s.finish(n, Failed, n.message)
		return
	}
	n.lost++
	if n.lost > lostBudget {
		message := fmt.Sprintf("the attempt was lost %d times", n.lost)
		if r.Message != "" {
			message += ": " + r.Message
		}
		s.finish(n, Errored, message)
		return
	}
	n.attempt++
	s.mark(n)
	spec, err := s.spec(n)
	if err != nil {
		s.finish(n, Errored, err.Error())
		return
	}
	s.commands = append(s.commands, Command{Kind: StartAttempt, Spec: spec})
}

// outputsOf keeps what the attempt left and the values that the manifest gives,
// in the order in which the template declares them.
func (s *State) outputsOf(n *node, r *attempt.Result) (*Outputs, error) {
	out := &Outputs{Result: r.Result, ExitCode: r.ExitCode}
	var failed error
	for _, p := range n.tmpl.OutputParameters {
		if p.Value != nil {
			v, err := p.Value.Render(&scope{s: s, self: n, pod: true})
			if err != nil {
				failed = fmt.Errorf("outputs.parameters.%s: %w", p.Name, err)
				continue
			}
			out.Parameters = append(out.Parameters, Parameter{Name: p.Name, Value: v})
		} else if v, ok := r.Parameters[p.Name]; ok {
			out.Parameters = append(out.Parameters, Parameter{Name: p.Name, Value: v})
		}
	}
	for _, a := range n.tmpl.OutputArtifacts {
		if ref, ok := r.Artifacts[a.Name]; ok {
			out.Artifacts = append(out.Artifacts, Artifact{Name: a.Name, Ref: &ref})
		}
	}
	if out.Result == nil && out.ExitCode == nil && out.Parameters == nil && out.Artifacts == nil {
		return nil, failed
	}
	return out, failed
}

// stopPod asks a running attempt to end. The reason becomes its message.
func (s *State) stopPod(n *node, reason string) {
	if n.phase.Fulfilled() || n.stopping {
		return
	}
	n.stopping, n.message = true, reason
	s.mark(n)
	s.commands = append(s.commands, Command{Kind: StopAttempt, Key: attempt.Key{Run: s.plan.UID, Node: n.name, Attempt: int(n.attempt)}})
}

// transient reports whether a message tells of trouble that may pass by itself.
func transient(message string) bool {
	m := strings.ToLower(message)
	for _, sign := range []string{
		"timeout", "timed out", "connection refused", "connection reset", "temporary failure", "too many requests",
		"unexpected eof", "broken pipe", "no route to host", "i/o timeout", "exceeded quota", "service unavailable", "lost",
	} {
		if strings.Contains(m, sign) {
			return true
		}
	}
	return false
}
