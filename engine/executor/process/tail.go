package process

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// resultLimit is how much of stdout becomes outputs.result.
const resultLimit = 256 << 10

// tailCopy copies a command's stdout from a pipe to its log and keeps the end
// of it.
type tailCopy struct {
	pipe *os.File
	log  *os.File
	tail []byte
	done chan struct{}
}

// newTailCopy begins to copy what is written to the returned file, which the
// caller closes when the command has it.
func newTailCopy(log string) (*tailCopy, *os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, nil, fmt.Errorf("making a pipe for stdout: %w", err)
	}
	f, err := os.OpenFile(log, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		r.Close()
		w.Close()
		return nil, nil, fmt.Errorf("opening the log: %w", err)
	}
	t := &tailCopy{pipe: r, log: f, done: make(chan struct{})}
	go t.run()
	return t, w, nil
}

func (t *tailCopy) run() {
	defer close(t.done)
	buf := make([]byte, 64<<10)
	for {
		n, err := t.pipe.Read(buf)
		_, _ = t.log.Write(buf[:n]) // a full disk must not block the command
		t.tail = append(t.tail, buf[:n]...)
		if len(t.tail) > 2*resultLimit {
			t.tail = append(t.tail[:0], t.tail[len(t.tail)-resultLimit:]...)
		}
		if err != nil {
			return
		}
	}
}

// result is called when the command has ended. Without namespaces somebody may
// hold the pipe open still, having left the command's process group; that one
// is not waited for.
func (t *tailCopy) result(isolated bool) *string {
	if t == nil {
		return nil
	}
	if !isolated {
		_ = t.pipe.SetReadDeadline(time.Now().Add(time.Second))
	}
	t.abandon()
	tail := t.tail
	if len(tail) > resultLimit {
		tail = tail[len(tail)-resultLimit:]
	}
	s := strings.TrimSuffix(string(tail), "\n")
	return &s
}

func (t *tailCopy) abandon() {
	if t == nil {
		return
	}
	<-t.done
	t.pipe.Close()
	t.log.Close()
}
