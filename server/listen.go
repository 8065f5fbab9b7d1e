package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// SocketPath is where the server of a data folder listens.
func SocketPath(data string) string { return filepath.Join(data, "pawl.sock") }

// CheckListen refuses addresses beyond loopback: the API on TCP has no login.
func CheckListen(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("listen address %q: %w", address, err)
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsLoopback() || host == "localhost" {
		return nil
	}
	return fmt.Errorf("listen address %q is not on loopback: pawl serves no network yet, because its API has no login; use 127.0.0.1:PORT and a tunnel or a proxy that asks for one", address)
}

// ListenSocket listens on a data folder's socket. What a dead server left there
// is removed: the store's lock has made sure that no live one is there.
func ListenSocket(data string) (net.Listener, error) {
	path := SocketPath(data)
	if len(path) > 100 {
		return nil, fmt.Errorf("the path of the socket %s is too long for a unix socket: choose a shorter data folder", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, fmt.Errorf("socket: %w", err)
	}
	return ownPeers{l}, nil
}

// Serve answers on a listener until ctx ends; open streams get a second.
func Serve(ctx context.Context, l net.Listener, h http.Handler) error {
	s := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnContext:       peerContext,
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if s.Shutdown(stop) != nil {
		s.Close()
	}
	<-done
	return nil
}

type peerKey struct{}

// Peer is the uid at the other end of a unix socket, or ok = false.
func Peer(ctx context.Context) (uid int, ok bool) {
	uid, ok = ctx.Value(peerKey{}).(int)
	return uid, ok
}

func peerContext(ctx context.Context, c net.Conn) context.Context {
	if p, ok := c.(peerConn); ok {
		return context.WithValue(ctx, peerKey{}, p.uid)
	}
	return ctx
}

// ownPeers lets only the server's own user and root in, whatever the mode of
// the socket has become.
type ownPeers struct{ net.Listener }

type peerConn struct {
	net.Conn
	uid int
}

func (l ownPeers) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		uid, err := peerUID(c)
		if err != nil || uid != os.Getuid() && uid != 0 {
			c.Close()
			continue
		}
		return peerConn{c, uid}, nil
	}
}
