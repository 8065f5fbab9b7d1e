package artifact

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/pawl-dev/pawl/engine/attempt"
)

func TestWhatCannotBeKeptIsRefusedInWordsAndLeftWhereItIs(t *testing.T) {
	socket := func(tb testing.TB, path string) {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		must(tb, err)
		defer unix.Close(fd)
		t.Chdir(filepath.Dir(path)) // names of sockets are short
		must(tb, unix.Bind(fd, &unix.SockaddrUnix{Name: filepath.Base(path)}))
	}
	fifo := func(tb testing.TB, path string) { must(tb, unix.Mkfifo(path, 0o600)) }
	link := func(target string) func(testing.TB, string) {
		return func(tb testing.TB, path string) { must(tb, os.Symlink(target, path)) }
	}
	for name, tt := range map[string]struct {
		at   string // in a folder, or "" for the artifact itself
		make func(testing.TB, string)
		want string
	}{
		"a named pipe":                             {"in", fifo, "in is a named pipe"},
		"a socket":                                 {"in", socket, "in is a socket"},
		"a link to an absolute path":               {"in", link("/etc/passwd"), "in is a link to /etc/passwd, outside of the artifact"},
		"a link out of the folder":                 {"in", link("../x"), "in is a link to ../x, outside"},
		"a link out from a folder below":           {"d/in", link("../../x"), "outside"},
		"a link that goes through another and out": {"in", link("dot/../../x"), "outside"},
		"the artifact itself a link":               {"", link("x"), "it is a symbolic link"},
		"the artifact itself a named pipe":         {"", fifo, "it is a named pipe"},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			root := tree{"d/": "", "dot": "-> .", "keep": "1"}.write(t)
			path := filepath.Join(root, tt.at)
			if tt.at == "" {
				path = filepath.Join(t.TempDir(), "made")
				root = path
			}
			tt.make(t, path)
			_, err := s.Put(t.Context(), root)
			if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v, want %q", err, tt.want)
			}
			if _, err := os.Lstat(path); err != nil {
				t.Error("it is not where it was:", err)
			}
			isEmpty(t, s)
		})
	}
}

// isEmpty checks that nothing is kept and nothing half taken in.
func isEmpty(tb testing.TB, s *Store) {
	tb.Helper()
	for _, dir := range []string{filepath.Join(s.Root(), "sha256"), s.tmp.dir} {
		entries, err := os.ReadDir(dir)
		must(tb, err)
		for _, e := range entries {
			tb.Errorf("%s is left in %s", e.Name(), dir)
		}
	}
}

func TestLinksThatStayInsideAreKept(t *testing.T) {
	for link, target := range map[string]string{
		"l": "a", "d/l": "../a", "d/e/l": "../../d/./b", "m": ".", "n": "nowhere", "d/self": "..",
	} {
		if !staysInside(link, target) {
			t.Errorf("%s -> %s is refused", link, target)
		}
	}
	for link, target := range map[string]string{
		"l": "..", "d/l": "../..", "m": "", "n": "/a", "o": "a/../b", "p": ".//../x",
	} {
		if staysInside(link, target) {
			t.Errorf("%s -> %s is kept", link, target)
		}
	}
}

func TestPutMovesWhatItCanAndCopiesTheRest(t *testing.T) {
	s := open(t)
	t.Run("a file on the same disk is moved", func(t *testing.T) {
		path := file(t, "moved")
		before, err := os.Stat(path)
		must(t, err)
		at, err := s.Path(put(t, s, path))
		must(t, err)
		after, err := os.Stat(at)
		must(t, err)
		if !os.SameFile(before, after) {
			t.Error("it was copied")
		}
	})
	t.Run("a file with a second name cannot be changed by it", func(t *testing.T) {
		path := file(t, "linked")
		other := path + "2"
		must(t, os.Link(path, other))
		ref := put(t, s, path)
		must(t, os.WriteFile(other, []byte("changed"), 0o644))
		must(t, s.Verify(t.Context(), ref))
	})
	t.Run("nor a file with a second name in a folder", func(t *testing.T) {
		root := tree{"d/a": "linked too"}.write(t)
		other := root + "2"
		must(t, os.Link(filepath.Join(root, "d/a"), other))
		ref := put(t, s, root)
		must(t, os.WriteFile(other, []byte("changed"), 0o644))
		must(t, s.Verify(t.Context(), ref))
	})
	t.Run("what is in the store already stays there", func(t *testing.T) {
		ref := put(t, s, tree{"a": "inner"}.write(t))
		at, err := s.Path(attempt.ArtifactRef{Digest: ref.Digest, Dir: true, SubPath: "a"})
		must(t, err)
		inner := put(t, s, at)
		must(t, s.Verify(t.Context(), ref))
		must(t, s.Verify(t.Context(), inner))
	})
	t.Run("a folder from another file system is copied", func(t *testing.T) {
		far, err := os.MkdirTemp("/dev/shm", "pawl-test-")
		if err != nil {
			t.Skip("no second file system here: ", err)
		}
		t.Cleanup(func() { os.RemoveAll(far) })
		must(t, os.MkdirAll(filepath.Join(far, "d"), 0o755))
		must(t, os.WriteFile(filepath.Join(far, "d/x"), []byte("far"), 0o755))
		must(t, os.Symlink("d/x", filepath.Join(far, "l")))
		near := put(t, s, tree{"d/x": "+x far", "l": "-> d/x"}.write(t))
		if got := put(t, s, far); got != near {
			t.Errorf("%+v, want %+v", got, near)
		}
	})
	t.Run("when ctx ends, the file is given back", func(t *testing.T) {
		path := file(t, "given back")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.Put(ctx, path); !errors.Is(err, context.Canceled) {
			t.Errorf("error is %v", err)
		}
		must(t, os.WriteFile(path, []byte("writable"), 0))
	})
}

func TestConcurrentPutsOfTheSameConverge(t *testing.T) {
	root := filepath.Join(t.TempDir(), "artifacts")
	stores := []*Store{openAt(t, root), openAt(t, root)}
	refs := make([]attempt.ArtifactRef, 40)
	paths := make([]string, len(refs))
	for i := range paths {
		if i%2 == 0 {
			paths[i] = tree{"d/a": "1", "b": strings.Repeat("x", 100_000)}.write(t)
		} else {
			paths[i] = file(t, strings.Repeat("y", 100_000))
		}
	}
	var wg sync.WaitGroup
	for i := range refs {
		wg.Go(func() {
			var err error
			if refs[i], err = stores[i/2%2].Put(t.Context(), paths[i]); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i, ref := range refs {
		if ref != refs[i%2] {
			t.Errorf("Put %d returned %+v, want %+v", i, ref, refs[i%2])
		}
	}
	must(t, stores[0].Verify(t.Context(), refs[0]))
	must(t, stores[0].Verify(t.Context(), refs[1]))
	for _, s := range stores {
		if left, _ := os.ReadDir(s.tmp.dir); len(left) > 0 {
			t.Errorf("left in %s: %v", s.tmp.dir, left)
		}
	}
}
