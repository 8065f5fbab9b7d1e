package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pawl-dev/pawl/promotion/forge"
	"github.com/pawl-dev/pawl/server"
)

func pullPath(n string, action ...string) string {
	return "/api/v1" + server.Path(append([]string{"pulls", strings.TrimPrefix(n, "#")}, action...)...)
}

func newPR(g *globals) *cobra.Command {
	cmd := &cobra.Command{Use: "pr", Short: "Pull requests of the local forge"}
	cmd.AddCommand(newPRList(g), newPRShow(g), newPRMerge(g), newPRClose(g))
	return cmd
}

func newPRList(g *globals) *cobra.Command {
	var state string
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List pull requests",
		Example: "  pawl pr list\n  pawl pr list --state all",
		Args:    args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var prs []forge.PullRequest
			if err := g.get(cmd.Context(), &prs, func(Config) string { return "/api/v1/pulls?state=" + url.QueryEscape(state) }); err != nil {
				return err
			}
			return g.print(prs, func(w io.Writer, wide bool) {
				head := []string{"#", "STATE", "TITLE", "AGE"}
				if wide {
					head = append(head, "HEAD", "BASE", "LABELS")
				}
				if len(prs) == 0 {
					row(w, "no "+strings.TrimPrefix(state+" ", "all ")+"pull requests")
					return
				}
				row(w, head...)
				for _, p := range prs {
					line := []string{fmt.Sprint(p.Number), string(p.State), p.Title, age(p.Created, time.Now())}
					if wide {
						line = append(line, p.Head, p.Base, strings.Join(p.Labels, ","))
					}
					row(w, line...)
				}
			})
		},
	}
	g.outputFlag(cmd)
	cmd.Flags().StringVar(&state, "state", "open", "open, merged, closed or all")
	return cmd
}

func newPRShow(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "show N",
		Short:   "Show a pull request: its text, statuses and change",
		Example: "  pawl pr show 1",
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			var p server.PullDetail
			if err := g.get(cmd.Context(), &p, func(Config) string { return pullPath(a[0]) }); err != nil {
				return err
			}
			return g.print(p, func(w io.Writer, _ bool) { showPull(g.out, p) })
		},
	}
	g.outputFlag(cmd)
	return cmd
}

func showPull(w io.Writer, p server.PullDetail) {
	fmt.Fprintf(w, "#%d %s\n", p.Number, p.Title)
	fmt.Fprintf(w, "%s · %s → %s · by %s %s ago", p.State, p.Head, p.Base, p.Author, age(p.Created, time.Now()))
	if p.State == forge.StateOpen {
		fmt.Fprintf(w, " · %s", p.Mergeable)
	} else {
		fmt.Fprintf(w, " · %s by %s", p.State, p.EndedBy)
		if p.Reason != "" {
			fmt.Fprintf(w, ": %s", p.Reason)
		}
	}
	if len(p.Labels) > 0 {
		fmt.Fprintf(w, " · %s", strings.Join(p.Labels, ", "))
	}
	fmt.Fprintf(w, "\n\n%s\n", strings.TrimSpace(withoutMarker(p.Body)))
	for _, s := range p.Statuses {
		fmt.Fprintf(w, "\n%-8s %s: %s", s.State, s.Context, s.Description)
	}
	if p.Diff != "" {
		fmt.Fprintf(w, "\n\n%s", p.Diff)
	}
	fmt.Fprintln(w)
}

// withoutMarker is a body without its hidden first line.
func withoutMarker(body string) string {
	if first, rest, ok := strings.Cut(body, "\n"); ok && strings.HasPrefix(first, "<!--") {
		return rest
	}
	return body
}

func newPRMerge(g *globals) *cobra.Command {
	var method, head string
	cmd := &cobra.Command{
		Use:   "merge N",
		Short: "Merge a pull request",
		Example: `  pawl pr merge 1
  pawl pr merge 1 --method squash --head 1f2e3d4   # only if it is still at that commit`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			var p forge.PullRequest
			wish := server.PullWish{Method: forge.Method(method), Head: head, By: userName()}
			if err := g.call(cmd.Context(), http.MethodPost, func(Config) string { return pullPath(a[0], "merge") }, wish, &p); err != nil {
				return err
			}
			fmt.Fprintf(g.out, "#%d merged into %s as %s\n", p.Number, p.Base, shortCommit(p.MergeCommit))
			return nil
		},
	}
	cmd.Flags().StringVar(&method, "method", "merge", "merge or squash")
	cmd.Flags().StringVar(&head, "head", "", "the whole commit that was looked at; another head is not merged")
	return cmd
}

func newPRClose(g *globals) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "close N",
		Short: "Close a pull request unmerged",
		Long: `Close a pull request unmerged. If pawl proposed a model in it, that model counts
as rejected for the stage: it is not proposed there again.`,
		Example: `  pawl pr close 1 --reason "too slow"`,
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			var p forge.PullRequest
			wish := server.PullWish{Reason: reason, By: userName()}
			if err := g.call(cmd.Context(), http.MethodPost, func(Config) string { return pullPath(a[0], "close") }, wish, &p); err != nil {
				return err
			}
			fmt.Fprintf(g.out, "#%d closed\n", p.Number)
			return nil
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for people")
	return cmd
}
