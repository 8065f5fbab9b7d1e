package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"github.com/pawl-dev/pawl/engine/attempt"
)

// Where an attempt with a private root finds what has no path of its own.
const (
	workspace  = "/workspace"       // the code folder, the working directory
	scriptPath = "/run/pawl/script" // the source of a script template
)

// smallFile is up to which size an input file is copied, so that the attempt
// can write to it; a larger one is seen in place, read-only.
const smallFile = 8 << 20

// mistake is an error in what the manifest asks for, rather than of the
// machine: the attempt ends as Error, trying again does not help.
type mistake struct{ text string }

func (m mistake) Error() string { return m.text }

func mistakef(format string, args ...any) error { return mistake{fmt.Sprintf(format, args...)} }

// stage is an attempt's folder being made ready. Its layout:
//
//	u0/, w0/    the private root's writable layer and the overlay's workings
//	u1/, w1/ …  the same of each further overlay
//	volume/     emptyDir volumes by name
//	out/        outputs on their way to the store
//	work/, tmp/, home/, ia/, oa/, op/
//	            what the command has without namespaces: its working folder,
//	            TMPDIR, HOME, and what path placeholders lead to
//	spec.json, exit.json, result.json: see recover.go
type stage struct {
	spec     *attempt.Spec
	dir      string
	volumes  string // folder of the run's shared volumes
	isolated bool
	overlay  bool
	skeleton string
	host     []hostEntry
	tools    []string
	home     string // HOME as the attempt sees it
	data     string // pawl's data folder
	masked   []string
	art      Artifacts

	view   view
	mounts []mount
	skip   []string
	layers int    // so far
	cwd    string // working directory as the attempt sees it
	places map[string]string
}

// fill makes everything that the command finds when it starts.
func (s *stage) fill() error {
	s.places = map[string]string{}
	if err := s.fillRoot(); err != nil {
		return err
	}
	if err := s.enterCode(); err != nil {
		return fmt.Errorf("the code folder: %w", err)
	}
	if err := s.chooseDir(); err != nil {
		return err
	}
	for _, dir := range s.spec.Visible {
		if err := s.show(dir); err != nil {
			return fmt.Errorf("folder %s: %w", dir, err)
		}
	}
	mounts := append([]attempt.Mount{}, s.spec.Mounts...)
	sort.SliceStable(mounts, func(i, j int) bool { return len(path.Clean(mounts[i].Path)) < len(path.Clean(mounts[j].Path)) })
	for _, m := range mounts {
		if err := s.mountVolume(m); err != nil {
			return fmt.Errorf("volume %s at %s: %w", m.Volume, m.Path, err)
		}
	}
	inputs := append([]attempt.InputArtifact{}, s.spec.Inputs...)
	sort.SliceStable(inputs, func(i, j int) bool { return len(path.Clean(inputs[i].Path)) < len(path.Clean(inputs[j].Path)) })
	for _, in := range inputs {
		at := s.placeFor(attempt.InputArtifactPath, in.Name, in.Path)
		if err := s.enterInput(in, at); err != nil {
			return fmt.Errorf("input artifact %s at %s: %w", in.Name, in.Path, err)
		}
	}
	return s.prepareOutputs()
}

func (s *stage) prepareOutputs() error {
	for _, o := range s.spec.Outputs {
		at := s.placeFor(attempt.OutputArtifactPath, o.Name, o.Path)
		if _, err := s.hostPath(at); err != nil {
			return fmt.Errorf("output artifact %s at %s: %w", o.Name, o.Path, err)
		}
	}
	for _, o := range s.spec.OutputParameters {
		at := s.placeFor(attempt.OutputParameterPath, o.Name, o.Path)
		if _, err := s.hostPath(at); err != nil {
			return fmt.Errorf("output parameter %s at %s: %w", o.Name, o.Path, err)
		}
	}
	if s.spec.Script == nil {
		return nil
	}
	host, err := s.hostPath(s.script())
	if err != nil {
		return err
	}
	return writeFound(host, s.expand(*s.spec.Script), 0o700)
}

func (s *stage) script() string {
	if s.isolated {
		return scriptPath
	}
	return filepath.Join(s.dir, "script")
}

// placeFor decides, and remembers for path tokens, where a file of the
// manifest lies as the attempt sees it.
func (s *stage) placeFor(kind attempt.PathKind, name, p string) string {
	at := path.Join(s.cwd, p)
	switch {
	case path.IsAbs(p) && s.isolated:
		at = path.Clean(p)
	case path.IsAbs(p):
		at = filepath.Join(s.dir, string(kind), url(name), path.Base(p))
	}
	s.places[string(kind)+":"+name] = at
	return at
}

// url makes a name of a manifest the name of one folder, different names those
// of different folders, and no name a way out of the folder that it is in.
func url(name string) string {
	switch name {
	case "", ".", "..":
		return "%" + strings.ReplaceAll(name, ".", "%2E")
	}
	return strings.NewReplacer("%", "%25", "/", "%2F").Replace(name)
}

func (s *stage) expand(text string) string {
	return attempt.ExpandPaths(text, func(kind attempt.PathKind, name string) string {
		return s.places[string(kind)+":"+name]
	})
}

// fillRoot makes the private root's first level, where it has one.
func (s *stage) fillRoot() error {
	if !s.isolated {
		// Every path is the host's own.
		s.view.add(place{at: "/", dir: "/"})
		for _, d := range []string{"work", "tmp", "home"} {
			if err := os.Mkdir(filepath.Join(s.dir, d), 0o755); err != nil {
				return err
			}
		}
		return nil
	}
	root := s.upper(0)
	if s.overlay {
		for _, dir := range []string{root, s.workings(0)} {
			if err := os.Mkdir(dir, 0o755); err != nil {
				return err
			}
		}
		s.view.add(place{at: "/", dir: root, lower: s.skeleton})
	} else {
		if err := makeSkeleton(root, s.host, s.tools, s.home); err != nil {
			return err
		}
		s.view.add(place{at: "/", dir: root})
	}
	for _, e := range s.host {
		if e.link == "" {
			s.view.add(place{at: "/" + e.name, dir: "/" + e.name, frozen: true, host: e.name})
		}
	}
	for _, t := range s.tools {
		s.view.add(place{at: t, dir: t, frozen: true})
	}
	return nil
}

// upper and workings are the folders of the overlay number i; 0 is the root.
func (s *stage) upper(i int) string    { return filepath.Join(s.dir, "u"+strconv.Itoa(i)) }
func (s *stage) workings(i int) string { return filepath.Join(s.dir, "w"+strconv.Itoa(i)) }

// bind shows from at the path at, whose mount point exists.
func (s *stage) bind(kind mountKind, at, from string, p place) {
	s.mounts = append(s.mounts, mount{Kind: kind, At: at, From: from})
	p.at, p.dir = at, from
	s.view.add(p)
}

// layer shows lower at the folder at with a new writable layer over it, or a
// copy of it where overlays are not possible.
func (s *stage) layer(at, lower string) error {
	s.layers++
	upper, work := s.upper(s.layers), s.workings(s.layers)
	info, err := os.Stat(lower)
	if err != nil {
		return err
	}
	if !s.overlay {
		v, n := plain(lower)
		if v.hidden, err = os.Stat(s.data); err != nil {
			return err
		}
		if err := v.copyNode(n, upper); err != nil {
			return err
		}
		s.bind(mountBind, at, upper, place{})
		return nil
	}
	if err := os.Mkdir(work, 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(upper, info.Mode().Perm()|0o700); err != nil {
		return err
	}
	s.mounts = append(s.mounts, mount{Kind: mountOverlay, At: at, From: lower, Upper: upper, Work: work})
	s.view.add(place{at: at, dir: upper, lower: lower})
	return nil
}

// enterCode puts the code folder where the command starts.
func (s *stage) enterCode() error {
	code := s.spec.CodeDir
	if !s.isolated {
		s.cwd = filepath.Join(s.dir, "work")
		if code == "" {
			return nil
		}
		v, n := plain(code)
		var err error
		if v.hidden, err = os.Stat(s.data); err != nil {
			return err
		}
		return v.copyNode(n, s.cwd)
	}
	s.cwd = workspace
	if _, err := s.makeDir(workspace); err != nil || code == "" {
		return err
	}
	return s.layer(workspace, code)
}

func (s *stage) chooseDir() error {
	wd := s.spec.WorkingDir
	if wd == "" {
		return nil
	}
	if path.IsAbs(wd) && s.isolated {
		s.cwd = path.Clean(wd)
	} else {
		s.cwd = path.Join(s.cwd, wd)
	}
	if _, err := s.makeDir(s.cwd); err != nil {
		return fmt.Errorf("working directory %s: %w", wd, err)
	}
	return nil
}

// makeDir makes the folder at, with what is above it, unless it is there. It
// returns its path without symbolic links.
func (s *stage) makeDir(at string) (string, error) {
	n, err := s.view.lookup(at)
	if err != nil {
		return "", err
	}
	if n.exists() {
		if info, err := os.Stat(n.top()); err != nil || !info.IsDir() {
			return "", mistakef("%s is no folder", at)
		}
		return n.at, nil
	}
	p, err := s.writable(n.at)
	if err != nil {
		return "", err
	}
	rel := strings.TrimPrefix(n.at, p.at)
	dir, lower := p.dir, p.lower
	for _, name := range elements(rel) {
		mode := fs.FileMode(0o755)
		dir = filepath.Join(dir, name)
		if lower != "" {
			lower = filepath.Join(lower, name)
			if info, err := os.Stat(lower); err == nil {
				mode = info.Mode().Perm()
			}
		}
		if err := os.Mkdir(dir, mode); err != nil && !errors.Is(err, fs.ErrExist) {
			return "", err
		}
	}
	return n.at, nil
}

// hostPath makes the folder of at and returns the file of the host that one
// writes to put something there.
func (s *stage) hostPath(at string) (string, error) {
	parent, err := s.makeDir(path.Dir(at))
	if err != nil {
		return "", err
	}
	at = path.Join(parent, path.Base(at))
	p, rest := s.view.placeOf(at)
	if p.host == "" && p.lower == "" {
		if p.readOnly() {
			return "", mistakef("%s is read-only", p.at)
		}
		return filepath.Join(p.dir, rest), nil
	}
	if p, err = s.writable(at); err != nil {
		return "", err
	}
	if err := s.copyUp(p, path.Dir(rest)); err != nil {
		return "", err
	}
	return filepath.Join(p.dir, rest), nil
}

// copyUp makes the folder rel, which an overlay's lower folder has, in its
// upper one.
func (s *stage) copyUp(p place, rel string) error {
	dir, lower := p.dir, p.lower
	for _, name := range elements(rel) {
		dir, lower = filepath.Join(dir, name), filepath.Join(lower, name)
		mode := fs.FileMode(0o755)
		if info, err := os.Stat(lower); err == nil {
			mode = info.Mode().Perm()
		}
		if err := os.Mkdir(dir, mode); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

// writable returns the place that holds at, giving a top-level folder of the
// host a writable layer if that is it.
func (s *stage) writable(at string) (place, error) {
	p, _ := s.view.placeOf(at)
	if p.host == "" {
		if p.readOnly() {
			return p, mistakef("%s is read-only", p.at)
		}
		return p, nil
	}
	if !s.overlay {
		return p, mistakef("nothing can be written below /%s, which is this machine's: overlay file systems are not possible on the data folder's file system", p.host)
	}
	s.skip = append(s.skip, p.host)
	if err := s.layer(p.at, p.dir); err != nil {
		return p, err
	}
	// An overlay does not show what is mounted on its lower folder, masks
	// included.
	for _, m := range s.masked {
		if info, err := os.Lstat(m); err == nil && info.IsDir() && within(p.at, m) && m != p.at {
			empty := filepath.Join(s.dir, "empty")
			if err := os.Mkdir(empty, 0o555); err != nil && !errors.Is(err, fs.ErrExist) {
				return p, err
			}
			s.bind(mountRead, m, empty, place{frozen: true})
		}
	}
	p, _ = s.view.placeOf(at)
	return p, nil
}
