package reconcile

import (
	"errors"
	"time"
)

const (
	retryFirst = 2 * time.Second
	retryLast  = 5 * time.Minute
)

// retry is when something that failed may be tried again. It is of this
// process's memory: a restart tries at once.
type retry struct {
	notBefore time.Time
	pause     time.Duration
	err       string
}

// errNoEffect keeps an action that changes nothing from being carried out again
// and again.
var errNoEffect = errors.New("it was done, but nothing has changed by it")

// tried remembers how an action about a subject went. After an error the subject
// rests for a while, longer each time, and keeps no other waiting.
func (l *Loop) tried(subject string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		delete(l.retries, subject)
		return
	}
	r := l.retries[subject]
	r.pause = min(max(2*r.pause, retryFirst), retryLast)
	r.notBefore, r.err = l.Now().Add(r.pause), err.Error()
	l.retries[subject] = r
}

func (l *Loop) retryOf(subject string) retry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.retries[subject]
}

// forgetRetries drops those of subjects that are no longer there.
func (l *Loop) forgetRetries(rec Record) {
	there := map[string]bool{syncSubject(rec.Head): true}
	for i := range rec.Workflows {
		there[rec.Workflows[i].subject()] = true
	}
	for _, s := range rec.Stages {
		there[s.ID.subject()] = true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for s := range l.retries {
		if !there[s] {
			delete(l.retries, s)
		}
	}
}

// nextTry is when the first of the subjects that rest may be tried again; zero
// if none rests.
func nextTry(rec Record) time.Time {
	var at time.Time
	later := func(t time.Time) {
		if t.After(rec.Now) {
			at = earliest(at, t)
		}
	}
	later(rec.SyncNotBefore)
	for _, w := range rec.Workflows {
		later(w.NotBefore)
	}
	for _, s := range rec.Stages {
		later(s.NotBefore)
	}
	return at
}
