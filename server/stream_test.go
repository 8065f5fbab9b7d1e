package server

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/pawl-dev/pawl/engine/sched"
)

func TestAFollowedLogComesLineByLineUntilTheRunEnds(t *testing.T) {
	p := newPlace(t)
	r := p.run("r", sched.Running)
	c := Direct(p.server(nil).Local(), func() error { return nil })
	p.log(r, "one\nhal")
	stream, err := c.Stream(t.Context(), "/api/v1/workflows/default/r/log?follow=true")
	p.check(err)
	defer stream.Close()
	lines := json.NewDecoder(stream)
	next := func(want string) {
		t.Helper()
		var l LogLine
		p.check(lines.Decode(&l))
		if l.Content != want || l.Node != "main" {
			t.Errorf("%s: %q, want main: %q", l.Node, l.Content, want)
		}
	}
	next("one")
	p.log(r, "f\r\ntwo\n") // the other half of a line, which was not sent yet
	next("half")
	next("two")
	p.log(r, "no newline at the end")
	p.phase(r, sched.Succeeded)
	next("no newline at the end")
	if err := lines.Decode(&LogLine{}); err != io.EOF {
		t.Errorf("after the end: %v", err)
	}
}

func TestLogsOfANodeAndTheirTail(t *testing.T) {
	p := newPlace(t)
	p.log(p.run("r", sched.Failed), "one\ntwo\nthree\n")
	c := Direct(p.server(nil).Local(), func() error { return nil })
	for query, want := range map[string]string{
		"":                       "one two three",
		"?tail=2":                "two three",
		"?tail=0":                "",
		"?tail=9":                "one two three",
		"?node=main":             "one two three",
		"?node=r&tail=1":         "three",
		"?node=main&follow=true": "one two three",
	} {
		stream, err := c.Stream(t.Context(), "/api/v1/workflows/default/r/log"+query)
		p.check(err)
		var got []string
		for dec := json.NewDecoder(stream); ; {
			var l LogLine
			if err := dec.Decode(&l); err != nil {
				break
			}
			got = append(got, l.Content)
		}
		p.check(stream.Close())
		if strings.Join(got, " ") != want {
			t.Errorf("log%s: %q, want %q", query, got, want)
		}
	}
	for query, want := range map[string]string{"?node=nothing": "no step called", "?tail=x": "not a number"} {
		if _, err := c.Stream(t.Context(), "/api/v1/workflows/default/r/log"+query); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("log%s: %v, want %s", query, err, want)
		}
	}
}

func TestAStreamThatIsClosedEndsItsHandler(t *testing.T) {
	ended := make(chan struct{})
	c := Direct(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		io.WriteString(w, "first\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		if _, err := io.WriteString(w, "second\n"); err == nil {
			t.Error("nobody reads, and writing is no error")
		}
	}), func() error { return nil })
	stream, err := c.Stream(t.Context(), "/")
	if err != nil {
		t.Fatal(err)
	}
	first := make([]byte, 6)
	if _, err := io.ReadFull(stream, first); err != nil || string(first) != "first\n" {
		t.Errorf("%q, %v", first, err)
	}
	stream.Close()
	<-ended
}

func TestAWatchedRunSaysWhatItsStepsPrintedLast(t *testing.T) {
	p := newPlace(t)
	r := p.run("r", sched.Running)
	p.log(r, "epoch 1\nepoch 2")
	c := Direct(p.server(nil).Local(), func() error { return nil })
	stream, err := c.Stream(t.Context(), "/api/v1/workflows/default/r/watch")
	p.check(err)
	defer stream.Close()
	dec := json.NewDecoder(stream)
	var d RunDetail
	p.check(dec.Decode(&d))
	if got := d.Nodes[0].LastLog; got != "epoch 2" {
		t.Errorf("last line is %q, want epoch 2", got)
	}
	p.phase(r, sched.Failed)
	for d.Phase != string(sched.Failed) {
		p.check(dec.Decode(&d))
	}
	if err := dec.Decode(&d); err != io.EOF {
		t.Errorf("after the end: %v", err)
	}
}

func TestLastLog(t *testing.T) {
	for text, want := range map[string]string{
		"":                                   "",
		"one\ntwo\n":                         "two",
		"one\n\n  \n":                        "one",
		"10%\r20%\r30%":                      "30%",
		"\x1b[1;32mgreen\x1b[0m \x1b[2Kdone": "green done",
		"a\tb\a":                             "a b",
		"\xff\xfe":                           "\uFFFD\uFFFD",
		strings.Repeat("x\n", 9000) + "end":  "end",
		"start" + strings.Repeat("y", 9000):  strings.Repeat("y", lastLogBytes),
	} {
		p := newPlace(t)
		r := p.run("r", sched.Running)
		p.log(r, text)
		run, err := p.store.RunByUID(t.Context(), r.UID)
		p.check(err)
		d, err := Detail(t.Context(), p.store, run)
		p.check(err)
		LastLogs(p.data, d)
		if got := d.Nodes[0].LastLog; got != want {
			t.Errorf("last line of %.40q is %.40q, want %.40q", text, got, want)
		}
	}
}
