package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/pawl-dev/pawl/api"
	"github.com/pawl-dev/pawl/engine"
	"github.com/pawl-dev/pawl/engine/plan"
	"github.com/pawl-dev/pawl/engine/sched"
	"github.com/pawl-dev/pawl/server"
	"github.com/pawl-dev/pawl/store"
)

// runFlags are the flags of pawl run.
type runFlags struct {
	files      []string
	parameters []string
	entrypoint string
	name       string
	executor   string
	isolation  string
	images     []string
	gpus       int
	workdir    string
	grace      time.Duration
}

func newRun(g *globals) *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run -f FILE…",
		Short: "Run a workflow here and now, without server and git",
		Long: `Run a workflow here and now, as local processes, without a server and without git.

Among all that -f names (files, folders, kustomizations, - for standard input)
there must be exactly one Workflow; the templates and config maps serve it. Steps
find themselves in a private layer over --workdir.

Exit codes: 0 Succeeded, 1 Failed or Error, 2 usage, 3 refused, 130 interrupted.`,
		Example: `  pawl run -f hello.yaml
  pawl run -f train.yaml -f templates/ -p epochs=10 --gpus 2
  pawl run -f hello.yaml -o json      # prints an Argo Workflow object`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return runHere(cmd, g, f) },
	}
	g.outputFlag(cmd)
	fl := cmd.Flags()
	fl.StringArrayVarP(&f.files, "file", "f", nil, "manifests: a file, a folder, a kustomization, or - (repeatable)")
	fl.StringArrayVarP(&f.parameters, "parameter", "p", nil, "workflow parameter, NAME=VALUE (repeatable)")
	fl.StringVar(&f.entrypoint, "entrypoint", "", "template to begin with, instead of the workflow's")
	fl.StringVar(&f.name, "name", "", "name of the run")
	fl.StringVar(&f.executor, "executor", "process", "executor: process")
	fl.StringVar(&f.isolation, "isolation", "", "auto, namespaces or none (default: configuration, else auto)")
	fl.StringArrayVar(&f.images, "process-image", nil, "what stands in for an image's entrypoint, IMAGE=COMMAND (repeatable)")
	fl.IntVar(&f.gpus, "gpus", 0, "how many nvidia.com/gpu this machine has to give")
	fl.StringVar(&f.workdir, "workdir", ".", "folder that steps find themselves in")
	fl.DurationVar(&f.grace, "grace", 10*time.Second, "time between SIGTERM and SIGKILL of a stopped step")
	return cmd
}

func runHere(cmd *cobra.Command, g *globals, f runFlags) error {
	ctx := cmd.Context()
	cfg, err := g.load()
	if err != nil {
		return err
	}
	if err := f.apply(cmd, &cfg); err != nil {
		return err
	}
	sub, problems, err := f.submission(ctx, g, cfg)
	if err != nil {
		return err
	}
	if problems.Err() != nil {
		say(g.err, problems, api.SeverityError, api.SeverityWarning)
		return exitError(exitLint)
	}
	m, err := openMachine(ctx, cfg, false, slog.New(slog.NewTextHandler(g.err, &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		return err
	}
	err = f.run(ctx, g, cfg, m, sub, problems)
	return errors.Join(err, m.Close())
}

// apply lets flags win over the configuration.
func (f *runFlags) apply(cmd *cobra.Command, cfg *Config) error {
	if f.executor != "process" {
		return usagef("--executor %s: there is only process so far", f.executor)
	}
	if len(f.files) == 0 {
		return usagef("run: needs a workflow: -f FILE (see pawl run --help)")
	}
	if f.isolation != "" {
		cfg.Process.Isolation = f.isolation
	}
	switch cfg.Process.Isolation {
	case "auto", "namespaces", "none":
	default:
		return usagef("run: --isolation %q is none of auto, namespaces, none", cfg.Process.Isolation)
	}
	if cmd.Flags().Changed("gpus") {
		cfg.Process.GPUs = f.gpus
	}
	for _, i := range f.images {
		image, command, ok := strings.Cut(i, "=")
		if !ok || image == "" || strings.TrimSpace(command) == "" {
			return usagef("--process-image %q: write IMAGE=COMMAND", i)
		}
		if cfg.Process.Images == nil {
			cfg.Process.Images = map[string]string{}
		}
		cfg.Process.Images[image] = command
	}
	return nil
}

// submission finds the workflow among the manifests.
func (f *runFlags) submission(ctx context.Context, g *globals, cfg Config) (engine.Submission, api.Problems, error) {
	var s engine.Submission
	objects, problems, err := manifests(ctx, g.in, f.files)
	if err != nil || problems.Err() != nil {
		return s, problems, err
	}
	var workflows []*api.Object
	for _, o := range objects {
		if o.Kind == "Workflow" {
			workflows = append(workflows, o)
		} else {
			s.Library = append(s.Library, o)
		}
	}
	switch len(workflows) {
	case 0:
		return s, problems, usagef("-f %s: there is no Workflow among the %s: exactly one is run", strings.Join(f.files, " -f "), count(len(objects), "object"))
	case 1:
		s.Workflow = workflows[0]
	default:
		var names []string
		for _, w := range workflows {
			names = append(names, fmt.Sprintf("%s (%s)", w.Title(), w.Origin))
		}
		return s, problems, usagef("-f %s: there are %d Workflows, and exactly one is run: %s", strings.Join(f.files, " -f "), len(workflows), strings.Join(names, ", "))
	}
	for _, p := range f.parameters {
		name, value, ok := strings.Cut(p, "=")
		if !ok || name == "" {
			return s, problems, usagef("-p %q: write NAME=VALUE", p)
		}
		s.Parameters = append(s.Parameters, plan.Parameter{Name: name, Value: value})
	}
	if f.name != "" {
		if wrong := validation.IsDNS1123Subdomain(f.name); len(wrong) > 0 {
			return s, problems, usagef("--name %q: a name is lower-case letters, digits, '-' and '.', such as train-2", f.name)
		}
	}
	workdir, err := filepath.Abs(f.workdir)
	if err != nil {
		return s, problems, err
	}
	if info, err := os.Stat(workdir); err != nil || !info.IsDir() {
		return s, problems, usagef("--workdir %s: there is no such folder", f.workdir)
	}
	s.Code = engine.Code{Dir: workdir}
	s.Entrypoint = f.entrypoint
	s.Namespace = s.Workflow.Namespace
	if s.Namespace == "" || g.namespace != "" {
		s.Namespace = cfg.Namespace
	}
	// Objects that name no namespace are of the run's.
	s.WorkflowName = s.Workflow.Name
	if s.WorkflowName == "" {
		s.WorkflowName = strings.TrimSuffix(s.Workflow.GenerateName, "-")
	}
	s.Labels = s.Workflow.Labels
	s.Origin = engine.Origin{Kind: "user", Name: userName(), Detail: "pawl run", PID: os.Getpid()}
	return s, problems, nil
}

// run carries the submission out.
func (f *runFlags) run(ctx context.Context, g *globals, cfg Config, m *machine, s engine.Submission, said api.Problems) error {
	show := newRunView(g, cfg.Data, m.store)
	noted := map[string]bool{}
	e := engine.New(engine.Options{
		Store: m.store, Executor: m.executor, Artifacts: m.artifacts, Grace: f.grace,
		Observe: show.changed,
		Note: func(_ engine.Run, text string) {
			if !noted[text] { // what the check before the run has said
				noted[text] = true
				fmt.Fprintf(g.err, "note: %s\n", text)
			}
		},
	})
	uid, problems, err := f.create(ctx, e, m, &s)
	problems = append(said, problems...)
	say(g.err, problems, api.SeverityError, api.SeverityWarning, api.SeverityNote)
	for _, p := range problems {
		noted[p.Message] = true
	}
	if err != nil {
		return err
	}
	if mode, why := m.executor.Isolation(); why != "" {
		fmt.Fprintf(g.err, "note: isolation %s: %s\n", mode, why)
	}
	// The run's own context: Ctrl-C asks it to end, and it ends in order.
	carry, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	run, err := e.Load(carry, uid)
	if err != nil {
		return err
	}
	var interrupt sync.WaitGroup
	defer interrupt.Wait()
	defer cancel()
	interrupt.Go(func() {
		select {
		case <-ctx.Done():
			fmt.Fprintln(g.err, "pawl: interrupted, stopping the run")
			if err := e.Shutdown(carry, uid, sched.Terminate, "Ctrl-C"); err != nil && carry.Err() == nil && !errors.Is(err, engine.ErrNotCarried) {
				fmt.Fprintf(g.err, "pawl: stopping the run: %v\n", err)
			}
		case <-carry.Done():
		}
	})
	stop := show.begin(carry, run)
	state, err := e.Carry(carry, run)
	stop()
	if err != nil {
		return err
	}
	return f.finish(ctx, g, cfg, m, run, state)
}

// create checks the submission and records the run under a name that is free.
func (f *runFlags) create(ctx context.Context, e *engine.Engine, m *machine, s *engine.Submission) (string, api.Problems, error) {
	s.Name = f.name
	for try := 0; ; try++ {
		if f.name == "" {
			s.Name = s.Workflow.Name
			if s.Name == "" {
				s.Name = s.Workflow.GenerateName + suffix()
			} else if try > 0 {
				s.Name += "-" + suffix()
			}
		}
		p, problems := e.Compile(*s)
		if problems.Err() == nil {
			problems = append(problems, engine.CheckExecutor(p, m.executor)...)
			problems = append(problems, p.Unused...)
		}
		if problems.Err() != nil {
			return "", problems, exitError(exitLint)
		}
		uid, _, err := e.Create(ctx, *s, p)
		switch {
		case errors.Is(err, store.ErrExists) && f.name == "" && try < 20:
			continue
		case errors.Is(err, store.ErrExists):
			return "", nil, withHint(fmt.Errorf("run %s/%s exists already", s.Namespace, s.Name), "choose another --name, or delete it: pawl delete %s", s.Name)
		}
		return uid, problems, err
	}
}

// suffix is five random letters and digits, as Kubernetes gives generated names.
func suffix() string {
	const alphabet = "bcdfghjklmnpqrstvwxz2456789"
	b := make([]byte, 5)
	for i := range b {
		b[i] = alphabet[rand.IntN(len(alphabet))]
	}
	return string(b)
}

// finish prints the outcome and turns it into the exit code.
func (f *runFlags) finish(ctx context.Context, g *globals, cfg Config, m *machine, run engine.Run, state *sched.State) error {
	row, err := m.store.RunByUID(context.WithoutCancel(ctx), run.UID)
	if err != nil {
		return err
	}
	switch g.output {
	case "json", "yaml":
		wf, err := server.Workflow(context.WithoutCancel(ctx), m.store, row)
		if err != nil {
			return err
		}
		if err := g.print(wf, nil); err != nil {
			return err
		}
	case "wide":
		d, err := server.Detail(context.WithoutCancel(ctx), m.store, row)
		if err != nil {
			return err
		}
		treeView{run: d, now: time.Now()}.print(g.out)
	default:
		fmt.Fprintf(g.out, "%s %s/%s in %s", state.Phase(), run.Namespace, run.Name, short(state.FinishedAt().Sub(state.StartedAt())))
		if msg := state.Message(); msg != "" && state.Phase() != sched.Succeeded {
			fmt.Fprintf(g.out, ": %s", msg)
		}
		fmt.Fprintln(g.out)
		for _, p := range state.Outputs().Parameters {
			fmt.Fprintf(g.out, "  %s = %s\n", p.Name, cut(firstLine(p.Value), 200))
		}
		if state.Phase() != sched.Succeeded {
			fmt.Fprintf(g.out, "  logs: pawl logs %s%s\n", run.Name, g.dataFlag())
		}
	}
	switch {
	case ctx.Err() != nil:
		return exitError(exitInterrupted)
	case state.Phase() == sched.Succeeded:
		return nil
	}
	return exitError(exitFailed)
}

// dataFlag repeats flags that a follow-up command needs.
func (g *globals) dataFlag() string {
	s := ""
	if g.namespace != "" {
		s += " -n " + g.namespace
	}
	if g.data != "" {
		s += " --data " + g.data
	}
	return s
}

func userName() string {
	for _, v := range []string{"USER", "LOGNAME"} {
		if u := os.Getenv(v); u != "" {
			return u
		}
	}
	return fmt.Sprintf("uid %d", os.Getuid())
}
