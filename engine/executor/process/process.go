package process

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/pawl-dev/pawl/engine/attempt"
	"github.com/pawl-dev/pawl/engine/executor"
)

// Isolation is how far attempts are kept apart from the machine.
type Isolation string

// With Namespaces an attempt has a private root and process tree; with None it
// is an ordinary process. Auto takes Namespaces where the system allows it.
const (
	Auto       Isolation = "auto"
	Namespaces Isolation = "namespaces"
	None       Isolation = "none"
)

// Artifacts is the content-addressed store that inputs come from and outputs
// go to.
type Artifacts interface {
	// Put takes the file or folder at path into the store, by renaming where
	// that is possible, and returns its reference. Afterwards nothing is at path.
	Put(ctx context.Context, path string) (attempt.ArtifactRef, error)
	// Path is where the content is on this machine, for reading only, as long
	// as the store keeps it.
	Path(ref attempt.ArtifactRef) (string, error)
}

// Options configure an Executor. Data and Artifacts are necessary.
type Options struct {
	Data string // pawl's data folder; made if it does not exist
	// Detached attempts outlive this process: their holder is found again by
	// the next Executor on the same Data. Otherwise all attempts end with it.
	Detached  bool
	Isolation Isolation           // default Auto
	GPUs      int                 // how many this machine has for attempts
	Images    map[string][]string // what stands in for the entrypoint of an image
	Artifacts Artifacts
	// Path is the PATH of attempts, by default DefaultPath. Folders of programs
	// that lie in home folders are visible if it names them.
	Path string
	// Home is the home folder of the user this process runs as. It is masked;
	// attempts have an empty folder of the same name for their HOME.
	Home   string
	Cores  int   // default: those of the machine
	Memory int64 // bytes; default: the machine's
	// Idle is how long a detached holder that nobody needs waits before it
	// ends; default one minute.
	Idle time.Duration
	Now  func() time.Time // default time.Now
	Log  *slog.Logger     // default: nowhere
}

func (o *Options) fill() error {
	if o.Data == "" {
		return fmt.Errorf("process executor: Data is not set")
	}
	switch o.Isolation {
	case "":
		o.Isolation = Auto
	case Auto, Namespaces, None:
	default:
		return fmt.Errorf("process executor: isolation %q is none of auto, namespaces, none", o.Isolation)
	}
	if o.Home == "/" {
		o.Home = ""
	}
	if o.Path == "" {
		o.Path = DefaultPath
	}
	if o.Cores == 0 {
		o.Cores = runtime.NumCPU()
	}
	if o.Memory == 0 {
		o.Memory = machineMemory()
	}
	if o.Idle == 0 {
		o.Idle = time.Minute
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(filepath.Join(o.Data, "attempts"), 0o755); err != nil {
		return fmt.Errorf("process executor: %w", err)
	}
	data, err := filepath.Abs(o.Data)
	if err == nil {
		data, err = filepath.EvalSymlinks(data)
	}
	if err != nil {
		return fmt.Errorf("process executor: data folder: %w", err)
	}
	o.Data = data
	return nil
}

// Executor runs attempts as local processes. See the package's documentation.
type Executor struct {
	opts     Options
	holders  *holders
	features features
	isolated bool
	room     *capacity
	host     []hostEntry
	tools    []string
	skeleton string

	mu     sync.Mutex
	known  map[string]*tracked
	closed bool
	work   sync.WaitGroup // collections in progress
	ctx    context.Context
	cancel context.CancelFunc
}

var (
	_ executor.Executor = (*Executor)(nil)
	_ executor.Checker  = (*Executor)(nil)
)

// tracked is an attempt that this Executor knows.
type tracked struct {
	spec  attempt.Spec
	dir   string
	need  need
	notes []string

	view   *view
	places map[string]string
	path   string // PATH, for messages
	argv0  string

	settled    chan struct{} // closed when Start has done what it can
	startErr   error
	stop       context.CancelFunc // ends the wait for room
	stopped    bool
	concluding bool

	ended  chan struct{} // closed when result is set
	result attempt.Result
}

// New starts or finds the holder of o.Data and finds out what this machine
// allows. Close ends what it holds.
func New(o Options) (*Executor, error) {
	if err := o.fill(); err != nil {
		return nil, err
	}
	e := &Executor{opts: o, room: newCapacity(o.Cores, o.GPUs, o.Memory), known: map[string]*tracked{}}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	e.tools = toolFolders(o.Path, o.Home, o.Data)
	var err error
	if e.host, err = hostEntries(); err != nil {
		return nil, fmt.Errorf("process executor: %w", err)
	}
	e.holders = &holders{opts: &e.opts, tools: e.tools, ended: e.onEnded, gone: e.onHolderGone}
	if err := e.holders.open(); err != nil {
		return nil, fmt.Errorf("process executor: %w", err)
	}
	e.features = e.holders.current.hello.features
	e.isolated = e.features.Namespaces && o.Isolation != None
	if o.Isolation == Namespaces && !e.isolated {
		_ = e.Close()
		return nil, fmt.Errorf("process executor: isolation by namespaces is not possible here: %s; --isolation none runs without", e.features.Why)
	}
	if e.isolated && e.features.Overlay {
		if e.skeleton, err = keepSkeleton(o.Data, e.host, e.tools, e.home()); err != nil {
			_ = e.Close()
			return nil, fmt.Errorf("process executor: making the skeleton of roots: %w", err)
		}
	}
	for _, r := range e.holders.running() {
		e.room.adopt(r.Need)
	}
	return e, nil
}

// Isolation says which isolation attempts have and, if it is not the better
// one, why.
func (e *Executor) Isolation() (mode Isolation, why string) {
	switch {
	case e.isolated:
		return Namespaces, ""
	case e.opts.Isolation == None:
		return None, "asked for"
	}
	return None, e.features.Why
}

// Close leaves the holder: detached attempts run on, others are killed.
func (e *Executor) Close() error {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.cancel()
	e.holders.close()
	e.work.Wait()
	return nil
}

// Start implements executor.Executor.
func (e *Executor) Start(ctx context.Context, s attempt.Spec) (executor.Handle, error) {
	h := executor.Handle{Key: s.Key}
	hash := s.Key.Hash()
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return h, executor.ErrClosed
	}
	t := e.known[hash]
	if t == nil {
		var err error
		if t, err = e.recover(s.Key); err != nil {
			e.mu.Unlock()
			return h, err
		}
	}
	if t != nil {
		e.mu.Unlock()
		select {
		case <-t.settled:
			return h, t.startErr
		case <-ctx.Done():
			return h, context.Cause(ctx)
		}
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	t = &tracked{
		spec: s, dir: e.attemptDir(hash), stop: stop,
		settled: make(chan struct{}), ended: make(chan struct{}),
	}
	e.known[hash] = t
	e.mu.Unlock()

	err := e.start(ctx, t)
	if err != nil {
		e.mu.Lock()
		delete(e.known, hash)
		e.mu.Unlock()
		_ = removeTree(t.dir)
		t.startErr = err
	}
	close(t.settled)
	return h, err
}

func (e *Executor) attemptDir(hash string) string {
	return filepath.Join(e.opts.Data, "attempts", hash)
}

func (e *Executor) runDir(run string) string { return RunDir(e.opts.Data, run) }

func (e *Executor) logPath(k attempt.Key) string { return LogPath(e.opts.Data, k) }

// RunDir is where a data folder keeps what belongs to a run: its volumes and
// the logs of its attempts. It is removed with the run.
func RunDir(data, run string) string { return filepath.Join(data, "runs", url(run)) }

// LogPath is the log of an attempt, there from its start until its run is
// deleted.
func LogPath(data string, k attempt.Key) string {
	return filepath.Join(RunDir(data, k.Run), "logs", k.Hash()+".log")
}

// start waits for room, makes the attempt's folder and hands it to the holder.
func (e *Executor) start(ctx context.Context, t *tracked) error {
	refusals, notes := e.Check(t.spec)
	t.notes = notes
	if len(refusals) > 0 {
		e.finish(t, attempt.Result{Outcome: attempt.Error, Message: refusals[0].Why})
		return nil
	}
	granted, err := e.room.acquire(ctx, e.room.needOf(t.spec.Resources))
	if err != nil {
		if e.wasStopped(t) {
			e.finish(t, attempt.Result{Outcome: attempt.Failed, Message: "stopped before it started"})
			return nil
		}
		return fmt.Errorf("waiting for room for %s: %w", t.spec.Key, err)
	}
	t.need = granted
	o, err := e.prepare(t)
	if err != nil {
		e.room.release(granted)
		if m, ok := asMistake(err); ok {
			e.finish(t, attempt.Result{Outcome: attempt.Error, Message: m})
			return nil
		}
		return fmt.Errorf("preparing %s: %w", t.spec.Key, err)
	}
	if err := e.holders.start(o); err != nil {
		e.room.release(granted)
		return fmt.Errorf("starting %s: %w", t.spec.Key, err)
	}
	if e.wasStopped(t) {
		e.holders.stop(o.Hash, 0)
	}
	return nil
}

func (e *Executor) wasStopped(t *tracked) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return t.stopped
}

// Wait implements executor.Executor.
func (e *Executor) Wait(ctx context.Context, h executor.Handle) (attempt.Result, error) {
	t, err := e.find(h.Key)
	if err != nil {
		return attempt.Result{}, err
	}
	if t == nil {
		return attempt.Result{Outcome: attempt.Lost, Message: "the attempt cannot be found again"}, nil
	}
	select {
	case <-t.ended:
		return t.result, nil
	default:
	}
	select {
	case <-t.ended:
		return t.result, nil
	case <-ctx.Done():
		return attempt.Result{}, context.Cause(ctx)
	case <-e.ctx.Done():
		return attempt.Result{}, executor.ErrClosed
	}
}

// find returns the attempt, nil if there is none, also if only the disk and
// the holder know it.
func (e *Executor) find(k attempt.Key) (*tracked, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if t := e.known[k.Hash()]; t != nil {
		return t, nil
	}
	return e.recover(k)
}

// Logs implements executor.Executor.
func (e *Executor) Logs(ctx context.Context, h executor.Handle) (io.ReadCloser, error) {
	t, err := e.find(h.Key)
	if err != nil {
		return nil, err
	}
	var ended <-chan struct{}
	if t != nil {
		select {
		case <-t.settled:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		ended = t.ended
	}
	return followLog(ctx, e.logPath(h.Key), ended)
}

// Stop implements executor.Executor.
func (e *Executor) Stop(_ context.Context, h executor.Handle, grace time.Duration) error {
	t, err := e.find(h.Key)
	if err != nil || t == nil {
		return err
	}
	e.mu.Lock()
	t.stopped = true
	stop := t.stop
	e.mu.Unlock()
	select {
	case <-t.settled:
		e.holders.stop(h.Key.Hash(), grace)
	default:
		stop()
	}
	return nil
}

// Remove implements executor.Executor. An attempt that still runs is killed.
func (e *Executor) Remove(ctx context.Context, h executor.Handle) error {
	hash := h.Key.Hash()
	t, err := e.find(h.Key)
	if err != nil {
		return err
	}
	if t != nil {
		if err := e.Stop(ctx, h, 0); err != nil {
			return err
		}
		select {
		case <-t.ended:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-e.ctx.Done():
			return executor.ErrClosed
		}
	}
	e.mu.Lock()
	delete(e.known, hash)
	e.mu.Unlock()
	e.holders.forget(hash)
	if err := removeAttempt(e.attemptDir(hash)); err != nil {
		return fmt.Errorf("removing %s: %w", h.Key, err)
	}
	return nil
}

// finish makes r the end of t.
func (e *Executor) finish(t *tracked, r attempt.Result) {
	r.Notes = append(r.Notes, t.notes...)
	e.keepResult(t, r)
	e.mu.Lock()
	t.result = r
	e.mu.Unlock()
	close(t.ended)
}
