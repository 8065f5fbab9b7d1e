package render

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Limits bound what one build may read. Zero fields mean the defaults.
type Limits struct {
	Depth     int   // of kustomizations within kustomizations; default 20
	Folders   int   // kustomizations, each as often as it is used; default 500
	Files     int   // default 5,000
	FileBytes int64 // of one file; default 10 MiB
	Bytes     int64 // of all files; default 32 MiB
	// Objects is how many may be rendered; kustomize takes time by their
	// square. Default 2,000.
	Objects int
}

func (l Limits) filled() Limits {
	orInt := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	orInt(&l.Depth, 20)
	orInt(&l.Folders, 500)
	orInt(&l.Files, 5000)
	orInt(&l.Objects, 2000)
	if l.FileBytes == 0 {
		l.FileBytes = 10 << 20
	}
	if l.Bytes == 0 {
		l.Bytes = 32 << 20
	}
	return l
}

// refusal is why a path is not followed, for people: it completes "PATH …".
type refusal struct {
	message string
	hint    string
}

func (r *refusal) Error() string { return r.message }

func refuse(hint, format string, args ...any) error {
	return &refusal{message: fmt.Sprintf(format, args...), hint: hint}
}

// tree reads the files of one Snapshot for one build. It follows links itself,
// so that none leads outside, whatever the file system underneath does.
type tree struct {
	fsys   fs.FS
	limits Limits
	read   map[string][]byte
	links  map[string]bool // followed
	bytes  int64
}

func newTree(fsys fs.FS, limits Limits) *tree {
	return &tree{fsys: fsys, limits: limits, read: map[string][]byte{}, links: map[string]bool{}}
}

const maxLinks = 40

// missing is the refusal of a path that is not there.
const missing = "does not exist"

// resolve follows name to the file or folder that it means, through links.
func (t *tree) resolve(name string) (resolved string, info fs.FileInfo, err error) {
	const hint = "copy what is needed into the repository"
	rest := strings.Split(path.Clean(name), "/")
	at, links := ".", 0
	info, err = fs.Stat(t.fsys, ".")
	if err != nil {
		return "", nil, fmt.Errorf("reading the root of the files: %w", err)
	}
	for len(rest) > 0 {
		part := rest[0]
		rest = rest[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			if at == "." {
				return "", nil, refuse(hint, "leads out of the repository")
			}
			at = path.Dir(at)
			if info, err = fs.Lstat(t.fsys, at); err != nil {
				return "", nil, fmt.Errorf("reading %s: %w", at, err)
			}
			continue
		}
		next := path.Join(at, part)
		info, err = fs.Lstat(t.fsys, next)
		if errors.Is(err, fs.ErrNotExist) || err == nil && len(rest) > 0 && info.Mode().IsRegular() {
			return "", nil, refuse("", missing)
		}
		if err != nil {
			return "", nil, fmt.Errorf("reading %s: %w", next, err)
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			at = next
			continue
		}
		target, err := fs.ReadLink(t.fsys, next)
		if err != nil {
			return "", nil, fmt.Errorf("reading the link %s: %w", next, err)
		}
		if links++; links > maxLinks {
			return "", nil, refuse("", "is a link that leads to itself")
		}
		if path.IsAbs(target) {
			return "", nil, refuse(hint, "leads out of the repository by the link %s to %s", next, target)
		}
		t.links[next] = true
		rest = append(strings.Split(target, "/"), rest...)
	}
	if !info.Mode().IsRegular() && !info.IsDir() {
		return "", nil, refuse("", "is neither a file nor a folder")
	}
	return at, info, nil
}

// file reads a regular file that resolve returned.
func (t *tree) file(name string) ([]byte, error) {
	if data, ok := t.read[name]; ok {
		return data, nil
	}
	if len(t.read) >= t.limits.Files {
		return nil, refuse("sync a smaller folder", "is one file more than the %d that one build may read", t.limits.Files)
	}
	info, err := fs.Stat(t.fsys, name)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	if info.Size() > t.limits.FileBytes {
		return nil, refuse("", "has %d bytes, more than the %d that a file may have", info.Size(), t.limits.FileBytes)
	}
	if t.bytes += info.Size(); t.bytes > t.limits.Bytes {
		return nil, refuse("sync a smaller folder", "brings the files of this build over %d bytes", t.limits.Bytes)
	}
	data, err := fs.ReadFile(t.fsys, name)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	t.read[name] = data
	return data, nil
}

// isMissing reports whether resolve found nothing.
func isMissing(err error) bool {
	var no *refusal
	return errors.As(err, &no) && no.message == missing
}

// fewDocuments refuses a file with more documents than objects may be rendered,
// before time is spent on parsing them.
func (t *tree) fewDocuments(data []byte) error {
	if n := bytes.Count(data, []byte("\n---")); n > t.limits.Objects {
		return refuse("sync them in several folders", "has %d documents, more than the %d objects that one build may have", n, t.limits.Objects)
	}
	return nil
}

// files are the files that were read and the links on the way to them.
func (t *tree) files() []string {
	names := make([]string, 0, len(t.read)+len(t.links))
	for name := range t.read {
		names = append(names, name)
	}
	for name := range t.links {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// kustomizationNames are the names that kustomize looks for.
func kustomizationNames() []string {
	return []string{"kustomization.yaml", "kustomization.yml", "Kustomization"}
}

// kustomization finds the kustomization of a folder; "" when it has none.
func (t *tree) kustomization(dir string) (string, error) {
	var found string
	for _, name := range kustomizationNames() {
		_, info, err := t.resolve(path.Join(dir, name))
		if isMissing(err) || err == nil && info.IsDir() {
			continue
		}
		if err != nil {
			return "", err
		}
		if found != "" {
			return "", refuse("remove one", "has both %s and %s", found, name)
		}
		found = name
	}
	return found, nil
}
