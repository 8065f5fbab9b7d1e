// Package modelfilestest has what tests of models on disk need.
package modelfilestest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// Hash is a modelfiles.Hash: the sha256 of a file's bytes, or of the names,
// kinds and hashes of what is in a folder.
func Hash(ctx context.Context, path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	if !info.IsDir() {
		data, err := os.ReadFile(path)
		h.Write(data)
		return fmt.Sprintf("sha256:%x", h.Sum(nil)), err
	}
	err = filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == path {
			return err
		}
		rel, err := filepath.Rel(path, p)
		fmt.Fprintf(h, "%q %s ", rel, d.Type())
		switch {
		case d.Type().IsRegular():
			info, err := d.Info()
			if err != nil {
				return err
			}
			sum, err := Hash(ctx, p)
			fmt.Fprint(h, info.Mode()&0o111 != 0, sum)
			return err
		case d.Type() == fs.ModeSymlink:
			target, err := os.Readlink(p)
			fmt.Fprintf(h, "%q", target)
			return err
		}
		return err
	})
	return fmt.Sprintf("sha256:%x", h.Sum(nil)), err
}

// Model makes a folder of the given files and returns it with its digest.
func Model(t testing.TB, files map[string]string) (dir, digest string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "model")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	digest, err := Hash(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	return dir, digest
}
