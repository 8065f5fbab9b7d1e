package promotion

import (
	"fmt"
	"regexp"
	"strings"
)

// Marker is the hidden first line of a pull request's body, by which pawl knows
// its own again. Whoever parses one also checks that pawl's account wrote it.
type Marker struct {
	Key    string // of the Place
	Digest string // of the candidate, "sha256:…"
	Base   string // the commit that the edit was made on top of
}

// String is the line.
func (m Marker) String() string {
	return fmt.Sprintf("<!-- pawl:v1 key=%s digest=%s base=%s -->", m.Key, hexOf(m.Digest), m.Base)
}

var markerLine = regexp.MustCompile(`^<!-- pawl:v1 key=([0-9a-f]{64}) digest=([0-9a-f]{64}) base=([0-9a-f]{40}|[0-9a-f]{64}) -->$`)

// ParseMarker reads the marker of a body. Only the first line counts: text that
// came from elsewhere stands further down.
func ParseMarker(body string) (Marker, bool) {
	first, _, _ := strings.Cut(body, "\n")
	m := markerLine.FindStringSubmatch(strings.TrimSuffix(first, "\r"))
	if m == nil {
		return Marker{}, false
	}
	return Marker{Key: m[1], Digest: "sha256:" + m[2], Base: m[3]}, true
}
