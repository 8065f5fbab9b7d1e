package artifact

import (
	"context"
	"fmt"
	"os"
)

// Digest is what Put would call the file or folder at path, which stays as and
// where it is.
func Digest(ctx context.Context, path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("hashing %s: %w", path, err)
	}
	hash := hashFile
	if info.IsDir() {
		hash = hashTree
	}
	c, err := hash(ctx, path, readOnly)
	if err != nil {
		return "", fmt.Errorf("hashing %s: %w", path, err)
	}
	return c.digest(), nil
}
