package gitsync

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"github.com/go-git/go-git/v5/storage/filesystem"
)

// CacheConfig is where snapshots are kept and how much of them.
type CacheConfig struct {
	// Dir is a folder for the cache alone. It is made if need be.
	Dir string
	// Keep is how many snapshots of a repository stay when nobody holds them. Default 5.
	Keep int
	// Timeout is a hard end to making one snapshot. Default 5 minutes.
	Timeout time.Duration
	// MaxBytes bounds the files of a commit, and what is fetched for it. Default 2 GiB.
	MaxBytes int64
	// MaxFiles bounds the number of its files and folders. Default 200,000.
	MaxFiles int
	// InUse tells that a snapshot's folder is used by something that does not
	// hold the Snapshot, such as a step that outlived the server. Default: nothing is.
	InUse func(dir string) bool
}

// Cache makes snapshots and keeps them for the next time. It is for use by any
// number of goroutines of one process.
type Cache struct {
	cfg  CacheConfig
	mu   sync.Mutex
	held map[string]int         // folder -> holders
	good map[string]bool        // folders that were verified by this process
	busy map[string]*sync.Mutex // folder -> being made
}

// The parts of a kept snapshot. The marker is written last.
const (
	filesPart  = "files"
	indexPart  = "index"
	markerPart = "commit.json"
)

type marker struct {
	URL    string `json:"url"`
	Index  string `json:"index"` // sha256
	Commit Commit `json:"commit"`
}

// OpenCache prepares the folder and removes what an earlier process left half made.
func OpenCache(cfg CacheConfig) (*Cache, error) {
	if cfg.Keep == 0 {
		cfg.Keep = 5
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 5 * time.Minute
	}
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = 2 << 30
	}
	if cfg.MaxFiles == 0 {
		cfg.MaxFiles = 200_000
	}
	if cfg.InUse == nil {
		cfg.InUse = func(string) bool { return false }
	}
	abs, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("opening git cache: %w", err)
	}
	cfg.Dir = abs
	if err := os.MkdirAll(cfg.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("opening git cache: %w", err)
	}
	halves, _ := filepath.Glob(filepath.Join(globQuote(cfg.Dir), "making-*"))
	for _, dir := range halves {
		if err := os.RemoveAll(dir); err != nil {
			return nil, fmt.Errorf("opening git cache: %w", err)
		}
	}
	return &Cache{cfg: cfg, held: map[string]int{}, good: map[string]bool{}, busy: map[string]*sync.Mutex{}}, nil
}

// Snapshot gives the files of a resolved revision: the ones kept from before
// when they are whole, and otherwise fetched afresh into a folder of their own.
func (c *Cache) Snapshot(ctx context.Context, src Source, rev Revision) (*Snapshot, error) {
	if !hexWhole.MatchString(rev.Commit) {
		return nil, fmt.Errorf("taking a snapshot of %s: %q is no commit", src, rev.Commit)
	}
	at, err := src.locate()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.cfg.Timeout,
		fmt.Errorf("it took longer than %s: %w", c.cfg.Timeout, context.DeadlineExceeded))
	defer cancel()
	home := filepath.Join(c.cfg.Dir, placeKey(at), rev.Commit)
	unlock := c.lock(home) // taken for the making only; a holder keeps the folder by c.held
	defer unlock()
	snap, err := c.kept(ctx, home)
	if err != nil {
		if err = c.make(ctx, src, at, rev, home); err == nil {
			snap, err = c.kept(ctx, home)
		}
	}
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return nil, fmt.Errorf("taking a snapshot of %s at %.12s: %w", src, rev.Commit, err)
	}
	c.sweep(filepath.Dir(home), home)
	return snap, nil
}

func placeKey(at place) string {
	name := "file " + at.path
	if at.url != nil {
		clean := *at.url
		clean.User = nil
		name = clean.String()
	}
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:8])
}

// lock makes one snapshot at a time per folder, and marks the folder as held
// meanwhile so that it is not swept.
func (c *Cache) lock(home string) (unlock func()) {
	c.mu.Lock()
	if c.busy[home] == nil {
		c.busy[home] = &sync.Mutex{}
	}
	one := c.busy[home]
	c.held[home]++
	c.mu.Unlock()
	one.Lock()
	return func() {
		one.Unlock()
		c.unhold(home)
	}
}

func (c *Cache) unhold(home string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held[home]--; c.held[home] == 0 {
		delete(c.held, home)
		delete(c.busy, home)
	}
}

// kept opens a snapshot that was made before. The first time that this process
// meets it, every file is compared with its hash.
func (c *Cache) kept(ctx context.Context, home string) (*Snapshot, error) {
	data, err := os.ReadFile(filepath.Join(home, markerPart))
	if err != nil {
		return nil, err
	}
	var m marker
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, err
	}
	raw, err := os.ReadFile(filepath.Join(home, indexPart))
	if err != nil {
		return nil, err
	}
	if digest(raw) != m.Index {
		return nil, errors.New("the index was changed")
	}
	x, err := decodeIndex(raw)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(home, filesPart)
	c.mu.Lock()
	good := c.good[home]
	c.mu.Unlock()
	if !good {
		if err := x.verify(ctx, dir); err != nil {
			return nil, err
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	_ = os.Chtimes(home, time.Time{}, time.Now()) // what was used last is swept last
	c.mu.Lock()
	c.good[home] = true
	c.held[home]++
	c.mu.Unlock()
	return &Snapshot{Commit: m.Commit.Hash, Info: m.Commit, dir: dir, root: root, index: x,
		release: func() { c.unhold(home) }}, nil
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func (c *Cache) make(ctx context.Context, src Source, at place, rev Revision, home string) error {
	half, err := os.MkdirTemp(c.cfg.Dir, "making-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(half)
	if at.url == nil {
		err = View(at.path, func(r *Repository) error {
			if _, err := r.commit(rev.Commit); err != nil {
				return err
			}
			return c.fill(ctx, r.store, src, rev, half)
		})
		if errors.Is(err, ErrNoObject) {
			err = &SourceError{URL: redact(src.URL), Reason: ErrNoRevision, Detail: "commit " + rev.Commit + " is not there"}
		}
	} else {
		err = c.fetch(ctx, src, rev, half)
	}
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(home), 0o755); err != nil {
		return err
	}
	if err := os.RemoveAll(home); err != nil { // one that is damaged
		return err
	}
	return os.Rename(half, home)
}

func (c *Cache) fetch(ctx context.Context, src Source, rev Revision, half string) error {
	objects := filepath.Join(half, "objects")
	defer os.RemoveAll(objects)
	store := filesystem.NewStorageWithOptions(osfs.New(objects, osfs.WithBoundOS()), cache.NewObjectLRU(32<<20),
		filesystem.Options{LargeObjectThreshold: largeObject})
	far, err := dial(ctx, src)
	if err != nil {
		return err
	}
	if err := far.fetch(ctx, store, rev, c.cfg.MaxBytes); err != nil {
		return err
	}
	return c.fill(ctx, store, src, rev, half)
}

// fill lays a commit down in the folder half, which then is a whole snapshot.
func (c *Cache) fill(ctx context.Context, store storer.EncodedObjectStorer, src Source, rev Revision, half string) error {
	commit, err := commitIn(store, rev.Commit)
	if err != nil {
		return err
	}
	x, err := readIndex(ctx, store, commit.Tree, limits{bytes: c.cfg.MaxBytes, files: c.cfg.MaxFiles})
	if err != nil {
		return err
	}
	files := filepath.Join(half, filesPart)
	if err := os.RemoveAll(files); err != nil { // of a first try
		return err
	}
	if err := os.Mkdir(files, 0o755); err != nil {
		return err
	}
	if err := layDown(ctx, store, x, files, commit.Committer.Time); err != nil {
		return err
	}
	raw := x.encode()
	if err := os.WriteFile(filepath.Join(half, indexPart), raw, 0o444); err != nil {
		return err
	}
	data, err := json.Marshal(marker{URL: redact(src.URL), Index: digest(raw), Commit: commit})
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(half, markerPart), data, 0o444); err != nil {
		return err
	}
	return os.Chmod(half, 0o755)
}
