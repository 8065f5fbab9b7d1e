package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

// holders are the connections of an Executor to the processes that hold its
// attempts: the current one, in which new ones start, and those of older
// versions of the binary, which look after theirs until they have ended.
type holders struct {
	opts  *Options
	tools []string
	ended func(exit)
	gone  func(*client)

	mu      sync.Mutex
	current *client
	older   []*client
	owner   map[string]*client // by hash, of what runs
	found   []running
	closing bool
	watch   sync.WaitGroup
}

// open finds or starts the current holder and finds older ones.
func (h *holders) open() error {
	h.owner = map[string]*client{}
	if !h.opts.Detached {
		conn, err := h.startHolder()
		if err != nil {
			return err
		}
		return h.adopt(conn, true)
	}
	paths, _ := filepath.Glob(filepath.Join(h.opts.Data, "holder-*.sock"))
	for _, path := range paths {
		if _, err := h.find(path); err != nil {
			return err
		}
	}
	// A holder may be about to leave when it is found: then start one.
	for range 3 {
		found, err := h.find(holderSocket(h.opts.Data))
		if err != nil || found {
			return err
		}
		conn, err := h.startHolder()
		if err != nil {
			return err
		}
		if err = h.adopt(conn, true); !errors.Is(err, errHolderGone) {
			return err
		}
	}
	return errHolderGone
}

// find connects to the holder that listens at path, if there is one, and says
// whether it is one to start attempts in.
func (h *holders) find(path string) (bool, error) {
	conn, err := dialHolder(path)
	if err != nil {
		return false, nil
	}
	c, err := newClient(conn, h.onEnded)
	if errors.Is(err, errHolderGone) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	current := path == holderSocket(h.opts.Data) && c.hello.Build == h.build()
	if path == holderSocket(h.opts.Data) && !current {
		if _, err := c.call(request{Op: opRetire}); err != nil {
			return false, fmt.Errorf("retiring the holder of another version (process %d): %w", c.hello.PID, err)
		}
	}
	err = h.add(c, current)
	if errors.Is(err, errHolderGone) {
		return false, nil
	}
	return current, err
}

func (h *holders) adopt(conn net.Conn, current bool) error {
	c, err := newClient(conn, h.onEnded)
	if err != nil {
		return err
	}
	return h.add(c, current)
}

func (h *holders) add(c *client, current bool) error {
	resp, err := c.call(request{Op: opList})
	if err != nil {
		return fmt.Errorf("asking a holder what runs: %w", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range resp.Running {
		h.owner[r.Hash] = c
		h.found = append(h.found, r)
	}
	if current {
		h.current = c
	} else {
		h.older = append(h.older, c)
	}
	h.watch.Add(1)
	go func() {
		defer h.watch.Done()
		<-c.gone
		h.mu.Lock()
		closing := h.closing
		h.mu.Unlock()
		if !closing {
			h.gone(c)
		}
	}()
	return nil
}

func (h *holders) running() []running { return h.found }

func (h *holders) onEnded(x exit) { h.ended(x) }

func (h *holders) ownerOf(hash string) *client {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.owner[hash]
}

func (h *holders) runs(hash string) bool { return h.ownerOf(hash) != nil }

func (h *holders) start(o *order) error {
	h.mu.Lock()
	c := h.current
	h.owner[o.Hash] = c
	h.mu.Unlock()
	_, err := c.call(request{Op: opStart, Start: o})
	if err != nil {
		h.mu.Lock()
		delete(h.owner, o.Hash)
		h.mu.Unlock()
	}
	return err
}

func (h *holders) stop(hash string, grace time.Duration) {
	if c := h.ownerOf(hash); c != nil {
		_, _ = c.call(request{Op: opStop, Hash: hash, Grace: grace}) // a holder that is gone has nothing to stop
	}
}

func (h *holders) forget(hash string) {
	c := h.ownerOf(hash)
	if c == nil {
		return
	}
	_, _ = c.call(request{Op: opForget, Hash: hash})
	h.mu.Lock()
	delete(h.owner, hash)
	h.mu.Unlock()
}

func (h *holders) close() {
	h.mu.Lock()
	h.closing = true
	clients := h.older
	if h.current != nil {
		clients = append(clients, h.current)
	}
	h.mu.Unlock()
	for _, c := range clients {
		c.close()
	}
	h.watch.Wait()
}

// startHolder starts a holder and returns a connection to it. Where only a
// user namespace gives the rights to make private roots, it is in one.
func (h *holders) startHolder() (net.Conn, error) {
	cfg := holderConfig{
		Data: h.opts.Data, Detached: h.opts.Detached, Home: h.opts.Home, Tools: h.tools, Build: h.build(), Idle: h.opts.Idle,
		Plain: h.opts.Isolation == None, Why: "asked for",
	}
	conn, err := h.exec(cfg)
	if err == nil || cfg.Plain {
		return conn, err
	}
	cfg.Plain, cfg.Why = true, fmt.Sprintf("user namespaces are refused: %v", err)
	return h.exec(cfg)
}

func (h *holders) exec(cfg holderConfig) (net.Conn, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program: %w", err)
	}
	arg, err := json.Marshal(cfg)
	if err != nil {
		return nil, err
	}
	log, err := os.OpenFile(filepath.Join(cfg.Data, "holder.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(self, HolderArg, string(arg))
	cmd.Env = []string{} // attempts may look at the holder; see initMain
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = holderAttr(cfg.Plain)
	ours, theirs, err := holderPipe(cfg.Detached)
	if err != nil {
		return nil, err
	}
	cmd.ExtraFiles = []*os.File{theirs}
	err = cmd.Start()
	theirs.Close()
	if err != nil {
		ours.Close()
		return nil, fmt.Errorf("starting the holder: %w", err)
	}
	go cmd.Wait() // so that it is no zombie should it end before us
	defer ours.Close()
	if !cfg.Detached {
		return net.FileConn(ours)
	}
	_ = ours.SetReadDeadline(time.Now().Add(holderPatience))
	if n, err := ours.Read(make([]byte, 1)); n != 1 {
		if err == nil {
			err = errors.New("it ended")
		}
		return nil, fmt.Errorf("waiting for the holder to listen: %w (see %s)", err, log.Name())
	}
	return dialHolder(holderSocket(cfg.Data))
}

// holderPatience is how long a new holder may take until it listens.
const holderPatience = 30 * time.Second

// holderPipe makes the file that the holder gets as its third: one end of a
// connection, or of a pipe by which it says that it listens.
func holderPipe(detached bool) (ours, theirs *os.File, err error) {
	if detached {
		return os.Pipe()
	}
	return socketPair()
}

// build tells whether a holder is what this Executor would start itself.
func (h *holders) build() string {
	return fmt.Sprintf("%s none=%t home=%s tools=%q", buildID(), h.opts.Isolation == None, h.opts.Home, h.tools)
}

// buildID tells one build of the binary from another.
func buildID() string {
	self, err := os.Executable()
	if err != nil {
		return "unknown"
	}
	info, err := os.Stat(self)
	if err != nil {
		return "unknown"
	}
	return fmt.Sprintf("%d-%d-%x", wireVersion, info.Size(), info.ModTime().UnixNano())
}
