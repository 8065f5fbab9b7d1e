package process

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"
)

// logPoll is how often a log that is read to its end is looked at again.
const logPoll = 100 * time.Millisecond

// followLog reads the log at path until ended is closed and all is read. A nil
// ended means that nothing more will come. A log that does not exist is empty.
func followLog(ctx context.Context, path string, ended <-chan struct{}) (io.ReadCloser, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		f, err = nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &logReader{ctx: ctx, path: path, f: f, ended: ended, closed: make(chan struct{})}, nil
}

type logReader struct {
	ctx    context.Context // of this one reading
	path   string
	f      *os.File
	ended  <-chan struct{}
	last   bool // ended was seen closed before the last read
	once   sync.Once
	closed chan struct{}
}

// Read blocks for more as long as the attempt runs.
func (r *logReader) Read(p []byte) (int, error) {
	for {
		if r.f == nil {
			if f, err := os.Open(r.path); err == nil {
				r.f = f
			}
		}
		if r.f != nil {
			n, err := r.f.Read(p)
			if n > 0 || err != nil && err != io.EOF {
				return n, err
			}
		}
		if r.last || r.ended == nil {
			return 0, io.EOF
		}
		if err := r.await(); err != nil {
			return 0, err
		}
	}
}

func (r *logReader) await() error {
	timer := time.NewTimer(logPoll)
	defer timer.Stop()
	select {
	case <-r.ended:
		r.last = true
	case <-timer.C:
	case <-r.closed:
		return fs.ErrClosed
	case <-r.ctx.Done():
		return context.Cause(r.ctx)
	}
	return nil
}

// Close ends a Read that waits.
func (r *logReader) Close() error {
	r.once.Do(func() { close(r.closed) })
	if r.f != nil {
		return r.f.Close()
	}
	return nil
}
