package gitsync

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Ref is the object a full reference is at, "" when there is no such reference.
func (r *Repository) Ref(name string) (string, error) {
	for range 5 {
		data, err := os.ReadFile(filepath.Join(r.common, filepath.FromSlash(name)))
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.EISDIR) && !errors.Is(err, syscall.ENOTDIR) {
			return "", fmt.Errorf("reading %s of %s: %w", name, r.url, err)
		}
		if err != nil {
			// Loose before packed is the order that a concurrent git pack-refs
			// keeps safe: it removes the first after it has written the second.
			packed, err := r.packedRefs()
			return packed.hashes[name], err
		}
		value := strings.TrimSpace(string(data))
		target, symbolic := strings.CutPrefix(value, "ref: ")
		if !symbolic {
			if !hexWhole.MatchString(value) {
				return "", fmt.Errorf("reading %s of %s: %q is no object", name, r.url, value)
			}
			return value, nil
		}
		name = target
	}
	return "", fmt.Errorf("reading %s of %s: too many symbolic references", name, r.url)
}

// Branch is the commit a branch is at, "" when there is no such branch.
func (r *Repository) Branch(name string) (string, error) { return r.Ref("refs/heads/" + name) }

// Branches lists the names of all branches.
func (r *Repository) Branches() ([]string, error) {
	all, err := r.allRefs()
	return all.names("refs/heads/"), err
}

// head reads HEAD: the branch it names, or the commit it is detached at.
func (r *Repository) head() (ref, commit string) {
	if ref := headBranch(r.gitDir); !hexWhole.MatchString(ref) {
		return ref, ""
	}
	return "", headBranch(r.gitDir)
}

// fastRefs reads only the references that a revision can mean. What cannot be
// read is left out: the slow way then says why.
func (r *Repository) fastRefs(revision string) refs {
	all := refs{hashes: map[string]string{}}
	all.head, all.detach = r.head()
	names := []string{all.head}
	if revision != "" && revision != "HEAD" {
		names = []string{"refs/heads/" + revision, "refs/tags/" + revision}
		if strings.HasPrefix(revision, "refs/") {
			names = []string{revision}
		}
	}
	for _, name := range names {
		if checkRef(name) != nil {
			continue
		}
		if hash, err := r.Ref(name); err == nil && hash != "" {
			all.hashes[name] = hash
		}
	}
	return all
}

// allRefs lists every reference. Tags are not peeled.
func (r *Repository) allRefs() (refs, error) {
	all := refs{hashes: map[string]string{}}
	all.head, all.detach = r.head()
	root := filepath.Join(r.common, "refs")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // removed meanwhile
		}
		if err != nil || d.IsDir() || strings.HasSuffix(path, ".lock") {
			return err
		}
		name := "refs/" + filepath.ToSlash(strings.TrimPrefix(path, root+string(filepath.Separator)))
		if hash, err := r.Ref(name); err == nil && hash != "" {
			all.hashes[name] = hash
		}
		return nil
	})
	if err != nil {
		return refs{}, fmt.Errorf("listing the references of %s: %w", r.url, err)
	}
	packed, err := r.packedRefs()
	for name, hash := range packed.hashes {
		if _, ok := all.hashes[name]; !ok {
			all.hashes[name] = hash
		}
	}
	return all, err
}

func (r *Repository) packedRefs() (refs, error) {
	packed := refs{hashes: map[string]string{}}
	data, err := os.ReadFile(filepath.Join(r.common, "packed-refs"))
	if errors.Is(err, fs.ErrNotExist) {
		return packed, nil
	}
	if err != nil {
		return packed, fmt.Errorf("reading the packed references of %s: %w", r.url, err)
	}
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		hash, name, ok := strings.Cut(lines.Text(), " ")
		if ok && hexWhole.MatchString(hash) {
			packed.hashes[name] = hash
		}
	}
	return packed, lines.Err()
}
