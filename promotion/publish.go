package promotion

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"path/filepath"
	"strings"

	"github.com/pawl-dev/pawl/promotion/modelfiles"
)

// Artifact is a model to publish, as it lies in the artifact store.
type Artifact struct {
	Name   string // of the artifact; what a single file will be called
	Path   string // on disk: a file or a folder
	Digest string // "sha256:<64 hex>"
}

// Publish copies a model to <prefix>/<sha256>/ and returns that address, which
// never comes to mean anything else. Publishing twice copies once; what a crash
// left is swept; what is there already is hashed again, and never overwritten.
// The prefix is a file:/// address for now.
func Publish(ctx context.Context, prefix string, a Artifact, hash modelfiles.Hash) (uri string, err error) {
	folder, err := FilePath(prefix)
	if err != nil {
		return "", fmt.Errorf("publishing %s: %w", a.Name, err)
	}
	if !isHex(hexOf(a.Digest)) {
		return "", fmt.Errorf("publishing %s: %q is no sha256", a.Name, a.Digest)
	}
	if err := modelfiles.MakeFolder(folder); err != nil {
		return "", fmt.Errorf("publishing %s: %w", a.Name, err)
	}
	final := filepath.Join(folder, hexOf(a.Digest))
	check := func(dir string) error { return modelfiles.Check(ctx, dir, a.Digest, hash) }
	temporary := filepath.Join(folder, ".publishing-"+hexOf(a.Digest))
	err = modelfiles.Place(ctx, a.Path, a.Name, temporary, final, check)
	if errors.Is(err, fs.ErrExist) {
		err = check(final)
		if errors.Is(err, modelfiles.ErrDigest) {
			err = fmt.Errorf("%w; somebody changed what had been published: remove %s to publish it again", err, final)
		}
	}
	if err != nil {
		return "", fmt.Errorf("publishing %s: %w", a.Name, err)
	}
	return FileURI(final), nil
}

// FilePath is the absolute path that a file:/// address names.
func FilePath(uri string) (string, error) {
	u, err := url.Parse(uri)
	switch {
	case err != nil:
		return "", err
	case u.Scheme != "file":
		return "", fmt.Errorf("%q: pawl can publish to file:/// addresses only for now", uri)
	case u.Host != "" || u.RawQuery != "" || u.Fragment != "" || !path.IsAbs(u.Path):
		return "", fmt.Errorf("%q names no folder of this machine; write file:///absolute/folder", uri)
	case strings.ContainsRune(u.Path, 0):
		return "", fmt.Errorf("%q holds a NUL", uri)
	}
	return path.Clean(u.Path), nil
}

// PublishedFolder is the folder that the address of a published model names: the
// last part of its path is the digest itself, as Publish made it. An address that
// holds a digest and then leads elsewhere names any folder of the machine.
func PublishedFolder(uri string) (string, error) {
	folder, err := FilePath(uri)
	if err != nil {
		return "", err
	}
	digest := URIDigest(uri)
	if digest == "" || filepath.Base(folder) != hexOf(digest) || FileURI(folder) != uri {
		return "", fmt.Errorf("%q is no address of a published model, which is file:///PREFIX/SHA256 with nothing after it: take the one that its run published", uri)
	}
	return folder, nil
}

// FileURI is the file:/// address of an absolute path.
func FileURI(path string) string {
	return (&url.URL{Scheme: "file", Path: path}).String()
}
