package process

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// HolderArg is the hidden first argument by which the binary becomes a holder.
// main must look for it before anything else and call HolderMain with the rest.
const HolderArg = "__hold-attempts"

// holderConfig is the holder's one argument, in JSON.
type holderConfig struct {
	Data     string        `json:"data"`
	Detached bool          `json:"detached"`
	Plain    bool          `json:"plain,omitempty"` // do not even try namespaces
	Why      string        `json:"why,omitempty"`   // with Plain: why not
	Tools    []string      `json:"tools,omitempty"` // folders below masked ones that stay visible
	Home     string        `json:"home,omitempty"`
	Build    string        `json:"build"`
	Idle     time.Duration `json:"idle"`
}

// HolderMain is the life of a holder: the process that starts attempts and
// waits for them, apart from the server so that it outlives it. It returns the
// exit code of the process.
//
// File 3 is the connection to its executor or, if it is detached, a pipe on
// which it says that it listens.
func HolderMain(args []string) int {
	if err := holderMain(args); err != nil {
		fmt.Fprintf(os.Stderr, "holder: %v\n", err)
		return 1
	}
	return 0
}

func holderMain(args []string) error {
	var cfg holderConfig
	if len(args) != 1 {
		return fmt.Errorf("this command is pawl's own: it starts it itself")
	}
	if err := json.Unmarshal([]byte(args[0]), &cfg); err != nil {
		return fmt.Errorf("reading its configuration: %w", err)
	}
	keepFilesToOurselves()
	h := &holder{cfg: cfg, attempts: map[string]*held{}, conns: map[*holderConn]bool{}, done: make(chan struct{})}
	h.file3 = os.NewFile(3, "executor")
	h.idle = time.AfterFunc(time.Hour, h.leaveIfIdle)
	h.idle.Stop()
	h.starter, h.features = newStarter(cfg)
	h.features.Memory = memoryCgroup()
	if cfg.Detached {
		return h.serveDetached()
	}
	return h.serveAttached()
}

// holder is the state of a holder process.
type holder struct {
	cfg      holderConfig
	features features
	starter  starter
	file3    *os.File // stays open, see nsStarter.programs

	mu       sync.Mutex
	attempts map[string]*held
	conns    map[*holderConn]bool
	runs     int // attempts that have not ended
	retired  bool
	idle     *time.Timer
	socket   string
	done     chan struct{} // closed when it is time to go
	over     bool
}

// held is one attempt of a holder.
type held struct {
	order   order
	proc    proc
	ended   *exit
	tooLong bool
	kill    *time.Timer // after a stop
}

// starter starts commands in one of the two isolations.
type starter interface {
	// start begins o's command. stdout and stderr are closed by the caller.
	start(o *order, stdout, stderr *os.File) (proc, error)
}

// proc is a started command. Its methods may be called at the same time.
type proc interface {
	// wait returns when the command and all it left have ended; it fills what
	// it knows of e. It is called once. The func it returns, which may be nil,
	// waits for what has no importance any more.
	wait(e *exit) (after func())
	terminate() // SIGTERM to the command's process group
	kill()      // SIGKILL to all of the attempt
}

// serveAttached serves the one executor that started it and ends with it.
func (h *holder) serveAttached() error {
	conn, err := net.FileConn(h.file3)
	if err != nil {
		return fmt.Errorf("using the connection it was given: %w", err)
	}
	h.serve(conn)
	h.mu.Lock()
	for _, a := range h.attempts {
		if a.ended == nil {
			a.proc.kill()
		}
	}
	h.retired = true
	h.mu.Unlock()
	h.touch()
	<-h.done
	return nil
}

// serveDetached listens on the data folder's socket until it is retired or
// nobody has needed it for a while.
func (h *holder) serveDetached() error {
	h.socket = holderSocket(h.cfg.Data)
	l, err := listenHolder(h.socket)
	if err != nil {
		return err
	}
	h.touch()
	_, err = h.file3.Write([]byte("1"))
	if err != nil {
		l.Close()
		return fmt.Errorf("saying that it listens: %w", err)
	}
	go func() {
		<-h.done
		// First the name, so that it is never that of a successor's socket.
		h.mu.Lock()
		_ = os.Remove(h.socket)
		h.mu.Unlock()
		l.Close()
	}()
	for {
		conn, err := l.Accept()
		if err != nil {
			return nil
		}
		go h.serve(conn)
	}
}

// keepFilesToOurselves marks what was inherited, so that attempts do not
// inherit it in turn.
func keepFilesToOurselves() {
	open, err := os.ReadDir("/dev/fd")
	if err != nil {
		syscall.CloseOnExec(3)
	}
	for _, e := range open {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd > 2 {
			syscall.CloseOnExec(fd)
		}
	}
}

// touch looks at whether the holder is needed, after every change of that.
func (h *holder) touch() {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.runs > 0 || len(h.conns) > 0 && !h.retired:
		h.idle.Stop()
	case h.retired:
		h.leave()
	default:
		h.idle.Reset(h.cfg.Idle)
	}
}

func (h *holder) leaveIfIdle() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.runs == 0 && len(h.conns) == 0 {
		h.leave()
	}
}

// leave is called with h.mu held.
func (h *holder) leave() {
	if !h.over {
		h.over = true
		close(h.done)
	}
}

// holderConn is one executor's connection.
type holderConn struct {
	mu   sync.Mutex
	conn net.Conn
}

// send gives up on an executor that does not read: it will ask again.
func (c *holderConn) send(r response) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.conn.SetWriteDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.conn.Write(encodeLine(r)); err != nil {
		c.conn.Close()
	}
}

func (h *holder) serve(conn net.Conn) {
	c := &holderConn{conn: conn}
	h.mu.Lock()
	h.conns[c] = true
	h.mu.Unlock()
	h.touch()
	lines := bufio.NewReader(conn)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			break
		}
		var r request
		if err := json.Unmarshal(line, &r); err != nil {
			break
		}
		resp := h.answer(r)
		resp.ID = r.ID
		c.send(resp)
	}
	conn.Close()
	h.mu.Lock()
	delete(h.conns, c)
	h.mu.Unlock()
	h.touch()
}

func (h *holder) answer(r request) response {
	switch r.Op {
	case opHello:
		return response{Hello: &hello{Wire: wireVersion, Build: h.cfg.Build, PID: os.Getpid(), features: h.features}}
	case opStart:
		if err := h.start(r.Start); err != nil {
			return response{Err: err.Error()}
		}
		return response{}
	case opStop:
		h.stop(r.Hash, r.Grace)
		return response{}
	case opForget:
		h.mu.Lock()
		if a := h.attempts[r.Hash]; a != nil && a.ended != nil {
			delete(h.attempts, r.Hash)
		}
		h.mu.Unlock()
		return response{}
	case opList:
		return response{Running: h.list()}
	case opRetire:
		if err := h.retire(); err != nil {
			return response{Err: err.Error()}
		}
		return response{}
	}
	return response{Err: fmt.Sprintf("unknown request %q", r.Op)}
}

func (h *holder) list() []running {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := []running{}
	for _, a := range h.attempts {
		if a.ended == nil {
			all = append(all, running{Hash: a.order.Hash, Key: a.order.Key, Need: a.order.Need})
		}
	}
	return all
}

// retire moves the socket aside, so that another holder can take its place,
// and leaves when nothing runs.
func (h *holder) retire() error {
	h.mu.Lock()
	if !h.retired && h.socket != "" {
		aside := filepath.Join(filepath.Dir(h.socket), fmt.Sprintf("holder-%d.sock", os.Getpid()))
		if err := os.Rename(h.socket, aside); err != nil {
			h.mu.Unlock()
			return fmt.Errorf("moving its socket aside: %w", err)
		}
		h.socket = aside
	}
	h.retired = true
	h.mu.Unlock()
	time.AfterFunc(time.Millisecond, h.touch) // the answer goes first
	return nil
}

func (h *holder) start(o *order) error {
	h.mu.Lock()
	if h.attempts[o.Hash] != nil {
		h.mu.Unlock()
		return nil
	}
	if h.retired {
		h.mu.Unlock()
		return errors.New("this holder is retired")
	}
	a := &held{order: *o}
	h.attempts[o.Hash] = a
	h.runs++
	err := h.launch(a)
	if err != nil {
		delete(h.attempts, o.Hash)
		h.runs--
	}
	h.mu.Unlock()
	h.touch()
	return err
}

// launch is called with h.mu held, so that a is complete when others see it.
func (h *holder) launch(a *held) error {
	o := &a.order
	log, err := os.OpenFile(o.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("opening the log: %w", err)
	}
	stdout, tail := log, (*tailCopy)(nil)
	if o.Capture {
		if tail, stdout, err = newTailCopy(o.Log); err != nil {
			log.Close()
			return err
		}
	}
	o.fence = newFence(h.features.Memory, o)
	started := time.Now()
	a.proc, err = h.starter.start(o, stdout, log)
	log.Close()
	o.fence.started()
	if tail != nil {
		stdout.Close()
	}
	if err != nil {
		o.fence.remove()
		tail.abandon()
		return err
	}
	var deadline *time.Timer
	if o.MaxRun > 0 {
		deadline = time.AfterFunc(o.MaxRun, func() { h.expire(a) })
	}
	go h.await(a, started, tail, deadline)
	return nil
}

// deadlineGrace is what a command has between SIGTERM and SIGKILL when its time
// is over.
const deadlineGrace = 10 * time.Second

func (h *holder) expire(a *held) {
	h.mu.Lock()
	if a.ended == nil {
		a.tooLong = true
	}
	h.mu.Unlock()
	h.stop(a.order.Hash, deadlineGrace)
}

func (h *holder) stop(hash string, grace time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	a := h.attempts[hash]
	if a == nil || a.ended != nil {
		return
	}
	if a.kill != nil {
		a.kill.Stop() // the newer wish counts
	}
	if grace <= 0 {
		a.proc.kill()
		return
	}
	a.proc.terminate()
	a.kill = time.AfterFunc(grace, a.proc.kill)
}

func (h *holder) await(a *held, started time.Time, tail *tailCopy, deadline *time.Timer) {
	e := exit{Hash: a.order.Hash, Key: a.order.Key, Started: started}
	after := a.proc.wait(&e)
	e.Finished = time.Now()
	if deadline != nil {
		deadline.Stop()
	}
	e.OOM = a.order.fence.remove() && e.Code == 128+int(syscall.SIGKILL)
	e.Stdout = tail.result(a.order.Root != "")
	h.mu.Lock()
	e.TooLong = a.tooLong
	if a.kill != nil {
		a.kill.Stop()
	}
	h.mu.Unlock()
	if a.order.Record != "" {
		if err := writeDurably(a.order.Record, encodeLine(e)); err != nil {
			fmt.Fprintf(os.Stderr, "holder: exit record of %s: %v\n", e.Key, err)
		}
	}
	h.mu.Lock()
	a.ended = &e
	conns := make([]*holderConn, 0, len(h.conns))
	for c := range h.conns {
		conns = append(conns, c)
	}
	h.mu.Unlock()
	for _, c := range conns {
		c.send(response{Ended: &e})
	}
	if after != nil {
		after()
	}
	h.mu.Lock()
	h.runs--
	h.mu.Unlock()
	h.touch()
}

// writeDurably replaces the file at path so that after a crash there is either
// the old or the whole new content.
func writeDurably(path string, content []byte) error {
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

// exitCode is the shell's number for how a process ended.
func exitCode(ws syscall.WaitStatus) int {
	if ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return ws.ExitStatus()
}
