package server

import (
	"io"
	"os"
	"strings"
	"unicode"

	"github.com/pawl-dev/pawl/engine/attempt"
	"github.com/pawl-dev/pawl/engine/executor/process"
	"github.com/pawl-dev/pawl/engine/sched"
)

// lastLogBytes is how much of a log's end is looked at for its last line.
const lastLogBytes = 4096

// LastLogs fills in the last line that each running step of d has printed, from
// the logs in a data folder.
func LastLogs(data string, d *RunDetail) {
	for i := range d.Nodes {
		n := &d.Nodes[i]
		if n.Type == sched.TypePod && n.Phase == sched.Running {
			n.LastLog = lastLog(process.LogPath(data, attempt.Key{Run: d.UID, Node: n.Name, Attempt: n.Attempt}))
		}
	}
}

// lastLog is the last line of a log that is not blank, complete or not; empty if
// there is none or it cannot be read.
func lastLog(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil {
		return ""
	} else if info.Size() > lastLogBytes {
		if _, err := f.Seek(-lastLogBytes, io.SeekEnd); err != nil {
			return ""
		}
	}
	tail, err := io.ReadAll(io.LimitReader(f, lastLogBytes))
	if err != nil {
		return ""
	}
	// A progress bar overwrites its line by carriage returns: what it wrote last counts.
	lines := strings.FieldsFunc(string(tail), func(r rune) bool { return r == '\n' || r == '\r' })
	for i := len(lines) - 1; i >= 0; i-- {
		if l := printable(lines[i]); l != "" {
			return l
		}
	}
	return ""
}

// printable is a line without what would move the cursor or change colours.
func printable(line string) string {
	var b strings.Builder
	escape := false
	for _, r := range line {
		switch {
		case escape:
			// An escape sequence ends with its first letter.
			escape = !unicode.IsLetter(r)
		case r == '\x1b':
			escape = true
		case r == '\t':
			b.WriteByte(' ')
		case unicode.IsPrint(r):
			b.WriteRune(r)
		}
	}
	return strings.TrimSpace(b.String())
}
