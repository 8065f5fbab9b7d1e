package gitsync

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// testEnv is git's environment in tests: nothing of the machine's or the user's.
func testEnv() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_TERMINAL_PROMPT=0", "LC_ALL=C",
		"GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.com", "GIT_AUTHOR_DATE=2026-01-02T03:04:05Z",
		"GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.com", "GIT_COMMITTER_DATE=2026-01-02T03:04:05Z"}
}

func git(t testing.TB, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Env = dir, testEnv()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// world is a bare repository and a clone of it to push from.
type world struct {
	t          testing.TB
	bare, work string
}

func newWorld(t testing.TB) *world {
	t.Helper()
	root := filepath.Join(t.TempDir(), "a folder with spaces")
	w := &world{t: t, bare: filepath.Join(root, "central repo.git"), work: filepath.Join(root, "work")}
	if err := os.MkdirAll(root, 0o755); err != nil {
		t.Fatal(err)
	}
	git(t, root, "init", "-q", "--template=", "--bare", "-b", "main", w.bare)
	git(t, root, "clone", "-q", "--template=", "-c", "advice.detachedHead=false", w.bare, w.work)
	config, err := os.OpenFile(filepath.Join(w.bare, "config"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer config.Close()
	if _, err := config.WriteString("[receive]\n\tdenyDeleteCurrent = ignore\n[http]\n\treceivepack = true\n"); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) git(args ...string) string { w.t.Helper(); return git(w.t, w.work, args...) }

func (w *world) write(name, content string) {
	w.t.Helper()
	path := filepath.Join(w.work, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// commit commits what is in the work tree and pushes the branch it is on.
func (w *world) commit(message string) string {
	w.t.Helper()
	w.git("add", "-A")
	w.git("commit", "-q", "--allow-empty", "-m", message)
	w.git("push", "-q", "--force", "origin", "HEAD")
	return w.git("rev-parse", "HEAD")
}

func (w *world) source() Source { return Source{URL: w.bare, Revision: "main"} }

func (w *world) repo() *Repository {
	w.t.Helper()
	r, err := OpenRepository(w.bare)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// serve is git's own smart HTTP server over the folder of the bare repository.
// Pushing is allowed; with a password only the user "ada" gets in.
func (w *world) serve(password string) string {
	w.t.Helper()
	server := httptest.NewServer(guard(password, w.backend()))
	w.t.Cleanup(server.Close)
	return server.URL + "/" + strings.ReplaceAll(filepath.Base(w.bare), " ", "%20")
}

// backend is git's own smart HTTP server.
func (w *world) backend() http.Handler {
	return &cgi.Handler{Stderr: io.Discard, Path: gitPath(w.t), Args: []string{"http-backend"}, Env: append(testEnv(),
		"GIT_PROJECT_ROOT="+filepath.Dir(w.bare), "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=ada")}
}

func gitPath(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func newCache(t testing.TB, cfg CacheConfig) *Cache {
	t.Helper()
	cfg.Dir = filepath.Join(t.TempDir(), "git cache")
	c, err := OpenCache(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func pawl() Identity {
	return Identity{Name: "pawl", Email: "pawl@example.com", Time: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)}
}

func mustResolve(t testing.TB, src Source) Revision {
	t.Helper()
	rev, err := Resolve(testContext(t), src)
	if err != nil {
		t.Fatal(err)
	}
	return rev
}

func lines(n int, prefix string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%s %d\n", prefix, i)
	}
	return b.String()
}
