// Package local is the forge that needs no server: pull requests are documents
// in the store and real references of a bare repository on this machine. The
// head of pull request 7 is at refs/pull/7/head, as on other forges, and stays
// there after its branch is gone.
//
// People may merge with plain git instead: push a merge, a fast-forward or a
// squash of the head to the base, and the next look says merged; delete the
// head branch, and it says closed. The forge writes references and objects
// itself, under git's own locks. It installs no hook and runs none: hooks that
// the repository has are its owner's, and see pushes of git only.
package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/pawl-dev/pawl/gitsync"
	"github.com/pawl-dev/pawl/promotion/forge"
)

// Document is a stored pull request. Versions count from 1.
type Document struct {
	Key     string
	Version int64
	Data    []byte
}

// Documents keeps the pull requests of one repository.
type Documents interface {
	// Get returns a document; its Version is 0 when it is not there.
	Get(ctx context.Context, key string) (Document, error)
	// Put writes a document whose version is d.Version, 0 meaning that it is not
	// there yet; ErrChanged when it has another one.
	Put(ctx context.Context, d Document) error
	// List returns all documents in the order of their keys.
	List(ctx context.Context) ([]Document, error)
	// NextNumber gives out 1, 2, 3 …, each once.
	NextNumber(ctx context.Context) (int64, error)
}

// ErrChanged is what Documents.Put answers when somebody else was faster.
var ErrChanged = errors.New("document was changed by somebody else")

// Config is what a local forge needs.
type Config struct {
	// Repository is the path or file URL of the bare repository.
	Repository string
	Documents  Documents
	// Committer is the name and the address on merges. Default: pawl <pawl@localhost>.
	Committer gitsync.Identity
	// URL is where a pull request can be looked at. Default: nowhere.
	URL func(number int) string
	Now func() time.Time
}

// Forge is the local forge.
type Forge struct {
	cfg Config
	// mu makes one change at a time. The documents' versions protect against
	// other processes; this only spares the retries.
	mu sync.Mutex
}

var (
	_ forge.Forge     = (*Forge)(nil)
	_ forge.Statuser  = (*Forge)(nil)
	_ forge.Commenter = (*Forge)(nil)
	_ forge.Differ    = (*Forge)(nil)
)

// Open checks that the repository is there and bare.
func Open(cfg Config) (*Forge, error) {
	if cfg.Documents == nil || cfg.Now == nil {
		return nil, errors.New("opening the local forge: Documents and Now must be set")
	}
	if cfg.Committer.Name == "" {
		cfg.Committer = gitsync.Identity{Name: "pawl", Email: "pawl@localhost"}
	}
	if cfg.URL == nil {
		cfg.URL = func(int) string { return "" }
	}
	repo, err := gitsync.OpenRepository(cfg.Repository)
	if err != nil {
		return nil, fmt.Errorf("opening the local forge: %w", err)
	}
	if !repo.Bare() {
		abs := strings.TrimSuffix(repo.Dir(), "/.git")
		return nil, fmt.Errorf("opening the local forge: %w: %s is checked out, and a merge would leave its files behind; "+
			"make a bare repository of it (git clone --bare %s %s.git), push to that and give its path",
			forge.ErrUnsupported, abs, abs, abs)
	}
	if err := writable(repo.Dir()); err != nil {
		return nil, fmt.Errorf("opening the local forge: %s cannot be written: %w", repo.Dir(), err)
	}
	cfg.Repository = repo.Dir() // absolute: the working folder may change
	return &Forge{cfg: cfg}, nil
}

// writable tries what a merge will do.
func writable(dir string) error {
	file, err := os.CreateTemp(filepath.Join(dir, "refs"), ".pawl-*.lock")
	if err != nil {
		return err
	}
	return errors.Join(file.Close(), os.Remove(file.Name()))
}

// record is what is stored of a pull request.
type record struct {
	forge.PullRequest
	// AllStatuses are those of every commit that was the head, the latest last.
	AllStatuses []forge.Status `json:"allStatuses,omitempty"`
}

// keptStatuses bounds them.
const keptStatuses = 100

func key(number int) string { return fmt.Sprintf("%08d", number) }

// shown is the record as callers see it.
func (f *Forge) shown(r record) forge.PullRequest {
	pr := r.PullRequest
	pr.Statuses = nil
	for _, s := range r.AllStatuses {
		if s.SHA == pr.HeadSHA {
			pr.Statuses = append(pr.Statuses, s)
		}
	}
	pr.URL = f.cfg.URL(pr.Number)
	return pr
}

func (f *Forge) view(fn func(*gitsync.Repository) error) error {
	return gitsync.View(f.cfg.Repository, fn)
}

func (f *Forge) now() time.Time { return f.cfg.Now().UTC().Truncate(time.Second) }

// load reads a record and brings it up to what git says now.
func (f *Forge) load(ctx context.Context, number int) (record, int64, error) {
	d, err := f.cfg.Documents.Get(ctx, key(number))
	if err != nil {
		return record{}, 0, err
	}
	if d.Version == 0 {
		return record{}, 0, fmt.Errorf("%w: %d", forge.ErrNotFound, number)
	}
	r, err := decode(d)
	if err != nil {
		return record{}, 0, err
	}
	r, version, err := f.refresh(ctx, r, d.Version)
	return r, version, err
}

func decode(d Document) (record, error) {
	var r record
	if err := json.Unmarshal(d.Data, &r); err != nil {
		return record{}, fmt.Errorf("reading pull request %s: %w", d.Key, err)
	}
	return r, nil
}

func (f *Forge) save(ctx context.Context, r record, version int64) error {
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("writing pull request %d: %w", r.Number, err)
	}
	if err := f.cfg.Documents.Put(ctx, Document{Key: key(r.Number), Version: version, Data: data}); err != nil {
		return fmt.Errorf("writing pull request %d: %w", r.Number, err)
	}
	return nil
}

// change applies fn to the pull request as it is now, again if somebody else
// changed it meanwhile. fn answers whether there is anything to write.
func (f *Forge) change(ctx context.Context, number int, fn func(*record) (bool, error)) (forge.PullRequest, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changeLocked(ctx, number, fn)
}

func (f *Forge) changeLocked(ctx context.Context, number int, fn func(*record) (bool, error)) (forge.PullRequest, error) {
	for {
		r, version, err := f.load(ctx, number)
		if err != nil {
			return forge.PullRequest{}, err
		}
		changed, err := fn(&r)
		if err != nil || !changed {
			return f.shown(r), err
		}
		r.Updated = f.now()
		err = f.save(ctx, r, version)
		if errors.Is(err, ErrChanged) && ctx.Err() == nil {
			continue
		}
		return f.shown(r), err
	}
}
