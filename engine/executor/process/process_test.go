package process_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pawl-dev/pawl/engine/attempt"
	"github.com/pawl-dev/pawl/engine/executor"
	"github.com/pawl-dev/pawl/engine/executor/executortest"
	"github.com/pawl-dev/pawl/engine/executor/process"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == process.HolderArg {
		os.Exit(process.HolderMain(os.Args[2:]))
	}
	os.Exit(m.Run())
}

// folderStore keeps each artifact in a folder of its own.
type folderStore struct {
	dir string
	n   atomic.Int64
}

func (s *folderStore) Put(_ context.Context, path string) (attempt.ArtifactRef, error) {
	info, err := os.Stat(path)
	if err != nil {
		return attempt.ArtifactRef{}, err
	}
	sum := sha256.Sum256([]byte{byte(s.n.Add(1))})
	ref := attempt.ArtifactRef{Digest: "sha256:" + hex.EncodeToString(sum[:]), Size: info.Size(), Dir: info.IsDir()}
	at, _ := s.Path(ref)
	return ref, os.Rename(path, at)
}

func (s *folderStore) Path(ref attempt.ArtifactRef) (string, error) {
	return filepath.Join(s.dir, strings.TrimPrefix(ref.Digest, "sha256:"), ref.SubPath), nil
}

func openExecutor(t testing.TB, o process.Options) *process.Executor {
	t.Helper()
	e, err := process.New(o)
	if err != nil {
		log, _ := os.ReadFile(filepath.Join(o.Data, "holder.log"))
		t.Fatalf("%v\n%s", err, log)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

func newExecutor(t testing.TB, isolation process.Isolation) *process.Executor {
	t.Helper()
	return openExecutor(t, process.Options{
		Data: t.TempDir(), Isolation: isolation, Artifacts: &folderStore{dir: t.TempDir()},
		Path: os.Getenv("PATH"), Home: os.Getenv("HOME"),
	})
}

func TestExecutor(t *testing.T) {
	for _, isolation := range []process.Isolation{process.Namespaces, process.None} {
		t.Run(string(isolation), func(t *testing.T) {
			executortest.Run(t, suite(t, isolation))
		})
	}
}

// suite tests a detached executor whose folders lie where each test's do.
func suite(t *testing.T, isolation process.Isolation) executortest.Suite {
	store := &folderStore{dir: t.TempDir()}
	opened := map[executor.Executor]process.Options{}
	open := func(t *testing.T, o process.Options) executor.Executor {
		e := openExecutor(t, o)
		opened[e] = o
		return e
	}
	return executortest.Suite{
		New: func(t *testing.T) executor.Executor {
			return open(t, process.Options{
				Data: t.TempDir(), Detached: true, Isolation: isolation, Artifacts: store,
				Path: os.Getenv("PATH"), Home: os.Getenv("HOME"), Idle: 3 * time.Second,
			})
		},
		Reopen: func(t *testing.T, e executor.Executor) executor.Executor {
			_ = e.(*process.Executor).Close()
			return open(t, opened[e])
		},
		Put: store.Put, Path: store.Path, Processes: true, AbsolutePaths: isolation == process.Namespaces,
	}
}

func sh(node, text string) attempt.Spec {
	return attempt.Spec{Key: attempt.Key{Run: "r", Node: node}, Workflow: "w", Template: "t", Command: []string{"sh", "-c", text}, CaptureResult: true}
}

func run(t *testing.T, e *process.Executor, s attempt.Spec) attempt.Result {
	t.Helper()
	h, err := e.Start(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	r, err := e.Wait(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func result(r attempt.Result) string {
	if r.Result == nil {
		return string(r.Outcome) + ": " + r.Message
	}
	return *r.Result
}

func BenchmarkStartWait(b *testing.B) {
	for _, iso := range []process.Isolation{process.Namespaces, process.None} {
		b.Run(string(iso), func(b *testing.B) {
			e := newExecutor(b, iso)
			code := b.TempDir()
			os.WriteFile(code+"/x.py", nil, 0o644)
			n := 0
			for b.Loop() {
				n++
				s := attempt.Spec{Key: attempt.Key{Run: "r", Node: "n", Attempt: n}, Command: []string{"true"}, CodeDir: code}
				h, err := e.Start(b.Context(), s)
				if err != nil {
					b.Fatal(err)
				}
				r, err := e.Wait(b.Context(), h)
				if err != nil || r.Outcome != attempt.Succeeded {
					b.Fatal(err, r)
				}
				if err := e.Remove(b.Context(), h); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
