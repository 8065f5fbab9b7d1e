package gitsync

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestSetRef(t *testing.T) {
	w := newWorld(t)
	one := w.commit("one")
	two := w.commit("two")
	w.git("tag", "-a", "-m", "x", "v1")
	w.git("push", "-q", "origin", "v1")
	git(t, w.bare, "update-ref", "refs/heads/packed", one)
	git(t, w.bare, "update-ref", "refs/heads/deep/er", one)
	git(t, w.bare, "pack-refs", "--all", "--prune")
	git(t, w.bare, "symbolic-ref", "refs/heads/symbol", "refs/heads/main")
	tag := git(t, w.bare, "rev-parse", "v1")

	tests := []struct {
		name, ref, to, from string
		is                  error
		says                string
	}{
		{name: "create", ref: "refs/heads/a/b", to: one},
		{name: "create again", ref: "refs/heads/a/b", to: one, is: ErrMoved},
		{name: "move with a wrong lease", ref: "refs/heads/a/b", to: two, from: two, is: ErrMoved},
		{name: "move", ref: "refs/heads/a/b", to: two, from: one},
		{name: "below a branch", ref: "refs/heads/a/b/c", to: one, says: "not a directory"},
		{name: "above a branch", ref: "refs/heads/a", to: one, says: "in the way"},
		{name: "below a packed branch", ref: "refs/heads/packed/c", to: one, says: "in the way"},
		{name: "above a packed branch", ref: "refs/heads/deep", to: one, says: "in the way"},
		{name: "move a packed one", ref: "refs/heads/packed", to: two, from: one},
		{name: "delete a packed and loose one", ref: "refs/heads/packed", from: two},
		{name: "delete what is not there", ref: "refs/heads/packed", from: two, is: ErrMoved},
		{name: "delete a packed one", ref: "refs/heads/deep/er", from: one},
		{name: "take the name of its folder", ref: "refs/heads/deep", to: one},
		{name: "delete a packed tag and its peeled line", ref: "refs/tags/v1", from: tag},
		{name: "a symbolic reference", ref: "refs/heads/symbol", to: one, from: two, says: "symbolic reference, to refs/heads/main"},
		{name: "outside of refs", ref: "config", to: one, says: "no reference name"},
		{name: "climbing out", ref: "refs/heads/../../config", to: one, says: "no reference name"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before, _ := w.repo().Ref(tt.ref)
			err := w.repo().SetRef(testContext(t), tt.ref, tt.to, tt.from)
			want := tt.to
			if tt.is != nil || tt.says != "" {
				want = before
				if err == nil || tt.is != nil && !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.says) {
					t.Fatalf("got %v, want %v %q", err, tt.is, tt.says)
				}
			} else if err != nil {
				t.Fatal(err)
			}
			got := git(t, w.bare, "for-each-ref", "--format=%(objectname)", tt.ref)
			if strings.Contains(got, "\n") || checkRef(tt.ref) == nil && tt.says == "" && got != want {
				t.Errorf("git sees it at %q, want %q", got, want)
			}
		})
	}
	if out := git(t, w.bare, "fsck", "--full"); strings.Contains(out, "error") {
		t.Error(out)
	}
	if left := git(t, w.bare, "for-each-ref", "--format=%(refname)"); left != "refs/heads/a/b\nrefs/heads/deep\nrefs/heads/main\nrefs/heads/symbol" {
		t.Errorf("left are\n%s", left)
	}
}

func TestALockThatStaysIsSaid(t *testing.T) {
	w := newWorld(t)
	one := w.commit("one")
	lock := filepath.Join(w.bare, "refs/heads/main.lock")
	if err := os.WriteFile(lock, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		err := w.repo().SetRef(t.Context(), "refs/heads/main", one, one)
		if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), lock) {
			t.Errorf("got %v", err)
		}
		time.AfterFunc(lockPatience/2, func() { os.Remove(lock) })
		if err := w.repo().SetRef(t.Context(), "refs/heads/main", one, one); err != nil {
			t.Errorf("a lock that goes away is waited for: %v", err)
		}
	})
}

// What root makes in a user's repository must stay the user's to change.
func TestWhatRootMakesBelongsToTheOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not root")
	}
	w := newWorld(t)
	base := w.commit("one")
	err := filepath.WalkDir(w.bare, func(path string, _ os.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(path, 12345, 12345))
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Push(testContext(t), w.source(), change(base, "a/b/c", map[string]File{"x/y": text("x")}), ""); err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(w.bare, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && ownerOf(info) != 12345 {
			t.Errorf("%s belongs to %d", path, ownerOf(info))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func ownerOf(info os.FileInfo) int { return int(info.Sys().(*syscall.Stat_t).Uid) }
