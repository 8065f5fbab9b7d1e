// Package artifact keeps the files and folders that attempts leave, each once,
// under the digest of its content:
//
//	<root>/sha256/ab/<64 hex>/file    a file
//	<root>/sha256/ab/<64 hex>/tree/   a folder
//	<root>/tmp/<random>/              what one open Store is taking in
//
// What is kept is read-only and whole: it gets its name by a rename after it is
// on the disk. Several processes may use one root.
package artifact

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/pawl-dev/pawl/engine/attempt"
)

// OpenLimit is the largest file that Open reads.
const OpenLimit = 16 << 20

// What callers can act on. They come wrapped: use errors.Is.
var (
	// ErrNotFound means that the artifact, or the file in it, is not there.
	ErrNotFound = errors.New("not found")
	// ErrRefused means that something cannot be kept as an artifact: the user's
	// mistake, in words.
	ErrRefused = errors.New("cannot be kept as an artifact")
	// ErrTooLarge means that a file is larger than OpenLimit.
	ErrTooLarge = errors.New("too large")
	// ErrDamaged means that content and digest differ.
	ErrDamaged = errors.New("damaged")
)

// Store is a folder of artifacts. It is made by Open; its methods are safe for
// concurrent use.
type Store struct {
	root string
	tmp  *scratch
}

// Open opens the store in the folder root, and makes it if it is not there.
// What processes that are gone have left half taken in is removed.
func Open(root string) (*Store, error) {
	root, err := filepath.Abs(root)
	if err == nil {
		err = os.MkdirAll(filepath.Join(root, "sha256"), 0o755)
	}
	if err != nil {
		return nil, fmt.Errorf("opening artifact store: %w", err)
	}
	tmp, err := newScratch(filepath.Join(root, "tmp"))
	if err != nil {
		return nil, fmt.Errorf("opening artifact store %s: %w", root, err)
	}
	return &Store{root: root, tmp: tmp}, nil
}

// Root is the folder of the store.
func (s *Store) Root() string { return s.root }

// Close frees what Open took. No Put may be in progress.
func (s *Store) Close() error { return s.tmp.close() }

// Path is where the artifact, or what SubPath selects in it, really is, for
// mounting and reading; it must not be written to.
func (s *Store) Path(ref attempt.ArtifactRef) (string, error) {
	object, err := s.objectPath(ref)
	if err != nil {
		return "", err
	}
	if _, err := os.Lstat(object); errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("artifact %s in %s: %w", ref.Digest, s.root, ErrNotFound)
	} else if err != nil {
		return "", fmt.Errorf("artifact %s: %w", ref.Digest, err)
	}
	if ref.SubPath == "" {
		return object, nil
	}
	return within(object, ref, ref.SubPath)
}

// objectPath is where an artifact is, if it is there.
func (s *Store) objectPath(ref attempt.ArtifactRef) (string, error) {
	folder, err := s.objectFolder(ref.Digest)
	if err != nil {
		return "", err
	}
	return filepath.Join(folder, kindOf(ref.Dir)), nil
}

func (s *Store) objectFolder(digest string) (string, error) {
	sum, ok := strings.CutPrefix(digest, "sha256:")
	if b, err := hex.DecodeString(sum); !ok || err != nil || len(b) != 32 || strings.ToLower(sum) != sum {
		return "", fmt.Errorf("%q is not the digest of an artifact, which is sha256: and 64 hex digits", digest)
	}
	return filepath.Join(s.root, "sha256", sum[:2], sum), nil
}

// kindOf is what an artifact is called in its folder.
func kindOf(dir bool) string {
	if dir {
		return "tree"
	}
	return "file"
}

// within finds a file or folder in a tree. Links are followed, and kept inside.
func within(tree string, ref attempt.ArtifactRef, sub string) (string, error) {
	if !ref.Dir {
		return "", fmt.Errorf("artifact %s is a file, so there is no %q in it: %w", ref.Digest, sub, ErrNotFound)
	}
	local := filepath.FromSlash(strings.TrimPrefix(sub, "/"))
	if local == "" {
		return tree, nil
	}
	if !filepath.IsLocal(local) {
		return "", fmt.Errorf("path %q leads out of artifact %s", sub, ref.Digest)
	}
	base, err := filepath.EvalSymlinks(tree)
	if err != nil {
		return "", fmt.Errorf("artifact %s: %w", ref.Digest, err)
	}
	real, err := filepath.EvalSymlinks(filepath.Join(base, local))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return "", fmt.Errorf("%q in artifact %s: %w", sub, ref.Digest, ErrNotFound)
	}
	if err != nil {
		return "", fmt.Errorf("%q in artifact %s: %w", sub, ref.Digest, err)
	}
	if real != base && !strings.HasPrefix(real, base+string(filepath.Separator)) {
		return "", fmt.Errorf("path %q leads out of artifact %s", sub, ref.Digest)
	}
	return real, nil
}

// Open reads a small file: the artifact itself, or what SubPath selects, if
// file is empty, else the file of that path in it. More than OpenLimit bytes
// are ErrTooLarge.
func (s *Store) Open(ref attempt.ArtifactRef, file string) (io.ReadCloser, error) {
	at, err := s.Path(ref)
	if err == nil && file != "" {
		at, err = within(at, ref, file)
	}
	if err != nil {
		return nil, err
	}
	f, err := os.Open(at)
	if err != nil {
		return nil, fmt.Errorf("reading artifact %s: %w", ref.Digest, err)
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = fmt.Errorf("%q in artifact %s is a folder; name a file in it", file, ref.Digest)
	case info.Size() > OpenLimit:
		err = fmt.Errorf("%q in artifact %s has %d bytes, more than %d: %w", file, ref.Digest, info.Size(), OpenLimit, ErrTooLarge)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Verify reads the whole artifact, whatever SubPath selects, and returns
// ErrDamaged if it is not what its digest says.
func (s *Store) Verify(ctx context.Context, ref attempt.ArtifactRef) error {
	whole := ref
	whole.SubPath = ""
	at, err := s.Path(whole)
	if err != nil {
		return err
	}
	var found content
	if ref.Dir {
		found, err = hashTree(ctx, at, readOnly)
	} else {
		found, err = hashFile(ctx, at, readOnly)
	}
	if err != nil {
		return fmt.Errorf("verifying artifact %s: %w", ref.Digest, err)
	}
	if found.digest() != ref.Digest {
		return fmt.Errorf("artifact %s has the content of %s: %w", ref.Digest, found.digest(), ErrDamaged)
	}
	return nil
}
