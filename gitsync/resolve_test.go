package gitsync

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// guard asks for the password, when there is one.
func guard(password string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, got, _ := r.BasicAuth(); password != "" && got != password {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func TestResolve(t *testing.T) {
	t.Setenv("HOME", "")
	os.Unsetenv("HOME")
	w := newWorld(t)
	first := w.commit("one")
	w.git("tag", "light")
	w.git("tag", "-a", "-m", "x", "v1.0")
	w.git("checkout", "-q", "-b", "feature/a")
	feature := w.commit("two")
	w.git("tag", "both", first)
	w.git("checkout", "-q", "-b", "both")
	both := w.commit("three")
	w.git("push", "-q", "origin", "--tags")
	w.git("update-ref", "refs/pull/7/head", feature)
	w.git("push", "-q", "origin", "refs/pull/7/head")
	blob := git(t, w.bare, "rev-parse", "main^{tree}")

	tests := []struct {
		name, revision, commit, ref string
		is                          error
		says                        string
	}{
		{name: "nothing means the branch of HEAD", revision: "", commit: first, ref: "refs/heads/main"},
		{name: "HEAD means the same", revision: "HEAD", commit: first, ref: "refs/heads/main"},
		{name: "a branch with a slash", revision: "feature/a", commit: feature, ref: "refs/heads/feature/a"},
		{name: "a light tag", revision: "light", commit: first, ref: "refs/tags/light"},
		{name: "an annotated tag is peeled", revision: "v1.0", commit: first, ref: "refs/tags/v1.0"},
		{name: "a branch is preferred to a tag", revision: "both", commit: both, ref: "refs/heads/both"},
		{name: "a full reference reaches the tag", revision: "refs/tags/both", commit: first, ref: "refs/tags/both"},
		{name: "a reference that is no branch", revision: "refs/pull/7/head", commit: feature, ref: "refs/pull/7/head"},
		{name: "a commit stays as it is", revision: feature, commit: feature},
		{name: "a slip names the nearest", revision: "mian", is: ErrNoRevision, says: "nearest: main"},
		{name: "the last part of a branch is near", revision: "a", is: ErrNoRevision, says: "feature/a"},
		{name: "a short commit is refused with the reason", revision: first[:8], is: ErrNoRevision, says: "40 characters"},
		{name: "a name that climbs out finds nothing", revision: "../../config", is: ErrNoRevision},
	}
	url := w.serve("")
	check := func(t *testing.T, src Source) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				src.Revision = tt.revision
				rev, err := Resolve(testContext(t), src)
				if !errors.Is(err, tt.is) || err != nil && !strings.Contains(err.Error(), tt.says) {
					t.Fatalf("error %v, want %v saying %q", err, tt.is, tt.says)
				}
				if err == nil && (rev != Revision{Commit: tt.commit, Ref: tt.ref}) {
					t.Errorf("got %+v, want %s at %s", rev, tt.ref, tt.commit)
				}
			})
		}
	}
	t.Run("path", func(t *testing.T) { check(t, Source{URL: w.bare}) })
	t.Run("file URL", func(t *testing.T) {
		check(t, Source{URL: "file://" + strings.ReplaceAll(w.bare, " ", "%20")})
	})
	t.Run("smart HTTP", func(t *testing.T) { check(t, Source{URL: url}) })
	git(t, w.bare, "gc", "-q")
	if _, err := os.Stat(filepath.Join(w.bare, "refs/heads/main")); err == nil {
		t.Fatal("gc left a loose reference")
	}
	t.Run("packed references", func(t *testing.T) { check(t, Source{URL: w.bare}) })
	t.Run("a tree is no commit", func(t *testing.T) {
		if _, err := Resolve(testContext(t), Source{URL: w.bare, Revision: blob}); !errors.Is(err, ErrNoRevision) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a commit that is not there", func(t *testing.T) {
		if _, err := Resolve(testContext(t), Source{URL: w.bare, Revision: strings.Repeat("1", 40)}); !errors.Is(err, ErrNoRevision) {
			t.Errorf("got %v", err)
		}
	})
}

func TestResolveSaysWhatIsWrong(t *testing.T) {
	empty := newWorld(t)
	emptyURL := empty.serve("")
	noHead := newWorld(t)
	noHead.commit("one")
	git(t, noHead.bare, "symbolic-ref", "HEAD", "refs/heads/master")
	locked := newWorld(t)
	locked.commit("one")
	lockedURL := locked.serve("secret")
	plain := t.TempDir()
	sha256 := filepath.Join(t.TempDir(), "sha256.git")
	git(t, plain, "init", "-q", "--bare", "--object-format=sha256", sha256)

	tests := []struct {
		name, url string
		is        error
		says      string
	}{
		{"an empty repository on disk", empty.bare, ErrEmpty, "push a commit"},
		{"an empty repository over HTTP", emptyURL, ErrEmpty, "push a commit"},
		{"a HEAD that names no branch", noHead.bare, ErrNoRevision, "there is main"},
		{"a folder that is not there", "/nowhere/at/all", ErrNotFound, "check the path"},
		{"a folder that is no repository", plain, ErrNotFound, "git init --bare"},
		{"a repository that the server has not", emptyURL + "x", ErrNotFound, "check the URL"},
		{"a server that wants credentials", lockedURL, ErrAuth, "wants credentials"},
		{"a server that is not there", "http://127.0.0.1:1/x.git", ErrUnreachable, "refused"},
		{"ssh", "git@github.com:a/b.git", ErrUnsupported, "https://"},
		{"another scheme", "s3://a/b", ErrUnsupported, "https://"},
		{"a password in the clear", "http://u:geheim@example.com/x.git", ErrUnsupported, "use https"},
		{"another object format", sha256, ErrUnsupported, "sha1"},
		{"no URL", "", ErrNotFound, "give the URL"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Resolve(testContext(t), Source{URL: tt.url})
			if !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want %v saying %q", err, tt.is, tt.says)
			}
			if err != nil && strings.Contains(err.Error(), "geheim") {
				t.Errorf("the password is printed: %v", err)
			}
		})
	}
	t.Run("credentials in the URL are used and never printed", func(t *testing.T) {
		src := Source{URL: strings.Replace(lockedURL, "://", "://ada:secret@", 1)}
		if _, err := Resolve(testContext(t), src); err != nil {
			t.Error(err)
		}
		for _, user := range []string{"geheim", "geheim:x", "ada:geheim"} {
			down := Source{URL: "https://" + user + "@127.0.0.1:1/x.git"}
			if _, err := Resolve(testContext(t), down); !errors.Is(err, ErrUnreachable) || strings.Contains(err.Error(), "geheim") {
				t.Errorf("a server that is not there: %v", err)
			}
		}
		src.URL = strings.Replace(lockedURL, "://", "://ada:geheim@", 1)
		if _, err := Resolve(testContext(t), src); !errors.Is(err, ErrAuth) || strings.Contains(err.Error(), "geheim") {
			t.Errorf("got %v", err)
		}
	})
}

func TestACheckoutAndALinkedWorkTreeAreSources(t *testing.T) {
	w := newWorld(t)
	w.write("a", "1")
	first := w.commit("one")
	linked := filepath.Join(t.TempDir(), "linked")
	w.git("worktree", "add", "-q", "-b", "side", linked)
	git(t, linked, "commit", "-q", "--allow-empty", "-m", "two")
	second := git(t, linked, "rev-parse", "HEAD")
	if rev := mustResolve(t, Source{URL: w.work}); rev.Commit != first || rev.Ref != "refs/heads/main" {
		t.Errorf("the checkout is at %+v", rev)
	}
	if rev := mustResolve(t, Source{URL: linked}); rev.Commit != second || rev.Ref != "refs/heads/side" {
		t.Errorf("the linked work tree is at %+v", rev)
	}
	w.git("checkout", "-q", "--detach")
	if rev := mustResolve(t, Source{URL: w.work}); rev != (Revision{Commit: first}) {
		t.Errorf("a detached HEAD is at %+v", rev)
	}
}

func BenchmarkResolveLocal(b *testing.B) {
	w := newWorld(b)
	w.commit("one")
	git(b, w.bare, "gc", "-q")
	for b.Loop() {
		if _, err := Resolve(b.Context(), w.source()); err != nil {
			b.Fatal(err)
		}
	}
}
