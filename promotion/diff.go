package promotion

import (
	"fmt"
	"strings"
)

// contextLines stand around a change.
const contextLines = 3

// diff is a unified diff of two texts that differ in one stretch of lines.
func diff(name, before, after string) string {
	a, b := lines(before), lines(after)
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	if head == len(a) && head == len(b) {
		return ""
	}
	from := max(0, head-contextLines)
	more := min(tail, contextLines)
	var out strings.Builder
	fmt.Fprintf(&out, "--- a/%s\n+++ b/%s\n", name, name)
	fmt.Fprintf(&out, "@@ -%d,%d +%d,%d @@\n", from+1, len(a)-tail+more-from, from+1, len(b)-tail+more-from)
	put := func(mark string, ls []string) {
		for _, l := range ls {
			out.WriteString(mark + l + "\n")
		}
	}
	put(" ", a[from:head])
	put("-", a[head:len(a)-tail])
	put("+", b[head:len(b)-tail])
	put(" ", a[len(a)-tail:len(a)-tail+more])
	return out.String()
}

func lines(s string) []string {
	return strings.Split(strings.TrimSuffix(s, "\n"), "\n")
}
