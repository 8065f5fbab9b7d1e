package events

import "strings"

// FileOp is a set of operations on a file, numbered as in the payload of Argo Events.
type FileOp uint32

// The operations.
const (
	FileCreate FileOp = 1 << iota // a file is there that was not, or another one in its place
	FileWrite                     // the content is another, or a new file has one
	FileRemove
	FileRename // away from the name
	FileChmod
)

// FileOpNames is the names of the single operations.
func FileOpNames() []string { return []string{"CREATE", "WRITE", "REMOVE", "RENAME", "CHMOD"} }

// ParseFileOp reads the name of one operation.
func ParseFileOp(name string) (FileOp, bool) {
	for i, n := range FileOpNames() {
		if n == name {
			return 1 << i, true
		}
	}
	return 0, false
}

func (op FileOp) String() string {
	var names []string
	for i, n := range FileOpNames() {
		if op&(1<<i) != 0 {
			names = append(names, n)
		}
	}
	return strings.Join(names, "|")
}
