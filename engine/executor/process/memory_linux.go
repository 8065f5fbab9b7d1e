package process

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// memoryCgroup is the folder in which this process can make cgroups that limit
// memory, found by making one; "" if it cannot.
func memoryCgroup() string {
	for _, dir := range cgroupCandidates() {
		try := filepath.Join(dir, fmt.Sprintf("pawl-try-%d", os.Getpid()))
		if os.Mkdir(try, 0o755) != nil {
			continue
		}
		err := limitCgroup(try, 1<<40)
		_ = os.Remove(try)
		if err == nil {
			return dir
		}
	}
	return ""
}

// cgroupCandidates are this process's own cgroups, version 2 first.
func cgroupCandidates() []string {
	b, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil
	}
	var two, one []string
	for line := range strings.Lines(string(b)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		if parts[0] == "0" {
			two = append(two, filepath.Join("/sys/fs/cgroup", parts[2]))
		} else if strings.Contains(","+parts[1]+",", ",memory,") {
			one = append(one, filepath.Join("/sys/fs/cgroup/memory", parts[2]), "/sys/fs/cgroup/memory")
		}
	}
	return append(two, one...)
}

// limitCgroup sets the limit in whichever version dir is of.
func limitCgroup(dir string, limit int64) error {
	value := []byte(strconv.FormatInt(limit, 10))
	for _, name := range []string{"memory.max", "memory.limit_in_bytes"} {
		path := filepath.Join(dir, name)
		if _, err := os.Lstat(path); err != nil {
			continue
		}
		if err := os.WriteFile(path, value, 0); err != nil {
			return err
		}
		// Memory that goes to swap would count no more.
		_ = os.WriteFile(filepath.Join(dir, "memory.swap.max"), []byte("0"), 0)
		_ = os.WriteFile(filepath.Join(dir, "memory.memsw.limit_in_bytes"), value, 0)
		return nil
	}
	return fmt.Errorf("cgroup %s has no memory controller", dir)
}

// fence keeps an attempt's memory limit: by a cgroup of its own, or if that is
// not possible process by process.
type fence struct {
	dir    string
	procs  *os.File // of the cgroup
	rlimit uint64
}

// newFence makes o's fence; nil if it asks for none.
func newFence(base string, o *order) *fence {
	if o.MemoryLimit <= 0 {
		return nil
	}
	f := &fence{rlimit: uint64(o.MemoryLimit)}
	if base == "" {
		return f
	}
	dir := filepath.Join(base, "pawl-"+o.Hash)
	if os.Mkdir(dir, 0o755) != nil {
		return f
	}
	procs, err := os.OpenFile(filepath.Join(dir, "cgroup.procs"), os.O_WRONLY, 0)
	if err == nil {
		err = limitCgroup(dir, o.MemoryLimit)
	}
	if err != nil {
		_ = os.Remove(dir)
		return f
	}
	f.dir, f.procs = dir, procs
	return f
}

// confine puts a process that is started already behind the fence.
func (f *fence) confine(pid int) {
	switch {
	case f == nil:
	case f.procs != nil:
		_, _ = f.procs.WriteString(strconv.Itoa(pid))
	default:
		_ = unix.Prlimit(pid, unix.RLIMIT_DATA, &unix.Rlimit{Cur: f.rlimit, Max: f.rlimit}, nil)
	}
}

// started frees what only the start needed.
func (f *fence) started() {
	if f != nil && f.procs != nil {
		_ = f.procs.Close()
	}
}

// remove takes the fence down after the attempt's end and says whether the
// limit killed anything.
func (f *fence) remove() (oom bool) {
	if f == nil || f.dir == "" {
		return false
	}
	for _, name := range []string{"memory.events", "memory.oom_control"} {
		b, err := os.ReadFile(filepath.Join(f.dir, name))
		if err != nil {
			continue
		}
		for lines := bufio.NewScanner(bytes.NewReader(b)); lines.Scan(); {
			if n, ok := strings.CutPrefix(lines.Text(), "oom_kill "); ok && n != "0" {
				oom = true
			}
		}
	}
	_ = os.Remove(f.dir)
	return oom
}
