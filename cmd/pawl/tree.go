package main

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/pawl-dev/pawl/engine/sched"
	"github.com/pawl-dev/pawl/server"
)

// treeView prints the nodes of a run as a tree: phase, name, duration, message.
type treeView struct {
	run    *server.RunDetail
	now    time.Time
	colour bool
	width  int // of a line; 0: not cut
	limit  int // lines; 0: all
}

// symbols are the marks of the phases, with their colours.
var symbols = map[sched.Phase][2]string{
	sched.Pending:   {"◷", "33"},
	sched.Running:   {"●", "36"},
	sched.Succeeded: {"✔", "32"},
	sched.Failed:    {"✖", "31"},
	sched.Errored:   {"⚠", "31"},
	sched.Skipped:   {"○", "90"},
	sched.Omitted:   {"○", "90"},
}

// lines are the tree, one node a line.
func (v treeView) lines() []string {
	children := map[int][]int{}
	for i, n := range v.run.Nodes {
		p := n.Parent
		for p >= 0 && v.run.Nodes[p].Type == sched.TypeStepGroup {
			p = v.run.Nodes[p].Parent // groups only order the steps below them
		}
		if n.Type != sched.TypeStepGroup {
			children[p] = append(children[p], i)
		}
	}
	var out []string
	var walk func(i int, lead, branch string)
	walk = func(i int, lead, branch string) {
		out = append(out, v.line(v.run.Nodes[i], lead+branch))
		switch branch {
		case "├─":
			lead += "│ "
		case "└─":
			lead += "  "
		}
		for k, c := range children[i] {
			b := "├─"
			if k == len(children[i])-1 {
				b = "└─"
			}
			walk(c, lead, b)
		}
	}
	for _, r := range children[-1] {
		walk(r, "", "")
	}
	if v.limit > 0 && len(out) > v.limit {
		out = append(out[:v.limit-1], fmt.Sprintf("… and %d more nodes", len(out)-v.limit+1))
	}
	return out
}

func (v treeView) line(n server.NodeView, lead string) string {
	symbol := symbols[n.Phase]
	mark := symbol[0]
	if mark == "" {
		mark = "?"
	}
	if v.colour {
		mark = "\x1b[" + symbol[1] + "m" + mark + "\x1b[0m"
	}
	tail := ""
	if d := v.duration(n); d != "" {
		tail = "  " + d
	}
	if n.Phase != sched.Succeeded && n.Message != "" {
		tail += "  " + firstLine(n.Message)
	} else if n.LastLog != "" {
		tail += "  │ " + n.LastLog
	}
	text := lead + "\x00 " + printable(n.DisplayName+tail)
	if v.width > 0 {
		text = cut(text, v.width)
	}
	return strings.Replace(text, "\x00", mark, 1)
}

func (v treeView) duration(n server.NodeView) string {
	switch {
	case n.StartedAt.IsZero() || n.Phase == sched.Skipped || n.Phase == sched.Omitted || n.Phase == sched.Pending:
		return ""
	case n.FinishedAt.IsZero():
		return short(v.now.Sub(n.StartedAt))
	case n.FinishedAt.Sub(n.StartedAt) < time.Millisecond:
		return "" // it ended before it had begun
	}
	return short(n.FinishedAt.Sub(n.StartedAt))
}

// print writes the run's head and its tree, as argo get does.
func (v treeView) print(w io.Writer) {
	r := v.run
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "%-12s %s\n", name+":", value)
		}
	}
	line("Name", r.Name)
	line("Namespace", r.Namespace)
	line("Status", r.Phase)
	line("Message", r.Message)
	line("Started by", startedBy(r.RunSummary))
	line("Created", r.Created.Local().Format(time.RFC1123)+" ("+age(r.Created, v.now)+" ago)")
	if !r.Started.IsZero() {
		line("Duration", runTime(r.RunSummary, v.now))
	}
	line("Progress", r.Progress)
	for _, p := range r.Parameters {
		line("Parameter", p.Name+" = "+cut(firstLine(p.Value), 100))
	}
	for _, p := range r.Outputs {
		line("Output", p.Name+" = "+cut(firstLine(p.Value), 100))
	}
	fmt.Fprintln(w)
	for _, l := range v.lines() {
		fmt.Fprintln(w, l)
	}
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	return s
}

// printable is a text without what a terminal would act on: names of nodes hold
// values of the run, which may come from anywhere.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

// cut shortens s to n runes.
func cut(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}
