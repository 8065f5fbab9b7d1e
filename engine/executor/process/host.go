package process

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// hostEntry is one name in the host's root folder that private roots show.
type hostEntry struct {
	name string
	link string // the target, if it is a symbolic link
}

// hidden are the host's top-level folders that a private root has its own of,
// or that are nobody's business.
func hidden(name string) bool {
	switch name {
	case "proc", "dev", "tmp", "run", "home", "root", "boot", "lost+found":
		return true
	}
	return false
}

// hostEntries reads the host's root folder: what holds something and is not
// hidden.
func hostEntries() ([]hostEntry, error) {
	list, err := os.ReadDir("/")
	if err != nil {
		return nil, err
	}
	var entries []hostEntry
	for _, e := range list {
		switch {
		case hidden(e.Name()):
		case e.Type()&os.ModeSymlink != 0:
			if target, err := os.Readlink("/" + e.Name()); err == nil {
				entries = append(entries, hostEntry{name: e.Name(), link: target})
			}
		case e.IsDir() && !emptyDir("/"+e.Name()):
			entries = append(entries, hostEntry{name: e.Name()})
		}
	}
	return entries, nil
}

func emptyDir(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return true // what cannot be read cannot be used
	}
	defer f.Close()
	names, _ := f.Readdirnames(1)
	return len(names) == 0
}

// toolFolders are the folders of programs that lie where private roots show
// nothing of the host (in home folders, mostly) and that PATH names: a Python
// of pyenv, conda or a virtual environment. They stay visible, read-only. For
// <folder>/bin and the like it is the whole folder, since programs need their
// libraries; of a shared one such as ~/.local only bin and lib.
func toolFolders(path, home, data string) []string {
	var tools []string
	for _, dir := range filepath.SplitList(path) {
		if !filepath.IsAbs(dir) || !hidden(firstElement(dir)) && !within(home, dir) {
			continue
		}
		dir = filepath.Clean(dir)
		folder := filepath.Dir(dir)
		candidates := []string{folder}
		switch base := filepath.Base(dir); {
		case within(dir, data) || within(data, dir):
			continue
		case base != "bin" && base != "sbin" && base != "shims" && base != "condabin",
			folder == home, strings.Count(folder, "/") < 2:
			candidates = []string{dir}
		case filepath.Base(folder) == ".local":
			candidates = []string{dir, filepath.Join(folder, "lib")}
		}
		for _, c := range candidates {
			if info, err := os.Stat(c); err == nil && info.IsDir() && !within(c, data) {
				tools = appendOutermost(tools, c)
			}
		}
	}
	return tools
}

// appendOutermost adds dir to list unless one there contains it, and drops
// what dir contains.
func appendOutermost(list []string, dir string) []string {
	kept := list[:0]
	for _, l := range list {
		if within(l, dir) {
			return list
		}
		if !within(dir, l) {
			kept = append(kept, l)
		}
	}
	return append(kept, dir)
}

// within says whether path is dir or below it; both are clean. An empty dir
// contains nothing.
func within(dir, path string) bool {
	if dir == "" {
		return false
	}
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

func firstElement(path string) string {
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return first
}

// makeSkeleton makes what every private root has before anything is mounted:
// the names of the host's folders, and folders of its own.
func makeSkeleton(root string, host []hostEntry, tools []string, home string) error {
	dirs := []string{"", "proc", "dev", "tmp", "run", "run/pawl", workspace, home}
	for _, e := range host {
		if e.link == "" {
			dirs = append(dirs, e.name)
		} else if err := makeLink(root, e); err != nil {
			return err
		}
	}
	for _, dir := range append(dirs, tools...) {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			return err
		}
	}
	return os.Chmod(filepath.Join(root, "tmp"), 0o777|os.ModeSticky)
}

func makeLink(root string, e hostEntry) error {
	if err := os.MkdirAll(root, 0o755); err != nil {
		return err
	}
	return os.Symlink(e.link, filepath.Join(root, e.name))
}

// keepSkeleton makes the skeleton that overlays share, once for each form that
// it had on this machine, and returns its path.
func keepSkeleton(data string, host []hostEntry, tools []string, home string) (string, error) {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q", host, tools, home))
	path := filepath.Join(data, "skeleton-"+hex.EncodeToString(sum[:8]))
	if _, err := os.Lstat(path); err == nil {
		return path, nil
	}
	tmp, err := os.MkdirTemp(data, "skeleton-tmp-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	if err := makeSkeleton(tmp, host, tools, home); err != nil {
		return "", err
	}
	if err := os.Chmod(tmp, 0o755); err != nil {
		return "", err
	}
	if err := os.Rename(tmp, path); err != nil {
		if _, e := os.Lstat(path); e != nil {
			return "", err // nor has another made it
		}
	}
	return path, nil
}
