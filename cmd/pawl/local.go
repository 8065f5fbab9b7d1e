package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/pawl-dev/pawl/engine/artifact"
	"github.com/pawl-dev/pawl/engine/executor/process"
	"github.com/pawl-dev/pawl/store"
)

// machine is what runs are carried on with on this machine: the store, the
// artifacts and the process executor of a data folder.
type machine struct {
	store     *store.Store
	artifacts *artifact.Store
	executor  *process.Executor
}

// openMachine opens a data folder. Detached: it is the folder's one server, and
// attempts outlive it unless the configuration has them attached.
func openMachine(ctx context.Context, cfg Config, detached bool, log *slog.Logger) (m *machine, err error) {
	m = &machine{}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.Close())
		}
	}()
	if m.store, err = store.Open(ctx, storePath(cfg.Data), store.Options{Shared: !detached}); err != nil {
		return m, err
	}
	if m.artifacts, err = artifact.Open(filepath.Join(cfg.Data, "artifacts")); err != nil {
		return m, err
	}
	images := map[string][]string{}
	for image, command := range cfg.Process.Images {
		images[image] = strings.Fields(command)
	}
	m.executor, err = process.New(process.Options{
		Data: cfg.Data, Detached: detached && !cfg.Process.attached, Isolation: process.Isolation(cfg.Process.Isolation),
		GPUs: cfg.Process.GPUs, Images: images, Artifacts: m.artifacts,
		Path: os.Getenv("PATH"), Home: os.Getenv("HOME"), Log: log,
	})
	return m, err
}

// Close frees the folder, the last opened first.
func (m *machine) Close() error {
	var errs []error
	if m.executor != nil {
		errs = append(errs, m.executor.Close())
	}
	if m.artifacts != nil {
		errs = append(errs, m.artifacts.Close())
	}
	if m.store != nil {
		errs = append(errs, m.store.Close())
	}
	return errors.Join(errs...)
}
