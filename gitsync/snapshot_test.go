package gitsync

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"
)

// filled is a world with every kind of entry in it.
func filled(t testing.TB) (*world, string) {
	w := newWorld(t)
	w.write("README.md", "hello\n")
	w.write("base/deep/er/file.yaml", "a: 1\n")
	w.write("run.sh", "#!/bin/sh\n")
	w.write("crlf.txt", "a\r\nb\r\n")
	w.write(".gitattributes", "* text=auto eol=crlf\n")
	if err := os.Chmod(filepath.Join(w.work, "run.sh"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../README.md", filepath.Join(w.work, "base/link")); err != nil {
		t.Fatal(err)
	}
	return w, w.commit("fill")
}

func TestSnapshot(t *testing.T) {
	w, commit := filled(t)
	url := w.serve("")
	for _, tt := range []struct{ name, url string }{{"path", w.bare}, {"smart HTTP", url}} {
		t.Run(tt.name, func(t *testing.T) {
			c := newCache(t, CacheConfig{})
			src := Source{URL: tt.url, Revision: "main"}
			s, err := c.Snapshot(testContext(t), src, mustResolve(t, src))
			if err != nil {
				t.Fatal(err)
			}
			defer s.Release()
			if err := fstest.TestFS(s.FS(), "README.md", "base/deep/er/file.yaml", "run.sh", "base/link"); err != nil {
				t.Error(err)
			}
			if data, _ := fs.ReadFile(s.FS(), "crlf.txt"); string(data) != "a\nb\n" {
				// git normalised it when it was added; what is stored is what is laid down
				t.Errorf("crlf.txt is %q", data)
			}
			if data, err := fs.ReadFile(s.FS(), "base/link"); string(data) != "hello\n" {
				t.Errorf("the link leads to %q, %v", data, err)
			}
			for _, name := range []string{".", "base", "base/deep/", "run.sh"} {
				got, err := s.TreeHash(name)
				if want := w.git("rev-parse", commit+":"+strings.TrimPrefix(strings.TrimSuffix(name, "/"), ".")); got != want {
					t.Errorf("hash of %s is %s (%v), want %s", name, got, err, want)
				}
			}
			if _, err := s.TreeHash("base/nothing"); !errors.Is(err, ErrNoFile) {
				t.Errorf("hash of a missing path: %v", err)
			}
			info, err := os.Stat(filepath.Join(s.Dir(), "run.sh"))
			if err != nil || info.Mode() != 0o555 || info.ModTime().UTC().Format("2006-01-02 15:04:05") != "2026-01-02 03:04:05" {
				t.Errorf("run.sh is %v %v (%v)", info.Mode(), info.ModTime(), err)
			}
			if s.Commit != commit || s.Info.Author.Name != "Ada" || s.Info.Message != "fill\n" {
				t.Errorf("the snapshot says %+v", s.Info)
			}
		})
	}
}

func TestSnapshotsAreReusedWhenWholeAndMadeAgainWhenNot(t *testing.T) {
	w, _ := filled(t)
	c := newCache(t, CacheConfig{})
	rev := mustResolve(t, w.source())
	take := func(c *Cache) *Snapshot {
		s, err := c.Snapshot(testContext(t), w.source(), rev)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := take(c)
	s.Release()
	before, _ := os.Stat(filepath.Dir(s.Dir()))

	again, err := OpenCache(c.cfg)
	if err != nil {
		t.Fatal(err)
	}
	take(again).Release()
	if after, _ := os.Stat(filepath.Dir(s.Dir())); !os.SameFile(before, after) {
		t.Error("a whole snapshot was made again")
	}
	readme := filepath.Join(s.Dir(), "README.md")
	for name, damage := range map[string]func() error{
		"a file that was changed": func() error {
			return errors.Join(os.Chmod(readme, 0o644), os.WriteFile(readme, []byte("HELLO\n"), 0o644), os.Chmod(readme, 0o444))
		},
		"a file that is missing": func() error { return os.Remove(readme) },
		"a file that was added":  func() error { return os.WriteFile(filepath.Join(s.Dir(), "base/new"), nil, 0o644) },
		"a marker that was cut off": func() error {
			return errors.Join(os.Chmod(filepath.Join(filepath.Dir(s.Dir()), markerPart), 0o644), os.Truncate(filepath.Join(filepath.Dir(s.Dir()), markerPart), 10))
		},
		"an index that was cut off": func() error {
			return errors.Join(os.Chmod(filepath.Join(filepath.Dir(s.Dir()), indexPart), 0o644), os.Truncate(filepath.Join(filepath.Dir(s.Dir()), indexPart), 10))
		},
	} {
		t.Run(name, func(t *testing.T) {
			if err := damage(); err != nil {
				t.Fatal(err)
			}
			fresh, err := OpenCache(c.cfg)
			if err != nil {
				t.Fatal(err)
			}
			s := take(fresh)
			defer s.Release()
			if data, err := fs.ReadFile(s.FS(), "README.md"); string(data) != "hello\n" {
				t.Errorf("README.md is %q, %v", data, err)
			}
		})
	}
}

func TestOldSnapshotsAreSweptUnlessHeldOrInUse(t *testing.T) {
	w := newWorld(t)
	used := ""
	c := newCache(t, CacheConfig{Keep: 2, InUse: func(dir string) bool { return used != "" && dir == used }})
	var dirs []string
	var held *Snapshot
	for i := range 6 {
		w.commit("next")
		s, err := c.Snapshot(testContext(t), w.source(), mustResolve(t, w.source()))
		if err != nil {
			t.Fatal(err)
		}
		dirs = append(dirs, s.Dir())
		switch i {
		case 0:
			held = s
			continue
		case 1:
			used = s.Dir()
		}
		s.Release()
	}
	exists := func(i int) bool { _, err := os.Stat(dirs[i]); return err == nil }
	for i, want := range []bool{true, true, false, false, true, true} {
		if exists(i) != want {
			t.Errorf("snapshot %d is there: %v, want %v", i, exists(i), want)
		}
	}
	held.Release()
	held.Release()
	w.commit("last")
	s, err := c.Snapshot(testContext(t), w.source(), mustResolve(t, w.source()))
	if err != nil {
		t.Fatal(err)
	}
	s.Release()
	if exists(0) {
		t.Error("a released snapshot was not swept")
	}
}

func TestAForcePushToAnOlderCommitIsFollowed(t *testing.T) {
	w := newWorld(t)
	w.write("v", "1")
	old := w.commit("one")
	w.write("v", "2")
	w.commit("two")
	url := w.serve("")
	for _, at := range []string{w.bare, url} {
		c := newCache(t, CacheConfig{})
		src := Source{URL: at, Revision: "main"}
		want := func(content string) {
			t.Helper()
			s, err := c.Snapshot(testContext(t), src, mustResolve(t, src))
			if err != nil {
				t.Fatal(err)
			}
			defer s.Release()
			if data, _ := fs.ReadFile(s.FS(), "v"); string(data) != content {
				t.Errorf("%s: v is %q, want %q", at, data, content)
			}
		}
		tip := w.git("rev-parse", "HEAD")
		want("2")
		w.git("push", "-q", "--force", "origin", old+":main")
		want("1")
		w.git("push", "-q", "--force", "origin", tip+":main")
		want("2")
		w.git("push", "-q", "origin", ":main")
		if _, err := Resolve(testContext(t), src); !errors.Is(err, ErrEmpty) {
			t.Errorf("%s: a deleted branch: %v", at, err)
		}
		w.git("push", "-q", "origin", "main")
	}
}

func TestACommitThatIsNoTipIsFetched(t *testing.T) {
	w := newWorld(t)
	w.write("v", "1")
	old := w.commit("one")
	w.write("v", "2")
	w.commit("two")
	w.git("tag", "-a", "-m", "x", "v1")
	w.git("push", "-q", "origin", "v1")
	w.git("push", "-q", "origin", ":main")
	url := w.serve("")
	for name, allow := range map[string]string{"by its hash": "true", "by the history of a branch": "false"} {
		t.Run(name, func(t *testing.T) {
			git(t, w.bare, "config", "uploadpack.allowReachableSHA1InWant", allow)
			c := newCache(t, CacheConfig{})
			s, err := c.Snapshot(testContext(t), Source{URL: url}, Revision{Commit: old})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Release()
			if data, _ := fs.ReadFile(s.FS(), "v"); string(data) != "1" {
				t.Errorf("v is %q", data)
			}
		})
	}
	t.Run("an annotated tag whose commit no branch is at", func(t *testing.T) {
		c := newCache(t, CacheConfig{})
		src := Source{URL: url, Revision: "v1"}
		s, err := c.Snapshot(testContext(t), src, mustResolve(t, src))
		if err != nil {
			t.Fatal(err)
		}
		s.Release()
	})
	t.Run("one that nobody has", func(t *testing.T) {
		for _, at := range []string{url, w.bare} {
			c := newCache(t, CacheConfig{})
			if _, err := c.Snapshot(testContext(t), Source{URL: at}, Revision{Commit: strings.Repeat("1", 40)}); !errors.Is(err, ErrNoRevision) {
				t.Errorf("%s: got %v", at, err)
			}
			if left, _ := filepath.Glob(filepath.Join(c.cfg.Dir, "*")); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		}
	})
}

func TestContentThatIsRefused(t *testing.T) {
	w := newWorld(t)
	w.write("a", lines(200, "x"))
	w.write("b", "")
	plain := w.commit("files")
	if err := os.Symlink("/etc/passwd", filepath.Join(w.work, "link")); err != nil {
		t.Fatal(err)
	}
	linked := w.commit("link")
	for _, tt := range []struct {
		name, commit string
		cfg          CacheConfig
		says         string
	}{
		{"a link that leads out", linked, CacheConfig{}, "link leads out of the repository, to /etc/passwd"},
		{"too many bytes", plain, CacheConfig{MaxBytes: 500}, "larger than 500 bytes"},
		{"too many files", plain, CacheConfig{MaxFiles: 1}, "more than 1 files"},
	} {
		_, err := newCache(t, tt.cfg).Snapshot(testContext(t), w.source(), Revision{Commit: tt.commit})
		if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.says)
		}
	}
	for _, name := range []string{".git", ".GIT", "..", "a/b", ".git "} {
		if checkEntryName(name) == nil {
			t.Errorf("a file %q is accepted", name)
		}
	}
}

func TestSymbolicLinksStayInside(t *testing.T) {
	link := func(target string) entry { return entry{Mode: modeSymlink, Target: target} }
	tests := []struct {
		name  string
		links index
		want  bool
	}{
		{"within a folder", index{"d/l": link("x")}, true},
		{"to another folder", index{"d/l": link("../e/x")}, true},
		{"to the root", index{"d/l": link("..")}, true},
		{"to nothing", index{"d/l": link("nothing/at/all")}, true},
		{"absolute", index{"d/l": link("/etc/passwd")}, false},
		{"above the root", index{"d/l": link("../../x")}, false},
		{"above the root and back", index{"d/l": link("../../d/x")}, false},
		{"through a link within", index{"d/l": link("s/x"), "d/s": link("../e")}, true},
		{"climbing from where a link leads", index{"d/l": link("s/../../x"), "d/s": link("..")}, false},
		{"down a link and up as far", index{"l": link("s/../../x"), "s": link("a/b/c")}, true},
		{"to itself", index{"l": link("l")}, false},
		{"in a ring", index{"a": link("b"), "b": link("a")}, false},
	}
	for _, tt := range tests {
		if err := tt.links.checkLinks(); (err == nil) != tt.want {
			t.Errorf("%s: got %v", tt.name, err)
		}
	}
}

func TestSubmodulesAreNamedAndNotFetched(t *testing.T) {
	w := newWorld(t)
	w.write("a", "")
	first := w.commit("one")
	w.git("update-index", "--add", "--cacheinfo", "160000,"+first+",vendor/sub")
	w.git("commit", "-q", "-m", "two")
	w.git("push", "-q", "origin", "main")
	s, err := newCache(t, CacheConfig{}).Snapshot(testContext(t), w.source(), mustResolve(t, w.source()))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Release()
	if got := s.Submodules(); len(got) != 1 || got[0] != "vendor/sub" {
		t.Errorf("submodules are %v", got)
	}
	if entries, err := fs.ReadDir(s.FS(), "vendor/sub"); err != nil || len(entries) != 0 {
		t.Errorf("the folder holds %v, %v", entries, err)
	}
}

func TestLargeFilesAreStreamed(t *testing.T) {
	w := newWorld(t)
	big := bytes.Repeat([]byte("0123456789abcdef"), 20<<20/16)
	w.write("big", string(big))
	w.commit("one")
	for _, packed := range []bool{false, true} {
		if packed {
			git(t, w.bare, "repack", "-adq", "--window=0")
		}
		s, err := newCache(t, CacheConfig{}).Snapshot(testContext(t), w.source(), mustResolve(t, w.source()))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(filepath.Join(s.Dir(), "big")); !bytes.Equal(got, big) {
			t.Errorf("packed %v: got %d bytes, %v", packed, len(got), err)
		}
		s.Release()
	}
}

func TestManySnapshotsAtOnceAreMadeOnce(t *testing.T) {
	w, _ := filled(t)
	c := newCache(t, CacheConfig{})
	rev := mustResolve(t, w.source())
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			s, err := c.Snapshot(testContext(t), w.source(), rev)
			if err != nil {
				t.Error(err)
				return
			}
			s.Release()
		})
	}
	wg.Wait()
	if len(c.held) != 0 || len(c.busy) != 0 {
		t.Errorf("left: held %v, busy %v", c.held, c.busy)
	}
}

// A running git gc moves objects from one pack to another under our feet.
func TestSnapshotsAreTakenDuringARepack(t *testing.T) {
	w, commit := filled(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 8 {
			cmd := exec.Command("git", "repack", "-adfq", "--window="+strconv.Itoa(i))
			cmd.Dir, cmd.Env = w.bare, testEnv()
			_ = cmd.Run()
		}
	}()
	for {
		s, err := newCache(t, CacheConfig{}).Snapshot(testContext(t), w.source(), Revision{Commit: commit})
		if err != nil {
			t.Fatal(err)
		}
		s.Release()
		select {
		case <-done:
			return
		default:
		}
	}
}

func TestAServerThatHangsIsGivenUp(t *testing.T) {
	var hang atomic.Bool
	w, commit := filled(t)
	answer := guard("", w.backend())
	stop := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if hang.Load() || r.Method == http.MethodPost { // half an answer, then nothing
			if r.Method == http.MethodPost {
				io.WriteString(rw, "0008NAK\n")
			}
			rw.(http.Flusher).Flush()
			<-stop
			return
		}
		answer.ServeHTTP(rw, r)
	}))
	defer server.Close()
	defer close(stop)
	src := Source{URL: server.URL + "/central%20repo.git"}
	c := newCache(t, CacheConfig{Timeout: time.Second})
	if _, err := c.Snapshot(testContext(t), src, Revision{Commit: commit}); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "longer than 1s") {
		t.Errorf("fetching: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(c.cfg.Dir, "*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	hang.Store(true)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := Resolve(ctx, src); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("resolving: %v", err)
	}
}

func TestGitRepositoriesThatBorrowObjectsAreRead(t *testing.T) {
	w, commit := filled(t)
	borrower := filepath.Join(t.TempDir(), "borrower.git")
	git(t, "/", "clone", "-q", "--bare", "--shared", w.bare, borrower)
	s, err := newCache(t, CacheConfig{}).Snapshot(testContext(t), Source{URL: borrower}, Revision{Commit: commit})
	if err != nil {
		t.Fatal(err)
	}
	s.Release()
}

func TestCheckLFS(t *testing.T) {
	pointer := "version https://git-lfs.github.com/spec/v1\noid sha256:" + strings.Repeat("a", 64) + "\nsize 12345\n"
	if err := CheckLFS("m/metrics.json", []byte(pointer)); !errors.Is(err, ErrLFS) || !strings.Contains(err.Error(), "m/metrics.json") {
		t.Errorf("got %v", err)
	}
	if err := CheckLFS("x", []byte("version: 1\n")); err != nil {
		t.Error(err)
	}
}
