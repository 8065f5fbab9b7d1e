package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/pawl-dev/pawl/api"
	"github.com/pawl-dev/pawl/engine/plan"
	"github.com/pawl-dev/pawl/events/lint"
	"github.com/pawl-dev/pawl/policies"
	"github.com/pawl-dev/pawl/render"
)

func newLint(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lint PATH…",
		Short: "Check manifests without running anything",
		Long: `Check manifests: every Workflow is compiled with the templates beside it, gates
are compiled, sensors are held against the event sources beside them. Each
problem says file, line, field and what to do.

Exit codes: 0 nothing is refused, 3 something is.`,
		Example: `  pawl lint workflows/
  pawl lint train.yaml templates.yaml
  pawl lint . -o json`,
		Args: args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			cfg, err := g.load()
			if err != nil {
				return err
			}
			objects, problems, err := manifests(cmd.Context(), g.in, a)
			if err != nil {
				return err
			}
			problems = append(problems, lintAll(objects, cfg.Namespace)...)
			if problems == nil {
				problems = api.Problems{}
			}
			if err := g.print(problems, func(io.Writer, bool) {
				say(g.out, problems, api.SeverityError, api.SeverityWarning, api.SeverityNote)
				if len(problems) == 0 {
					fmt.Fprintf(g.out, "%s, nothing to say\n", count(len(objects), "object"))
				}
			}); err != nil {
				return err
			}
			if problems.Err() != nil {
				return exitError(exitLint)
			}
			return nil
		},
	}
	g.outputFlag(cmd)
	return cmd
}

// lintAll judges objects as they would be admitted together.
func lintAll(objects []*api.Object, namespace string) api.Problems {
	var placed []*api.Object
	for _, o := range objects {
		own := *o
		if own.Namespace == "" && own.Kind != "ClusterWorkflowTemplate" {
			own.Namespace = namespace
		}
		placed = append(placed, &own)
	}
	problems := policies.Admit(placed)
	for _, o := range placed {
		problems = append(problems, lint.Check(o)...)
		problems = append(problems, plan.Check(o, libraryOf(placed, o.Namespace))...)
		if o.Kind != "Workflow" {
			continue
		}
		p, ps := plan.Compile(plan.Input{Workflow: o, Library: libraryOf(placed, o.Namespace), Name: o.Name + o.GenerateName, Namespace: o.Namespace, UID: "lint"})
		problems = append(problems, ps...)
		if p != nil {
			problems = append(problems, p.Unused...)
		}
	}
	problems = once(append(problems, lint.CheckSources(placed)...))
	sort.SliceStable(problems, func(i, j int) bool {
		a, b := problems[i], problems[j]
		if a.File != b.File {
			return a.File < b.File
		}
		return a.Line < b.Line
	})
	return problems
}

// once drops what was said before: a template is checked by itself and with
// every workflow that uses it.
func once(problems api.Problems) api.Problems {
	said := map[api.Problem]bool{}
	var out api.Problems
	for _, p := range problems {
		if !said[p] {
			said[p] = true
			out = append(out, p)
		}
	}
	return out
}

// libraryOf are the objects that a workflow of a namespace may refer to.
func libraryOf(objects []*api.Object, namespace string) []*api.Object {
	var out []*api.Object
	for _, o := range objects {
		if o.Namespace == namespace || o.Kind == "ClusterWorkflowTemplate" {
			out = append(out, o)
		}
	}
	return out
}

func newRender(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "render DIR",
		Short: "Print what a kustomization or a folder of manifests renders to",
		Example: `  pawl render models/iris/overlays/staging
  pawl render . -o json`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			dir, err := filepath.Abs(a[0])
			if err != nil {
				return err
			}
			if info, err := os.Stat(dir); err != nil || !info.IsDir() {
				return usagef("render: %s: there is no such folder", a[0])
			}
			set, root, err := buildFolder(cmd.Context(), dir)
			if problems, ok := err.(api.Problems); ok {
				say(g.err, relocate(problems, root), api.SeverityError, api.SeverityWarning)
				return exitError(exitLint)
			}
			if err != nil {
				return err
			}
			say(g.err, relocate(set.Problems, root), api.SeverityWarning)
			out, err := render.Marshal(set)
			if err != nil {
				return err
			}
			if g.output == "json" {
				raw := []map[string]any{}
				for _, o := range set.Objects {
					raw = append(raw, o.Raw)
				}
				if out, err = yaml.Marshal(raw); err != nil {
					return err
				}
				if out, err = yaml.YAMLToJSON(out); err != nil {
					return err
				}
				out = append(out, '\n')
			}
			_, err = g.out.Write(out)
			return err
		},
	}
	g.outputFlag(cmd)
	return cmd
}
