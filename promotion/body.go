package promotion

import (
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pawl-dev/pawl/policies"
)

// Limits that keep a body below what forges take (65,536 characters).
const (
	maxDiff       = 16 << 10
	maxParameters = 20
	maxCell       = 500
)

// body is the pull request's text: what a reviewer needs to say yes or no.
func (r Request) body() string {
	var b strings.Builder
	fmt.Fprintln(&b, r.marker())
	if r.Edit.URI == "" {
		fmt.Fprintf(&b, "Stage **%s** has no model **%s** yet. This is the first that passed its gates.\n", r.Place.Stage, r.Place.Model)
	} else {
		fmt.Fprintf(&b, "A newer model **%s** passed the gates of stage **%s**.\n", r.Place.Model, r.Place.Stage)
	}
	r.writeMetrics(&b)
	r.writeGates(&b)
	r.writeChange(&b)
	r.writeLineage(&b)
	r.writeChoice(&b)
	return b.String()
}

// metrics are the names to show, in order.
func (r Request) metrics() []string {
	names := slices.Clone(r.Metrics)
	for _, m := range append(sorted(r.Candidate.Metrics), sorted(r.Candidate.Problems)...) {
		if !slices.Contains(names, m) {
			names = append(names, m)
		}
	}
	return names
}

// was is the current model's metric.
func (r Request) was(metric string) (float64, bool) {
	if r.Current == nil {
		return 0, false
	}
	v, ok := r.Current.Metrics[metric]
	return v, ok
}

func (r Request) writeMetrics(b *strings.Builder) {
	names := r.metrics()
	if len(names) == 0 {
		return
	}
	fmt.Fprintf(b, "\n### Metrics\n\n| metric | current | candidate | change |\n|---|---|---|---|\n")
	for _, m := range names {
		was, now, change := "–", "–", "–"
		before, hadBefore := r.was(m)
		if hadBefore {
			was = number(before)
		}
		if after, ok := r.Candidate.Metrics[m]; ok {
			now = number(after)
			if hadBefore {
				change = delta(before, after)
			}
		} else if why := r.Candidate.Problems[m]; why != "" {
			now = code(why)
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", code(m), was, now, change)
	}
}

func (r Request) writeGates(b *strings.Builder) {
	fmt.Fprintf(b, "\n### Gates\n\n| gate | expression | verdict | why |\n|---|---|---|---|\n")
	for _, d := range r.Decisions {
		fmt.Fprintf(b, "| %s | %s | %s%s | %s |\n", code(d.Gate), code(d.Expr), d.Verdict, shadow(d), code(d.Reason))
	}
	if slices.ContainsFunc(r.Decisions, func(d policies.Decision) bool { return d.NoCurrent }) {
		fmt.Fprintf(b, "\nThere was no current model to compare with, so this is never merged automatically.\n")
	}
}

func (r Request) writeChange(b *strings.Builder) {
	fmt.Fprintf(b, "\n### What changes\n\nOne value, in line %d of %s. Rendered, %s changes in nothing else:\n\n", r.Edit.Line, code(r.Edit.File), code(r.Edit.Target))
	text := r.Edit.Diff
	if len(text) > maxDiff {
		text = r.Edit.FileDiff // the rendered object is too large to show around its change
	}
	if len(text) > maxDiff {
		text = fmt.Sprintf("-%s: %s\n+%s: %s\n", r.Edit.Field, r.Edit.URI, r.Edit.Field, r.Edit.To)
	}
	fence := ticks(text, 3)
	fmt.Fprintf(b, "%sdiff\n%s%s\n", fence, text, fence)
}

func (r Request) writeLineage(b *strings.Builder) {
	c := r.Candidate
	fmt.Fprintf(b, "\n### Where it comes from\n\n| | |\n|---|---|\n")
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(b, "| %s | %s |\n", name, code(value))
		}
	}
	row("model", c.ModelDigest)
	row("address", r.Edit.To)
	row("replaces", r.Edit.URI)
	row("run", c.Run)
	row("workflow", c.Workflow)
	row("template", c.Template)
	row("source commit", c.Commit)
	row("run key", c.RunKey)
	row("evaluation data", c.DataDigest)
	if !c.StartedAt.IsZero() {
		row("started", c.StartedAt.UTC().Format(time.RFC3339))
	}
	if !c.FinishedAt.IsZero() && !c.StartedAt.IsZero() {
		row("took", c.FinishedAt.Sub(c.StartedAt).Round(time.Millisecond).String())
	}
	shown := 0
	for _, p := range sorted(c.Parameters) {
		if _, isMetric := c.Metrics[p]; isMetric || shown == maxParameters {
			continue
		}
		shown++
		row("output "+code(p), c.Parameters[p])
	}
}

func (r Request) writeChoice(b *strings.Builder) {
	stage, digest := code(r.Place.Stage), code(Short(r.Candidate.ModelDigest))
	fmt.Fprintf(b, `
### What to do

- **Merge** deploys %s to stage %s: pawl syncs the merge, and reports the stage Deployed once the model is seen there. It starts no run.
- **Close** without merging rejects %s for this stage. It is not proposed again; the next model gets a pull request of its own.
- A newer model that passes takes the place of this one here, in the same pull request.
- Commits of others on this branch are respected: pawl then leaves it alone.
`, digest, stage, digest)
}

// number writes a number in full precision: what is read back is the same.
func number(v float64) string {
	s := strconv.FormatFloat(v, 'f', -1, 64)
	if len(s) > 24 {
		s = strconv.FormatFloat(v, 'g', -1, 64)
	}
	return s
}

// delta is the difference of two numbers as they are written, without the dust
// of binary fractions.
func delta(from, to float64) string {
	a, okA := new(big.Rat).SetString(number(from))
	b, okB := new(big.Rat).SetString(number(to))
	if !okA || !okB {
		return "–"
	}
	d := new(big.Rat).Sub(b, a)
	if places, exact := d.FloatPrec(); exact && places <= 30 {
		s := d.FloatString(places)
		if d.Sign() >= 0 {
			s = "+" + s
		}
		return s
	}
	return "–"
}

// code writes a text that may come from anywhere as code in a table's cell: it
// can neither end the cell, nor name anybody, nor be markup.
func code(s string) string {
	s = cut(strings.ReplaceAll(oneLine(s), "|", `\|`), maxCell)
	if s == "" {
		return ""
	}
	fence := ticks(s, 1)
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") {
		s = " " + s + " "
	}
	return fence + s + fence
}

// ticks is a run of at least n backticks that text does not hold.
func ticks(text string, n int) string {
	run := 0
	for _, c := range text {
		if c != '`' {
			run = 0
			continue
		}
		if run++; run >= n {
			n = run + 1
		}
	}
	return strings.Repeat("`", n)
}
