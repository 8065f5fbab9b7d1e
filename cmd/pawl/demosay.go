package main

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/pawl-dev/pawl/reconcile"
	"github.com/pawl-dev/pawl/server"
)

// This file is what the demo says. Every command in it can be copied.

func (d *demo) say(format string, a ...any) { fmt.Fprintf(d.out, format+"\n", a...) }

func (d *demo) chapter(n int, title string) { d.say("\n%d. %s", n, title) }

// pawl is a command on the demo's data, as one would type it.
func (d *demo) pawl(command string) string {
	return quoted(d.self) + " " + command + " --data " + quoted(filepath.Join(d.shown, "data"))
}

// plain words mean themselves to a shell.
var plain = regexp.MustCompile(`^[A-Za-z0-9_./:@%+=,-]+$`)

// quoted is a word as a shell takes it.
func quoted(word string) string {
	if plain.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

func (d *demo) relative(path string) string {
	if rel, err := filepath.Rel(d.dir, path); err == nil {
		return filepath.Join(d.shown, rel)
	}
	return path
}

// preface says what is about to happen, and where.
func (d *demo) preface() {
	d.say("A git repository with a training workflow in %s, served on http://%s.", filepath.Join(d.shown, "repo.git"), d.address)
	d.say("Everything below really happens, in %s and nowhere else.", d.shown)
}

func (d *demo) sayOutputs(r *server.RunDetail) {
	var parts []string
	for _, o := range r.Outputs {
		parts = append(parts, o.Name+" "+o.Value)
	}
	d.say("   it left %s, a model and metrics.json", strings.Join(parts, ", "))
}

func (d *demo) sayDecisions(j reconcile.Judgement) {
	for _, dec := range j.Decisions {
		d.say("   gate %s of stage %s on run %s: %s: %s", dec.Gate, j.Stage, j.Run, dec.Verdict, dec.Reason)
	}
}

// sayBody shows a pull request's text, but for its diff, which was shown, and
// its closing explanations.
func (d *demo) sayBody(pr server.PullDetail) {
	d.say("   its text, without the diff (all of it, while the repository is served: %s):", d.pawl(fmt.Sprintf("pr show %d", pr.Number)))
	for i, section := range strings.Split(strings.TrimSpace(withoutMarker(pr.Body)), "\n### ") {
		title, _, _ := strings.Cut(section, "\n")
		if title == "What changes" || title == "What to do" {
			continue
		}
		if i > 0 {
			section = "### " + section
		}
		for _, line := range strings.Split(strings.TrimSpace(section), "\n") {
			if line != "" {
				d.say("   │ %s", line)
			}
		}
	}
}

// summary says where everything is and how to go on.
func (d *demo) summary() {
	at := func(name string) string { return quoted(filepath.Join(d.shown, name)) }
	d.say("\nDone in %s: %d runs, %d pull requests merged. Everything is in %s:", short(time.Since(d.started)), d.runs, d.merged, d.shown)
	for _, line := range [][2]string{
		{"repo.git", "the repository that pawl followed, with the merges of the promotions"},
		{"checkout", "a working copy of it: change something there and push"},
		{"serving", "the deployed models: <stage>/<model>/<version>"},
		{"models", "the published models: <model>/<sha256>"},
		{"inbox", "the watched folder"},
		{"data", "pawl's store, artifacts and logs"},
		{"serve.log", "what the server said"},
	} {
		d.say("  %-10s %s", line[0], line[1])
	}
	serve := quoted(d.self) + " serve --repo " + at("repo.git") + " --model-repository " + at("serving") + " --data " + at("data")
	if d.isolation != "auto" {
		serve += " --isolation " + d.isolation
	}
	d.say("\nNothing runs any more. To look around:")
	d.say("  %s", d.pawl("list"))
	d.say("  %s", d.pawl("model list"))
	d.say("  git -C %s log --graph --oneline main", at("repo.git"))
	d.say("To go on, serve it again (Ctrl-C ends that), and push from %s:", at("checkout"))
	d.say("  %s", serve)
}
