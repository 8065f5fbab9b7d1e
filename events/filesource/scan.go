package filesource

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// scan lists the regular files of a directory; a link counts as what it points
// to. A file that goes while it is looked at is not there.
func scan(directory string) (map[string]File, error) {
	entries, err := os.ReadDir(directory)
	if err != nil {
		return nil, fmt.Errorf("reading folder %s: %w", directory, err)
	}
	found := make(map[string]File, len(entries))
	for _, e := range entries {
		f, ok, err := look(filepath.Join(directory, e.Name()))
		if err != nil {
			return nil, err
		}
		if ok {
			found[e.Name()] = f
		}
	}
	return found, nil
}

func look(path string) (File, bool, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return File{}, false, nil
	}
	if err != nil {
		return File{}, false, fmt.Errorf("looking at file %s: %w", path, err)
	}
	if !info.Mode().IsRegular() {
		return File{}, false, nil
	}
	return File{Size: info.Size(), ModTime: info.ModTime(), Inode: inode(info), Mode: info.Mode()}, true, nil
}
