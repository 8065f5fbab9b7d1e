package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pawl-dev/pawl/gitsync"
	"github.com/pawl-dev/pawl/promotion/forge"
	"github.com/pawl-dev/pawl/promotion/forge/forgetest"
)

// memory keeps documents; it behaves as a store does.
type memory struct {
	mu     sync.Mutex
	docs   map[string]Document
	number int64
}

func (m *memory) Get(_ context.Context, key string) (Document, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.docs[key], nil
}

func (m *memory) Put(_ context.Context, d Document) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.docs[d.Key].Version != d.Version {
		return ErrChanged
	}
	d.Version++
	m.docs[d.Key] = d
	return nil
}

func (m *memory) List(context.Context) ([]Document, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []Document
	for _, d := range m.docs {
		out = append(out, d)
	}
	slices.SortFunc(out, func(a, b Document) int { return strings.Compare(a.Key, b.Key) })
	return out, nil
}

func (m *memory) NextNumber(context.Context) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.number++
	return m.number, nil
}

func newMemory() *memory { return &memory{docs: map[string]Document{}} }

func git(t testing.TB, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "LC_ALL=C",
		"GIT_AUTHOR_NAME=Bob", "GIT_AUTHOR_EMAIL=bob@example.com", "GIT_COMMITTER_NAME=Bob", "GIT_COMMITTER_EMAIL=bob@example.com"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// clock goes on by a second whenever it is read.
func clock() func() time.Time {
	var mu sync.Mutex
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	return func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(time.Second)
		return now
	}
}

func newForge(t testing.TB, docs Documents, bare string) *Forge {
	t.Helper()
	f, err := Open(Config{Repository: "file://" + strings.ReplaceAll(bare, " ", "%20"), Documents: docs, Now: clock(), URL: func(n int) string { return fmt.Sprintf("http://localhost/pulls/%d", n) }})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func newBare(t testing.TB) string {
	t.Helper()
	bare := filepath.Join(t.TempDir(), "central repo.git")
	git(t, "/", "init", "-q", "--template=", "--bare", "-b", "main", bare)
	return bare
}

func TestForge(t *testing.T) {
	forgetest.Run(t, func(t *testing.T) forgetest.Fixture {
		bare := newBare(t)
		t.Cleanup(func() { git(t, bare, "fsck", "--strict", "--full") })
		return forgetest.Fixture{Forge: newForge(t, newMemory(), bare), Source: gitsync.Source{URL: bare}}
	})
}

func TestWhatCannotBeAForgeIsRefused(t *testing.T) {
	checkout := t.TempDir()
	git(t, checkout, "init", "-q")
	for _, tt := range []struct {
		name, path string
		is         error
		says       string
	}{
		{"a checkout", checkout, forge.ErrUnsupported, "git clone --bare"},
		{"nothing", filepath.Join(checkout, "x"), gitsync.ErrNotFound, "check the path"},
	} {
		_, err := Open(Config{Repository: tt.path, Documents: newMemory(), Now: time.Now})
		if !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: got %v", tt.name, err)
		}
	}
}

// story is a repository with a pull request of branch head, and a clone in which
// a person works with plain git.
type story struct {
	t     testing.TB
	forge *Forge
	docs  *memory
	bare  string
	clone string
	pr    forge.PullRequest
}

func newStory(t testing.TB) *story {
	t.Helper()
	s := &story{t: t, bare: newBare(t), clone: filepath.Join(t.TempDir(), "clone"), docs: newMemory()}
	s.forge = newForge(t, s.docs, s.bare)
	base := s.push("main", "", "1\n")
	s.push("head", base, "2\n")
	git(t, "/", "clone", "-q", s.bare, s.clone)
	s.git("branch", "-q", "head", "origin/head")
	pr, err := s.forge.Open(t.Context(), forge.Opening{Title: "it", Head: "head", Base: "main"})
	if err != nil {
		t.Fatal(err)
	}
	s.pr = pr
	return s
}

// push makes a commit with the file a.
func (s *story) push(branch, base, content string) string {
	s.t.Helper()
	commit, err := gitsync.Push(s.t.Context(), gitsync.Source{URL: s.bare}, gitsync.Change{Base: base, Branch: branch, Message: branch,
		Files: map[string]gitsync.File{"a": {Content: []byte(content)}}, Author: gitsync.Identity{Name: "pawl", Email: "x@example.com", Time: time.Unix(1_700_000_000, 0)}}, "")
	if err != nil {
		s.t.Fatal(err)
	}
	return commit
}

func (s *story) git(args ...string) string { s.t.Helper(); return git(s.t, s.clone, args...) }

func (s *story) commit(message, file, content string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.clone, file), []byte(content+"\n"), 0o644); err != nil {
		s.t.Fatal(err)
	}
	s.git("add", "-A")
	s.git("commit", "-q", "-m", message)
}

func TestWhatPeopleDoWithPlainGitIsNoticed(t *testing.T) {
	tests := []struct {
		name  string
		do    func(s *story)
		state forge.State
		by    string
		merge string // git revision of the merge commit
		says  string
	}{
		{name: "a merge commit", state: forge.StateMerged, by: "Bob", merge: "main", do: func(s *story) {
			s.git("merge", "-q", "--no-ff", "--no-edit", "head")
			s.git("push", "-q", "origin", "main")
		}},
		{name: "a merge commit, then more, and the branch deleted", state: forge.StateMerged, by: "Bob", merge: "main~1", do: func(s *story) {
			s.git("merge", "-q", "--no-ff", "--no-edit", "head")
			s.commit("later", "b", "1")
			s.git("push", "-q", "origin", "main", ":head")
		}},
		{name: "a fast-forward", state: forge.StateMerged, by: forge.ByGit, merge: "head", do: func(s *story) {
			s.git("merge", "-q", "--ff-only", "head")
			s.git("push", "-q", "origin", "main")
		}},
		{name: "a squash", state: forge.StateMerged, by: "Bob", merge: "main", do: func(s *story) {
			s.git("merge", "-q", "--squash", "head")
			s.git("commit", "-q", "-m", "squashed")
			s.git("push", "-q", "origin", "main")
		}},
		{name: "an amended head that is merged at once", state: forge.StateMerged, by: "Bob", merge: "main", do: func(s *story) {
			s.git("checkout", "-q", "head")
			s.git("commit", "-q", "--amend", "-m", "better")
			s.commit("more", "c", "1")
			s.git("checkout", "-q", "main")
			s.git("merge", "-q", "--no-ff", "--no-edit", "head")
			s.git("push", "-q", "--force", "origin", "main", "head")
		}},
		{name: "a deleted branch", state: forge.StateClosed, by: forge.ByGit, says: "head branch was deleted", do: func(s *story) {
			s.git("push", "-q", "origin", ":head")
		}},
		{name: "a deleted base", state: forge.StateClosed, by: forge.ByGit, says: "base branch was deleted", do: func(s *story) {
			git(s.t, s.bare, "update-ref", "-d", "refs/heads/main")
		}},
		{name: "a head set back to the base", state: forge.StateClosed, by: forge.ByGit, says: "set back", do: func(s *story) {
			s.git("push", "-q", "--force", "origin", "main:head")
		}},
		{name: "packed references and objects", state: forge.StateOpen, do: func(s *story) {
			git(s.t, s.bare, "gc", "-q", "--prune=now")
		}},
		{name: "a commit to the base", state: forge.StateOpen, do: func(s *story) {
			s.commit("other", "b", "1")
			s.git("push", "-q", "origin", "main")
		}},
		{name: "a merge that was reverted before anybody looked", state: forge.StateMerged, by: "Bob", merge: "main", do: func(s *story) {
			s.git("merge", "-q", "--no-ff", "--no-edit", "head")
			s.git("revert", "--no-edit", "-m", "1", "HEAD")
			s.git("push", "-q", "origin", "main")
			s.git("reset", "-q", "--hard", "HEAD~1")
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newStory(t)
			tt.do(s)
			for range 2 {
				got, err := s.forge.Get(t.Context(), s.pr.Number)
				if err != nil {
					t.Fatal(err)
				}
				if got.State != tt.state || got.EndedBy != tt.by || !strings.Contains(got.Reason, tt.says) {
					t.Errorf("it is %s by %q: %s", got.State, got.EndedBy, got.Reason)
				}
				if tt.merge != "" && got.MergeCommit != s.git("rev-parse", tt.merge) {
					t.Errorf("merged by %s, want %s", got.MergeCommit, tt.merge)
				}
			}
			if got := git(t, s.bare, "rev-parse", "refs/pull/1/head"); got == "" {
				t.Error("the head was not kept")
			}
		})
	}
}

func TestTheHeadIsKeptAsAReference(t *testing.T) {
	s := newStory(t)
	first := s.pr.HeadSHA
	if got := git(t, s.bare, "rev-parse", "refs/pull/1/head"); got != first {
		t.Errorf("it is %s, want %s", got, first)
	}
	s.git("checkout", "-q", "head")
	s.git("commit", "-q", "--amend", "-m", "better")
	s.git("push", "-q", "--force", "origin", "head")
	pr, err := s.forge.Get(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if got := git(t, s.bare, "rev-parse", "refs/pull/1/head"); got != pr.HeadSHA || got == first {
		t.Errorf("it is %s, want %s", got, pr.HeadSHA)
	}
	if _, err := s.forge.Merge(t.Context(), 1, forge.MergeOptions{ExpectedHead: pr.HeadSHA}); err != nil {
		t.Fatal(err)
	}
	git(t, s.bare, "gc", "-q", "--prune=now")
	if got := git(t, s.bare, "rev-parse", "refs/pull/1/head"); got != pr.HeadSHA {
		t.Errorf("after the merge it is %s", got)
	}
	if pr.URL != "http://localhost/pulls/1" {
		t.Errorf("the URL is %s", pr.URL)
	}
}

func TestACrashBetweenTheMergeAndItsRecordIsHealed(t *testing.T) {
	s := newStory(t)
	opt := forge.MergeOptions{ExpectedHead: s.pr.HeadSHA, By: "ada", Method: forge.MethodMerge}
	_, commit, err := s.forge.mergeInto(t.Context(), s.pr, opt)
	if err != nil {
		t.Fatal(err)
	}
	after := newForge(t, s.docs, s.bare)
	got, err := after.Merge(t.Context(), 1, opt)
	if err != nil || got.State != forge.StateMerged || got.MergeCommit != commit || got.EndedBy != "ada" {
		t.Errorf("got %+v, %v", got, err)
	}
	if n := git(t, s.bare, "rev-list", "--count", "--merges", "main"); n != "1" {
		t.Errorf("%s merges", n)
	}
}

func TestTwoProcessesThatMergeTheSameMergeOnce(t *testing.T) {
	for _, method := range []forge.Method{forge.MethodMerge, forge.MethodSquash} {
		s := newStory(t)
		var wg sync.WaitGroup
		for range 4 {
			f := newForge(t, s.docs, s.bare)
			wg.Go(func() {
				got, err := f.Merge(t.Context(), 1, forge.MergeOptions{ExpectedHead: s.pr.HeadSHA, Method: method})
				if err != nil || got.State != forge.StateMerged {
					t.Errorf("%s: %s, %v", method, got.State, err)
				}
			})
		}
		wg.Wait()
		if n := git(t, s.bare, "rev-list", "--count", "--first-parent", "main"); n != "2" {
			t.Errorf("%s: main has %s commits", method, n)
		}
	}
}

func TestLookingStoresNothingInTheRepository(t *testing.T) {
	s := newStory(t)
	s.commit("other", "b", "1")
	s.git("push", "-q", "origin", "main")
	before := git(t, s.bare, "count-objects", "-v")
	if _, err := s.forge.List(t.Context(), forge.Query{}); err != nil {
		t.Fatal(err)
	}
	if after := git(t, s.bare, "count-objects", "-v"); after != before {
		t.Errorf("objects before:\n%s\nafter:\n%s", before, after)
	}
}

// Two servers on one store and one repository, as replicas would be.
func TestTwoProcessesThatOpenTheSameKeepOne(t *testing.T) {
	s := newStory(t)
	if _, err := s.forge.Close(t.Context(), 1, "ada", ""); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		f := newForge(t, s.docs, s.bare)
		wg.Go(func() {
			_, err := f.Open(t.Context(), forge.Opening{Title: "it", Head: "head", Base: "main"})
			if err != nil && !errors.Is(err, forge.ErrExists) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	open, err := s.forge.List(t.Context(), forge.Query{State: forge.StateOpen})
	if err != nil || len(open) != 1 {
		t.Errorf("%d are open: %+v, %v", len(open), open, err)
	}
	closed, _ := s.forge.List(t.Context(), forge.Query{State: forge.StateClosed})
	for _, pr := range closed[1:] {
		if pr.EndedBy != "pawl" || !strings.Contains(pr.Reason, "the same as pull request") {
			t.Errorf("a double was closed by %s: %s", pr.EndedBy, pr.Reason)
		}
	}
}

func TestABaseThatIsCheckedOutInAWorkTreeIsNotMerged(t *testing.T) {
	s := newStory(t)
	linked := filepath.Join(t.TempDir(), "linked")
	git(t, s.bare, "worktree", "add", "-q", linked, "main")
	_, err := s.forge.Merge(t.Context(), 1, forge.MergeOptions{ExpectedHead: s.pr.HeadSHA})
	if !errors.Is(err, gitsync.ErrCheckedOut) || !strings.Contains(err.Error(), linked) {
		t.Errorf("got %v", err)
	}
}

func TestMergesRunNoHooks(t *testing.T) {
	s := newStory(t)
	ran := filepath.Join(t.TempDir(), "ran")
	if err := os.Mkdir(filepath.Join(s.bare, "hooks"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, hook := range []string{"pre-receive", "update", "post-receive", "post-update", "reference-transaction", "post-merge"} {
		script := fmt.Sprintf("#!/bin/sh\necho %s >>%q\n", hook, ran)
		if err := os.WriteFile(filepath.Join(s.bare, "hooks", hook), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.forge.Merge(t.Context(), 1, forge.MergeOptions{ExpectedHead: s.pr.HeadSHA}); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(ran); err == nil {
		t.Errorf("hooks were run: %s", data)
	}
	if after, _ := os.ReadDir(filepath.Join(s.bare, "hooks")); len(after) != 6 {
		t.Errorf("there are %d hooks", len(after))
	}
}
