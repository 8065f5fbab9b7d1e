package artifact

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pawl-dev/pawl/engine/attempt"
)

func open(tb testing.TB) *Store {
	tb.Helper()
	return openAt(tb, filepath.Join(tb.TempDir(), "artifacts"))
}

func openAt(tb testing.TB, root string) *Store {
	tb.Helper()
	s, err := Open(root)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		s.Close()
		removeAll(root) // sealed folders stop TempDir
	})
	return s
}

// tree is what a test makes: a path with a final slash is a folder, a value
// "-> x" a link, "+x text" an executable, all else the text of a file.
type tree map[string]string

func (t tree) write(tb testing.TB) string {
	tb.Helper()
	root := filepath.Join(tb.TempDir(), "made")
	must(tb, os.Mkdir(root, 0o755))
	for path, text := range t {
		at := filepath.Join(root, path)
		if strings.HasSuffix(path, "/") {
			must(tb, os.MkdirAll(at, 0o755))
			continue
		}
		must(tb, os.MkdirAll(filepath.Dir(at), 0o755))
		target, link := strings.CutPrefix(text, "-> ")
		script, exec := strings.CutPrefix(text, "+x ")
		switch {
		case link:
			must(tb, os.Symlink(target, at))
		case exec:
			must(tb, os.WriteFile(at, []byte(script), 0o755))
		default:
			must(tb, os.WriteFile(at, []byte(text), 0o600))
		}
	}
	return root
}

func file(tb testing.TB, text string) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "made")
	must(tb, os.WriteFile(path, []byte(text), 0o644))
	return path
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func put(tb testing.TB, s *Store, path string) attempt.ArtifactRef {
	tb.Helper()
	ref, err := s.Put(tb.Context(), path)
	must(tb, err)
	return ref
}

func read(tb testing.TB, s *Store, ref attempt.ArtifactRef, name string) string {
	tb.Helper()
	f, err := s.Open(ref, name)
	must(tb, err)
	defer f.Close()
	b, err := io.ReadAll(f)
	must(tb, err)
	return string(b)
}

func TestAFileIsKeptUnderItsSha256ReadOnly(t *testing.T) {
	s := open(t)
	ref := put(t, s, file(t, "hello\n"))
	const sum = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"
	if want := (attempt.ArtifactRef{Digest: "sha256:" + sum, Size: 6}); ref != want {
		t.Errorf("Put returned %+v, want %+v", ref, want)
	}
	path, err := s.Path(ref)
	must(t, err)
	if want := filepath.Join(s.Root(), "sha256", "58", sum, "file"); path != want {
		t.Errorf("Path is %s, want %s", path, want)
	}
	info, err := os.Stat(path)
	must(t, err)
	if info.Mode().Perm() != 0o444 {
		t.Errorf("mode %v, want read-only", info.Mode())
	}
	if got := read(t, s, ref, ""); got != "hello\n" {
		t.Errorf("read %q", got)
	}
	must(t, s.Verify(t.Context(), ref))
}

func TestTheDigestOfAFolderIsThatOfItsContent(t *testing.T) {
	base := tree{"a": "1", "b/c": "2", "run": "+x #!", "empty/": "", "link": "-> b/c"}
	with := func(path, text string) tree {
		t := tree{path: text}
		for k, v := range base {
			if k != path {
				t[k] = v
			}
		}
		return t
	}
	without := with("a", "1")
	delete(without, "empty/")

	s := open(t)
	want := put(t, s, base.write(t))
	// A digest is a name for ever: this one may never change.
	const golden = "sha256:bf90c8f5bf09582f30fe3a06233bae1754cc9caed64da30e7d1e7b1e24ace5b9"
	if want.Digest != golden || want.Size != 4 || !want.Dir {
		t.Errorf("Put returned %+v, want digest %s", want, golden)
	}
	must(t, s.Verify(t.Context(), want))
	for name, tt := range map[string]struct {
		tree tree
		same bool
	}{
		"made again it is the same":            {base, true},
		"another text is another":              {with("a", "3"), false},
		"another name is another":              {with("d", "1"), false},
		"an executable file is another":        {with("a", "+x 1"), false},
		"a file in place of a link is another": {with("link", "2"), false},
		"another target is another":            {with("link", "-> a"), false},
		"without an empty folder it differs":   {without, false},
	} {
		t.Run(name, func(t *testing.T) {
			got := put(t, s, tt.tree.write(t))
			if (got.Digest == want.Digest) != tt.same {
				t.Errorf("digest %s beside %s", got.Digest, want.Digest)
			}
			must(t, s.Verify(t.Context(), got))
		})
	}
}

func TestModesAndTimesAreNoContent(t *testing.T) {
	s := open(t)
	one, other := tree{"a": "1", "d/b": "2"}.write(t), tree{"a": "1", "d/b": "2"}.write(t)
	must(t, os.Chmod(filepath.Join(other, "a"), 0o640))
	must(t, os.Chmod(filepath.Join(other, "d"), 0o700))
	must(t, os.Chtimes(filepath.Join(other, "a"), time.Unix(1, 0), time.Unix(1, 0)))
	if a, b := put(t, s, one), put(t, s, other); a != b {
		t.Errorf("%+v and %+v differ", a, b)
	}
}

func TestAFileWithTheTextOfAListingIsNotThatFolder(t *testing.T) {
	s := open(t)
	dir := put(t, s, tree{"link": "-> x"}.write(t))
	text := put(t, s, file(t, "pawl tree 1\nlink 1:x 4:link\n"))
	if dir.Digest != text.Digest {
		t.Fatalf("the listing has changed: %s, %s", dir.Digest, text.Digest)
	}
	must(t, s.Verify(t.Context(), dir))
	must(t, s.Verify(t.Context(), text))
}

func TestPathsStayInTheArtifact(t *testing.T) {
	s := open(t)
	dir := put(t, s, tree{"d/a": "1", "l": "-> d/a", "e": "-> d"}.write(t))
	text := put(t, s, file(t, "text"))
	at := func(ref attempt.ArtifactRef, sub string) attempt.ArtifactRef { ref.SubPath = sub; return ref }
	for name, tt := range map[string]struct {
		ref  attempt.ArtifactRef
		want string // of the error; "" for none
	}{
		"a file in a folder":         {at(dir, "d/a"), ""},
		"a link in a folder":         {at(dir, "l"), ""},
		"through a link to a folder": {at(dir, "e/a"), ""},
		"a missing file":             {at(dir, "d/b"), `"d/b" in artifact ` + dir.Digest + ": not found"},
		"below a file":               {at(dir, "d/a/b"), "not found"},
		"a path that leads out":      {at(dir, "../../x"), "leads out"},
		"a path in a file":           {at(text, "a"), "is a file"},
		"an artifact not there":      {attempt.ArtifactRef{Digest: text.Digest, Dir: true}, "not found"},
		"a digest that is none":      {attempt.ArtifactRef{Digest: "sha256:../../../etc/passwd"}, "is not the digest"},
		"a digest of upper case":     {attempt.ArtifactRef{Digest: strings.ToUpper(text.Digest)}, "is not the digest"},
	} {
		t.Run(name, func(t *testing.T) {
			path, err := s.Path(tt.ref)
			switch {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want == "":
				if b, err := os.ReadFile(path); err != nil || string(b) != "1" {
					t.Errorf("read %q, %v", b, err)
				}
			case err == nil || !strings.Contains(err.Error(), tt.want):
				t.Errorf("error is %v, want %q", err, tt.want)
			}
		})
	}
	t.Run("a planted link does not lead out", func(t *testing.T) {
		root, err := s.Path(dir)
		must(t, err)
		must(t, os.Chmod(root, 0o755))
		must(t, os.Symlink("/etc", filepath.Join(root, "out")))
		if _, err := s.Path(at(dir, "out/passwd")); err == nil || !strings.Contains(err.Error(), "leads out") {
			t.Errorf("error is %v", err)
		}
		if err := s.Verify(t.Context(), dir); err == nil {
			t.Error("Verify saw nothing")
		}
	})
}

func TestOpenReadsSmallFilesOnly(t *testing.T) {
	s := open(t)
	big := filepath.Join(t.TempDir(), "big")
	must(t, os.WriteFile(big, nil, 0o644))
	must(t, os.Truncate(big, OpenLimit+1))
	ref := put(t, s, tree{"metrics.json": "{}", "d/x": "y"}.write(t))
	if got := read(t, s, ref, "metrics.json"); got != "{}" {
		t.Errorf("read %q", got)
	}
	if _, err := s.Open(put(t, s, big), ""); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a large file: error is %v", err)
	}
	if _, err := s.Open(ref, "d"); err == nil || !strings.Contains(err.Error(), "folder") {
		t.Errorf("a folder: error is %v", err)
	}
	if _, err := s.Open(ref, "none"); !errors.Is(err, ErrNotFound) {
		t.Errorf("a missing file: error is %v", err)
	}
}

func TestVerifySeesDamage(t *testing.T) {
	s := open(t)
	for _, ref := range []attempt.ArtifactRef{put(t, s, file(t, "text")), put(t, s, tree{"d/a": "text"}.write(t))} {
		at, err := s.Path(ref)
		must(t, err)
		if ref.Dir {
			at = filepath.Join(at, "d/a")
		}
		must(t, os.Chmod(at, 0o644))
		must(t, os.WriteFile(at, []byte("tent"), 0))
		if err := s.Verify(t.Context(), ref); !errors.Is(err, ErrDamaged) {
			t.Errorf("%+v: error is %v", ref, err)
		}
	}
}

func TestCopyOutMakesAWritableCopy(t *testing.T) {
	s := open(t)
	ref := put(t, s, tree{"d/a": "1", "run": "+x #!", "l": "-> d/a"}.write(t))
	dst := filepath.Join(t.TempDir(), "out")
	must(t, s.CopyOut(t.Context(), ref, dst))
	must(t, os.WriteFile(filepath.Join(dst, "d/new"), nil, 0o644))
	must(t, os.Remove(filepath.Join(dst, "d/new")))
	if err := s.CopyOut(t.Context(), ref, dst); !errors.Is(err, fs.ErrExist) {
		t.Errorf("copying onto something: error is %v", err)
	}
	if again := put(t, s, dst); again != ref {
		t.Errorf("the copy is %+v, want %+v", again, ref)
	}
	ref.SubPath = "run"
	one := filepath.Join(t.TempDir(), "one")
	must(t, s.CopyOut(t.Context(), ref, one))
	info, err := os.Stat(one)
	must(t, err)
	if info.Mode().Perm() != 0o755 {
		t.Errorf("mode of an executable is %v", info.Mode())
	}
	left, err := os.ReadDir(filepath.Dir(one))
	must(t, err)
	if len(left) != 1 {
		t.Errorf("left beside the copy: %v", left)
	}
}
