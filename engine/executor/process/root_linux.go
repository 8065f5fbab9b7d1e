//go:build linux && (amd64 || arm64)

package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// buildRoot adds to setup the calls that make o.Root the whole world of the
// process: the mounts in their order, then the change of root.
func (s *nsStarter) buildRoot(setup *program, o *order) {
	setup.mount(o.Root, o.Root, "", unix.MS_BIND, "")
	for _, m := range o.Mounts {
		at := o.Root + m.At
		switch m.Kind {
		case mountHost:
			setup.mount(s.base+"/"+m.From, at, "", unix.MS_BIND|unix.MS_REC, "")
		case mountBind:
			setup.mount(m.From, at, "", unix.MS_BIND, "")
		case mountRead:
			setup.mount(m.From, at, "", unix.MS_BIND|unix.MS_REC, "")
			setup.readOnly(at, true)
		case mountOverlay:
			setup.mount("overlay", at, "overlay", 0, overlayOptions(m.From, m.Upper, m.Work))
		}
	}
	setup.mount(s.base+"/dev", o.Root+"/dev", "", unix.MS_BIND|unix.MS_REC, "")
	setup.mount("shm", o.Root+"/dev/shm", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=1777")
	if s.hostProc {
		setup.mount("/proc", o.Root+"/proc", "", unix.MS_BIND|unix.MS_REC, "")
	} else {
		setup.mount("proc", o.Root+"/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	}
	setup.chdir(o.Root)
	dot := setup.text(".")
	setup.add("change the root", false, unix.SYS_PIVOT_ROOT, dot, dot)
	setup.add("leave the host's root", false, unix.SYS_UMOUNT2, dot, unix.MNT_DETACH)
	setup.chdir("/")
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
	if err := s.try(cfg, nil); err != nil {
		s.hostProc = true
		if again := s.try(cfg, nil); again != nil {
			return features{}, fmt.Errorf("private roots cannot be made: %w", err)
		}
	}
	return features{Overlay: s.tryOverlay(cfg) == nil, Memory: memoryCgroup()}, nil
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
	entries, err := hostEntries()
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.link != "" {
			continue
		}
		if err := s.bindHost(e.name); err != nil {
			return err
		}
	}
	for _, mask := range []string{cfg.Data, cfg.Home} {
		at := s.base + mask
		if mask == "" || strings.Count(mask, "/") < 2 {
			continue
		}
		if info, err := os.Lstat(at); err != nil || !info.IsDir() {
			continue // not visible anyway
		}
		if err := unix.Mount("masked", at, "tmpfs", unix.MS_RDONLY, "mode=555,size=4k"); err != nil {
			return fmt.Errorf("masking %s: %w", mask, err)
		}
	}
	return s.buildDev()
}

func (s *nsStarter) bindHost(name string) error {
	at := filepath.Join(s.base, name)
	if err := os.Mkdir(at, 0o755); err != nil {
		return err
	}
	// What is mounted below /sys is of no use and costs each attempt its copy.
	// Within a user namespace it cannot be left out.
	flags := uintptr(unix.MS_BIND | unix.MS_REC)
	err := unix.EINVAL
	if name == "sys" {
		err, _ = unix.Mount("/sys", at, "", unix.MS_BIND, "").(unix.Errno)
	}
	if err != 0 {
		if err := unix.Mount("/"+name, at, "", flags, ""); err != nil {
			return fmt.Errorf("binding /%s: %w", name, err)
		}
	}
	attr := &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID}
	if err := unix.MountSetattr(unix.AT_FDCWD, at, unix.AT_RECURSIVE, attr); err != nil {
		return fmt.Errorf("making /%s read-only (this needs Linux 5.12): %w", name, err)
	}
	return nil
}

// buildDev makes a /dev of the few devices that programs need, graphics
// processors among them.
func (s *nsStarter) buildDev() error {
	dev := s.base + "/dev"
	for _, dir := range []string{"", "/shm"} {
		if err := os.Mkdir(dev+dir, 0o755); err != nil {
			return err
		}
	}
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
func (s *nsStarter) try(cfg holderConfig, mounts []mount) error {
	root, err := os.MkdirTemp(cfg.Data, "try-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(root)
	for _, dir := range []string{"dev", "proc", "at"} {
		if err := os.Mkdir(filepath.Join(root, dir), 0o755); err != nil {
			return err
		}
	}
	setup := &program{}
	s.buildRoot(setup, &order{Root: root, Mounts: mounts})
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

// tryOverlay says whether an overlay above the data folder works, its marks of
// removed folders included.
func (s *nsStarter) tryOverlay(cfg holderConfig) error {
	dir, err := os.MkdirTemp(cfg.Data, "try-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, d := range []string{"lower", "upper", "work"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			return err
		}
	}
	if err := unix.Setxattr(filepath.Join(dir, "upper"), "user.pawl.try", []byte("y"), 0); err != nil {
		return err
	}
	return s.try(cfg, []mount{{Kind: mountOverlay, At: "/at", From: dir + "/lower", Upper: dir + "/upper", Work: dir + "/work"}})
}
