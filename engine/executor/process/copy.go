package process

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// plain is a view of one folder of the host as it is, for copying from it.
func plain(dir string) (*view, node) {
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	v := &view{places: []place{{at: "/", dir: dir, frozen: true}}}
	return v, v.places[0].start()
}

// copyNode makes dst a private copy of n with all that is below it. Where dst
// exists already, files that are there are kept and folders are merged, as
// when an artifact meets a volume. Symbolic links are copied as links; sockets,
// pipes and devices are left out.
func (v *view) copyNode(n node, dst string) error {
	info, err := os.Lstat(n.top())
	if err != nil {
		return err
	}
	switch {
	case info.IsDir():
		if v.hidden != nil && os.SameFile(info, v.hidden) {
			return nil
		}
		return v.copyDir(n, info, dst)
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(n.top())
		if err != nil {
			return err
		}
		if err := os.Symlink(target, dst); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		return nil
	case info.Mode().IsRegular():
		return copyFile(n.top(), dst, info.Mode().Perm())
	}
	return nil
}

func (v *view) copyDir(n node, info fs.FileInfo, dst string) error {
	if err := os.Mkdir(dst, info.Mode().Perm()|0o700); err != nil {
		if there, e := os.Lstat(dst); !errors.Is(err, fs.ErrExist) || e != nil || !there.IsDir() {
			return err
		}
	}
	names, err := v.names(n)
	if err != nil {
		return err
	}
	for _, name := range names {
		c, err := v.child(n, name)
		if err != nil {
			return err
		}
		if !c.exists() {
			continue
		}
		if err := v.copyNode(c, filepath.Join(dst, name)); err != nil {
			return err
		}
	}
	return nil
}

// names lists what either layer of the folder n has.
func (v *view) names(n node) ([]string, error) {
	seen := map[string]bool{}
	var names []string
	for _, layer := range []string{n.upper, n.lower} {
		if layer == "" {
			continue
		}
		list, err := os.ReadDir(layer)
		if err != nil {
			return nil, err
		}
		for _, e := range list {
			if !seen[e.Name()] {
				seen[e.Name()] = true
				names = append(names, e.Name())
			}
		}
	}
	return names, nil
}

// copyFile copies a file unless dst exists. The copy is the owner's to write.
func copyFile(src, dst string, mode fs.FileMode) error {
	in, err := openFound(src, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := openFound(dst, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode|0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !reflink(out, in) {
		_, err = io.Copy(out, in)
	}
	if e := out.Close(); err == nil {
		err = e
	}
	if err != nil {
		return fmt.Errorf("copying %s: %w", src, err)
	}
	return nil
}
