package worker

import (
	"fmt"
	"os"
	"runtime/debug"
	"strings"

	"golang.org/x/sys/unix"
)

// limit makes the kernel end this process when it wants too much: memory beyond
// what it has mapped at the start, processor time, or writing any file.
func limit(memory, seconds int64) error {
	debug.SetMemoryLimit(memory * 3 / 4) // collect harder before the kernel refuses
	limits := []struct {
		name     string
		resource int
		value    uint64
	}{
		{"memory", unix.RLIMIT_AS, mapped() + uint64(memory)},
		{"processor time", unix.RLIMIT_CPU, uint64(seconds)},
		{"file size", unix.RLIMIT_FSIZE, 0},
		{"core size", unix.RLIMIT_CORE, 0},
	}
	for _, l := range limits {
		var now unix.Rlimit
		if err := unix.Getrlimit(l.resource, &now); err != nil {
			return fmt.Errorf("reading the limit of %s: %w", l.name, err)
		}
		now.Cur = min(now.Cur, l.value)
		now.Max = min(now.Max, l.value)
		// Some systems know a limit and cannot set it; the deadline stays.
		if err := unix.Setrlimit(l.resource, &now); err != nil && l.resource != unix.RLIMIT_AS {
			return fmt.Errorf("setting the limit of %s: %w", l.name, err)
		}
	}
	return nil
}

// mapped is the address space in use. Go reserves much more than it uses, so a
// limit must be counted from there.
func mapped() uint64 {
	const guess = 4 << 30
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return guess
	}
	var pages uint64
	if _, err := fmt.Sscan(strings.SplitN(string(data), " ", 2)[0], &pages); err != nil {
		return guess
	}
	return pages * uint64(os.Getpagesize())
}
