package artifact

import (
	"os"

	"golang.org/x/sys/unix"
)

// beginSync asks the system to begin writing a file to the disk. It is a hint:
// Sync follows.
func beginSync(f *os.File) {
	_ = unix.SyncFileRange(int(f.Fd()), 0, 0, unix.SYNC_FILE_RANGE_WRITE)
}
