package gitsync

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func change(base, branch string, files map[string]File) Change {
	return Change{Base: base, Branch: branch, Files: files, Message: "set it", Author: pawl()}
}

func text(s string) File { return File{Content: []byte(s)} }

// both runs a test on the repository's path and over smart HTTP.
func both(t *testing.T, fn func(t *testing.T, w *world, base string, target Source)) {
	t.Run("path", func(t *testing.T) {
		w, base := filled(t)
		fn(t, w, base, Source{URL: w.bare})
	})
	t.Run("smart HTTP", func(t *testing.T) {
		w, base := filled(t)
		fn(t, w, base, Source{URL: w.serve("")})
	})
}

func TestPush(t *testing.T) {
	both(t, func(t *testing.T, w *world, base string, target Source) {
		ch := change(base, "pawl/staging/fraud", map[string]File{
			"run.sh":                 text("#!/bin/sh\necho\n"),
			"new/folder/x.yaml":      text("x: 1\n"),
			"tool":                   {Content: []byte("t"), Executable: true},
			"base/deep/er/file.yaml": {Delete: true},
		})
		commit, err := Push(testContext(t), target, ch, "")
		if err != nil {
			t.Fatal(err)
		}
		if got := git(t, w.bare, "rev-parse", "pawl/staging/fraud"); got != commit {
			t.Errorf("the branch is at %s, want %s", got, commit)
		}
		git(t, w.bare, "fsck", "--strict", "--full")
		want := "M\trun.sh\nA\tnew/folder/x.yaml\nA\ttool\nD\tbase/deep/er/file.yaml"
		got := git(t, w.bare, "diff", "--name-status", base, commit)
		for _, line := range strings.Split(want, "\n") {
			if !strings.Contains(got, line) {
				t.Errorf("the change is\n%s\nwithout %q", got, line)
			}
		}
		if n := strings.Count(got, "\n"); n != 3 {
			t.Errorf("other files were touched:\n%s", got)
		}
		modes := git(t, w.bare, "ls-tree", commit, "run.sh", "tool", "new")
		if strings.Count(modes, "100755") != 2 {
			t.Errorf("modes were not kept:\n%s", modes)
		}
		if log := git(t, w.bare, "log", "-1", "--format=%an %ae %aI %cn %P %B", commit); log != "pawl pawl@example.com 2026-03-04T05:06:07+00:00 pawl "+base+" set it" {
			t.Errorf("the commit says %q", log)
		}
		if again, err := Push(testContext(t), target, ch, ""); err != nil || again != commit {
			t.Errorf("the same push again: %s, %v", again, err)
		}

		ch.Files = map[string]File{"tool": {Delete: true}, "run.sh": text("other\n")}
		if _, err := Push(testContext(t), target, ch, ""); err == nil || !errors.Is(err, ErrNoFile) {
			t.Errorf("a file that is not in the base was deleted: %v", err)
		}
		ch.Files = map[string]File{"run.sh": text("other\n")}
		var moved *MovedError
		if _, err := Push(testContext(t), target, ch, ""); !errors.As(err, &moved) || moved.Actual != commit {
			t.Errorf("pushing to a branch that must not exist: %v", err)
		}
		if _, err := Push(testContext(t), target, ch, base); !errors.Is(err, ErrMoved) {
			t.Errorf("pushing with a wrong lease: %v", err)
		}
		second, err := Push(testContext(t), target, ch, commit)
		if err != nil || git(t, w.bare, "rev-parse", "pawl/staging/fraud^") != base {
			t.Errorf("superseding: %s, %v", second, err)
		}
		if err := DeleteBranch(testContext(t), target, ch.Branch, commit); !errors.Is(err, ErrMoved) {
			t.Errorf("deleting with a wrong lease: %v", err)
		}
		for range 2 {
			if err := DeleteBranch(testContext(t), target, ch.Branch, second); err != nil {
				t.Errorf("deleting: %v", err)
			}
		}
		if _, err := Push(testContext(t), target, ch, second); !errors.Is(err, ErrMoved) {
			t.Errorf("pushing to a branch that is gone: %v", err)
		}
	})
}

func TestPushesThatAreRefused(t *testing.T) {
	both(t, func(t *testing.T, w *world, base string, target Source) {
		tests := []struct {
			name, branch string
			files        map[string]File
			is           error
			says         string
		}{
			{name: "a change that changes nothing", files: map[string]File{"README.md": text("hello\n")}, is: ErrNoChange},
			{name: "no files", is: ErrNoChange},
			{name: "a file through a link", files: map[string]File{"base/link": text("x")}, says: "no regular file"},
			{name: "a file below a file", files: map[string]File{"README.md/x": text("x")}, says: "no folder"},
			{name: "a file in place of a folder", files: map[string]File{"base": text("x")}, says: "no regular file"},
			{name: "a path that climbs out", files: map[string]File{"../x": text("x")}, says: "no path"},
			{name: "an absolute path", files: map[string]File{"/x": text("x")}, says: "no path"},
			{name: "git's folder", files: map[string]File{"a/.git/config": text("x")}, says: "no path"},
			{name: "a branch that climbs out", branch: "../../x", files: map[string]File{"x": text("x")}, says: "no branch name"},
			{name: "a branch with @{", branch: "a@{1}", files: map[string]File{"x": text("x")}, says: "no branch name"},
			{name: "a branch that ends in a slash", branch: "a/", files: map[string]File{"x": text("x")}, says: "no branch name"},
			{name: "a branch that begins with a slash", branch: "/a", files: map[string]File{"x": text("x")}, says: "no branch name"},
			{name: "a branch with a control character", branch: "a\x01", files: map[string]File{"x": text("x")}, says: "no branch name"},
			{name: "a branch that looks like an option", branch: "-f", files: map[string]File{"x": text("x")}, says: "no branch name"},
			{name: "a branch that is a lock", branch: "a.lock", files: map[string]File{"x": text("x")}, says: "no branch name"},
			{name: "a branch in the way of another", branch: "main/x", files: map[string]File{"x": text("x")}},
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				branch := tt.branch
				if branch == "" {
					branch = "new"
				}
				_, err := Push(testContext(t), target, change(base, branch, tt.files), "")
				if err == nil || tt.is != nil && !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.says) {
					t.Errorf("got %v, want %v %q", err, tt.is, tt.says)
				}
			})
		}
		if got := git(t, w.bare, "for-each-ref", "--format=%(refname)"); got != "refs/heads/main" {
			t.Errorf("references are %q", got)
		}
	})
}

func TestPushToAnEmptyRepository(t *testing.T) {
	w := newWorld(t)
	for i, url := range []string{w.bare, w.serve("")} {
		branch := fmt.Sprintf("main%d", i)
		ch := change("", branch, map[string]File{"a": text("1")})
		if _, err := Push(testContext(t), Source{URL: url}, ch, ""); err != nil {
			t.Fatal(err)
		}
		if got := git(t, w.bare, "show", branch+":a"); got != "1" {
			t.Errorf("a is %q", got)
		}
	}
}

func TestABranchThatIsCheckedOutIsNotPushed(t *testing.T) {
	w := newWorld(t)
	base := w.commit("one")
	linked := filepath.Join(t.TempDir(), "linked")
	git(t, w.bare, "worktree", "add", "-q", "-b", "side", linked, "main")
	for _, tt := range []struct{ url, branch, tree string }{{w.work, "main", w.work}, {w.bare, "side", linked}} {
		ch := change(base, tt.branch, map[string]File{"x": text("x")})
		if _, err := Push(testContext(t), Source{URL: tt.url}, ch, base); !errors.Is(err, ErrCheckedOut) || !strings.Contains(err.Error(), tt.tree) {
			t.Errorf("%s: got %v", tt.branch, err)
		}
	}
	if _, err := Push(testContext(t), Source{URL: w.work}, change(base, "other", map[string]File{"x": text("x")}), ""); err != nil {
		t.Error(err)
	}
}

func TestAHookThatSaysNoIsSaid(t *testing.T) {
	w, base := filled(t)
	hook := filepath.Join(w.bare, "hooks", "pre-receive")
	if err := os.Mkdir(filepath.Dir(hook), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(hook, []byte("#!/bin/sh\necho no pushing on fridays >&2\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	ch := change(base, "new", map[string]File{"x": text("x")})
	if _, err := Push(testContext(t), Source{URL: w.serve("")}, ch, ""); !errors.Is(err, ErrAuth) || !strings.Contains(err.Error(), "pre-receive hook declined") {
		t.Errorf("got %v", err)
	}
	if _, err := Push(testContext(t), Source{URL: w.bare}, ch, ""); err != nil {
		t.Errorf("a local push runs no hooks: %v", err)
	}
}

// Pushers of both kinds append a line each to one file of one branch, retrying
// when they lose. If any compare-and-set failed, a line would be missing.
func TestConcurrentPushesOfGitAndPawlLoseNothing(t *testing.T) {
	w := newWorld(t)
	w.write("log", "")
	w.commit("one")
	url := w.serve("")
	const each = 3
	var wg sync.WaitGroup
	var lost atomic.Int32
	for i, target := range []string{w.bare, w.bare, url} {
		wg.Go(func() {
			for n := range each {
				appendLine(t, Source{URL: target, Revision: "main"}, fmt.Sprintf("pawl %d %d", i, n), &lost)
			}
		})
	}
	for i := range 2 {
		clone := filepath.Join(t.TempDir(), "clone")
		git(t, "/", "clone", "-q", w.bare, clone)
		wg.Go(func() {
			for n := range each {
				gitAppend(t, clone, fmt.Sprintf("git %d %d", i, n), &lost)
			}
		})
	}
	packed := make(chan struct{})
	go func() { // a gc at the worst of times
		defer close(packed)
		for range 10 {
			cmd := exec.Command("git", "pack-refs", "--all", "--prune")
			cmd.Dir, cmd.Env = w.bare, testEnv()
			_ = cmd.Run()
		}
	}()
	wg.Wait()
	<-packed
	if got := len(strings.Split(git(t, w.bare, "show", "main:log"), "\n")); got != 5*each {
		t.Errorf("%d lines, want %d (%d pushes lost a race)", got, 5*each, lost.Load())
	}
	if got := git(t, w.bare, "rev-list", "--count", "main"); got != fmt.Sprint(5*each+1) {
		t.Errorf("%s commits, want %d", got, 5*each+1)
	}
	git(t, w.bare, "fsck", "--strict", "--full")
	if left, _ := filepath.Glob(filepath.Join(w.bare, "refs/heads/*.lock")); len(left) > 0 {
		t.Errorf("locks left: %v", left)
	}
}

func appendLine(t *testing.T, src Source, line string, lost *atomic.Int32) {
	for {
		rev, err := Resolve(t.Context(), src)
		if err != nil {
			t.Error(err)
			return
		}
		old, err := fileAt(t, src, rev)
		if err != nil {
			t.Error(err)
			return
		}
		ch := change(rev.Commit, "main", map[string]File{"log": text(old + line + "\n")})
		_, err = Push(t.Context(), src, ch, rev.Commit)
		if err == nil {
			return
		}
		if !errors.Is(err, ErrMoved) {
			t.Error(err)
			return
		}
		lost.Add(1)
	}
}

func fileAt(t *testing.T, src Source, rev Revision) (string, error) {
	dir, err := os.MkdirTemp("", "cache")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	c, err := OpenCache(CacheConfig{Dir: dir})
	if err != nil {
		return "", err
	}
	s, err := c.Snapshot(context.WithoutCancel(t.Context()), src, rev)
	if err != nil {
		return "", err
	}
	defer s.Release()
	data, err := os.ReadFile(filepath.Join(s.Dir(), "log"))
	return string(data), err
}

func gitAppend(t *testing.T, clone, line string, lost *atomic.Int32) {
	run := func(args ...string) error {
		cmd := exec.Command("git", args...)
		cmd.Dir, cmd.Env = clone, testEnv()
		return cmd.Run()
	}
	for {
		if err := errors.Join(run("fetch", "-q"), run("reset", "-q", "--hard", "origin/main")); err != nil {
			t.Error(err)
			return
		}
		old, err := os.ReadFile(filepath.Join(clone, "log"))
		if err == nil {
			err = os.WriteFile(filepath.Join(clone, "log"), append(old, line+"\n"...), 0o644)
		}
		if err != nil {
			t.Error(err)
			return
		}
		if err := run("commit", "-q", "-am", line); err != nil {
			t.Error(err)
			return
		}
		if run("push", "-q", "origin", "main") == nil {
			return
		}
		lost.Add(1)
	}
}
