package promotion

import (
	"bytes"
	"io/fs"
	"path"
	"time"
)

// overlay is a file system with the content of one regular file replaced.
type overlay struct {
	fs.FS
	file    string
	content []byte
}

var (
	_ fs.ReadFileFS = overlay{}
	_ fs.StatFS     = overlay{}
	_ fs.ReadDirFS  = overlay{}
	_ fs.ReadLinkFS = overlay{} // a scan of a tree wants to see links
)

// Open opens a file.
func (o overlay) Open(name string) (fs.File, error) {
	if name != o.file {
		return o.FS.Open(name)
	}
	return &memoryFile{Reader: bytes.NewReader(o.content), info: o.info()}, nil
}

// ReadFile reads a file.
func (o overlay) ReadFile(name string) ([]byte, error) {
	if name != o.file {
		return fs.ReadFile(o.FS, name)
	}
	return bytes.Clone(o.content), nil
}

// Stat describes a file.
func (o overlay) Stat(name string) (fs.FileInfo, error) {
	if name != o.file {
		return fs.Stat(o.FS, name)
	}
	return o.info(), nil
}

// Lstat describes a file, and a link itself.
func (o overlay) Lstat(name string) (fs.FileInfo, error) {
	if name != o.file {
		return fs.Lstat(o.FS, name)
	}
	return o.info(), nil
}

// ReadLink is where a link points to.
func (o overlay) ReadLink(name string) (string, error) { return fs.ReadLink(o.FS, name) }

// ReadDir lists a folder; the sizes of the entries are those below.
func (o overlay) ReadDir(name string) ([]fs.DirEntry, error) { return fs.ReadDir(o.FS, name) }

func (o overlay) info() fs.FileInfo {
	return memoryInfo{name: path.Base(o.file), size: int64(len(o.content))}
}

type memoryFile struct {
	*bytes.Reader
	info fs.FileInfo
}

func (f *memoryFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *memoryFile) Close() error               { return nil }

type memoryInfo struct {
	name string
	size int64
}

func (i memoryInfo) Name() string       { return i.name }
func (i memoryInfo) Size() int64        { return i.size }
func (i memoryInfo) Mode() fs.FileMode  { return 0o644 }
func (i memoryInfo) ModTime() time.Time { return time.Time{} }
func (i memoryInfo) IsDir() bool        { return false }
func (i memoryInfo) Sys() any           { return nil }
