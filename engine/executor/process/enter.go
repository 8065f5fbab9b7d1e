package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/pawl-dev/pawl/engine/attempt"
)

// show lets the attempt see a folder of the machine, read-only at its own place,
// where the private root does not show it anyway. Manifests name these folders,
// so none may hold, or lie in, what roots are there to hide.
func (s *stage) show(dir string) error {
	dir = path.Clean(dir)
	info, err := os.Stat(dir)
	if !s.isolated || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !info.IsDir() || !path.IsAbs(dir) {
		return mistakef("it is no folder")
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return err
	}
	if why := s.secret(real); why != "" {
		return mistakef("%s, which steps do not see", why)
	}
	if p, _ := s.view.placeOf(dir); p.host != "" {
		for _, m := range s.masked {
			if within(m, dir) {
				return mistakef("it is in %s, which steps do not see", m)
			}
		}
		return nil
	}
	at, err := s.mountPoint(dir, true)
	if err != nil {
		return err
	}
	s.bind(mountRead, at, real, place{frozen: true})
	return nil
}

// secret says why a folder of the machine, a path without symbolic links, is not
// shown even to those that ask for it: pawl's data and what holds it, whole home
// folders and the hidden ones in them, where keys lie, and the folder of the
// machine's sockets.
func (s *stage) secret(dir string) string {
	if within(s.data, dir) || within(dir, s.data) {
		return "it is, holds or lies in pawl's data folder"
	}
	for _, m := range s.masked {
		if within(dir, m) {
			return "it is or holds " + m
		}
	}
	if within("/run", dir) || within(dir, "/run") {
		return "it is or lies in /run"
	}
	for _, home := range []string{s.home, "/root"} {
		if hiddenBelow(home, dir) {
			return "it is a home folder or a hidden one in it"
		}
	}
	if user, _, _ := strings.Cut(strings.TrimPrefix(dir, "/home/"), "/"); dir == "/home" || within("/home", dir) && hiddenBelow("/home/"+user, dir) {
		return "it is a home folder or a hidden one in it"
	}
	return ""
}

// hiddenBelow says whether dir is home, or lies at or below a name in home that
// begins with a dot.
func hiddenBelow(home, dir string) bool {
	if home == "" || !within(home, dir) {
		return false
	}
	rest := strings.TrimPrefix(strings.TrimPrefix(dir, home), "/")
	return rest == "" || strings.HasPrefix(rest, ".")
}

// mountVolume shows a volume, or a part of it, at its path.
func (s *stage) mountVolume(m attempt.Mount) error {
	if !s.isolated {
		return mistakef("a volume needs --isolation namespaces, since its path is absolute")
	}
	if !path.IsAbs(m.Path) {
		return mistakef("the mount path must be absolute")
	}
	from, err := s.volumeFolder(m)
	if err != nil {
		return err
	}
	if m.SubPath != "" {
		if !filepath.IsLocal(m.SubPath) {
			return mistakef("subPath %q leaves the volume", m.SubPath)
		}
		v, _ := plain(from)
		n, err := v.lookup("/" + m.SubPath)
		if err != nil {
			return err
		}
		from = filepath.Join(from, n.at)
		if !n.exists() {
			if err := os.MkdirAll(from, 0o777); err != nil {
				return err
			}
		}
	}
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	at, err := s.mountPoint(m.Path, info.IsDir())
	if err != nil {
		return err
	}
	readOnly := m.ReadOnly || m.Files != nil
	kind := mountBind
	if readOnly {
		kind = mountRead
	}
	s.bind(kind, at, from, place{frozen: m.Shared || readOnly, volume: !readOnly})
	s.mounts[len(s.mounts)-1].NoLinks = m.SubPath != ""
	return nil
}

// volumeFolder is the folder of the host that holds the volume's content.
func (s *stage) volumeFolder(m attempt.Mount) (string, error) {
	if m.Shared {
		dir := filepath.Join(s.volumes, url(m.Volume))
		return dir, os.MkdirAll(dir, 0o777)
	}
	dir := filepath.Join(s.dir, "volume", url(m.Volume))
	if m.Files == nil {
		return dir, os.MkdirAll(dir, 0o777)
	}
	for name, text := range m.Files {
		if !filepath.IsLocal(name) {
			return "", mistakef("file name %q leaves the volume", name)
		}
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return "", err
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			return "", err
		}
	}
	return dir, os.MkdirAll(dir, 0o755)
}

// mountPoint makes sure that there is a folder or file at the path at to mount
// on, and returns the path without symbolic links.
func (s *stage) mountPoint(at string, dir bool) (string, error) {
	at = path.Clean(at)
	if at == "/" {
		return "", mistakef("nothing can be mounted on /")
	}
	for _, own := range []string{"/proc", "/dev"} {
		if within(own, at) && !within("/dev/shm", at) {
			return "", mistakef("%s belongs to the system", own)
		}
	}
	if dir {
		return s.makeDir(at)
	}
	n, err := s.view.lookup(at)
	if err != nil {
		return "", err
	}
	if n.exists() {
		if info, err := os.Stat(n.top()); err != nil || info.IsDir() {
			return "", mistakef("%s is a folder", at)
		}
		return n.at, nil
	}
	host, err := s.hostPath(n.at)
	if err != nil {
		return "", err
	}
	return n.at, writeFound(host, "", 0o644)
}

// enterInput puts an input artifact at its path.
func (s *stage) enterInput(in attempt.InputArtifact, at string) error {
	switch {
	case in.Raw != nil:
		return s.enterRaw(in, at)
	case in.Ref != nil:
		return s.enterRef(*in.Ref, at, in.Mode)
	}
	if _, err := s.makeDir(at); err != nil {
		return err
	}
	width := len(fmt.Sprint(len(in.Items) - 1))
	for i, ref := range in.Items {
		if err := s.enterRef(ref, path.Join(at, fmt.Sprintf("%0*d", width, i)), in.Mode); err != nil {
			return fmt.Errorf("item %d: %w", i, err)
		}
	}
	return nil
}

func (s *stage) enterRaw(in attempt.InputArtifact, at string) error {
	host, _, err := s.inputTarget(at)
	if err != nil {
		return err
	}
	mode := fileMode(in.Mode, 0o644)
	return writeFound(host, *in.Raw, mode)
}

// writeFound writes a file where a view has found that one can be written.
func writeFound(path, text string, mode fs.FileMode) error {
	f, err := openFound(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Chmod(mode), f.Close())
}

func fileMode(mode *int32, otherwise fs.FileMode) fs.FileMode {
	if mode == nil {
		return otherwise
	}
	return fs.FileMode(*mode).Perm()
}

// inputTarget is the host's file for an input at the path at, and the place
// that it is in.
func (s *stage) inputTarget(at string) (string, place, error) {
	n, err := s.view.lookup(at)
	if err != nil {
		return "", place{}, err
	}
	p, _ := s.view.placeOf(n.at)
	host, err := s.hostPath(n.at)
	return host, p, err
}

// enterRef puts content of the store at the path at. Within a volume it is
// merged: copied, what is there being kept. Elsewhere a folder gets a writable
// layer, a small file is copied and a large one is seen in place.
func (s *stage) enterRef(ref attempt.ArtifactRef, at string, mode *int32) error {
	from, info, err := s.content(ref)
	if err != nil {
		return err
	}
	n, err := s.view.lookup(at)
	if err != nil {
		return err
	}
	p, _ := s.view.placeOf(n.at)
	switch {
	case p.volume && p.at == n.at && !info.IsDir():
		return mistakef("it is a file, and a volume is mounted there")
	case p.volume && p.at == n.at:
		v, src := plain(from)
		return v.copyNode(src, p.dir)
	case p.volume || !s.isolated, !info.IsDir() && info.Size() <= smallFile:
		return s.copyIn(from, n.at, mode)
	}
	at, err = s.mountPoint(at, info.IsDir())
	if err != nil {
		return err
	}
	if info.IsDir() {
		return s.layer(at, from)
	}
	s.bind(mountRead, at, from, place{frozen: true})
	return nil
}

func (s *stage) copyIn(from, at string, mode *int32) error {
	host, err := s.hostPath(at)
	if err != nil {
		return err
	}
	v, src := plain(from)
	if err := v.copyNode(src, host); err != nil {
		return err
	}
	if mode != nil {
		f, err := openFound(host, os.O_RDONLY, 0)
		if err != nil {
			return err
		}
		return errors.Join(f.Chmod(fileMode(mode, 0)), f.Close())
	}
	return nil
}

// content finds what ref means on this machine.
func (s *stage) content(ref attempt.ArtifactRef) (string, fs.FileInfo, error) {
	if s.art == nil {
		return "", nil, errors.New("there is no artifact store")
	}
	path, err := s.art.Path(ref)
	if err != nil {
		return "", nil, err
	}
	info, err := os.Stat(path)
	return path, info, err
}
