package filesource

import (
	"io/fs"
	"maps"
	"slices"
	"time"

	"github.com/pawl-dev/pawl/events"
)

// File is what is known of a file: enough to see that it is another one or has
// another content.
type File struct {
	Size    int64       `json:"size"`
	ModTime time.Time   `json:"mtime"`
	Inode   uint64      `json:"inode,omitempty"` // 0 where the system has none
	Mode    fs.FileMode `json:"mode,omitempty"`
}

// sameContent reports whether nothing says that the content is another one. The
// inode does not count: a restored backup has new ones.
func (f File) sameContent(o File) bool { return f.Size == o.Size && f.ModTime.Equal(o.ModTime) }

// A change is what a scan found: an operation on a file, and the file as it is,
// or was before it went.
type change struct {
	name string
	op   events.FileOp
	file File
}

// hints is what the system said of names since the last scan. They make a change
// more exact; without them nothing is missed.
type hints map[string]events.FileOp

// diff compares what is known with those found that match, in the order of
// names. A file that is new and has content is both created and written.
func diff(known, found map[string]File, matches func(string) bool, said hints) []change {
	var changes []change
	inodes := map[uint64]bool{}
	for _, f := range found {
		inodes[f.Inode] = f.Inode != 0
	}
	names := make(map[string]File, len(known))
	maps.Copy(names, known)
	maps.Copy(names, found)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if !matches(name) {
			continue
		}
		was, before := known[name]
		is, now := found[name]
		switch {
		case !now && (inodes[was.Inode] || said[name]&events.FileRename != 0):
			changes = append(changes, change{name, events.FileRename, was})
		case !now:
			changes = append(changes, change{name, events.FileRemove, was})
		case before && was.sameContent(is):
			if was.Mode != is.Mode {
				changes = append(changes, change{name, events.FileChmod, is})
			}
		case before && was.Inode == is.Inode && said[name]&events.FileCreate == 0:
			changes = append(changes, change{name, events.FileWrite, is})
		case is.Size > 0:
			changes = append(changes, change{name, events.FileCreate | events.FileWrite, is})
		default:
			changes = append(changes, change{name, events.FileCreate, is})
		}
	}
	return changes
}
