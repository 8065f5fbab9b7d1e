package sched

import (
	"container/heap"
	"time"
)

type alarmKind uint8

const (
	alarmRun     alarmKind = iota // the workflow's deadline
	alarmRetry                    // a Retry node's next attempt
	alarmTimeout                  // a pod's timeout
)

// alarm is a time at which the run has something to do.
type alarm struct {
	at   int64
	node int32
	kind alarmKind
}

// alarms is a heap by time, then node: the order of ringing is part of replay.
type alarms []alarm

func (a alarms) Len() int { return len(a) }
func (a alarms) Less(i, j int) bool {
	if a[i].at != a[j].at {
		return a[i].at < a[j].at
	}
	if a[i].node != a[j].node {
		return a[i].node < a[j].node
	}
	return a[i].kind < a[j].kind
}
func (a alarms) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *alarms) Push(x any)   { *a = append(*a, x.(alarm)) }
func (a *alarms) Pop() any {
	old := *a
	last := old[len(old)-1]
	*a = old[:len(old)-1]
	return last
}

// wakeAt sets an alarm, rounded up to what event times resolve.
func (s *State) wakeAt(t time.Time, node int32, kind alarmKind) int64 {
	at := t.UnixNano()
	if rest := at % int64(time.Microsecond); rest != 0 {
		at += int64(time.Microsecond) - rest
	}
	heap.Push(&s.alarms, alarm{at, node, kind})
	return at
}

// meant reports whether an alarm still has something to do.
func (s *State) meant(a alarm) bool {
	if s.phase != Running {
		return false
	}
	switch a.kind {
	case alarmRun:
		return !s.expired && s.shutdown == "" && s.exit == none
	case alarmRetry:
		r, ok := s.nodes[a.node].body.(*retry)
		return ok && r.wake == a.at
	}
	n := s.nodes[a.node]
	return !n.phase.Fulfilled() && !n.stopping
}

// nextAlarm is the time of the earliest alarm, 0 for none.
func (s *State) nextAlarm() int64 {
	for len(s.alarms) > 0 {
		if s.meant(s.alarms[0]) {
			return s.alarms[0].at
		}
		heap.Pop(&s.alarms)
	}
	return 0
}

// ring does what is due.
func (s *State) ring() {
	now := s.now.UnixNano()
	for at := s.nextAlarm(); at != 0 && at <= now; at = s.nextAlarm() {
		a := heap.Pop(&s.alarms).(alarm)
		switch a.kind {
		case alarmRun:
			s.expire()
		case alarmRetry:
			n := s.nodes[a.node]
			n.body.(*retry).wake, n.message = 0, ""
			s.mark(n)
			s.nextAttempt(n)
		case alarmTimeout:
			s.stopPod(s.nodes[a.node], podDeadlineMessage)
		}
	}
}

// announce wishes to be woken when the earliest alarm has changed.
func (s *State) announce() {
	at := s.nextAlarm()
	if at == s.announced || at == 0 {
		return
	}
	s.announced = at
	s.commands = append(s.commands, Command{Kind: WakeAt, At: fromNano(at)})
}
