package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"
	"github.com/spf13/cobra"

	"github.com/pawl-dev/pawl/server"
)

// runPath is the API path of a run, with an action below it.
func runPath(cfg Config, name string, action ...string) string {
	return "/api/v1" + server.Path(append([]string{"workflows", cfg.Namespace, name}, action...)...)
}

func newList(g *globals) *cobra.Command {
	var phases []string
	var all bool
	var limit int
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List runs, newest first",
		Example: `  pawl list
  pawl list -n ml-research --status Failed,Error -o wide
  pawl list -A -o json`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var runs []server.RunSummary
			err := g.get(cmd.Context(), &runs, func(cfg Config) string {
				ns := cfg.Namespace
				if all {
					ns = "*"
				}
				q := url.Values{"limit": {strconv.Itoa(limit)}}
				if len(phases) > 0 {
					q["status"] = phases
				}
				return "/api/v1" + server.Path("workflows", ns) + "?" + q.Encode()
			})
			if err != nil {
				return err
			}
			return g.print(runs, func(w io.Writer, wide bool) { listTable(w, runs, all, wide, time.Now()) })
		},
	}
	g.outputFlag(cmd)
	cmd.Flags().StringSliceVar(&phases, "status", nil, "only runs in these phases")
	cmd.Flags().BoolVarP(&all, "all-namespaces", "A", false, "of all namespaces")
	cmd.Flags().IntVar(&limit, "limit", 100, "at most so many (0: all)")
	return cmd
}

func listTable(w io.Writer, runs []server.RunSummary, namespaces, wide bool, now time.Time) {
	cells := func(ns string, rest ...string) []string {
		if namespaces {
			return append([]string{ns}, rest...)
		}
		return rest
	}
	head := cells("NAMESPACE", "NAME", "STATUS", "AGE", "DURATION", "PROGRESS", "STARTED BY")
	if wide {
		head = append(head, "RUN KEY", "MESSAGE")
	}
	if len(runs) == 0 {
		row(w, "no runs")
		return
	}
	row(w, head...)
	for _, r := range runs {
		line := cells(r.Namespace, r.Name, r.Phase, age(r.Created, now), runTime(r, now), orDash(r.Progress), startedBy(r))
		if wide {
			line = append(line, orDash(shortKey(r.RunKey)), firstLine(r.Message))
		}
		row(w, line...)
	}
}

func runTime(r server.RunSummary, now time.Time) string {
	switch {
	case r.Started.IsZero():
		return "-"
	case r.Finished.IsZero():
		return short(now.Sub(r.Started))
	}
	return short(r.Finished.Sub(r.Started))
}

// startedBy is a run's origin for people.
func startedBy(r server.RunSummary) string {
	switch o := r.Origin; o.Kind {
	case "":
		return "-"
	case "push":
		return "push " + shortCommit(o.Commit)
	default:
		if o.Name == "" {
			return o.Kind
		}
		return o.Kind + " " + o.Name
	}
}

func newGet(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "get RUN",
		Short: "Show a run with its nodes",
		Example: `  pawl get iris-1a2b3c4d
  pawl get @latest
  pawl get iris-1a2b3c4d -o json    # as an Argo Workflow object`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			if g.output == "json" || g.output == "yaml" {
				var wf wfv1.Workflow
				if err := g.get(cmd.Context(), &wf, func(cfg Config) string { return runPath(cfg, a[0]) }); err != nil {
					return err
				}
				return g.print(wf, nil)
			}
			var run server.RunDetail
			if err := g.get(cmd.Context(), &run, func(cfg Config) string { return runPath(cfg, a[0], "detail") }); err != nil {
				return err
			}
			treeView{run: &run, now: time.Now(), colour: isTerminal(g.out)}.print(g.out)
			return nil
		},
	}
	g.outputFlag(cmd)
	return cmd
}

func newResubmit(g *globals) *cobra.Command {
	return g.runAction("resubmit", http.MethodPut, "Run the same workflow once more", `  pawl resubmit iris-1a2b3c4d`, "resubmitted as")
}

func newStop(g *globals) *cobra.Command {
	return g.runAction("stop", http.MethodPut, "Stop a run; its exit handlers run", `  pawl stop iris-1a2b3c4d`, "stopping")
}

func newTerminate(g *globals) *cobra.Command {
	return g.runAction("terminate", http.MethodPut, "Stop a run at once, without exit handlers", `  pawl terminate iris-1a2b3c4d`, "terminating")
}

// runAction is a command that asks for something to be done with runs.
func (g *globals) runAction(verb, method, about, example, done string) *cobra.Command {
	return &cobra.Command{
		Use:     verb + " RUN…",
		Short:   about,
		Example: example,
		Args:    args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			for _, name := range a {
				var s server.Submitted
				if err := g.call(cmd.Context(), method, func(cfg Config) string { return runPath(cfg, name, verb) }, nil, &s); err != nil {
					return err
				}
				fmt.Fprintf(g.out, "%s: %s %s/%s\n", name, done, s.Namespace, s.Name)
			}
			return nil
		},
	}
}

func newDelete(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "delete RUN…",
		Short: "Delete finished runs, with their logs",
		Long: `Delete finished runs, with their journals and logs. Their run keys stay known: a
push that asks for what a deleted run did starts nothing.`,
		Example: `  pawl delete iris-1a2b3c4d`,
		Args:    args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			for _, name := range a {
				if err := g.call(cmd.Context(), http.MethodDelete, func(cfg Config) string { return runPath(cfg, name) }, nil, nil); err != nil {
					return err
				}
				fmt.Fprintf(g.out, "%s: deleted\n", name)
			}
			return nil
		},
	}
}

// shortKey is a run key for people.
func shortKey(key string) string {
	if len(key) > 12 {
		return key[:12]
	}
	return key
}
