package process

import (
	"os"
	"path/filepath"
	"testing"
)

// Between the look at a path and what is done there another step of the run may
// have put a link to a folder of the machine on the way.
func TestALinkThatTookAFoldersPlaceIsNotFollowed(t *testing.T) {
	volume, outside := tree(t, map[string]string{"part/f": "own"}), tree(t, map[string]string{"f": "secret"})
	v, _ := plain(volume)
	found, err := v.lookup("/part/f")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(volume, "part"), filepath.Join(volume, "aside")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(volume, "part")); err != nil {
		t.Fatal(err)
	}
	into := filepath.Join(t.TempDir(), "f")
	if err := v.copyNode(found, into); err == nil || exists(into) {
		t.Errorf("what is outside was copied: %v", err)
	}
	if err := writeFound(filepath.Join(volume, "part/new"), "x", 0o644); err == nil || exists(filepath.Join(outside, "new")) {
		t.Errorf("a file was made outside: %v", err)
	}
	if err := copyFile(filepath.Join(volume, "aside/f"), filepath.Join(volume, "part/new"), 0o644); err == nil || exists(filepath.Join(outside, "new")) {
		t.Errorf("a file was copied outside: %v", err)
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
