package gitsync

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	formatcfg "github.com/go-git/go-git/v5/plumbing/format/config"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/storage/filesystem"
)

// largeObject is the size from which a blob is streamed instead of held in memory.
const largeObject = 16 << 20

// Repository is a git repository on this machine. It is a view for one task:
// opening is cheap, it is not for use by several goroutines at once, and it may
// not see objects that others add after its first use.
type Repository struct {
	url    string // as it is named in errors
	gitDir string // HEAD is here
	common string // references and objects are here; differs from gitDir in a linked work tree
	bare   bool
	store  *filesystem.Storage
}

// OpenRepository opens the bare repository or the checkout at a path or file URL.
// Only files are read: no process, no hook, no configuration other than the
// repository's format is of any effect.
func OpenRepository(url string) (*Repository, error) {
	at, err := Source{URL: url}.locate()
	if err != nil {
		return nil, err
	}
	if at.url != nil {
		return nil, &SourceError{URL: redact(url), Reason: ErrUnsupported, Detail: "this needs a repository on this machine"}
	}
	path := at.path
	gitDir, err := findGitDir(path)
	if err != nil {
		return nil, err
	}
	r := &Repository{url: path, gitDir: gitDir, common: gitDir}
	if link, err := os.ReadFile(filepath.Join(gitDir, "commondir")); err == nil {
		r.common = relativeTo(gitDir, strings.TrimSpace(string(link)))
	}
	if err := r.readFormat(); err != nil {
		return nil, err
	}
	r.reload()
	return r, nil
}

// reload forgets what is known of the object store.
func (r *Repository) reload() {
	r.store = filesystem.NewStorageWithOptions(osfs.New(r.common, osfs.WithBoundOS()), cache.NewObjectLRU(32<<20),
		filesystem.Options{AlternatesFS: osfs.New("/"), LargeObjectThreshold: largeObject})
}

// Dir is the folder that holds references and objects.
func (r *Repository) Dir() string { return r.common }

// Bare reports whether the repository has no work tree of its own.
func (r *Repository) Bare() bool { return r.bare }

func findGitDir(path string) (string, error) {
	if info, err := os.Stat(path); err != nil {
		return "", openError(path, err)
	} else if !info.IsDir() {
		return "", &SourceError{URL: path, Reason: ErrNotFound, Detail: "it is a file", Hint: "give the folder of a git repository"}
	}
	dot := filepath.Join(path, ".git")
	info, err := os.Stat(dot)
	switch {
	case err == nil && info.IsDir():
		return dot, nil
	case err == nil:
		return followGitFile(path, dot)
	case !errors.Is(err, fs.ErrNotExist):
		return "", openError(path, err)
	}
	for _, need := range []string{"HEAD", "objects", "refs"} {
		if _, err := os.Stat(filepath.Join(path, need)); errors.Is(err, fs.ErrNotExist) {
			return "", &SourceError{URL: path, Reason: ErrNotFound, Detail: "the folder is no git repository",
				Hint: "make one with git init --bare, or give another path"}
		} else if err != nil {
			return "", openError(path, err)
		}
	}
	return path, nil
}

func openError(path string, err error) error {
	e := &SourceError{URL: path, Reason: ErrNotFound, Hint: "check the path"}
	switch {
	case errors.Is(err, fs.ErrPermission):
		e.Reason, e.Cause = ErrAuth, err
		e.Hint = fmt.Sprintf("let user id %d read it", os.Getuid())
	case !errors.Is(err, fs.ErrNotExist):
		e.Reason, e.Cause = ErrUnreachable, err
	}
	return e
}

// followGitFile reads the .git file of a linked work tree or a submodule.
func followGitFile(path, file string) (string, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return "", openError(path, err)
	}
	target, ok := strings.CutPrefix(strings.TrimSpace(string(data)), "gitdir: ")
	if !ok {
		return "", &SourceError{URL: path, Reason: ErrNotFound, Detail: ".git is a file that names no git folder"}
	}
	dir := relativeTo(path, target)
	if _, err := os.Stat(filepath.Join(dir, "HEAD")); err != nil {
		return "", openError(dir, err)
	}
	return dir, nil
}

func relativeTo(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// readFormat refuses repositories whose format we would misread.
func (r *Repository) readFormat() error {
	file, err := os.Open(filepath.Join(r.common, "config"))
	if errors.Is(err, fs.ErrNotExist) {
		r.bare = r.gitDir == r.url
		return nil
	}
	if err != nil {
		return openError(r.url, err)
	}
	defer file.Close()
	cfg := formatcfg.New()
	if err := formatcfg.NewDecoder(file).Decode(cfg); err != nil {
		return &SourceError{URL: r.url, Reason: ErrUnreachable, Detail: "reading its config", Cause: err}
	}
	core, extensions := cfg.Section("core"), cfg.Section("extensions")
	if format := extensions.Option("objectFormat"); format != "" && !strings.EqualFold(format, "sha1") {
		return &SourceError{URL: r.url, Reason: ErrUnsupported, Detail: "object format " + format,
			Hint: "use a repository with git's default object format, sha1"}
	}
	if refs := extensions.Option("refStorage"); refs != "" && !strings.EqualFold(refs, "files") {
		return &SourceError{URL: r.url, Reason: ErrUnsupported, Detail: "reference storage " + refs,
			Hint: "convert it with git refs migrate --ref-format=files"}
	}
	bare := core.Option("bare")
	r.bare = strings.EqualFold(bare, "true") || bare == "" && r.gitDir == r.url
	return nil
}

// CheckedOutAt is the work tree that has a branch checked out, or "". Moving
// such a branch would leave the files there behind.
func (r *Repository) CheckedOutAt(branch string) string {
	ref := "refs/heads/" + branch
	if !r.bare && headBranch(r.common) == ref {
		return filepath.Dir(r.common)
	}
	heads, _ := filepath.Glob(filepath.Join(globQuote(r.common), "worktrees", "*", "HEAD"))
	for _, head := range heads {
		dir := filepath.Dir(head)
		if headBranch(dir) == ref {
			link, _ := os.ReadFile(filepath.Join(dir, "gitdir"))
			return filepath.Dir(strings.TrimSpace(string(link)))
		}
	}
	return ""
}

func globQuote(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

func headBranch(gitDir string) string {
	data, _ := os.ReadFile(filepath.Join(gitDir, "HEAD"))
	target, _ := strings.CutPrefix(strings.TrimSpace(string(data)), "ref: ")
	return target
}

// peel follows annotated tags to the commit.
func (r *Repository) peel(hash string) (string, error) {
	h := plumbing.NewHash(hash)
	for range 10 {
		obj, err := r.store.EncodedObject(plumbing.AnyObject, h)
		if err != nil {
			return "", r.objectError(h.String(), err)
		}
		switch obj.Type() {
		case plumbing.CommitObject:
			return h.String(), nil
		case plumbing.TagObject:
			tag, err := object.DecodeTag(r.store, obj)
			if err != nil {
				return "", fmt.Errorf("reading tag %s: %w", h, err)
			}
			h = tag.Target
		default:
			return "", &SourceError{URL: r.url, Reason: ErrNoRevision, Detail: fmt.Sprintf("%s is a %s, not a commit", hash, obj.Type())}
		}
	}
	return "", &SourceError{URL: r.url, Reason: ErrNoRevision, Detail: "tag " + hash + " is nested too deep"}
}

func (r *Repository) commit(hash string) (*object.Commit, error) {
	c, err := object.GetCommit(r.store, plumbing.NewHash(hash))
	if err != nil {
		return nil, r.objectError(hash, err)
	}
	return c, nil
}

func (r *Repository) objectError(hash string, err error) error {
	if errors.Is(err, plumbing.ErrObjectNotFound) || errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w: %s", r.url, ErrNoObject, hash)
	}
	return fmt.Errorf("%s: reading object %s: %w", r.url, hash, err)
}
