package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

func asMistake(err error) (string, bool) {
	var m mistake
	if !errors.As(err, &m) {
		return "", false
	}
	return err.Error(), true
}

// prepare makes t's folder and the order for the holder.
func (e *Executor) prepare(t *tracked) (*order, error) {
	err := os.Mkdir(t.dir, 0o755)
	if errors.Is(err, fs.ErrExist) { // of a start that was cut off
		if err = removeTree(t.dir); err == nil {
			err = os.Mkdir(t.dir, 0o755)
		}
	}
	if err != nil {
		return nil, err
	}
	log := e.logPath(t.spec.Key)
	if err := os.MkdirAll(filepath.Dir(log), 0o755); err != nil {
		return nil, err
	}
	s := e.newStage(t)
	if err := s.fill(); err != nil {
		return nil, err
	}
	o, err := e.order(t, s)
	if err != nil {
		return nil, err
	}
	o.Log = log
	t.view, t.places = &s.view, s.places
	if e.opts.Detached {
		o.Record = filepath.Join(t.dir, exitFile)
		if err := e.keepSpec(t); err != nil {
			return nil, err
		}
	}
	return o, nil
}

func (e *Executor) newStage(t *tracked) *stage {
	s := &stage{
		spec: &t.spec, dir: t.dir, volumes: filepath.Join(e.runDir(t.spec.Key.Run), "volumes"),
		isolated: e.isolated, overlay: e.features.Overlay, skeleton: e.skeleton, host: e.host, tools: e.tools,
		home: e.home(), data: e.opts.Data, masked: []string{e.opts.Data}, art: e.opts.Artifacts,
	}
	if e.opts.Home != "" {
		s.masked = append(s.masked, e.opts.Home)
	}
	if !e.isolated {
		s.home = filepath.Join(t.dir, "home")
	}
	return s
}

// home is the HOME of attempts in private roots.
func (e *Executor) home() string {
	if e.opts.Home == "" {
		return "/root"
	}
	return e.opts.Home
}

// order says how the staged attempt is started.
func (e *Executor) order(t *tracked, s *stage) (*order, error) {
	argv, why := commandLine(&t.spec, e.opts.Images)
	if why != "" {
		return nil, mistake{why}
	}
	pathVar := e.opts.Path
	for _, v := range t.spec.Env {
		if v.Name == "PATH" {
			pathVar = v.Value
		}
	}
	tmp := "/tmp"
	if !s.isolated {
		tmp = filepath.Join(t.dir, "tmp")
	}
	env, lookup := s.environment(pathVar, tmp, t.need.GPUs)
	for i := range argv {
		argv[i] = s.expand(expandVars(argv[i], lookup))
	}
	if t.spec.Script != nil {
		argv = append(argv, s.script())
	}
	for _, text := range append(append([]string{s.cwd}, argv...), env...) {
		if hasNUL(text) {
			return nil, mistakef("a NUL byte is in %q, which no command or variable can hold", text)
		}
	}
	t.path, t.argv0 = pathVar, argv[0]
	o := &order{
		Hash: t.spec.Key.Hash(), Key: t.spec.Key, Need: t.need,
		Paths: programPaths(argv[0], pathVar, s.cwd), Argv: argv, Env: env, Dir: s.cwd,
		Mounts: s.mounts, Capture: t.spec.CaptureResult,
		MaxRun: t.spec.MaxRun, MemoryLimit: t.spec.Resources.MemoryLimit,
	}
	if s.isolated {
		o.Root = s.upper(0)
		o.Skip = s.skip
		if s.overlay {
			o.Skeleton, o.Work = s.skeleton, s.workings(0)
		}
	}
	return o, nil
}

func hasNUL(s string) bool {
	for i := range len(s) {
		if s[i] == 0 {
			return true
		}
	}
	return false
}

// removeAttempt removes an attempt's folder. Most have little in it but the
// empty folders that are always there, which go quickest by name.
func removeAttempt(dir string) error {
	for _, name := range []string{"u0", "u1"} {
		_ = syscall.Rmdir(filepath.Join(dir, name))
	}
	if err := syscall.Rmdir(dir); err == nil || err == syscall.ENOENT {
		return nil
	}
	return removeTree(dir)
}

// removeWorkings removes the working folders of n overlays, which the kernel
// has closed to their own owner.
func removeWorkings(dir string, n int) {
	for i := range n {
		w := filepath.Join(dir, "w"+strconv.Itoa(i))
		_ = syscall.Rmdir(filepath.Join(w, "work"))
		if syscall.Rmdir(w) != nil {
			_ = removeTree(w)
		}
	}
}

// removeTree removes all of dir, also what the attempt made unreadable.
func removeTree(dir string) error {
	if os.RemoveAll(dir) == nil {
		return nil
	}
	_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, _ error) error {
		if d != nil && d.IsDir() {
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("removing an attempt's folder: %w", err)
	}
	return nil
}
