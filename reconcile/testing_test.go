package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pawl-dev/pawl/engine"
	"github.com/pawl-dev/pawl/engine/artifact"
	"github.com/pawl-dev/pawl/engine/attempt"
	"github.com/pawl-dev/pawl/engine/executor/fake"
	"github.com/pawl-dev/pawl/gitsync"
	"github.com/pawl-dev/pawl/promotion/forge"
	"github.com/pawl-dev/pawl/promotion/forge/local"
	"github.com/pawl-dev/pawl/render"
	"github.com/pawl-dev/pawl/render/worker"
	"github.com/pawl-dev/pawl/store"
)

// The repository of most tests: a model that is trained by a template whose code
// folder is code, and two stages. What training makes is written in
// code/model.env (see world.train).
var repository = map[string]string{
	"README.md":      "hello\n",
	"code/model.env": "model=m1\naccuracy=0.97\n",
	"deploy/template.yaml": `
apiVersion: argoproj.io/v1alpha1
kind: WorkflowTemplate
metadata: {name: train, annotations: {pawl.dev/code: code}}
spec:
  entrypoint: main
  templates:
  - name: main
    container: {image: x, command: [train]}
    outputs:
      parameters: [{name: accuracy, valueFrom: {path: /tmp/accuracy}}]
      artifacts: [{name: model, path: /tmp/model}]
`,
	"deploy/run.yaml": `
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {name: fraud}
spec: {workflowTemplateRef: {name: train}}
`,
	"deploy/model.yaml": `
apiVersion: pawl.dev/v1alpha1
kind: ModelDeploy
metadata: {name: fraud}
spec:
  candidate:
    workflowTemplateRef: {name: train}
    artifact: model
    metrics: [accuracy]
    publish: file://PUBLISH
  stages:
  - name: staging
    path: stages/staging
    destination: modelRepository
    gates: [{name: accurate, expr: accuracy > 0.95}]
  - name: production
    path: stages/production
    after: [staging]
    destination: modelRepository
    gates: [{name: better, expr: accuracy > current.accuracy, onNoCurrent: pass}]
`,
	"stages/staging/model.yaml":    service("staging", ""),
	"stages/production/model.yaml": service("production", ""),
}

// service is a stage's file.
func service(namespace, uri string) string {
	return fmt.Sprintf(`
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: fraud, namespace: %s}
spec:
  predictor:
    model:
      modelFormat: {name: any}
      storageUri: %q
`, namespace, uri)
}

// world is what outlives a loop: a bare repository, a clone that somebody pushes
// from, the data folder, and the machine that attempts run on.
type world struct {
	t       testing.TB
	root    string
	bare    string
	work    string
	url     string // that is served; default: bare
	machine *fake.Machine
	now     func() time.Time
	boot    *boot // the life that is going on
}

func newWorld(t testing.TB, files map[string]string) *world {
	t.Helper()
	root := t.TempDir()
	w := &world{t: t, root: root, bare: filepath.Join(root, "models.git"), work: filepath.Join(root, "work"), now: time.Now}
	w.url = w.bare
	w.machine = fake.NewMachine(w.train, nil)
	w.gitAt(root, "init", "-q", "--template=", "--bare", "-b", "main", w.bare)
	w.gitAt(root, "clone", "-q", "--template=", w.bare, w.work)
	w.push("first", files)
	t.Cleanup(func() { w.down() })
	return w
}

func (w *world) gitAt(dir string, args ...string) string {
	w.t.Helper()
	out, err := w.tryGit(dir, args...)
	if err != nil {
		w.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (w *world) tryGit(dir string, args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "LC_ALL=C",
		"GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.com", "GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.com"}
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (w *world) git(args ...string) string { w.t.Helper(); return w.gitAt(w.work, args...) }

// push commits files ("" removes one) on top of main and pushes.
func (w *world) push(message string, files map[string]string) string {
	w.t.Helper()
	if w.git("ls-remote", "origin", "main") != "" {
		w.git("fetch", "-q", "origin")
		w.git("checkout", "-q", "-B", "main", "origin/main")
	}
	for name, content := range files {
		path := filepath.Join(w.work, name)
		if content == "" {
			if err := os.Remove(path); err != nil {
				w.t.Fatal(err)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			w.t.Fatal(err)
		}
		content = strings.ReplaceAll(content, "PUBLISH", filepath.Join(w.root, "published"))
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			w.t.Fatal(err)
		}
	}
	w.git("add", "-A")
	w.git("commit", "-q", "--allow-empty", "-m", message)
	w.git("push", "-q", "origin", "HEAD:main")
	return w.git("rev-parse", "HEAD")
}

// model pushes code that trains a model.
func (w *world) model(name string, accuracy float64) string {
	w.t.Helper()
	return w.push(name, map[string]string{"code/model.env": fmt.Sprintf("model=%s\naccuracy=%g\n", name, accuracy)})
}

// train is what attempts do: they make of their code folder's model.env a model
// and its accuracy. With "block" in it they run until they are stopped.
func (w *world) train(ctx context.Context, s attempt.Spec, log io.Writer, kill <-chan struct{}) attempt.Result {
	env := map[string]string{}
	data, _ := os.ReadFile(filepath.Join(s.CodeDir, "model.env"))
	for line := range strings.Lines(string(data)) {
		k, v, _ := strings.Cut(strings.TrimSpace(line), "=")
		env[k] = v
	}
	if env["block"] != "" {
		<-ctx.Done()
		code := 143
		return attempt.Result{Outcome: attempt.Failed, Message: "Error (exit code 143)", ExitCode: &code}
	}
	res := attempt.Result{Outcome: attempt.Succeeded, ExitCode: new(int), Parameters: map[string]string{}, Artifacts: map[string]attempt.ArtifactRef{}}
	for _, p := range s.OutputParameters {
		res.Parameters[p.Name] = env[p.Name]
	}
	artifacts, err := artifact.Open(filepath.Join(w.root, "data", "artifacts"))
	if err != nil {
		return attempt.Result{Outcome: attempt.Error, Message: err.Error()}
	}
	defer artifacts.Close()
	for _, a := range s.Outputs {
		file := filepath.Join(w.root, strings.ReplaceAll(s.Key.Hash(), "/", "_"))
		if err := os.WriteFile(file, []byte("the model "+env["model"]), 0o644); err != nil {
			return attempt.Result{Outcome: attempt.Error, Message: err.Error()}
		}
		ref, err := artifacts.Put(ctx, file)
		if err != nil {
			return attempt.Result{Outcome: attempt.Error, Message: err.Error()}
		}
		res.Artifacts[a.Name] = ref
	}
	return res
}

// boot is one life of everything: a store, an engine that carries runs on, and a
// loop whose passes the test makes, or that runs by itself.
type boot struct {
	w         *world
	store     *store.Store
	gate      *gate
	artifacts *artifact.Store
	engine    *engine.Engine
	loop      *Loop
	triggers  *triggers
	forge     *local.Forge

	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup
}

// up begins a life; with a gate that breaks at the n-th write it may be short.
func (w *world) up(g *gate) *boot {
	w.t.Helper()
	if w.boot != nil {
		w.t.Fatal("a life is going on")
	}
	data := filepath.Join(w.root, "data")
	b := &boot{w: w, gate: g}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	g.kill = b.cancel
	var err error
	if b.store, err = openStore(b.ctx, filepath.Join(data, "pawl.db")); err != nil {
		w.t.Fatal(err)
	}
	g.Store = b.store
	if b.artifacts, err = artifact.Open(filepath.Join(data, "artifacts")); err != nil {
		w.t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	if testing.Verbose() {
		log = slog.New(slog.NewTextHandler(w.t.Output(), nil))
	}
	b.engine = engine.New(engine.Options{Store: g, Executor: w.machine.Executor(), Artifacts: b.artifacts, Grace: time.Second, Now: w.now, Log: log})
	src := gitsync.Source{URL: w.url, Revision: "main"}
	snapshots, err := gitsync.OpenCache(gitsync.CacheConfig{Dir: filepath.Join(data, "git")})
	if err != nil {
		w.t.Fatal(err)
	}
	scratch := filepath.Join(data, "tmp")
	if err := os.MkdirAll(scratch, 0o700); err != nil {
		w.t.Fatal(err)
	}
	o := Options{
		Name: "models", Source: src, Path: "deploy", Namespace: "default", ModelRepository: filepath.Join(w.root, "serving"),
		Data: data, Scratch: scratch, Interval: time.Second, Store: g, Engine: b.engine, Artifacts: b.artifacts, Snapshots: snapshots,
		Render: inProcess(), Now: w.now, Log: log,
	}
	if w.url == w.bare {
		b.forge, err = local.Open(local.Config{Repository: w.bare, Documents: pulls{g}, Now: w.now,
			Committer: gitsync.Identity{Name: Author, Email: AuthorEmail}})
		if err != nil {
			w.t.Fatal(err)
		}
		o.Forge = b.forge
	} else {
		o.NoForge = "a test has none"
	}
	if b.loop, err = New(o); err != nil {
		w.t.Fatal(err)
	}
	b.triggers = newTriggers(b.loop)
	w.boot = b
	b.work.Go(func() {
		if err := b.engine.Run(b.ctx, func(string, []byte) bool { return true }); err != nil && b.ctx.Err() == nil {
			w.t.Error(err)
		}
	})
	return b
}

// openStore opens a store that was closed a moment ago: a git that another test
// starts may hold a copy of its lock until it has become git.
func openStore(ctx context.Context, path string) (*store.Store, error) {
	for try := 0; ; try++ {
		st, err := store.Open(ctx, path, store.Options{FlushEvery: 5 * time.Millisecond})
		var inUse *store.InUseError
		if !errors.As(err, &inUse) || try == 100 {
			return st, err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// steps begins a life whose passes the test makes: see settle.
func (w *world) steps() *boot {
	w.t.Helper()
	b := w.up(&gate{})
	b.restore()
	return b
}

func (b *boot) restore() {
	b.w.t.Helper()
	if err := b.loop.restore(b.ctx); err != nil && b.ctx.Err() == nil {
		b.w.t.Fatal(err)
	}
}

// runs begins a life with the loop running by itself.
func (w *world) runs() *boot {
	w.t.Helper()
	b := w.up(&gate{})
	b.work.Go(func() {
		if err := b.loop.Run(b.ctx); err != nil && b.ctx.Err() == nil {
			w.t.Error(err)
		}
	})
	return b
}

// down ends the life that is going on.
func (w *world) down() {
	b := w.boot
	if b == nil {
		return
	}
	w.boot = nil
	b.cancel()
	b.work.Wait()
	b.loop.putInForce(nil)
	if err := errors.Join(b.artifacts.Close(), b.store.Close()); err != nil {
		w.t.Error(err)
	}
}

// inProcess renders without a worker process.
func inProcess() *render.Renderer {
	return render.New(render.Config{Build: func(_ context.Context, req worker.Request) (worker.Response, error) {
		return worker.Build(req), nil
	}})
}

// settle looks at the repository and makes passes until nothing is left to do and
// all runs but those that block have ended.
func (b *boot) settle() {
	b.w.t.Helper()
	changes := b.store.Subscribe(b.ctx)
	for b.ctx.Err() == nil {
		calm, count := b.unfinished() == "", len(b.runs())
		b.loop.lookAt(b.ctx)
		b.loop.pass(b.ctx, b.triggers)
		if calm && b.unfinished() == "" && len(b.runs()) == count {
			return // nothing has started or ended since the pass began
		}
		select {
		case <-changes:
		case <-b.ctx.Done():
		case <-time.After(20 * time.Millisecond): // a change came before the look
		}
	}
}

// unfinished is the name of a run that has not ended and does not block, empty if
// there is none.
func (b *boot) unfinished() string {
	b.w.t.Helper()
	rows, err := b.store.UnfinishedRuns(context.Background())
	if err != nil {
		b.w.t.Fatal(err)
	}
	for _, r := range rows {
		if !b.blocks(r) {
			return r.Name
		}
	}
	return ""
}

// blocks reports whether the run's attempts run until they are stopped, and run.
func (b *boot) blocks(r store.Run) bool {
	for _, s := range b.w.machine.Started() {
		if s.Key.Run == r.UID {
			data, _ := os.ReadFile(filepath.Join(s.CodeDir, "model.env"))
			return strings.Contains(string(data), "block=")
		}
	}
	return false
}

// until waits for something that a loop that runs by itself brings about.
func (b *boot) until(what string, ok func() bool) {
	b.w.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 30*time.Second)
	defer cancel()
	changes := b.store.Subscribe(ctx)
	for !ok() {
		select {
		case _, open := <-changes:
			if !open {
				b.w.t.Fatalf("it never came to %s; runs are %v, stages %v", what, b.runs(), b.stages())
			}
		case <-time.After(20 * time.Millisecond): // what is no change of the store
		}
	}
}

// runs are all runs, oldest first: name without the key, phase.
func (b *boot) runs() []string {
	b.w.t.Helper()
	rows, err := b.store.ListRuns(context.Background(), store.RunFilter{})
	if err != nil {
		b.w.t.Fatal(err)
	}
	var out []string
	for _, r := range slices.Backward(rows) {
		out = append(out, r.WorkflowName+" "+r.Status.Phase)
	}
	return out
}

// stages are how the stages stand: name, state, why.
func (b *boot) stages() map[string]StageStatus {
	b.w.t.Helper()
	all, err := Stages(context.Background(), b.store)
	if err != nil {
		b.w.t.Fatal(err)
	}
	out := map[string]StageStatus{}
	for _, s := range all {
		out[s.Stage] = s
	}
	return out
}

// pulls are all pull requests, oldest first.
func (b *boot) pulls() []forge.PullRequest {
	b.w.t.Helper()
	list, err := b.forge.List(context.Background(), forge.Query{})
	if err != nil {
		b.w.t.Fatal(err)
	}
	return list
}

// open is the one open pull request.
func (b *boot) open() forge.PullRequest {
	b.w.t.Helper()
	var open []forge.PullRequest
	for _, p := range b.pulls() {
		if p.State == forge.StateOpen {
			open = append(open, p)
		}
	}
	if len(open) != 1 {
		b.w.t.Fatalf("%d pull requests are open, want 1; stages: %v", len(open), b.stages())
	}
	return open[0]
}

// merge merges the open pull request, as `pawl pr merge` does.
func (b *boot) merge() {
	b.w.t.Helper()
	p := b.open()
	if _, err := b.forge.Merge(b.ctx, p.Number, forge.MergeOptions{ExpectedHead: p.HeadSHA, By: "ada"}); err != nil {
		b.w.t.Fatal(err)
	}
}

// deployed is the content of the model that a stage serves, and its version.
func (w *world) deployed(stage string) string {
	w.t.Helper()
	dir := filepath.Join(w.root, "serving", stage, "fraud")
	versions, _ := filepath.Glob(filepath.Join(dir, "[0-9]*"))
	if len(versions) == 0 {
		return "nothing"
	}
	newest := len(versions) // they count from 1
	var content string
	err := filepath.WalkDir(filepath.Join(dir, fmt.Sprint(newest)), func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(p)
		content += string(data)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return fmt.Sprintf("%d: %s", newest, content)
}

// want compares lists for people.
func want[T comparable](t testing.TB, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}

// ticking is a clock that is a second later each time it is read.
func ticking() func() time.Time {
	var mu sync.Mutex
	now := time.Now()
	return func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(time.Second)
		return now
	}
}

// changed is a copy of the repository with other files.
func changed(files map[string]string) map[string]string {
	m := maps.Clone(repository)
	maps.Copy(m, files)
	return m
}

// judged are the verdicts of all runs by stage, oldest first.
func (b *boot) judged() []string {
	b.w.t.Helper()
	rows, err := b.store.ListRuns(context.Background(), store.RunFilter{})
	if err != nil {
		b.w.t.Fatal(err)
	}
	var out []string
	for _, r := range slices.Backward(rows) {
		js, err := Judgements(context.Background(), b.store, r.UID)
		if err != nil {
			b.w.t.Fatal(err)
		}
		for _, j := range js {
			out = append(out, fmt.Sprintf("%s %s %s", r.Name, j.Stage, j.Verdict))
		}
	}
	return out
}

func decodeOrigin(t testing.TB, r store.Run) engine.Origin {
	t.Helper()
	var o engine.Origin
	if err := json.Unmarshal(r.Origin, &o); err != nil {
		t.Fatal(err)
	}
	return o
}
