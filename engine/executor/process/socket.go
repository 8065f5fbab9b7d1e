package process

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
)

// holderSocket is where a data folder's holder listens.
func holderSocket(data string) string { return filepath.Join(data, "holder.sock") }

// listenHolder listens on path, which only this user can open. A socket that
// nobody listens on any more is replaced.
func listenHolder(path string) (net.Listener, error) {
	if conn, err := dialHolder(path); err == nil {
		conn.Close()
		return nil, fmt.Errorf("another holder listens on %s", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("removing an old socket: %w", err)
	}
	var l *net.UnixListener
	err := withSocketAddr(path, func(addr *net.UnixAddr) (err error) {
		l, err = net.ListenUnix("unix", addr)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", path, err)
	}
	l.SetUnlinkOnClose(false) // its name may be another holder's by then
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, fmt.Errorf("closing %s to others: %w", path, err)
	}
	return l, nil
}

func dialHolder(path string) (net.Conn, error) {
	var conn net.Conn
	err := withSocketAddr(path, func(addr *net.UnixAddr) (err error) {
		conn, err = net.DialUnix("unix", nil, addr)
		return err
	})
	return conn, err
}

// maxSocketPath is what every system takes as a socket's path.
const maxSocketPath = 100

// withSocketAddr calls use with an address of path that is short enough, which
// a deep data folder's own path may not be.
func withSocketAddr(path string, use func(*net.UnixAddr) error) error {
	if len(path) > maxSocketPath && runtime.GOOS == "linux" {
		dir, err := os.Open(filepath.Dir(path))
		if err != nil {
			return err
		}
		defer dir.Close()
		path = fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path))
	}
	return use(&net.UnixAddr{Name: path, Net: "unix"})
}
