package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/pawl-dev/pawl/server"
	demorepo "github.com/pawl-dev/pawl/testdata/demo"
)

// demoMark is the file by which a folder is known as an earlier demo's.
const demoMark = ".pawl-demo"

func newDemo(g *globals) *cobra.Command {
	var dir, isolation string
	var again bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Play the whole story: from git push to a promoted model",
		Long: `Play the whole story on this machine: make a git repository, push to it, train a
model on real data, judge it by a gate, propose it by pull request, merge, deploy;
then a worse push, a revert, a cron retrain and new data. It runs the same server
as pawl serve, and says at each stage what really happened.

The exit code is not 0 if any stage did not happen as it should.`,
		Example: `  pawl demo
  pawl demo --dir /tmp/pawl-demo --again`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !slices.Contains([]string{"auto", "namespaces", "none"}, isolation) {
				return usagef("%s: isolation %q is none of auto, namespaces, none", cmd.CommandPath(), isolation)
			}
			abs, err := filepath.Abs(dir)
			if err != nil {
				return err
			}
			if err := prepareDemo(cmd.Context(), abs, again); err != nil {
				return err
			}
			return playDemo(cmd.Context(), g, abs, dir, isolation)
		},
	}
	f := cmd.Flags()
	f.StringVar(&dir, "dir", "pawl-demo", "folder for everything the demo makes")
	f.BoolVar(&again, "again", false, "begin anew in the folder of an earlier demo")
	f.StringVar(&isolation, "isolation", "auto", "auto, namespaces or none")
	return cmd
}

// prepareDemo makes an empty folder; what an earlier demo left is removed only
// when that is asked for, anything else never.
func prepareDemo(ctx context.Context, dir string, again bool) error {
	if _, err := exec.LookPath("git"); err != nil {
		return withHint(fmt.Errorf("demo: %w", err), "install git; nothing was changed")
	}
	if _, err := demorepo.Repository(dir); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("demo: %w", err)
	}
	if len(entries) > 0 {
		if _, err := os.Stat(filepath.Join(dir, demoMark)); err != nil {
			return withHint(fmt.Errorf("demo: %s is not empty, and not an earlier demo's", dir), "choose another folder with --dir; nothing was changed")
		}
		if !again {
			return withHint(fmt.Errorf("demo: %s holds an earlier demo", dir), "add --again to begin anew, or choose another folder with --dir; nothing was changed")
		}
		if c, err := server.Dial(ctx, server.SocketPath(filepath.Join(dir, "data"))); err == nil {
			c.Close()
			return withHint(fmt.Errorf("demo: a server runs on %s", filepath.Join(dir, "data")), "stop it first; nothing was changed")
		}
	}
	// The mark stays until the last, so that a demo that was cut off here is
	// still known as one.
	for _, e := range entries {
		if e.Name() == demoMark {
			continue
		}
		if err := removeAll(filepath.Join(dir, e.Name())); err != nil {
			return fmt.Errorf("demo: %w", err)
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, demoMark), []byte("made by pawl demo\n"), 0o644); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	for _, d := range []string{"inbox", "data"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return fmt.Errorf("demo: %w", err)
		}
	}
	return nil
}

// removeAll removes a tree with read-only folders in it.
func removeAll(dir string) error {
	err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			return os.Chmod(p, 0o755)
		}
		return err
	})
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.RemoveAll(dir)
}

// playDemo starts the server and plays the story against it.
func playDemo(ctx context.Context, g *globals, dir, shown, isolation string) error {
	cfg := defaultConfig()
	cfg.Data = filepath.Join(dir, "data")
	cfg.Serve.Repo = filepath.Join(dir, "repo.git")
	cfg.Serve.Listen = "127.0.0.1:0"
	cfg.Serve.ModelRepository = filepath.Join(dir, "serving")
	cfg.Process.Isolation = isolation
	cfg.Process.attached = true
	d := &demo{
		out: g.out, dir: dir, shown: shown, self: os.Args[0], isolation: isolation,
		git: demoGit{dir: dir}, ns: cfg.Namespace, started: time.Now(),
	}
	if err := d.makeRepository(ctx); err != nil {
		return err
	}
	logFile, err := os.Create(filepath.Join(dir, "serve.log"))
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	defer logFile.Close()
	s, err := openServe(ctx, cfg, slog.New(slog.NewTextHandler(logFile, nil)))
	if err != nil {
		return err
	}
	d.address = s.tcp.Addr().String()

	// The story ends early if the server does.
	storyCtx, give := context.WithCancelCause(ctx)
	serveCtx, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() {
		err := s.Run(serveCtx)
		done <- err
		give(errors.Join(errors.New("the server ended early"), err))
	}()
	err = d.tell(storyCtx, server.SocketPath(cfg.Data))
	if cause := context.Cause(storyCtx); err != nil && cause != nil && ctx.Err() == nil {
		err = cause
	}
	stop()
	if serveErr := <-done; err == nil {
		err = serveErr
	}
	give(nil)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return withHint(fmt.Errorf("demo: %w", err), "the server's log: %s; to try again: %s demo --dir %s --again", filepath.Join(shown, "serve.log"), quoted(d.self), quoted(shown))
	}
	d.summary()
	return nil
}

// tell connects to the server and plays the story against it.
func (d *demo) tell(ctx context.Context, socket string) error {
	c, err := server.Dial(ctx, socket)
	if err != nil {
		return err
	}
	defer c.Close()
	d.client = c
	d.preface()
	return d.play(ctx)
}
