package gitsync

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Git's modes of tree entries.
const (
	modeTree       = 0o040000
	modeFile       = 0o100644
	modeExecutable = 0o100755
	modeSymlink    = 0o120000
	modeSubmodule  = 0o160000
)

// entry is one path of a commit as git stores it.
type entry struct {
	Mode   uint32
	Hash   string
	Size   int64
	Target string // of a symbolic link
}

// index is every path of a commit, folders too. It is kept beside the files, so
// that hashes are git's own and are known without the object store.
type index map[string]entry

func (x index) sorted() []string {
	names := make([]string, 0, len(x))
	for name := range x {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (x index) paths(mode uint32) []string {
	var names []string
	for name, e := range x {
		if e.Mode == mode {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (x index) encode() []byte {
	var b bytes.Buffer
	for _, name := range x.sorted() {
		e := x[name]
		fmt.Fprintf(&b, "%o %s %d %s\x00%s\x00", e.Mode, e.Hash, e.Size, name, e.Target)
	}
	return b.Bytes()
}

func decodeIndex(data []byte) (index, error) {
	x := index{}
	parts := strings.Split(string(data), "\x00")
	if len(parts)%2 != 1 || parts[len(parts)-1] != "" {
		return nil, fmt.Errorf("reading the index of a snapshot: it is cut off")
	}
	for i := 0; i+1 < len(parts); i += 2 {
		fields := strings.SplitN(parts[i], " ", 4)
		if len(fields) != 4 {
			return nil, fmt.Errorf("reading the index of a snapshot: bad entry %q", parts[i])
		}
		mode, err1 := strconv.ParseUint(fields[0], 8, 32)
		size, err2 := strconv.ParseInt(fields[2], 10, 64)
		if err1 != nil || err2 != nil {
			return nil, fmt.Errorf("reading the index of a snapshot: bad entry %q", parts[i])
		}
		x[fields[3]] = entry{Mode: uint32(mode), Hash: fields[1], Size: size, Target: parts[i+1]}
	}
	return x, nil
}

// checkLinks refuses symbolic links that lead out of the tree, followed as the
// system would follow them, through other links too.
func (x index) checkLinks() error {
	for _, name := range x.paths(modeSymlink) {
		if !x.staysInside(name) {
			return fmt.Errorf("%w: the symbolic link %s leads out of the repository, to %s", ErrRefused, name, x[name].Target)
		}
	}
	return nil
}

func (x index) staysInside(link string) bool {
	at := []string{} // the folder we are in
	todo := strings.Split(link, "/")
	for hops := 0; len(todo) > 0; {
		step := todo[0]
		todo = todo[1:]
		switch step {
		case "", ".":
			continue
		case "..":
			if len(at) == 0 {
				return false
			}
			at = at[:len(at)-1]
			continue
		}
		e, ok := x[path.Join(append(slices.Clone(at), step)...)]
		if !ok || e.Mode != modeSymlink {
			at = append(at, step)
			continue
		}
		if hops++; hops > 40 || strings.HasPrefix(e.Target, "/") {
			return false
		}
		todo = append(strings.Split(e.Target, "/"), todo...)
	}
	return true
}
