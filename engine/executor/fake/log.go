package fake

import (
	"context"
	"io"
	"sync"
)

// log is what an attempt has printed so far.
type log struct {
	mu     sync.Mutex
	text   []byte
	closed bool
	more   chan struct{} // closed when there is more, or the end
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, p...)
	close(l.more)
	l.more = make(chan struct{})
	return len(p), nil
}

func (l *log) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	close(l.more)
	l.more = make(chan struct{})
}

// logReader reads a log from its beginning and waits at its end for more.
type logReader struct {
	ctx    context.Context // of this one reading
	cancel context.CancelFunc
	log    *log
	at     int
}

func (r *logReader) Read(p []byte) (int, error) {
	for {
		r.log.mu.Lock()
		n := copy(p, r.log.text[r.at:])
		closed, more := r.log.closed, r.log.more
		r.log.mu.Unlock()
		r.at += n
		if n > 0 || len(p) == 0 {
			return n, nil
		}
		if closed {
			return 0, io.EOF
		}
		select {
		case <-more:
		case <-r.ctx.Done():
			return 0, context.Cause(r.ctx)
		}
	}
}

func (r *logReader) Close() error {
	r.cancel()
	return nil
}
