package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/pawl-dev/pawl/api"
	"github.com/pawl-dev/pawl/render"
)

// manifests reads what -f names: files, folders (as kustomizations if they are
// any), and "-" for standard input.
func manifests(ctx context.Context, in io.Reader, names []string) ([]*api.Object, api.Problems, error) {
	var objects []*api.Object
	var problems api.Problems
	for _, name := range names {
		o, p, err := manifest(ctx, in, name)
		if err != nil {
			return nil, nil, err
		}
		objects, problems = append(objects, o...), append(problems, p...)
	}
	return objects, problems, nil
}

func manifest(ctx context.Context, in io.Reader, name string) ([]*api.Object, api.Problems, error) {
	if name == "-" {
		data, err := io.ReadAll(in)
		if err != nil {
			return nil, nil, fmt.Errorf("standard input: %w", err)
		}
		o, p := api.Decode("<stdin>", data)
		return o, p, nil
	}
	info, err := os.Stat(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil, usagef("-f %s: there is no such file or folder", name)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("-f: %w", err)
	}
	if info.IsDir() {
		return renderFolder(ctx, name)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, nil, fmt.Errorf("-f: %w", err)
	}
	o, p := api.Decode(name, data)
	return o, p, nil
}

// renderFolder renders a folder. Its kustomization may reach what is beside it:
// anything in the git checkout that it is in or, without one, on this machine.
func renderFolder(ctx context.Context, name string) ([]*api.Object, api.Problems, error) {
	set, root, err := buildFolder(ctx, name)
	var problems api.Problems
	switch {
	case errors.As(err, &problems):
		return nil, relocate(problems, root), nil
	case err != nil:
		return nil, nil, err
	}
	return set.Objects, relocate(set.Problems, root), nil
}

func buildFolder(ctx context.Context, name string) (*render.Set, string, error) {
	abs, err := filepath.Abs(name)
	if err != nil {
		return nil, "", err
	}
	if abs, err = filepath.EvalSymlinks(abs); err != nil {
		return nil, "", err
	}
	root := checkoutRoot(abs)
	rel, err := filepath.Rel(root, abs)
	if err != nil {
		return nil, "", err
	}
	set, err := render.New(render.Config{}).Build(ctx, render.Input{FS: os.DirFS(root), Path: filepath.ToSlash(rel)})
	return set, root, err
}

// checkoutRoot is the nearest folder upward with a .git in it, else the root.
func checkoutRoot(dir string) string {
	for d := dir; ; d = filepath.Dir(d) {
		if _, err := os.Lstat(filepath.Join(d, ".git")); err == nil {
			return d
		}
		if d == filepath.Dir(d) {
			return d
		}
	}
}

// relocate names the files of problems as seen from here.
func relocate(ps api.Problems, root string) api.Problems {
	here, err := os.Getwd()
	if err != nil {
		return ps
	}
	out := make(api.Problems, len(ps))
	for i, p := range ps {
		if p.File != "" && !filepath.IsAbs(p.File) {
			if rel, err := filepath.Rel(here, filepath.Join(root, p.File)); err == nil && !strings.HasPrefix(rel, "../..") {
				p.File = rel
			} else {
				p.File = filepath.Join(root, p.File)
			}
		}
		out[i] = p
	}
	return out
}

// say prints problems of at least a severity, one a line.
func say(w io.Writer, ps api.Problems, severities ...api.Severity) {
	for _, p := range ps {
		for _, s := range severities {
			if p.Severity == s {
				fmt.Fprintln(w, p)
			}
		}
	}
}
