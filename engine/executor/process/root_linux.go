//go:build linux && (amd64 || arm64)

package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// buildRoot adds to setup the calls that make o's private root the whole world
// of the process. All roots are built on one mount point, each in its own mount
// namespace, and reached by relative paths, so that most calls are the same for
// all attempts and stand ready.
func (s *nsStarter) buildRoot(setup *program, o *order) error {
	at := s.base + "/root"
	if o.Skeleton != "" {
		setup.mount("overlay", at, "overlay", 0, overlayOptions(o.Skeleton, o.Root, o.Work))
	} else {
		setup.mount(o.Root, at, "", unix.MS_BIND, "")
	}
	setup.chdir(at)
	for _, h := range s.shared {
		if !slices.Contains(o.Skip, h.name) {
			setup.append(h.program)
		}
	}
	for _, m := range o.Mounts {
		at := strings.TrimPrefix(m.At, "/")
		if m.NoLinks {
			if err := setup.mountFound(m, at); err != nil {
				return fmt.Errorf("mount %s on %s: %w", m.From, m.At, err)
			}
			continue
		}
		switch m.Kind {
		case mountBind:
			setup.mount(m.From, at, "", unix.MS_BIND, "")
		case mountRead:
			setup.mount(m.From, at, "", unix.MS_BIND|unix.MS_REC, "")
			setup.readOnly(at, true)
		case mountOverlay:
			setup.mount("overlay", at, "overlay", 0, overlayOptions(m.From, m.Upper, m.Work))
		}
	}
	setup.append(s.last)
	return nil
}

// mountFound mounts what m.From is now, if no symbolic link leads there. A mount
// by name would follow a link that another attempt has put in its place.
func (p *program) mountFound(m mount, at string) error {
	found, err := unix.Openat2(unix.AT_FDCWD, m.From, &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS})
	if errors.Is(err, unix.ELOOP) {
		return errors.New("a symbolic link has taken its place")
	}
	if err != nil {
		return err
	}
	defer unix.Close(found)
	tree, err := unix.OpenTree(found, "", unix.AT_EMPTY_PATH|unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return err
	}
	p.files = append(p.files, tree)
	here := unix.AT_FDCWD
	p.add("mount "+m.From+" on "+at, false, unix.SYS_MOVE_MOUNT,
		uintptr(tree), p.text("\x00"), uintptr(here), p.text(at), unix.MOVE_MOUNT_F_EMPTY_PATH)
	if m.Kind == mountRead {
		p.readOnly(at, true)
	}
	return nil
}

// sharedMount is a part of every private root.
type sharedMount struct {
	name string // of the host's top-level folder, or ""
	*program
}

// share makes ready the calls that are the same for all roots.
func (s *nsStarter) share(names, tools []string) {
	for _, name := range names {
		p := &program{}
		p.mount(s.base+"/host/"+name, name, "", unix.MS_BIND|unix.MS_REC, "")
		s.shared = append(s.shared, sharedMount{name, p})
	}
	p := &program{}
	for i, t := range tools {
		p.mount(fmt.Sprintf("%s/tools/%d", s.base, i), strings.TrimPrefix(t, "/"), "", unix.MS_BIND|unix.MS_REC, "")
	}
	p.mount(s.base+"/dev", "dev", "", unix.MS_BIND|unix.MS_REC, "")
	p.mount("shm", "dev/shm", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=1777")
	s.shared = append(s.shared, sharedMount{"", p})
	s.last = s.enter(false)
}

// enter is how the process goes into the root that it has built around it.
func (s *nsStarter) enter(hostProc bool) *program {
	p := &program{}
	if hostProc {
		p.mount("/proc", "proc", "", unix.MS_BIND|unix.MS_REC, "")
	} else {
		p.mount("proc", "proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	}
	for i, name := range s.settings {
		p.mount(s.setting(i), "proc/"+name, "", unix.MS_BIND|unix.MS_REC, "")
	}
	dot := p.text(".")
	p.add("change the root", false, unix.SYS_PIVOT_ROOT, dot, dot)
	p.add("leave the host's root", false, unix.SYS_UMOUNT2, dot, unix.MNT_DETACH)
	p.chdir("/")
	return p
}

// overlayOptions names the folders of an overlay. userxattr works for root and
// for others alike, and excludes features by which a layer would need its
// lower folder's exact place.
func overlayOptions(lower, upper, work string) string {
	esc := strings.NewReplacer(`\`, `\\`, `:`, `\:`, `,`, `\,`)
	return "userxattr,lowerdir=" + esc.Replace(lower) + ",upperdir=" + esc.Replace(upper) + ",workdir=" + esc.Replace(work)
}

// prepare runs on the starter's own thread: it gives it a mount namespace with
// the base tree and tries what there is.
func (s *nsStarter) prepare(cfg holderConfig) (features, error) {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return features{}, fmt.Errorf("a mount namespace is refused: %w", err)
	}
	if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return features{}, fmt.Errorf("mounts cannot be kept private: %w", err)
	}
	if err := s.buildBase(cfg); err != nil {
		return features{}, fmt.Errorf("private roots cannot be made: %w", err)
	}
	if err := renounce(); err != nil {
		return features{}, fmt.Errorf("rights cannot be given up: %w", err)
	}
	if err := s.tryPlain(cfg); err != nil {
		s.last = s.enter(true)
		if again := s.tryPlain(cfg); again != nil {
			return features{}, fmt.Errorf("private roots cannot be made: %w", err)
		}
	}
	return features{Overlay: s.tryOverlay(cfg) == nil}, nil
}

// buildBase makes the tree from which each private root takes the host's
// folders with one bind each: read-only, with the masks in place.
func (s *nsStarter) buildBase(cfg holderConfig) error {
	if err := os.MkdirAll(s.base, 0o755); err != nil {
		return err
	}
	if err := unix.Mount("base", s.base, "tmpfs", unix.MS_NOSUID, "mode=755"); err != nil {
		return fmt.Errorf("mounting a tmpfs: %w", err)
	}
	for _, dir := range []string{"host", "tools", "root", "dev", "dev/shm", "proc"} {
		if err := os.Mkdir(filepath.Join(s.base, dir), 0o755); err != nil {
			return err
		}
	}
	entries, err := hostEntries()
	if err != nil {
		return err
	}
	var names []string
	for _, e := range entries {
		if e.link != "" {
			continue
		}
		if err := s.bindReadOnly("/"+e.name, "host/"+e.name); err != nil {
			return err
		}
		names = append(names, e.name)
	}
	for i, t := range cfg.Tools {
		if err := s.bindReadOnly(t, fmt.Sprintf("tools/%d", i)); err != nil {
			return err
		}
	}
	if err := s.mask(cfg.Data, cfg.Home); err != nil {
		return err
	}
	if err := s.bindSettings(); err != nil {
		return err
	}
	s.share(names, cfg.Tools)
	return s.buildDev()
}

// setting is where the base tree has settings[i].
func (s *nsStarter) setting(i int) string { return fmt.Sprintf("%s/proc/%d", s.base, i) }

// bindSettings keeps what in /proc is the machine's and not a process's ready to
// be seen read-only. The machine's own root may write to it by the mere mode of
// the files, whatever its capabilities: core_pattern names a program that the
// kernel runs outside of all roots. Who is root in a user namespace is nobody
// there, and is spared the mounts.
func (s *nsStarter) bindSettings() error {
	var st unix.Stat_t
	if err := unix.Stat("/proc/sys", &st); err != nil || int(st.Uid) != os.Geteuid() {
		return nil
	}
	for _, name := range []string{"sys", "irq", "bus", "fs", "acpi", "scsi", "driver", "dynamic_debug", "sysrq-trigger", "mtrr"} {
		from := "/proc/" + name
		info, err := os.Stat(from)
		if err != nil || info.IsDir() && emptyDir(from) {
			continue
		}
		at := s.setting(len(s.settings))
		if info.IsDir() {
			err = os.Mkdir(at, 0o755)
		} else {
			err = os.WriteFile(at, nil, 0o600)
		}
		if err == nil {
			err = bindFixed(from, at, unix.MS_REC)
		}
		if err != nil {
			return err
		}
		s.settings = append(s.settings, name)
	}
	return nil
}

// mask hides folders of the host that are in the base tree.
func (s *nsStarter) mask(folders ...string) error {
	for _, mask := range folders {
		at := s.base + "/host" + mask
		if strings.Count(mask, "/") < 2 {
			continue
		}
		if info, err := os.Lstat(at); err != nil || !info.IsDir() {
			continue // not visible anyway
		}
		if err := unix.Mount("masked", at, "tmpfs", unix.MS_RDONLY, "mode=555,size=4k"); err != nil {
			return fmt.Errorf("masking %s: %w", mask, err)
		}
	}
	return nil
}

// bindReadOnly shows the folder from at the place at in the base tree.
func (s *nsStarter) bindReadOnly(from, at string) error {
	at = filepath.Join(s.base, at)
	if err := os.Mkdir(at, 0o755); err != nil {
		return err
	}
	// What is mounted below /sys is of no use and costs each attempt its copy.
	// Within a user namespace it cannot be left out.
	if from == "/sys" && bindFixed(from, at, 0) == nil {
		return nil
	}
	return bindFixed(from, at, unix.MS_REC)
}

// fixed is how attempts see what is not theirs: they can neither write to it
// nor get at devices or more rights by it.
const fixed = unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV

// bindFixed binds from at the place at. flags is MS_REC or 0.
func bindFixed(from, at string, flags uintptr) error {
	if err := unix.Mount(from, at, "", unix.MS_BIND|flags, ""); err != nil {
		return fmt.Errorf("binding %s: %w", from, err)
	}
	attr := &unix.MountAttr{Attr_set: fixed}
	if err := unix.MountSetattr(unix.AT_FDCWD, at, unix.AT_RECURSIVE, attr); err != nil {
		return fmt.Errorf("making %s read-only (this needs Linux 5.12): %w", from, err)
	}
	return nil
}

// buildDev makes a /dev of the few devices that programs need, graphics
// processors among them.
func (s *nsStarter) buildDev() error {
	dev := s.base + "/dev"
	links := map[string]string{"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"}
	for name, target := range links {
		if err := os.Symlink(target, dev+"/"+name); err != nil {
			return err
		}
	}
	devices := []string{"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"}
	for _, pattern := range []string{"/dev/nvidia*", "/dev/dri", "/dev/kfd", "/dev/infiniband"} {
		found, _ := filepath.Glob(pattern)
		devices = append(devices, found...)
	}
	for _, path := range devices {
		if err := bindDevice(path, dev+"/"+filepath.Base(path)); err != nil {
			return fmt.Errorf("device %s: %w", path, err)
		}
	}
	return nil
}

// bindDevice puts the device at path, or the folder of devices, at the place
// at: as a node of its own where that is allowed, which costs attempts nothing.
func bindDevice(path, at string) error {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return nil // not on this machine
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		if err := os.Mkdir(at, 0o755); err != nil {
			return err
		}
		return unix.Mount(path, at, "", unix.MS_BIND|unix.MS_REC, "")
	}
	if unix.Mknod(at, st.Mode, int(st.Rdev)) == nil {
		if f, err := os.OpenFile(at, os.O_RDONLY|unix.O_NONBLOCK|unix.O_PATH, 0); err == nil {
			f.Close()
			return os.Chmod(at, os.FileMode(st.Mode&0o777))
		}
		_ = os.Remove(at)
	}
	if err := os.WriteFile(at, nil, 0o600); err != nil {
		return err
	}
	return unix.Mount(path, at, "", unix.MS_BIND, "")
}

// try builds a private root and leaves it again.
func (s *nsStarter) try(o *order) error {
	setup := &program{}
	defer setup.close()
	if err := s.buildRoot(setup, o); err != nil {
		return err
	}
	p, err := s.clone(setup, &program{})
	if err != nil {
		return err
	}
	var e exit
	if after := p.wait(&e); after != nil {
		after()
	}
	if e.Setup != "" {
		return errors.New(e.Setup)
	}
	return nil
}

// tryPlain tries a root that is a plain folder.
func (s *nsStarter) tryPlain(cfg holderConfig) error {
	dir, err := os.MkdirTemp(cfg.Data, "try-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	entries, err := hostEntries()
	if err != nil {
		return err
	}
	if err := makeSkeleton(dir, entries, cfg.Tools, ""); err != nil {
		return err
	}
	return s.try(&order{Root: dir})
}

// tryOverlay says whether an overlay above the data folder works, its marks of
// removed folders included.
func (s *nsStarter) tryOverlay(cfg holderConfig) error {
	dir, err := os.MkdirTemp(cfg.Data, "try-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	entries, err := hostEntries()
	if err != nil {
		return err
	}
	if err := makeSkeleton(dir+"/lower", entries, cfg.Tools, ""); err != nil {
		return err
	}
	for _, d := range []string{"upper", "work"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			return err
		}
	}
	if err := unix.Setxattr(filepath.Join(dir, "upper"), "user.pawl.try", []byte("y"), 0); err != nil {
		return err
	}
	return s.try(&order{Root: dir + "/upper", Skeleton: dir + "/lower", Work: dir + "/work"})
}
