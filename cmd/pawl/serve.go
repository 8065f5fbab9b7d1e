package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/pawl-dev/pawl/engine"
	"github.com/pawl-dev/pawl/engine/sched"
	"github.com/pawl-dev/pawl/gitsync"
	"github.com/pawl-dev/pawl/promotion/forge/local"
	"github.com/pawl-dev/pawl/reconcile"
	"github.com/pawl-dev/pawl/render"
	"github.com/pawl-dev/pawl/server"
	"github.com/pawl-dev/pawl/store"
)

func newServe(g *globals) *cobra.Command {
	var over ServeConfig
	var isolation string
	var gpus int
	cmd := &cobra.Command{
		Use:   "serve --repo URL|DIR",
		Short: "Watch a git repository: run, judge, propose, deploy",
		Long: `Watch a git repository and keep everything as it says: render its manifests, run
its workflows, judge what they produced, open promotion pull requests, deploy what
was merged. A bare repository on this machine has pull requests of its own (the
local forge); a push into it is noticed at once.

SIGTERM and Ctrl-C end it cleanly. Steps that run go on, and the next start finds
them again, as it does after a crash.`,
		Example: `  git init --bare models.git
  pawl serve --repo models.git --data ./pawl-data
  pawl serve --repo https://git.example.com/team/models.git --revision main --path deploy`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := g.load()
			if err != nil {
				return err
			}
			changed := cmd.Flags().Changed
			for name, set := range map[string]func(){
				"repo":                func() { cfg.Serve.Repo = over.Repo },
				"revision":            func() { cfg.Serve.Revision = over.Revision },
				"path":                func() { cfg.Serve.Path = over.Path },
				"listen":              func() { cfg.Serve.Listen = over.Listen },
				"interval":            func() { cfg.Serve.Interval = over.Interval },
				"webhook-secret-file": func() { cfg.Serve.WebhookSecretFile = over.WebhookSecretFile },
				"model-repository":    func() { cfg.Serve.ModelRepository = over.ModelRepository },
				"log-level":           func() { cfg.Serve.LogLevel = over.LogLevel },
				"isolation":           func() { cfg.Process.Isolation = isolation },
				"gpus":                func() { cfg.Process.GPUs = gpus },
			} {
				if changed(name) {
					set()
				}
			}
			log, err := newLog(g, cfg)
			if err != nil {
				return err
			}
			s, err := openServe(cmd.Context(), cfg, log)
			if err != nil {
				return err
			}
			fmt.Fprintf(g.err, "serving %s, data in %s\n", s.loop.Source, cfg.Data)
			if s.tcp != nil {
				fmt.Fprintf(g.err, "listening on http://%s\n", s.tcp.Addr())
			}
			return s.Run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.StringVar(&over.Repo, "repo", "", "git repository: a URL or a local folder (required)")
	f.StringVar(&over.Revision, "revision", "", "branch, tag or commit (default: the repository's default branch)")
	f.StringVar(&over.Path, "path", ".", "folder of the repository to sync")
	f.StringVar(&over.Listen, "listen", "", "address of the web API, on loopback; empty with = for none")
	f.DurationVar(&over.Interval, "interval", 30*time.Second, "how often to look at the repository")
	f.StringVar(&over.WebhookSecretFile, "webhook-secret-file", "", "file with the secret of POST /webhooks/git")
	f.StringVar(&over.ModelRepository, "model-repository", "", "folder for deployed models (default: <data>/models)")
	f.StringVar(&over.LogLevel, "log-level", "info", "debug, info, warn or error")
	f.StringVar(&isolation, "isolation", "auto", "auto, namespaces or none")
	f.IntVar(&gpus, "gpus", 0, "how many nvidia.com/gpu this machine has to give")
	return cmd
}

func newLog(g *globals, cfg Config) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.Serve.LogLevel)); err != nil {
		return nil, usagef("log level %q is none of debug, info, warn, error", cfg.Serve.LogLevel)
	}
	return slog.New(slog.NewTextHandler(g.err, &slog.HandlerOptions{Level: level})), nil
}

// serving is pawl serve: everything that watches, runs and answers.
type serving struct {
	machine *machine
	engine  *engine.Engine
	loop    *reconcile.Loop
	socket  net.Listener
	tcp     net.Listener // nil: none
	server  *server.Server
	log     *slog.Logger
}

// openServe makes everything ready; Run sets it going.
func openServe(ctx context.Context, cfg Config, log *slog.Logger) (s *serving, err error) {
	s = &serving{log: log}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
			s = nil
		}
	}()
	if cfg.Serve.Repo == "" {
		return s, usagef("serve: needs a repository: --repo URL or --repo DIR (see pawl serve --help)")
	}
	src, err := sourceOf(cfg.Serve)
	if err != nil {
		return s, err
	}
	if cfg.Serve.Listen != "" {
		if err := server.CheckListen(cfg.Serve.Listen); err != nil {
			return s, usageError{err}
		}
	}
	// A repository or a branch that is not there is said now, not in a log.
	if _, err := gitsync.Resolve(ctx, src); err != nil && !errors.Is(err, gitsync.ErrEmpty) && !errors.Is(err, gitsync.ErrUnreachable) {
		return s, err
	}
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return s, fmt.Errorf("data folder: %w", err)
	}
	if s.machine, err = openMachine(ctx, cfg, true, log); err != nil {
		return s, err
	}
	if mode, why := s.machine.executor.Isolation(); why != "" {
		log.Warn("steps are not isolated as they could be", "isolation", mode, "why", why)
	}
	s.engine = engine.New(engine.Options{
		Store: s.machine.store, Executor: s.machine.executor, Artifacts: s.machine.artifacts, Log: log,
		Note: func(r engine.Run, text string) { log.Info("note", "run", r.Namespace+"/"+r.Name, "note", text) },
	})
	f, noForge := openForge(src, s.machine.store)
	if s.loop, err = s.newLoop(cfg, src, f, noForge); err != nil {
		return s, err
	}
	backend := server.Backend{Data: cfg.Data, Store: s.machine.store, Artifacts: s.machine.artifacts, Control: s, Log: log}
	if f != nil {
		backend.Forge = f
	}
	if file := cfg.Serve.WebhookSecretFile; file != "" {
		secret, err := os.ReadFile(file)
		if err != nil {
			return s, fmt.Errorf("webhook secret: %w", err)
		}
		if backend.WebhookSecret = bytes.TrimSpace(secret); len(backend.WebhookSecret) == 0 {
			return s, fmt.Errorf("webhook secret: %s is empty", file)
		}
	}
	s.server = server.New(backend)
	if s.socket, err = server.ListenSocket(cfg.Data); err != nil {
		return s, err
	}
	if cfg.Serve.Listen != "" {
		if s.tcp, err = net.Listen("tcp", cfg.Serve.Listen); err != nil {
			return s, withHint(fmt.Errorf("listening on %s: %w", cfg.Serve.Listen, err), "choose another address with --listen, or none with --listen=")
		}
	}
	return s, nil
}

// sourceOf makes a local path absolute, so that it means the same from anywhere.
func sourceOf(c ServeConfig) (gitsync.Source, error) {
	src := gitsync.Source{URL: c.Repo, Revision: c.Revision}
	if !strings.Contains(c.Repo, "://") {
		abs, err := filepath.Abs(c.Repo)
		if err != nil {
			return src, err
		}
		src.URL = abs
	}
	return src, nil
}

func openForge(src gitsync.Source, st *store.Store) (*local.Forge, string) {
	if strings.Contains(src.URL, "://") && !strings.HasPrefix(src.URL, "file://") {
		return nil, "there is no forge for " + src.URL + " yet; a bare repository on this machine has one"
	}
	f, err := local.Open(local.Config{
		Repository: src.URL, Documents: pullDocuments{st, src.URL}, Now: time.Now,
		Committer: gitsync.Identity{Name: reconcile.Author, Email: reconcile.AuthorEmail},
	})
	if err != nil {
		return nil, err.Error()
	}
	return f, ""
}

func (s *serving) newLoop(cfg Config, src gitsync.Source, f *local.Forge, noForge string) (*reconcile.Loop, error) {
	snapshots, err := gitsync.OpenCache(gitsync.CacheConfig{Dir: filepath.Join(cfg.Data, "git")})
	if err != nil {
		return nil, err
	}
	scratch := filepath.Join(cfg.Data, "tmp")
	if err := os.RemoveAll(scratch); err != nil {
		return nil, fmt.Errorf("scratch folder: %w", err)
	}
	if err := os.MkdirAll(scratch, 0o700); err != nil {
		return nil, fmt.Errorf("scratch folder: %w", err)
	}
	models := cfg.Serve.ModelRepository
	if models == "" {
		models = filepath.Join(cfg.Data, "models")
	}
	if models, err = filepath.Abs(models); err != nil {
		return nil, err
	}
	o := reconcile.Options{
		Name: appName(src.URL), Source: src, Path: cfg.Serve.Path, Namespace: cfg.Namespace,
		ModelRepository: models, Data: cfg.Data, Scratch: scratch, Interval: cfg.Serve.Interval,
		Store: s.machine.store, Engine: s.engine, Artifacts: s.machine.artifacts, Snapshots: snapshots,
		NoForge: noForge, Render: render.New(render.Config{}), Checker: s.machine.executor, Log: s.log,
	}
	if f != nil {
		o.Forge = f
	}
	return reconcile.New(o)
}

// appName is what an application is called: the repository's last path element.
func appName(url string) string {
	name := filepath.Base(strings.TrimSuffix(strings.TrimSuffix(url, "/"), ".git"))
	if name == "." || name == "/" || name == "" {
		return "app"
	}
	return name
}

// Run serves until ctx ends, then leaves nothing behind but the attempts that
// run.
func (s *serving) Run(ctx context.Context) error {
	asked := ctx
	eg, ctx := errgroup.WithContext(ctx)
	eg.Go(func() error { return s.engine.Run(ctx, ofServe) })
	eg.Go(func() error { return s.loop.Run(ctx) })
	eg.Go(func() error { return server.Serve(ctx, s.socket, s.server.Local()) })
	if s.tcp != nil {
		eg.Go(func() error { return server.Serve(ctx, s.tcp, s.server.Network()) })
	}
	err := eg.Wait()
	if errors.Is(err, http.ErrServerClosed) || asked.Err() != nil && errors.Is(err, context.Canceled) {
		err = nil // it was asked to end
	}
	s.log.Info("stopped")
	return errors.Join(err, s.close())
}

// ofServe leaves alone the runs that a `pawl run` carries on itself.
func ofServe(_ string, origin []byte) bool {
	var o engine.Origin
	return json.Unmarshal(origin, &o) != nil || o.PID == 0
}

func (s *serving) close() error {
	var errs []error
	for _, l := range []net.Listener{s.tcp, s.socket} {
		if l != nil {
			if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
				errs = append(errs, err)
			}
		}
	}
	if s.machine != nil {
		errs = append(errs, s.machine.Close())
	}
	return errors.Join(errs...)
}

// Shutdown implements server.Control.
func (s *serving) Shutdown(ctx context.Context, run store.Run, how sched.Shutdown, by string) error {
	if err := s.engine.Shutdown(ctx, run.UID, how, by); err != nil {
		return fmt.Errorf("run %s/%s: %w", run.Namespace, run.Name, err)
	}
	return nil
}

// Resubmit implements server.Control.
func (s *serving) Resubmit(ctx context.Context, run store.Run, by string) (reconcile.Started, error) {
	return s.loop.Resubmit(ctx, run, by)
}

// TriggerCron implements server.Control.
func (s *serving) TriggerCron(ctx context.Context, namespace, name, by string) (reconcile.Started, error) {
	return s.loop.TriggerCron(ctx, namespace, name, by)
}

// Refresh implements server.Control.
func (s *serving) Refresh() { s.loop.Refresh() }

// Wake implements server.Control.
func (s *serving) Wake() { s.loop.Wake() }

// pullDocuments keeps the local forge's pull requests in the store.
type pullDocuments struct {
	store *store.Store
	repo  string
}

var _ local.Documents = pullDocuments{}

const kindPull = "pull-request"

func (d pullDocuments) key(k string) string { return d.repo + "#" + k }

func (d pullDocuments) Get(ctx context.Context, key string) (local.Document, error) {
	doc, ok, err := d.store.GetDoc(ctx, kindPull, d.key(key))
	if err != nil || !ok {
		return local.Document{Key: key}, err
	}
	return local.Document{Key: key, Version: doc.Version, Data: doc.Data}, nil
}

func (d pullDocuments) Put(ctx context.Context, doc local.Document) error {
	_, err := d.store.PutDoc(ctx, kindPull, d.key(doc.Key), doc.Data, doc.Version)
	if errors.Is(err, store.ErrConflict) {
		return local.ErrChanged
	}
	return err
}

func (d pullDocuments) List(ctx context.Context) ([]local.Document, error) {
	docs, err := d.store.ListDocs(ctx, kindPull, d.key(""))
	if err != nil {
		return nil, err
	}
	var out []local.Document
	for _, doc := range docs {
		out = append(out, local.Document{Key: strings.TrimPrefix(doc.Key, d.key("")), Version: doc.Version, Data: doc.Data})
	}
	return out, nil
}

func (d pullDocuments) NextNumber(ctx context.Context) (int64, error) {
	return d.store.NextNumber(ctx, kindPull+" "+d.repo)
}
