package sched

// shutDown asks everything to end. What is part of the exit handler goes on
// after Stop, not after Terminate.
func (s *State) shutDown(how Shutdown) {
	s.shutdown = how
	s.halt("workflow shutdown with strategy:  "+string(how), s.stoppedMessage(), how == Terminate)
}

// expire is the workflow's deadline.
func (s *State) expire() {
	s.expired = true
	s.halt(deadlineMessage, deadlineMessage, false)
}

// halt stops running attempts, begins nothing new and ends what waits. It is the
// one place that looks at all nodes, once or twice in the life of a run.
func (s *State) halt(podMessage, message string, exitToo bool) {
	for i := len(s.nodes) - 1; i >= 0; i-- {
		n := s.nodes[i]
		if n.phase.Fulfilled() || s.exempt(n) && !exitToo {
			continue
		}
		switch body := n.body.(type) {
		case *frame:
			s.closeFrame(n, body)
		case *retry:
			s.haltRetry(n, body, message)
		case nil:
			if n.kind == kindPod {
				s.stopPod(n, podMessage)
			}
		}
	}
}

// haltRetry ends a Retry node none of whose attempts runs.
func (s *State) haltRetry(n *node, r *retry, message string) {
	if len(r.attempts) == 0 {
		s.finish(n, Failed, message)
		return
	}
	last := s.nodes[r.attempts[len(r.attempts)-1]]
	// An attempt that has ended in this very step is still to be told of.
	if last.phase.Fulfilled() {
		s.finish(n, last.phase, message)
	}
}
