package main

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pawl-dev/pawl/promotion"
	"github.com/pawl-dev/pawl/reconcile"
	"github.com/pawl-dev/pawl/server"
)

func newApp(g *globals) *cobra.Command {
	cmd := &cobra.Command{Use: "app", Short: "What is synced from git, and how that went"}
	get := &cobra.Command{
		Use:   "get [NAME]",
		Short: "Show what is synced, what was refused and why",
		Example: `  pawl app get
  pawl app get -o json`,
		Args: args(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			var apps []reconcile.Application
			if err := g.get(cmd.Context(), &apps, func(Config) string { return "/api/v1/applications" }); err != nil {
				return err
			}
			if len(a) == 1 {
				apps = only(apps, a[0])
				if len(apps) == 0 {
					return withHint(fmt.Errorf("application %q does not exist", a[0]), "`pawl app get` lists them")
				}
			}
			return g.print(apps, func(w io.Writer, wide bool) { appTable(w, apps, wide, time.Now()) })
		},
	}
	g.outputFlag(get)
	refresh := &cobra.Command{
		Use:     "refresh",
		Short:   "Look at the repository now",
		Example: `  pawl app refresh`,
		Args:    args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.call(cmd.Context(), http.MethodPost, func(Config) string { return "/api/v1/applications/refresh" }, nil, nil)
		},
	}
	cmd.AddCommand(get, refresh)
	return cmd
}

func only(apps []reconcile.Application, name string) []reconcile.Application {
	var out []reconcile.Application
	for _, a := range apps {
		if a.Name == name {
			out = append(out, a)
		}
	}
	return out
}

func appTable(w io.Writer, apps []reconcile.Application, wide bool, now time.Time) {
	for i, a := range apps {
		if i > 0 {
			row(w)
		}
		row(w, "Application:", a.Name)
		row(w, "Repository:", a.Repo)
		row(w, "Revision:", orDash(cmp.Or(a.Revision, strings.TrimPrefix(a.HeadRef, "refs/heads/"))))
		row(w, "Path:", a.Path)
		row(w, "Head:", orDash(shortCommit(a.Head)), "checked "+age(a.CheckedAt, now)+" ago")
		if s := a.Synced; s != nil {
			row(w, "Synced:", shortCommit(s.Commit), age(s.At, now)+" ago", count(len(s.Objects), "object"))
		} else {
			row(w, "Synced:", "nothing yet")
		}
		if a.GitError != "" {
			row(w, "Git:", a.GitError)
		}
		if r := a.Refused; r != nil {
			row(w, "Refused:", shortCommit(r.Commit), r.Message)
			for _, p := range r.Problems {
				row(w, "", p.String())
			}
			row(w, "", "what was synced before stays in force; push a fix")
		}
		for _, d := range a.Workflows {
			state := "key " + d.Key[:12] + "…" + " has not run yet"
			if d.Known {
				state = "key " + d.Key[:12] + "…" + " ran as " + d.Run
			}
			row(w, "Workflow:", d.Name, state)
		}
		if a.Synced == nil {
			continue
		}
		for _, n := range a.Synced.Notes {
			if wide || n.Severity != "note" {
				row(w, "Note:", n.String())
			}
		}
		if wide {
			for _, o := range a.Synced.Objects {
				row(w, "Object:", o)
			}
		}
	}
	if len(apps) == 0 {
		row(w, "no application: `pawl serve --repo DIR` makes one")
	}
}

func newGates(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "gates RUN",
		Short:   "Show how the gates judged what a run produced",
		Example: `  pawl gates iris-1a2b3c4d`,
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			var js []reconcile.Judgement
			if err := g.get(cmd.Context(), &js, func(cfg Config) string { return runPath(cfg, a[0], "gates") }); err != nil {
				return err
			}
			return g.print(js, func(w io.Writer, _ bool) { gatesTable(w, js) })
		},
	}
	g.outputFlag(cmd)
	return cmd
}

func gatesTable(w io.Writer, js []reconcile.Judgement) {
	if len(js) == 0 {
		row(w, "no gate has judged this run: it brought forth no candidate of a ModelDeploy, or is not over")
		return
	}
	row(w, "MODEL", "STAGE", "GATE", "EXPRESSION", "VERDICT", "WHY")
	for _, j := range js {
		for _, d := range j.Decisions {
			row(w, j.Model, j.Stage, d.Gate, d.Expr, string(d.Verdict), d.Reason)
			for _, v := range d.Values {
				row(w, "", "", "", fmt.Sprintf("  %s = %v", v.Name, v.Value))
			}
		}
	}
}

func newModel(g *globals) *cobra.Command {
	cmd := &cobra.Command{Use: "model", Short: "Which model each stage serves"}
	list := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the stages of all models",
		Example: `  pawl model list`,
		Args:    args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var stages []reconcile.StageStatus
			if err := g.get(cmd.Context(), &stages, func(Config) string { return "/api/v1/stages" }); err != nil {
				return err
			}
			return g.print(stages, func(w io.Writer, wide bool) { stageTable(w, stages, wide) })
		},
	}
	g.outputFlag(list)
	cmd.AddCommand(list)
	return cmd
}

func stageTable(w io.Writer, stages []reconcile.StageStatus, wide bool) {
	head := []string{"NAMESPACE", "MODEL", "STAGE", "STATE", "DIGEST", "VERSION", "COMMIT", "PULL REQUEST", "WHY"}
	if wide {
		head = append(head, "PATH")
	}
	if len(stages) == 0 {
		row(w, "no ModelDeploy is synced")
		return
	}
	row(w, head...)
	for _, s := range stages {
		pull := "-"
		if s.Pull != 0 {
			pull = fmt.Sprintf("#%d", s.Pull)
		}
		digest, version, commit := "-", "-", "-"
		if d := s.Deployed; d != nil {
			digest, version, commit = promotion.Short(d.Digest), fmt.Sprint(d.Number), shortCommit(d.Commit)
		}
		line := []string{s.Namespace, s.Model, s.Stage, s.State, digest, version, commit, pull, s.Why}
		if wide && s.Deployed != nil {
			line = append(line, s.Deployed.Path)
		}
		row(w, line...)
	}
}

func newCron(g *globals) *cobra.Command {
	cmd := &cobra.Command{Use: "cron", Short: "Cron workflows"}
	list := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List cron workflows with their last and next times",
		Example: `  pawl cron list`,
		Args:    args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var crons []reconcile.CronStatus
			if err := g.get(cmd.Context(), &crons, func(Config) string { return "/api/v1/cron-workflows" }); err != nil {
				return err
			}
			return g.print(crons, func(w io.Writer, wide bool) {
				if len(crons) == 0 {
					row(w, "no cron workflow is synced")
					return
				}
				row(w, "NAMESPACE", "NAME", "SCHEDULES", "TIMEZONE", "SUSPENDED", "LAST", "NEXT", "WHY")
				for _, c := range crons {
					row(w, c.Namespace, c.Name, c.Schedules, orDash(c.Timezone), fmt.Sprint(c.Suspended), when(c.Last), when(c.Next), c.Why)
				}
			})
		},
	}
	g.outputFlag(list)
	trigger := &cobra.Command{
		Use:     "trigger NAME",
		Short:   "Run a cron workflow now",
		Example: `  pawl cron trigger nightly-retrain`,
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			var s server.Submitted
			if err := g.call(cmd.Context(), http.MethodPost, func(cfg Config) string {
				return "/api/v1" + server.Path("cron-workflows", cfg.Namespace, a[0], "trigger")
			}, nil, &s); err != nil {
				return err
			}
			fmt.Fprintf(g.out, "%s: started run %s/%s\n", a[0], s.Namespace, s.Name)
			return nil
		},
	}
	cmd.AddCommand(list, trigger)
	return cmd
}

func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04:05 MST")
}
