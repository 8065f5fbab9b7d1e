package render

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/pawl-dev/pawl/api"
	"github.com/pawl-dev/pawl/render/worker"
)

// Config says how a Renderer works. Zero fields mean the defaults.
type Config struct {
	Limits Limits
	Worker worker.Config
	// CacheSize is how many Sets are kept; default 64.
	CacheSize int
	// Build replaces the worker process; nil means worker.Run. Tests build in
	// their own process.
	Build func(ctx context.Context, req worker.Request) (worker.Response, error)
}

// Renderer renders folders of Snapshots. It may be used by several goroutines.
type Renderer struct {
	limits Limits
	build  func(ctx context.Context, req worker.Request) (worker.Response, error)
	cache  *cache
}

// New makes a Renderer.
func New(cfg Config) *Renderer {
	build := cfg.Build
	if build == nil {
		build = func(ctx context.Context, req worker.Request) (worker.Response, error) {
			return worker.Run(ctx, cfg.Worker, req)
		}
	}
	size := cfg.CacheSize
	if size == 0 {
		size = 64
	}
	return &Renderer{limits: cfg.Limits.filled(), build: build, cache: &cache{size: size}}
}

// Input is one folder to render.
type Input struct {
	// FS is the files of the Snapshot. Positions and paths are relative to it.
	FS fs.FS
	// Path is the folder to render, or one file of manifests; "." is the whole.
	Path string
	// Key stands for the whole content of FS, such as git's hash of the tree.
	// The same Key and Path are rendered once. Empty: nothing is kept.
	Key string
}

// Build renders a folder. With a kustomization in it, it is what kustomize
// makes of that; without, all manifests in it and below (see manifests). The
// error is api.Problems when the files are at fault: each names file and line.
func (r *Renderer) Build(ctx context.Context, in Input) (*Set, error) {
	in.Path = path.Clean(in.Path)
	if in.Key != "" {
		if set, ok := r.cache.get(in.Key, in.Path); ok {
			return set, nil
		}
	}
	b := &build{renderer: r, tree: newTree(in.FS, r.limits)}
	set, err := b.set(ctx, in.Path)
	if err != nil {
		return nil, err
	}
	if in.Key != "" {
		r.cache.put(in.Key, in.Path, set)
	}
	return set, nil
}

// build is one call of Build.
type build struct {
	renderer *Renderer
	tree     *tree
	objects  []*api.Object
	problems api.Problems
}

func (b *build) set(ctx context.Context, name string) (*Set, error) {
	if err := b.render(ctx, name); err != nil {
		return nil, err
	}
	b.twins()
	if err := b.problems.Err(); err != nil {
		return nil, err
	}
	sum, err := digest(b.objects)
	if err != nil {
		return nil, err
	}
	return &Set{Objects: b.objects, Digest: sum, Files: b.tree.files(), Problems: b.problems}, nil
}

func (b *build) render(ctx context.Context, name string) error {
	resolved, isDir, err := b.start(name)
	if err != nil {
		return err
	}
	if !isDir && !slices.Contains(kustomizationNames(), path.Base(resolved)) {
		return b.file(resolved)
	}
	if !isDir {
		resolved = path.Dir(resolved)
	}
	kustomization, err := b.tree.kustomization(resolved)
	switch {
	case err != nil:
		return problem(api.Position{File: resolved}, err)
	case kustomization == "":
		return b.manifests(ctx, resolved)
	}
	objects, problems, err := b.kustomize(ctx, resolved)
	b.objects = append(b.objects, objects...)
	b.problems = append(b.problems, problems...)
	return err
}

// start finds the folder or file to render.
func (b *build) start(name string) (resolved string, isDir bool, err error) {
	if name != "." {
		err = pathFault(name)
	}
	var info fs.FileInfo
	if err == nil {
		resolved, info, err = b.tree.resolve(name)
	}
	if err != nil {
		return "", false, problem(api.Position{File: name}, err)
	}
	return resolved, info.IsDir(), nil
}

// problem makes the error for a refused path; other errors stay what they are.
func problem(at api.Position, err error) error {
	var no *refusal
	if !errors.As(err, &no) {
		return err
	}
	return api.Problems{{Severity: api.SeverityError, Position: at, Message: no.message, Hint: no.hint}}
}

// kustomize builds one folder that has a kustomization.
func (b *build) kustomize(ctx context.Context, dir string) ([]*api.Object, api.Problems, error) {
	s := newScan(b.tree)
	s.root(dir)
	switch {
	case s.err != nil:
		return nil, nil, s.err
	case s.failed():
		return nil, s.problems, nil
	}
	res, err := b.renderer.build(ctx, worker.Request{Folder: dir, Files: s.files})
	if errors.Is(err, worker.ErrLimit) {
		return nil, api.Problems{{Severity: api.SeverityError, Position: s.folders[dir].doc.Origin,
			Message: err.Error(), Hint: "sync it in several smaller folders"}}, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("rendering %s: %w", shownFolder(dir), err)
	}
	if res.Error != "" {
		return nil, append(s.problems, s.explain(dir, res.Error)), nil
	}
	problems := s.problems
	var objects []*api.Object
	for i, rendered := range res.Objects {
		o, ps, err := s.object(rendered)
		if err != nil {
			return nil, nil, fmt.Errorf("rendering %s: object %d: %w", shownFolder(dir), i, err)
		}
		problems = append(problems, ps...)
		if o != nil {
			objects = append(objects, o)
		}
	}
	return objects, problems, nil
}

// twins refuses two objects of one name.
func (b *build) twins() {
	first := map[string]*api.Object{}
	for _, o := range b.objects {
		if o.Name == "" {
			continue
		}
		id := strings.Join([]string{o.Group(), o.Kind, o.Namespace, o.Name}, "\n")
		if other, twice := first[id]; twice {
			b.problems = append(b.problems, api.Problem{Severity: api.SeverityError, Position: o.Origin, Path: "metadata.name",
				Message: fmt.Sprintf("%s is also in %s", o.Title(), other.Origin), Hint: "remove or rename one"})
			continue
		}
		first[id] = o
	}
}

// cache keeps the newest Sets by content.
type cache struct {
	mu    sync.Mutex
	size  int
	order []cacheKey // oldest first
	sets  map[cacheKey]*Set
}

type cacheKey struct{ content, path string }

func (c *cache) get(content, path string) (*Set, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	set, ok := c.sets[cacheKey{content, path}]
	return set, ok
}

func (c *cache) put(content, path string, set *Set) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := cacheKey{content, path}
	if _, has := c.sets[key]; has {
		return
	}
	if c.sets == nil {
		c.sets = map[cacheKey]*Set{}
	}
	if len(c.order) == c.size {
		delete(c.sets, c.order[0])
		c.order = c.order[1:]
	}
	c.sets[key] = set
	c.order = append(c.order, key)
}
