package main

import (
	"github.com/spf13/cobra"
)

// newRoot builds the command tree; each sub-command has a file of its own.
func newRoot(s *streams) *cobra.Command {
	g := &globals{streams: s}
	root := &cobra.Command{
		Use:   "pawl",
		Short: "GitOps for machine-learning pipelines",
		Long: `pawl watches git repositories of Workflow, Sensor, CronWorkflow and ModelDeploy
manifests, runs the workflows, judges what they produced against gates, opens a
promotion pull request when they pass, and deploys the model when it is merged.

Exit codes: 0 done (of a run: Succeeded), 1 Failed or Error, 2 usage,
3 manifests refused, 130 interrupted.`,
		Args:          cobra.ArbitraryArgs, // knownCommand refuses them
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%s%w (see %s --help)", where(cmd), err, cmd.CommandPath())
	})
	g.register(root)
	root.AddGroup(
		&cobra.Group{ID: "start", Title: "Start here:"},
		&cobra.Group{ID: "runs", Title: "Runs:"},
		&cobra.Group{ID: "gitops", Title: "GitOps and promotion:"},
		&cobra.Group{ID: "files", Title: "Manifests:"},
	)
	for group, commands := range map[string][]*cobra.Command{
		"start":  {newDemo(g), newInit(g), newServe(g), newRun(g)},
		"runs":   {newList(g), newGet(g), newWatch(g), newLogs(g), newResubmit(g), newStop(g), newTerminate(g), newDelete(g)},
		"gitops": {newApp(g), newPR(g), newGates(g), newModel(g), newCron(g)},
		"files":  {newLint(g), newRender(g)},
		"":       {newConfig(g), newVersion(g)},
	} {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	return root
}
