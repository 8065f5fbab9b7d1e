package process

import (
	"os"
	"path/filepath"
	"testing"
)

func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if target, isLink := cutLink(text); isLink {
			if err := os.Symlink(target, path); err != nil {
				t.Fatal(err)
			}
		} else if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func cutLink(text string) (string, bool) {
	if len(text) > 3 && text[:3] == "-> " {
		return text[3:], true
	}
	return "", false
}

func TestViewFollowsLinksWithinTheRootOnly(t *testing.T) {
	secret := tree(t, map[string]string{"passwd": "secret"})
	root := tree(t, map[string]string{
		"etc/passwd": "own", "f": "f", "abs": "-> /etc/passwd", "up": "-> ../../../../../etc/passwd",
		"dir": "-> /etc", "out": "-> " + secret + "/passwd", "loop": "-> loop", "chain": "-> dir/../abs",
		"host/link": "-> ../f", "vol/x": "hidden",
	})
	vol := tree(t, map[string]string{"x": "volume", "back": "-> ../f", "away": "-> /etc/passwd"})
	v := &view{}
	v.add(place{at: "/", dir: root})
	v.add(place{at: "/vol", dir: vol})
	for _, c := range []struct{ path, want string }{
		{"/f", "f"}, {"/abs", "own"}, {"/up", "own"}, {"/dir/passwd", "own"}, {"/chain", "own"}, {"/host/link", "f"},
		{"/out", ""}, {"/none", ""}, {"/f/below", ""}, {"/none/below", ""}, {"/../../f", "f"},
		{"/vol/x", "volume"}, {"/vol/back", "f"}, {"/vol/away", "own"}, {"/vol/../f", "f"},
	} {
		n, err := v.lookup(c.path)
		if err != nil {
			t.Errorf("%s: %v", c.path, err)
			continue
		}
		var got []byte
		if n.exists() {
			if got, err = os.ReadFile(n.top()); err != nil {
				t.Error(err)
			}
		}
		if string(got) != c.want {
			t.Errorf("%s is %q, want %q", c.path, got, c.want)
		}
	}
	if _, err := v.lookup("/loop"); err == nil {
		t.Error("a loop of links ended")
	}
}

func TestCopyMergesAndKeepsWhatIsThere(t *testing.T) {
	src := tree(t, map[string]string{"a": "theirs", "d/b": "theirs", "d/c": "theirs", "l": "-> a"})
	dst := tree(t, map[string]string{"a": "own", "d/b": "own", "e": "own"})
	v, n := plain(src)
	if err := v.copyNode(n, dst); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"a": "own", "d/b": "own", "d/c": "theirs", "e": "own", "l": "own"} {
		if got, err := os.ReadFile(filepath.Join(dst, name)); string(got) != want {
			t.Errorf("%s is %q (%v), want %q", name, got, err, want)
		}
	}
}

func TestCopyLeavesOutTheFolderThatItIsIn(t *testing.T) {
	src := tree(t, map[string]string{"a": "x", "data/attempts/old": "x"})
	dst := filepath.Join(src, "data/attempts/new")
	v, n := plain(src)
	var err error
	if v.hidden, err = os.Stat(filepath.Join(src, "data")); err != nil {
		t.Fatal(err)
	}
	if err := v.copyNode(n, dst); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dst, "a")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dst, "data")); !os.IsNotExist(err) {
		t.Errorf("the copy holds what it is in: %v", err)
	}
}

func TestToolFolders(t *testing.T) {
	home := tree(t, map[string]string{".pyenv/shims/python": "", ".pyenv/bin/x": "", ".local/bin/x": "", ".local/lib/x": "", "bin/x": "", "p/.venv/bin/x": ""})
	path := ""
	for _, dir := range []string{".pyenv/shims", ".pyenv/bin", ".local/bin", "bin", "p/.venv/bin", "none/bin"} {
		path += filepath.Join(home, dir) + ":"
	}
	got := toolFolders(path+"/usr/bin:/bin:relative", home, "/nowhere")
	want := []string{".pyenv", ".local/bin", ".local/lib", "bin", "p/.venv"}
	if len(got) != len(want) {
		t.Fatalf("they are %q, want %q", got, want)
	}
	for i := range want {
		if got[i] != filepath.Join(home, want[i]) {
			t.Errorf("number %d is %s, want %s", i, got[i], want[i])
		}
	}
}
