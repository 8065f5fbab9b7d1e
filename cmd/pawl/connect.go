package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"github.com/pawl-dev/pawl/engine/artifact"
	"github.com/pawl-dev/pawl/server"
	"github.com/pawl-dev/pawl/store"
)

// storePath is the store of a data folder.
func storePath(data string) string { return filepath.Join(data, "pawl.db") }

// connect makes a client: of the server of the data folder if one runs, else of
// the same handlers over the store, opened for reading.
func (g *globals) connect(ctx context.Context) (*server.Client, Config, error) {
	cfg, err := g.load()
	if err != nil {
		return nil, cfg, err
	}
	if c, err := server.Dial(ctx, server.SocketPath(cfg.Data)); err == nil {
		return c, cfg, nil
	}
	if _, err := os.Stat(storePath(cfg.Data)); errors.Is(err, os.ErrNotExist) {
		return nil, cfg, withHint(fmt.Errorf("%s holds no pawl data: nothing has run there", cfg.Data),
			"start with `pawl run -f FILE` or `pawl serve --repo DIR`, or name the data folder with --data")
	}
	st, err := store.Open(ctx, storePath(cfg.Data), store.Options{ReadOnly: true})
	if err != nil {
		return nil, cfg, err
	}
	art, err := artifact.Open(filepath.Join(cfg.Data, "artifacts"))
	if err != nil {
		return nil, cfg, errors.Join(err, st.Close())
	}
	h := server.New(server.Backend{Data: cfg.Data, Store: st, Artifacts: art}).Local()
	return server.Direct(h, st.Close), cfg, nil
}

// call connects, asks once and disconnects.
func (g *globals) call(ctx context.Context, method string, path func(cfg Config) string, in, out any) error {
	c, cfg, err := g.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	return explain(c.Do(ctx, method, path(cfg), in, out))
}

// get asks for one thing.
func (g *globals) get(ctx context.Context, out any, path func(cfg Config) string) error {
	return g.call(ctx, http.MethodGet, path, nil, out)
}

// explain turns the server's answer into an error with its hint.
func explain(err error) error {
	var api *server.APIError
	if errors.As(err, &api) && api.Hint != "" {
		return withHint(err, "%s", api.Hint)
	}
	return err
}
