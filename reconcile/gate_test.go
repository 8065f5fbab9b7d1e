package reconcile

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/pawl-dev/pawl/promotion/forge/local"
	"github.com/pawl-dev/pawl/store"
)

// pulls keeps the forge's pull requests in the store.
type pulls struct{ g *gate }

const kindPull = "pull-request"

func (p pulls) Get(ctx context.Context, key string) (local.Document, error) {
	doc, ok, err := p.g.GetDoc(ctx, kindPull, key)
	if err != nil || !ok {
		return local.Document{Key: key}, err
	}
	return local.Document{Key: key, Version: doc.Version, Data: doc.Data}, nil
}

func (p pulls) Put(ctx context.Context, d local.Document) error {
	_, err := p.g.PutDoc(ctx, kindPull, d.Key, d.Data, d.Version)
	if errors.Is(err, store.ErrConflict) {
		return local.ErrChanged
	}
	return err
}

func (p pulls) List(ctx context.Context) ([]local.Document, error) {
	docs, err := p.g.ListDocs(ctx, kindPull, "")
	if err != nil {
		return nil, err
	}
	var out []local.Document
	for _, d := range docs {
		out = append(out, local.Document{Key: d.Key, Version: d.Version, Data: d.Data})
	}
	return out, nil
}

func (p pulls) NextNumber(ctx context.Context) (int64, error) { return p.g.NextNumber(ctx, kindPull) }

// errCrashed is what a store says after the crash.
var errCrashed = errors.New("crashed")

// gate is a store that everything stops with at its n-th write: what had been
// written is kept, and nothing else happens any more.
type gate struct {
	*store.Store
	mu     sync.Mutex
	n      int  // 0: never
	before bool // the n-th write is not made
	writes int
	dead   bool
	last   string // the write that it stopped at
	kill   context.CancelFunc
}

func (g *gate) write(what string, do func() error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.dead {
		return errCrashed
	}
	g.writes++
	if g.writes != g.n {
		return do()
	}
	g.dead, g.last = true, what
	var err error
	if !g.before {
		err = do()
	}
	g.kill()
	return errors.Join(errCrashed, err)
}

func (g *gate) crashed() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.dead
}

func (g *gate) PutDoc(ctx context.Context, kind, key string, data []byte, expect int64) (v int64, err error) {
	err = g.write("doc "+kind, func() error { v, err = g.Store.PutDoc(ctx, kind, key, data, expect); return err })
	return v, err
}

func (g *gate) DeleteDoc(ctx context.Context, kind, key string, expect int64) error {
	return g.write("delete "+kind, func() error { return g.Store.DeleteDoc(ctx, kind, key, expect) })
}

func (g *gate) AddFact(ctx context.Context, kind, key string, at time.Time, data []byte) (id int64, err error) {
	err = g.write("fact "+kind, func() error { id, err = g.Store.AddFact(ctx, kind, key, at, data); return err })
	return id, err
}

func (g *gate) NextNumber(ctx context.Context, kind string) (n int64, err error) {
	err = g.write("number "+kind, func() error { n, err = g.Store.NextNumber(ctx, kind); return err })
	return n, err
}

func (g *gate) CreateRun(ctx context.Context, r store.Run, records ...[]byte) (uid string, existing bool, err error) {
	err = g.write("run", func() error { uid, existing, err = g.Store.CreateRun(ctx, r, records...); return err })
	return uid, existing, err
}

func (g *gate) Append(ctx context.Context, run string, records ...[]byte) error {
	return g.write("journal", func() error { return g.Store.Append(ctx, run, records...) })
}

func (g *gate) UpdateRun(ctx context.Context, s store.RunStatus) error {
	return g.write("status", func() error { return g.Store.UpdateRun(ctx, s) })
}

func (g *gate) UpdateRunSoon(ctx context.Context, s store.RunStatus) error {
	if g.crashed() {
		return errCrashed
	}
	return g.Store.UpdateRunSoon(ctx, s)
}

func (g *gate) PutNodes(ctx context.Context, uid string, nodes []store.Node) error {
	if g.crashed() {
		return errCrashed
	}
	return g.Store.PutNodes(ctx, uid, nodes)
}
