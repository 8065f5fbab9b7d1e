package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	demorepo "github.com/pawl-dev/pawl/testdata/demo"
)

// demoGit is the user of the demo: real git in a checkout of the repository,
// with an identity of its own and nothing of the machine's configuration.
type demoGit struct{ dir string }

func (g demoGit) checkout() string { return filepath.Join(g.dir, "checkout") }

// run runs git in the checkout and returns what it printed.
func (g demoGit) run(ctx context.Context, args ...string) (string, error) {
	return g.runIn(ctx, g.checkout(), args...)
}

func (g demoGit) runIn(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + g.dir, "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.com", "GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.com",
	}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("git %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(errs.String()))
	}
	return strings.TrimSpace(out.String()), nil
}

// makeRepository makes the bare repository and a checkout of it with the demo's
// files, committed but not pushed.
func (d *demo) makeRepository(ctx context.Context) error {
	files, err := demorepo.Repository(d.dir)
	if err != nil {
		return err
	}
	if _, err := d.git.runIn(ctx, d.dir, "init", "--quiet", "--bare", "--initial-branch=main", "repo.git"); err != nil {
		return err
	}
	if _, err := d.git.runIn(ctx, d.dir, "init", "--quiet", "--initial-branch=main", "checkout"); err != nil {
		return err
	}
	for name, data := range files {
		p := filepath.Join(d.git.checkout(), filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(p, data, 0o644); err != nil {
			return err
		}
	}
	for _, args := range [][]string{
		{"remote", "add", "origin", "../repo.git"},
		{"add", "--all"},
		{"commit", "--quiet", "-m", "Train iris, and promote what is good enough"},
	} {
		if _, err := d.git.run(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}

// push pushes main and returns the commit.
func (d *demo) push(ctx context.Context) (string, error) {
	if _, err := d.git.run(ctx, "push", "--quiet", "-u", "origin", "main"); err != nil {
		return "", err
	}
	return d.git.run(ctx, "rev-parse", "HEAD")
}
