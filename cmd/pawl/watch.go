package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/pawl-dev/pawl/engine/sched"
	"github.com/pawl-dev/pawl/server"
)

func newWatch(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "watch RUN",
		Short: "Watch a run until it ends",
		Long: `Watch a run until it ends: a live tree on a terminal, a line for each change of a
node elsewhere. The exit code is the run's, as of pawl run.`,
		Example: `  pawl watch iris-1a2b3c4d
  pawl watch @latest`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			c, cfg, err := g.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			stream, err := c.Stream(cmd.Context(), runPath(cfg, a[0], "watch"))
			if err != nil {
				return explain(err)
			}
			defer stream.Close()
			p := newProgress(g.out)
			dec := json.NewDecoder(stream)
			var phase string
			for {
				var run server.RunDetail
				if err := dec.Decode(&run); err == io.EOF {
					break
				} else if err != nil {
					return err
				}
				p.show(&run)
				phase = run.Phase
			}
			return phaseError(phase)
		},
	}
}

// phaseError is the exit code of a run's end.
func phaseError(phase string) error {
	switch sched.Phase(phase) {
	case sched.Failed, sched.Errored:
		return exitError(exitFailed)
	}
	return nil
}

func newLogs(g *globals) *cobra.Command {
	var follow, plain bool
	var node string
	var tail int
	cmd := &cobra.Command{
		Use:   "logs RUN",
		Short: "Print what the steps of a run printed",
		Example: `  pawl logs iris-1a2b3c4d
  pawl logs -f @latest
  pawl logs iris-1a2b3c4d --node train --tail 20`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			c, cfg, err := g.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			q := url.Values{}
			if follow {
				q.Set("follow", "true")
			}
			if node != "" {
				q.Set("node", node)
			}
			if tail >= 0 {
				q.Set("tail", fmt.Sprint(tail))
			}
			stream, err := c.Stream(cmd.Context(), runPath(cfg, a[0], "log")+"?"+q.Encode())
			if err != nil {
				return explain(err)
			}
			defer stream.Close()
			return printLog(g.out, stream, plain)
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on until the run ends")
	cmd.Flags().StringVar(&node, "node", "", "only of this node, by name or display name")
	cmd.Flags().BoolVar(&plain, "no-prefix", false, "do not begin each line with its node")
	cmd.Flags().IntVar(&tail, "tail", -1, "only the last lines of each node")
	return cmd
}

// printLog prints a stream of LogLine objects.
func printLog(w io.Writer, stream io.Reader, plain bool) error {
	out := bufio.NewWriter(w)
	defer out.Flush()
	dec := json.NewDecoder(stream)
	for {
		var l server.LogLine
		if err := dec.Decode(&l); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if !plain {
			fmt.Fprintf(out, "%s: ", l.Node)
		}
		fmt.Fprintln(out, l.Content)
		if dec.Buffered() != nil {
			out.Flush()
		}
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// progress shows a run as it goes: a live tree on a terminal, else a line for
// each step whose phase changes.
type progress struct {
	out   io.Writer
	term  *os.File // nil: no terminal
	drawn int      // lines of the tree on the screen
	said  map[int]sched.Phase
}

func newProgress(out io.Writer) *progress {
	p := &progress{out: out, said: map[int]sched.Phase{}}
	if isTerminal(out) {
		p.term = out.(*os.File)
	}
	return p
}

// show brings what is shown up to date.
func (p *progress) show(run *server.RunDetail) {
	if p.term != nil {
		p.draw(run)
		return
	}
	for i, n := range run.Nodes {
		if p.said[i] != n.Phase {
			p.said[i] = n.Phase
			if line := stepLine(n.Node, n.Phase); line != "" {
				fmt.Fprintln(p.out, line)
			}
		}
	}
}

// stepLine is the line for a step that has come to a phase, empty when there is
// nothing to say: groups speak only of their own errors.
func stepLine(n sched.Node, phase sched.Phase) string {
	if phase == sched.Pending || n.Type != sched.TypePod && n.Type != sched.TypeSkipped && (phase != sched.Errored || n.Message == "") {
		return ""
	}
	line := fmt.Sprintf("%-9s %s", phase, n.Name)
	if phase.Fulfilled() && !n.FinishedAt.IsZero() && n.Type == sched.TypePod {
		line += " (" + short(n.FinishedAt.Sub(n.StartedAt)) + ")"
	}
	if n.Message != "" && phase != sched.Succeeded {
		line += ": " + firstLine(n.Message)
	}
	return printable(line)
}

// draw writes the tree over the one before.
func (p *progress) draw(run *server.RunDetail) {
	width, height, err := term.GetSize(int(p.term.Fd()))
	if err != nil {
		width, height = 80, 24
	}
	lines := treeView{run: run, now: time.Now(), colour: true, width: width - 1, limit: height - 2}.lines()
	var b strings.Builder
	if p.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", p.drawn)
	}
	for _, l := range lines {
		b.WriteString("\x1b[2K" + l + "\n")
	}
	for range max(p.drawn-len(lines), 0) {
		b.WriteString("\x1b[2K\n")
	}
	p.drawn = max(p.drawn, len(lines))
	io.WriteString(p.out, b.String())
}
