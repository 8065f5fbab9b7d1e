package artifact

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"
)

// content is what was found in a file or folder.
type content struct {
	sum  [sha256.Size]byte
	size int64
}

func (c content) digest() string { return "sha256:" + hex.EncodeToString(c.sum[:]) }

// access says what hashing may do to what it reads.
type access int

const (
	readOnly access = iota
	// seal takes away all permissions to write, and returns only when the
	// content is on the disk.
	seal
)

// hashFile reads a file once.
func hashFile(ctx context.Context, path string, a access) (content, error) {
	if a == seal {
		if err := sealMode(path); err != nil {
			return content{}, err
		}
	}
	f, err := os.Open(path)
	if err != nil {
		return content{}, err
	}
	defer f.Close()
	if a == seal {
		beginSync(f) // the disk writes while we hash
	}
	h := sha256.New()
	n, err := copyBytes(ctx, h, f)
	if err != nil {
		return content{}, err
	}
	if a == seal {
		if err := f.Sync(); err != nil {
			return content{}, err
		}
	}
	return content{sum: [sha256.Size]byte(h.Sum(nil)), size: n}, nil
}

// sealMode leaves of a file's permissions the right to read and, if anybody
// had it, to execute.
func sealMode(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	mode := fs.FileMode(0o444)
	if executable(info.Mode()) {
		mode = 0o555
	}
	return os.Chmod(path, mode)
}

func executable(m fs.FileMode) bool { return m&0o111 != 0 }

// copyBytes copies until the end of r or of ctx.
func copyBytes(ctx context.Context, w io.Writer, r io.Reader) (int64, error) {
	buf := make([]byte, 256<<10)
	var total int64
	for {
		if err := ctx.Err(); err != nil {
			return total, err
		}
		n, err := r.Read(buf)
		if _, werr := w.Write(buf[:n]); werr != nil {
			return total, werr
		}
		total += int64(n)
		if errors.Is(err, io.EOF) {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// entry is one thing in a tree.
type entry struct {
	path    string // relative, with slashes
	mode    fs.FileMode
	target  string // of a link
	content content
}

// hashAtOnce is how many files of a tree are read at once: more than there are
// cores, since syncs wait for the disk and share its journal's commits.
const hashAtOnce = 8

// hashTree reads a folder once. Its digest is that of a listing: of every entry
// below it, in the order of their paths, the kind, whether a file is executable,
// its size and digest, a link's target. Owners, times and other permissions are
// no content.
func hashTree(ctx context.Context, root string, a access) (content, error) {
	entries, err := scan(root)
	if err != nil {
		return content{}, err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(hashAtOnce)
	for i := range entries {
		e := &entries[i]
		if !e.mode.IsRegular() {
			continue
		}
		g.Go(func() (err error) {
			e.content, err = hashFile(ctx, filepath.Join(root, e.path), a)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return content{}, err
	}
	if a == seal {
		if err := sealFolders(root, entries); err != nil {
			return content{}, err
		}
	}
	return listing(entries), nil
}

// sealFolders seals the folders below root; root itself is sealed when it has
// its place, since a folder that one may not write to cannot be moved.
func sealFolders(root string, entries []entry) error {
	for i := len(entries) - 1; i >= 0; i-- { // the deepest first
		if e := entries[i]; e.mode.IsDir() {
			path := filepath.Join(root, e.path)
			if err := os.Chmod(path, 0o555); err != nil {
				return err
			}
			if err := syncFolder(path); err != nil {
				return err
			}
		}
	}
	return syncFolder(root)
}

// listing is the digest and size of a tree. Its form never changes: digests
// are names.
func listing(entries []entry) content {
	h := sha256.New()
	var size int64
	fmt.Fprint(h, "pawl tree 1\n")
	for _, e := range entries {
		switch {
		case e.mode.IsDir():
			fmt.Fprint(h, "dir")
		case e.mode.IsRegular():
			kind := "file"
			if executable(e.mode) {
				kind = "exec"
			}
			fmt.Fprintf(h, "%s %d %x", kind, e.content.size, e.content.sum)
			size += e.content.size
		default:
			fmt.Fprint(h, "link ")
			writeString(h, e.target)
		}
		fmt.Fprint(h, " ")
		writeString(h, e.path)
		fmt.Fprint(h, "\n")
	}
	return content{sum: [sha256.Size]byte(h.Sum(nil)), size: size}
}

// writeString writes a string that no other can be mistaken for.
func writeString(h hash.Hash, s string) { fmt.Fprintf(h, "%d:%s", len(s), s) }

// scan lists what is below root, in the order of walking (a folder before what
// is in it, names by their bytes), and refuses what cannot be kept.
func scan(root string) ([]entry, error) {
	var entries []entry
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		e := entry{path: filepath.ToSlash(rel), mode: info.Mode()}
		if e.mode.Type() == fs.ModeSymlink {
			if e.target, err = os.Readlink(path); err != nil {
				return err
			}
		}
		entries = append(entries, e)
		return e.check()
	})
	return entries, err
}

// check refuses what cannot be kept, in words.
func (e entry) check() error {
	switch e.mode.Type() {
	case 0, fs.ModeDir:
		return nil
	case fs.ModeSymlink:
		if !staysInside(e.path, e.target) {
			return fmt.Errorf("%s is a link to %s, outside of the artifact (copy the file there instead): %w", e.path, e.target, ErrRefused)
		}
		return nil
	}
	return fmt.Errorf("%s is %s: %w", e.path, kindInWords(e.mode), ErrRefused)
}

// staysInside reports whether a link leads to somewhere below the root. After
// the first name no ".." is let pass: that name may itself be a link, and ".."
// then leads from where it points.
func staysInside(link, target string) bool {
	if target == "" || strings.HasPrefix(target, "/") {
		return false
	}
	depth, named := strings.Count(link, "/"), false
	for _, part := range strings.Split(target, "/") {
		switch part {
		case "", ".":
		case "..":
			if depth--; named || depth < 0 {
				return false
			}
		default:
			named = true
		}
	}
	return true
}

func kindInWords(m fs.FileMode) string {
	switch {
	case m&fs.ModeSymlink != 0:
		return "a symbolic link"
	case m&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case m&fs.ModeSocket != 0:
		return "a socket"
	case m&fs.ModeDevice != 0:
		return "a device"
	}
	return "no file and no folder"
}
