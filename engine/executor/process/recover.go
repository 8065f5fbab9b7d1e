package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/pawl-dev/pawl/engine/attempt"
)

// What a detached attempt keeps in its folder, in the order of its life:
//
//	spec.json    written before the holder is asked to start it
//	exit.json    written by the holder when the command has ended
//	collecting   there while outputs are moved into the store
//	result.json  the end; takes the place of all the others
//
// An attempt with a spec but no exit that no holder knows is lost. So is one
// whose collection was cut off, since some of its outputs may have moved.
const (
	specFile       = "spec.json"
	exitFile       = "exit.json"
	collectingFile = "collecting"
	resultFile     = "result.json"
)

// keptSpec is what spec.json holds.
type keptSpec struct {
	Spec   attempt.Spec      `json:"spec"`
	Need   need              `json:"need"`
	Notes  []string          `json:"notes,omitempty"`
	Places []keptPlace       `json:"view"`
	Paths  map[string]string `json:"paths"`
	Path   string            `json:"path"`
	Argv0  string            `json:"argv0"`
}

type keptPlace struct {
	At     string `json:"at"`
	Dir    string `json:"dir"`
	Lower  string `json:"lower,omitempty"`
	Frozen bool   `json:"frozen,omitempty"`
}

func (e *Executor) keepSpec(t *tracked) error {
	k := keptSpec{Spec: t.spec, Need: t.need, Notes: t.notes, Paths: t.places, Path: t.path, Argv0: t.argv0}
	for _, p := range t.view.places {
		k.Places = append(k.Places, keptPlace{At: p.at, Dir: p.dir, Lower: p.lower, Frozen: p.frozen})
	}
	return os.WriteFile(filepath.Join(t.dir, specFile), encodeLine(k), 0o600)
}

func (e *Executor) markCollecting(t *tracked) {
	if e.opts.Detached && len(t.spec.Outputs) > 0 {
		_ = os.WriteFile(filepath.Join(t.dir, collectingFile), nil, 0o600)
	}
}

// keepResult lets a later Executor know the end without collecting again.
func (e *Executor) keepResult(t *tracked, r attempt.Result) {
	if !e.opts.Detached {
		return
	}
	_ = os.MkdirAll(t.dir, 0o755)
	k := struct {
		Key    attempt.Key    `json:"key"`
		Result attempt.Result `json:"result"`
	}{t.spec.Key, r}
	if err := writeDurably(filepath.Join(t.dir, resultFile), encodeLine(k)); err != nil {
		e.opts.Log.Error("keeping a result", "attempt", t.spec.Key, "error", err)
	}
}

func readJSON(path string, v any) (bool, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return json.Unmarshal(b, v) == nil, nil
}

func readExit(dir string) (exit, bool) {
	var x exit
	ok, err := readJSON(filepath.Join(dir, exitFile), &x)
	return x, ok && err == nil
}

// recover finds an attempt of an earlier Executor, or nil. It is called with
// e.mu held.
func (e *Executor) recover(k attempt.Key) (*tracked, error) {
	hash := k.Hash()
	dir := e.attemptDir(hash)
	t := &tracked{dir: dir, settled: make(chan struct{}), ended: make(chan struct{})}
	close(t.settled)
	var end struct {
		Key    attempt.Key    `json:"key"`
		Result attempt.Result `json:"result"`
	}
	if ok, err := readJSON(filepath.Join(dir, resultFile), &end); err != nil {
		return nil, fmt.Errorf("finding %s again: %w", k, err)
	} else if ok && end.Key == k {
		t.spec.Key, t.result = k, end.Result
		close(t.ended)
		e.known[hash] = t
		return t, nil
	}
	var kept keptSpec
	if ok, err := readJSON(filepath.Join(dir, specFile), &kept); err != nil {
		return nil, fmt.Errorf("finding %s again: %w", k, err)
	} else if !ok || kept.Spec.Key != k {
		return nil, nil
	}
	t.spec, t.need, t.notes, t.places, t.path, t.argv0 = kept.Spec, kept.Need, kept.Notes, kept.Paths, kept.Path, kept.Argv0
	t.view = &view{}
	for _, p := range kept.Places {
		t.view.add(place{at: p.At, dir: p.Dir, lower: p.Lower, frozen: p.Frozen})
	}
	e.known[hash] = t
	e.work.Add(1)
	go func() {
		defer e.work.Done()
		e.resume(t)
	}()
	return t, nil
}

// resume waits for the end of a recovered attempt, or finds that it was.
func (e *Executor) resume(t *tracked) {
	hash := t.spec.Key.Hash()
	// Ask before reading: it may end in between.
	running := e.holders.runs(hash)
	x, ended := readExit(t.dir)
	_, err := os.Lstat(filepath.Join(t.dir, collectingFile))
	switch {
	case ended && err == nil:
		e.finish(t, attempt.Result{Outcome: attempt.Lost, Message: "pawl ended while it collected the attempt's outputs"})
	case ended:
		e.conclude(t, x)
	case !running:
		e.finish(t, attempt.Result{Outcome: attempt.Lost, Message: "the attempt cannot be found again"})
	}
}
