package filesource

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pawl-dev/pawl/events"
)

func TestDiff(t *testing.T) {
	file := func(inode uint64, size int64) File {
		return File{Size: size, ModTime: time.Unix(size, 0), Inode: inode, Mode: 0o644}
	}
	type files = map[string]File
	for _, test := range []struct {
		name         string
		known, found files
		said         hints
		want         string
	}{
		{"nothing changed", files{"a": file(1, 5)}, files{"a": file(1, 5)}, nil, ""},
		{"a restored backup has other inodes only", files{"a": file(1, 5)}, files{"a": file(9, 5)}, nil, ""},
		{"a new file with content is created and written", nil, files{"a": file(1, 5)}, nil, "CREATE|WRITE a"},
		{"an empty one is created", nil, files{"a": file(1, 0)}, nil, "CREATE a"},
		{"another content in the same file is written", files{"a": file(1, 5)}, files{"a": file(1, 6)}, nil, "WRITE a"},
		{"another file in its place is created", files{"a": file(1, 5)}, files{"a": file(2, 6)}, nil, "CREATE|WRITE a"},
		{"also where it has the inode again, if the system said so", files{"a": file(1, 5)}, files{"a": file(1, 6)}, hints{"a": events.FileRemove | events.FileCreate}, "CREATE|WRITE a"},
		{"a file that went is removed", files{"a": file(1, 5)}, nil, nil, "REMOVE a"},
		{"or renamed, if it is there under another name", files{"a": file(1, 5)}, files{"b.other": file(1, 5)}, nil, "RENAME a"},
		{"or the system said so", files{"a": file(1, 5)}, nil, hints{"a": events.FileRemove | events.FileRename}, "RENAME a"},
		{"without inodes nothing is renamed", files{"a": file(0, 5)}, files{"b.other": file(0, 5)}, nil, "REMOVE a"},
		{"another mode", files{"a": {Size: 1, Mode: 0o644}}, files{"a": {Size: 1, Mode: 0o600}}, nil, "CHMOD a"},
		{"names come in order", files{"c": file(1, 1)}, files{"b": file(2, 1), "a": file(3, 0)}, nil, "CREATE a, CREATE|WRITE b, REMOVE c"},
		{"names that do not match are nobody's", files{"x.other": file(1, 1)}, files{"y.other": file(2, 1)}, nil, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			for _, c := range diff(test.known, test.found, func(name string) bool { return !strings.HasSuffix(name, ".other") }, test.said) {
				got = append(got, fmt.Sprintf("%s %s", c.op, c.name))
			}
			if g := strings.Join(got, ", "); g != test.want {
				t.Errorf("got %q, want %q", g, test.want)
			}
		})
	}
}

// Asking who writes must not disturb those who do, nor this process, which the
// kernel signals when they come in between.
func TestAskingForWritersDisturbsNobody(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	if open, known := writers(path); open || !known {
		t.Skipf("this system cannot tell: %v, %v", open, known)
	}
	stop, stopped := make(chan struct{}), make(chan int)
	go func() {
		asked := 0
		for {
			select {
			case <-stop:
				stopped <- asked
				return
			default:
				writers(path)
				asked++
			}
		}
	}()
	for range 300 {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			t.Fatal(err)
		}
		if open, known := writers(path); known && !open {
			t.Error("a writer is not seen")
		}
		f.Close()
	}
	close(stop)
	if <-stopped == 0 {
		t.Error("nobody asked meanwhile")
	}
}
