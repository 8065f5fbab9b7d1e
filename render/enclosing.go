package render

import (
	"fmt"
	"os"
	"path/filepath"
)

// Enclosing finds what to render a folder or file on disk in: root is the
// nearest folder around it that is a git repository's, or the root of the file
// system, and path is name within it. An overlay may build on what is beside
// it, so its own folder alone would not do.
func Enclosing(name string) (root, path string, err error) {
	full, err := filepath.Abs(name)
	if err == nil {
		full, err = filepath.EvalSymlinks(full)
	}
	if err != nil {
		return "", "", fmt.Errorf("finding %s: %w", name, err)
	}
	for root = full; filepath.Dir(root) != root; root = filepath.Dir(root) {
		if _, err := os.Stat(filepath.Join(root, ".git")); err == nil {
			break
		}
	}
	rel, err := filepath.Rel(root, full)
	if err != nil {
		return "", "", fmt.Errorf("finding %s in %s: %w", name, root, err)
	}
	return root, filepath.ToSlash(rel), nil
}
