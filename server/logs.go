package server

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/pawl-dev/pawl/engine"
	"github.com/pawl-dev/pawl/engine/attempt"
	"github.com/pawl-dev/pawl/engine/executor/process"
	"github.com/pawl-dev/pawl/engine/sched"
	"github.com/pawl-dev/pawl/store"
)

const (
	// logEvery is how often a log that is followed is looked at.
	logEvery = 150 * time.Millisecond
	// maxLogLine cuts a line that never ends.
	maxLogLine = 1 << 20
)

// log sends what the steps of a run printed: node by node in the order of their
// start and, when followed, line by line as it comes.
func (s *Server) log(r *http.Request, send func(v any) error) error {
	run, err := s.find(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	f := &logFollower{s: s, run: run, node: q.Get("node"), tail: -1, send: send, files: map[int]*logFile{}}
	if t := q.Get("tail"); t != "" {
		if f.tail, err = strconv.Atoi(t); err != nil {
			return fail(http.StatusBadRequest, "", "tail %q is not a number", t)
		}
	}
	for {
		over := !f.run.Status.Finished.IsZero()
		if err := f.pass(r.Context(), over); err != nil {
			return err
		}
		if over || q.Get("follow") != "true" {
			return f.missing()
		}
		select {
		case <-time.After(logEvery):
		case <-r.Context().Done():
			return r.Context().Err()
		}
		if f.run, err = s.Store.RunByUID(r.Context(), run.UID); err != nil {
			return err
		}
	}
}

// logFollower reads the logs of a run's pods as far as they are.
type logFollower struct {
	s     *Server
	run   store.Run
	node  string // only this one, by name or display name; "" all
	tail  int    // lines of each; -1 all
	send  func(v any) error
	files map[int]*logFile // by node index
	found bool
}

// logFile is one attempt's log, read so far.
type logFile struct {
	offset  int64
	partial []byte
	over    bool
}

// missing says that a node that was asked for is not there.
func (f *logFollower) missing() error {
	if f.node != "" && !f.found {
		return fail(http.StatusNotFound, "`pawl get "+f.run.Name+"` lists the nodes", "run %s/%s has no step called %q", f.run.Namespace, f.run.Name, f.node)
	}
	return nil
}

func (f *logFollower) pass(ctx context.Context, last bool) error {
	nodes, err := f.s.Store.Nodes(ctx, f.run.UID, 0, 0)
	if err != nil {
		return err
	}
	for _, row := range nodes {
		var n engine.IndexedNode
		if err := json.Unmarshal(row.Data, &n); err != nil {
			return err
		}
		if n.Type != sched.TypePod || f.node != "" && n.Name != f.node && n.DisplayName != f.node {
			continue
		}
		f.found = true
		if err := f.read(row.Index, n, last || n.Phase.Fulfilled()); err != nil {
			return err
		}
	}
	return nil
}

// read sends the lines that have come since the last pass.
func (f *logFollower) read(i int, n engine.IndexedNode, over bool) error {
	l := f.files[i]
	if l == nil {
		l = &logFile{}
		f.files[i] = l
	}
	if l.over {
		return nil
	}
	l.over = over
	key := attempt.Key{Run: f.run.UID, Node: n.Name, Attempt: n.Attempt}
	file, err := os.Open(process.LogPath(f.s.Data, key))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := file.Seek(l.offset, io.SeekStart); err != nil {
		return err
	}
	var kept []string // of a tail: the last ones
	err = l.lines(file, over, func(line string) error {
		if f.tail < 0 {
			return f.send(LogLine{Node: n.DisplayName, Attempt: n.Attempt, Content: line})
		}
		if kept = append(kept, line); len(kept) > f.tail {
			kept = kept[1:]
		}
		return nil
	})
	for _, line := range kept {
		if err == nil {
			err = f.send(LogLine{Node: n.DisplayName, Attempt: n.Attempt, Content: line})
		}
	}
	return err
}

// lines gives each whole line to send; at the end also one without a newline.
// Never more than one line is held, and a line that never ends is cut: a step
// can print more than there is memory.
func (l *logFile) lines(r io.Reader, over bool, send func(line string) error) error {
	br := bufio.NewReaderSize(r, 64<<10)
	for {
		part, err := br.ReadSlice('\n')
		l.offset += int64(len(part))
		l.partial = append(l.partial, part...)
		if bytes.HasSuffix(l.partial, []byte("\n")) || len(l.partial) > maxLogLine || over && err == io.EOF && len(l.partial) > 0 {
			line := strings.TrimSuffix(strings.TrimSuffix(string(l.partial), "\n"), "\r")
			l.partial = l.partial[:0]
			if err := send(line); err != nil {
				return err
			}
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return err
		}
	}
}
