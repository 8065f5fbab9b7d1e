package promotion

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestAnOverlayChangesOneFileAndHidesNothing(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"a": "old", "b": "other"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("b", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	o := overlay{os.DirFS(dir), "a", []byte("newer")}
	for name, want := range map[string]string{"a": "newer", "b": "other", "link": "other"} {
		if got, err := fs.ReadFile(o, name); err != nil || string(got) != want {
			t.Errorf("%s reads as %q, %v; want %q", name, got, err, want)
		}
		f, err := o.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(f)
		if f.Close(); err != nil || string(got) != want {
			t.Errorf("%s opened reads as %q, %v; want %q", name, got, err, want)
		}
		if info, err := fs.Stat(o, name); err != nil || info.Size() != int64(len(want)) {
			t.Errorf("%s is described as %v, %v", name, info, err)
		}
	}
	if info, err := fs.Lstat(o, "link"); err != nil || info.Mode().Type() != fs.ModeSymlink {
		t.Errorf("the link is described as %v, %v", info, err)
	}
	if target, err := fs.ReadLink(o, "link"); err != nil || target != "b" {
		t.Errorf("the link points to %q, %v", target, err)
	}
	if entries, err := fs.ReadDir(o, "."); err != nil || len(entries) != 3 {
		t.Errorf("the folder holds %v, %v", entries, err)
	}
}
