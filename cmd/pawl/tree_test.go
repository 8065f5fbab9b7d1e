package main

import (
	"strings"
	"testing"
	"time"

	"github.com/pawl-dev/pawl/engine"
	"github.com/pawl-dev/pawl/engine/sched"
	"github.com/pawl-dev/pawl/server"
)

func node(name string, parent int, phase sched.Phase) server.NodeView {
	return server.NodeView{IndexedNode: engine.IndexedNode{
		Node: sched.Node{Name: name, DisplayName: name, Type: sched.TypePod, Phase: phase}, Parent: parent,
	}}
}

func TestATreeShowsEachNodeBelowItsOwn(t *testing.T) {
	run := &server.RunDetail{Nodes: []server.NodeView{
		node("run", -1, sched.Running), node("a", 0, sched.Succeeded), node("b", 0, sched.Running), node("a1", 1, sched.Failed),
	}}
	got := strings.Join(treeView{run: run, now: time.Now()}.lines(), "\n")
	want := "● run\n├─✔ a\n│ └─✖ a1\n└─● b"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestWhatATerminalWouldActOnIsNotPrinted(t *testing.T) {
	n := node("step(0:\x1b]0;owned\x07\u202ereversed)", -1, sched.Failed)
	n.Message = "it said \x1b[2J"
	for _, line := range append(treeView{run: &server.RunDetail{Nodes: []server.NodeView{n}}, now: time.Now()}.lines(), stepLine(n.Node, sched.Failed)) {
		if strings.ContainsAny(line, "\x1b\x07\u202e") {
			t.Errorf("%q holds what a terminal acts on", line)
		}
		if !strings.Contains(line, "owned") || !strings.Contains(line, "it said") {
			t.Errorf("%q does not show the rest", line)
		}
	}
}
