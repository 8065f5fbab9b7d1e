package server

import (
	"io"
	"strings"
	"testing"
)

// A step may print more than there is memory, and no newline in all of it.
func TestALineThatNeverEndsIsSentInPieces(t *testing.T) {
	l := &logFile{}
	longest, total := 0, 0
	err := l.lines(io.LimitReader(endless{}, 20*maxLogLine), true, func(line string) error {
		longest, total = max(longest, len(line)), total+len(line)
		return nil
	})
	if err != nil || total != 20*maxLogLine || longest > 2*maxLogLine {
		t.Errorf("%d bytes, at most %d at once: %v", total, longest, err)
	}
	if cap(l.partial) > 4*maxLogLine {
		t.Errorf("%d bytes are kept", cap(l.partial))
	}
}

func TestALineIsSentOnceItIsWhole(t *testing.T) {
	l := &logFile{}
	var got []string
	for _, part := range []struct {
		text string
		over bool
	}{{"a\nb", false}, {"c\r\n", false}, {"\nend", true}} {
		if err := l.lines(strings.NewReader(part.text), part.over, func(line string) error { got = append(got, line); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if want := "a|bc||end"; strings.Join(got, "|") != want || l.offset != 10 {
		t.Errorf("lines are %q, read to %d", got, l.offset)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'a'
	}
	return len(p), nil
}
