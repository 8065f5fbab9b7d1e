package api

import (
	"fmt"
	"strings"
)

// Severity orders problems: an Error refuses, a Warning is said, a Note informs.
type Severity string

// The severities.
const (
	SeverityError   Severity = "error"
	SeverityWarning Severity = "warning"
	SeverityNote    Severity = "note"
)

// Position is a place in a manifest. Line counts from 1; 0 means unknown.
type Position struct {
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
}

func (p Position) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// Problem is one thing wrong or worth saying about a manifest: where, what, and
// what to do about it.
type Problem struct {
	Severity Severity `json:"severity"`
	Position
	// Path is the field, such as "spec.templates[2].container.image".
	Path    string `json:"path,omitempty"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// String is "FILE:LINE: SEVERITY: PATH: MESSAGE (HINT)", leaving out what is empty.
func (p Problem) String() string {
	var b strings.Builder
	if pos := p.Position.String(); pos != "" {
		b.WriteString(pos + ": ")
	}
	b.WriteString(string(p.Severity) + ": ")
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Message)
	if p.Hint != "" {
		b.WriteString(" (" + p.Hint + ")")
	}
	return b.String()
}

// Problems is a list of problems. As an error it prints its errors, one a line.
type Problems []Problem

// Err returns the problems as an error if any of them is one, else nil.
func (ps Problems) Err() error {
	for _, p := range ps {
		if p.Severity == SeverityError {
			return ps
		}
	}
	return nil
}

func (ps Problems) Error() string {
	var lines []string
	for _, p := range ps {
		if p.Severity == SeverityError {
			lines = append(lines, p.String())
		}
	}
	return strings.Join(lines, "\n")
}
