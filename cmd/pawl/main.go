// Command pawl is GitOps for machine-learning pipelines: it watches git, runs
// workflows, judges what they produced and promotes models by pull request.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	_ "time/tzdata" // schedules name time zones, also on hosts that have none

	"github.com/spf13/cobra"

	"github.com/pawl-dev/pawl/engine/executor/process"
	"github.com/pawl-dev/pawl/render/worker"
)

// Exit codes, as `pawl --help` lists them.
const (
	exitOK          = 0
	exitFailed      = 1   // the run ended Failed or Error, or the command could not do its work
	exitUsage       = 2   // flags or arguments are wrong
	exitLint        = 3   // manifests were refused
	exitInterrupted = 130 // Ctrl-C
)

func main() {
	os.Exit(Main(os.Args, os.Stdin, os.Stdout, os.Stderr))
}

// Main runs pawl and returns its exit code. It is main without the process
// around it, so that scripts in testdata run the same code.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	// Two helper processes are this binary run again; they must not pay for
	// building the command tree.
	if len(args) > 1 {
		switch args[1] {
		case process.HolderArg:
			return process.HolderMain(args[2:])
		case worker.Arg:
			return worker.Main(args[2:])
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := newRoot(&streams{in: stdin, out: stdout, err: stderr})
	root.SetArgs(args[1:])
	err := knownCommand(root, args[1:])
	if err == nil {
		err = root.ExecuteContext(ctx)
	}
	return report(stderr, err)
}

// streams are where a command reads and writes.
type streams struct {
	in  io.Reader
	out io.Writer
	err io.Writer
}

// exitError carries the exit code of a command that has said all it has to say.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// usageError is a mistake in flags or arguments.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func usagef(format string, a ...any) error { return usageError{fmt.Errorf(format, a...)} }

// hintError adds what to do next.
type hintError struct {
	err  error
	hint string
}

func (e hintError) Error() string { return e.err.Error() }
func (e hintError) Unwrap() error { return e.err }

func withHint(err error, format string, a ...any) error {
	return hintError{err, fmt.Sprintf(format, a...)}
}

// report is the one place that turns errors into messages and exit codes.
func report(stderr io.Writer, err error) int {
	var exit exitError
	var usage usageError
	var hint hintError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &exit):
		return int(exit)
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "pawl: %v\n", err)
		return exitUsage
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(stderr, "pawl: interrupted")
		return exitInterrupted
	}
	fmt.Fprintf(stderr, "pawl: %s\n", strings.TrimSpace(err.Error()))
	if errors.As(err, &hint) {
		fmt.Fprintf(stderr, "      %s\n", hint.hint)
	}
	return exitFailed
}

// args wraps a cobra argument check so that its errors count as usage.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, a []string) error {
		if check(cmd, a) != nil {
			use, _, _ := strings.Cut(cmd.UseLine(), " [flags]")
			return usagef("%sarguments are %q, write: %s (see %s --help)", where(cmd), a, use, cmd.CommandPath())
		}
		return nil
	}
}

// knownCommand refuses a sub-command that does not exist, also below a group,
// where cobra would print help and call that success.
func knownCommand(root *cobra.Command, a []string) error {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd(a...)
	cmd, rest, err := root.Find(a)
	if err != nil || cmd.Runnable() || cmd.ParseFlags(rest) != nil {
		return nil // what is wrong with it, if anything, is said when it is executed
	}
	name := cmd.Flags().Arg(0)
	if name == "" || strings.HasPrefix(name, "__") { // shells ask for completions so
		return nil
	}
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(name); len(near) > 0 {
		slices.Sort(near)
		return usagef("%sunknown command %q (did you mean %s? see %s --help)", where(cmd), name, strings.Join(near, " or "), cmd.CommandPath())
	}
	return usagef("%sunknown command %q (see %s --help)", where(cmd), name, cmd.CommandPath())
}

// where is the beginning of a message about how a command was called.
func where(cmd *cobra.Command) string {
	if !cmd.HasParent() {
		return ""
	}
	return strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" ") + ": "
}
