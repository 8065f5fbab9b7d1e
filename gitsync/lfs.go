package gitsync

import (
	"bytes"
	"errors"
	"fmt"
)

// ErrLFS: a file is a pointer into Git LFS, whose content is not in the commit.
var ErrLFS = errors.New("file is kept in Git LFS")

// CheckLFS refuses data that is a Git LFS pointer in place of the file's content.
func CheckLFS(path string, data []byte) error {
	if len(data) > 1024 || !bytes.HasPrefix(data, []byte("version https://git-lfs.github.com/spec/")) {
		return nil
	}
	return fmt.Errorf("%s: %w, which is not fetched: take it out of LFS (git lfs untrack, then commit it again)", path, ErrLFS)
}
