//go:build !linux

package server

import (
	"net"
	"os"
)

// peerUID trusts the socket's mode, 0600, where the kernel does not say.
func peerUID(net.Conn) (int, error) { return os.Getuid(), nil }
