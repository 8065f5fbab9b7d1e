//go:build !linux

package process

import (
	"os"
	"syscall"
)

// openFound opens a file whose path a view has found. Where nothing is isolated,
// steps can do what pawl can.
func openFound(path string, flags int, mode os.FileMode) (*os.File, error) {
	return os.OpenFile(path, flags|syscall.O_NOFOLLOW, mode)
}
