package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"
)

// view knows which file of the host is behind each path that an attempt sees,
// so that the attempt's folders can be filled before it runs and read after it
// has ended, when its mounts are gone. A view of an attempt without namespaces
// has no place but "/", its working folder.
type view struct {
	places []place // outermost first
	// hidden is a folder of the host that is not copied with what holds it: pawl's
	// own data, in which the copy may be. nil: none.
	hidden fs.FileInfo
}

// place is a folder or file of the host at a path of the attempt.
type place struct {
	at     string
	dir    string // the content; of an overlay, what was written
	lower  string // of an overlay: what lies below
	frozen bool   // not the attempt's: never moved away
	host   string // the name of the host's top-level folder that this is
	volume bool   // a volume that can be written to
}

func (p place) readOnly() bool { return p.frozen && !p.volume }

// node is one file or folder as the attempt sees it: in one or both layers.
type node struct {
	at     string
	upper  string
	lower  string
	frozen bool
}

func (n node) exists() bool { return n.upper != "" || n.lower != "" }

// top is the layer that n's type, mode and, if it is a file, content are of.
func (n node) top() string {
	if n.upper != "" {
		return n.upper
	}
	return n.lower
}

func (v *view) add(p place) {
	for i := range v.places {
		if v.places[i].at == p.at {
			v.places[i] = p
			return
		}
	}
	v.places = append(v.places, p)
	sort.SliceStable(v.places, func(i, j int) bool { return len(v.places[i].at) < len(v.places[j].at) })
}

// placeOf returns the innermost place that holds the clean path at, which goes
// through no symbolic link, and the rest of the path within it.
func (v *view) placeOf(at string) (place, string) {
	for i := len(v.places) - 1; i >= 0; i-- {
		if p := v.places[i]; within(p.at, at) {
			return p, strings.TrimPrefix(strings.TrimPrefix(at, p.at), "/")
		}
	}
	panic("process: a view without a root")
}

// hasBelow says whether something is mounted below at.
func (v *view) hasBelow(at string) bool {
	for _, p := range v.places {
		if p.at != at && within(at, p.at) {
			return true
		}
	}
	return false
}

// layers is how many overlays there are.
func (v *view) layers() (n int) {
	for _, p := range v.places {
		if p.lower != "" {
			n++
		}
	}
	return n
}

// start is the node at the root of p.
func (p place) start() node {
	n := node{at: p.at, upper: p.dir, lower: p.lower, frozen: p.frozen}
	if isOpaque(n.upper) {
		n.lower = ""
	}
	return n
}

// child returns what name is in n, a node that does not exist if it is nothing.
func (v *view) child(n node, name string) (node, error) {
	c := node{at: path.Join(n.at, name), frozen: n.frozen}
	for _, p := range v.places {
		if p.at == c.at {
			return p.start(), nil
		}
	}
	var upper, lower fs.FileInfo
	var err error
	if n.upper != "" {
		if upper, err = lstat(n.upper, name); err != nil {
			return c, err
		}
		if upper != nil && isWhiteout(filepath.Join(n.upper, name), upper) {
			return c, nil
		}
	}
	if n.lower != "" {
		if lower, err = lstat(n.lower, name); err != nil {
			return c, err
		}
	}
	if upper != nil {
		c.upper = filepath.Join(n.upper, name)
	}
	if lower != nil && (upper == nil || upper.IsDir() && lower.IsDir() && !isOpaque(c.upper)) {
		c.lower = filepath.Join(n.lower, name)
	}
	return c, nil
}

// lstat returns nil for what does not exist.
func lstat(dir, name string) (fs.FileInfo, error) {
	info, err := os.Lstat(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNotDir) {
		return nil, nil
	}
	return info, err
}

const maxLinks = 40

// lookup finds what is at the attempt's path at. It follows symbolic links as
// the attempt would, within its root, so that none leads out of it.
func (v *view) lookup(at string) (node, error) {
	links := 0
	n := v.places[0].start()
	todo := elements(at)
	for len(todo) > 0 {
		name := todo[0]
		todo = todo[1:]
		if name == ".." {
			up, err := v.lookup(path.Dir(n.at))
			if err != nil {
				return node{}, err
			}
			n = up
			continue
		}
		c, err := v.child(n, name)
		if err != nil || !c.exists() {
			c.at = path.Join(append([]string{n.at, name}, todo...)...)
			return c, err
		}
		info, err := os.Lstat(c.top())
		if err != nil {
			return node{}, err
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			n = c
			continue
		}
		if links++; links > maxLinks {
			return node{}, fmt.Errorf("%s: too many symbolic links", at)
		}
		target, err := os.Readlink(c.top())
		if err != nil {
			return node{}, err
		}
		if path.IsAbs(target) {
			n = v.places[0].start()
		}
		todo = append(elements(target), todo...)
	}
	return n, nil
}

// elements splits a path, dropping what says nothing.
func elements(p string) []string {
	var list []string
	for _, e := range strings.Split(p, "/") {
		if e != "" && e != "." {
			list = append(list, e)
		}
	}
	return list
}
