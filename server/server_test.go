package server

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pawl-dev/pawl/engine"
	"github.com/pawl-dev/pawl/engine/attempt"
	"github.com/pawl-dev/pawl/engine/executor/process"
	"github.com/pawl-dev/pawl/engine/sched"
	"github.com/pawl-dev/pawl/reconcile"
	"github.com/pawl-dev/pawl/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// place is a data folder with a store, and runs put into it by hand.
type place struct {
	t     *testing.T
	data  string
	store *store.Store
}

func newPlace(t *testing.T) *place {
	t.Helper()
	data := t.TempDir()
	st, err := store.Open(t.Context(), filepath.Join(data, "pawl.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return &place{t, data, st}
}

func (p *place) check(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// run adds a run with one pod, main, that is in a phase.
func (p *place) run(name string, phase sched.Phase) store.Run {
	p.t.Helper()
	now := time.Now()
	r := store.Run{UID: "uid-" + name, Namespace: "default", Name: name, Created: now, Workflow: json.RawMessage(`{"workflow":{"apiVersion":"argoproj.io/v1alpha1","kind":"Workflow","metadata":{"name":"w"},"spec":{"entrypoint":"main"}}}`)}
	_, _, err := p.store.CreateRun(p.t.Context(), r)
	p.check(err)
	data, err := json.Marshal(engine.IndexedNode{Parent: -1, Node: sched.Node{
		ID: name, Name: name, DisplayName: "main", Type: sched.TypePod, Phase: phase, StartedAt: now,
	}})
	p.check(err)
	p.check(p.store.PutNodes(p.t.Context(), r.UID, []store.Node{{Name: name, Phase: string(phase), Data: data}}))
	p.phase(r, phase)
	return r
}

func (p *place) phase(r store.Run, phase sched.Phase) {
	p.t.Helper()
	s := store.RunStatus{UID: r.UID, Phase: string(phase), Started: r.Created}
	if phase.Fulfilled() {
		s.Finished = time.Now()
	}
	p.check(p.store.UpdateRun(p.t.Context(), s))
}

// log appends to what the run's pod has printed.
func (p *place) log(r store.Run, text string) {
	p.t.Helper()
	path := process.LogPath(p.data, attempt.Key{Run: r.UID, Node: r.Name})
	p.check(os.MkdirAll(filepath.Dir(path), 0o755))
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	p.check(err)
	_, err = f.WriteString(text)
	p.check(err)
	p.check(f.Close())
}

func (p *place) server(c Control) *Server {
	return New(Backend{Data: p.data, Store: p.store, Control: c, WebhookSecret: []byte("s3cret")})
}

// wishes counts what a Control is asked for.
type wishes struct{ refreshed, woken, stopped int }

func (w *wishes) Shutdown(context.Context, store.Run, sched.Shutdown, string) error {
	w.stopped++
	return nil
}
func (w *wishes) Resubmit(context.Context, store.Run, string) (reconcile.Started, error) {
	return reconcile.Started{}, nil
}
func (w *wishes) TriggerCron(context.Context, string, string, string) (reconcile.Started, error) {
	return reconcile.Started{}, store.ErrNotFound
}
func (w *wishes) Refresh() { w.refreshed++ }
func (w *wishes) Wake()    { w.woken++ }

func TestOnTheNetworkThereIsOnlyReading(t *testing.T) {
	p := newPlace(t)
	p.run("r", sched.Running)
	var w wishes
	h := p.server(&w).Network()
	for _, tt := range []struct {
		method, path, host string
		want               int
	}{
		{"GET", "/healthz", "localhost:7463", 200},
		{"GET", "/healthz", "127.0.0.1", 200},
		{"GET", "/healthz", "[::1]:7463", 200},
		{"GET", "/healthz", "evil.example.com", 403},
		{"GET", "/healthz", "localhost.evil.example.com", 403},
		{"GET", "/healthz", "192.0.2.1", 403},
		{"GET", "/healthz", "", 403},
		{"POST", "/webhooks/git", "evil.example.com", 403},
		{"GET", "/api/v1/workflows/default/r", "localhost", 200},
		{"GET", "/api/v1/workflows/default/nothing", "localhost", 404},
		{"GET", "/api/v1/workflows/default?limit=x", "localhost", 400},
		{"PUT", "/api/v1/workflows/default/r/stop", "localhost", 404},
		{"DELETE", "/api/v1/workflows/default/r", "localhost", 405},
		{"POST", "/api/v1/applications/refresh", "localhost", 404},
		{"POST", "/api/v1/pulls/1/merge", "localhost", 404},
		{"POST", "/api/v1/cron-workflows/default/c/trigger", "localhost", 404},
		{"GET", "/metrics", "localhost", 200},
	} {
		req := httptest.NewRequest(tt.method, tt.path, nil)
		req.Host = tt.host
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, req)
		if rec.Code != tt.want {
			t.Errorf("%s %s for host %q: %d, want %d: %s", tt.method, tt.path, tt.host, rec.Code, tt.want, rec.Body)
		}
	}
	if w != (wishes{}) {
		t.Errorf("something was carried out: %+v", w)
	}
}

func TestWishesGoOverTheSocketOnly(t *testing.T) {
	p := newPlace(t)
	p.run("r", sched.Running)
	p.run("done", sched.Succeeded)
	var w wishes
	c := Direct(p.server(&w).Local(), func() error { return nil })
	p.check(c.Do(t.Context(), http.MethodPut, "/api/v1/workflows/default/r/stop", nil, nil))
	p.check(c.Do(t.Context(), http.MethodPost, "/api/v1/applications/refresh", nil, nil))
	if w.stopped != 1 || w.refreshed != 1 {
		t.Errorf("stopped %d, refreshed %d, want 1 and 1", w.stopped, w.refreshed)
	}
	for _, tt := range []struct {
		method, path string
		status       int
		want         string
	}{
		{"PUT", "/api/v1/workflows/default/done/stop", 409, "is over already: Succeeded"},
		{"PUT", "/api/v1/workflows/default/r/dance", 404, "no action"},
		{"DELETE", "/api/v1/workflows/default/r", 409, "is not over"},
		{"POST", "/api/v1/cron-workflows/default/c/trigger", 404, "cron workflow default/c does not exist"},
	} {
		err := c.Do(t.Context(), tt.method, tt.path, nil, nil)
		api, ok := err.(*APIError)
		if !ok || api.Status != tt.status || !strings.Contains(api.Message, tt.want) {
			t.Errorf("%s %s: %v, want %d %s", tt.method, tt.path, err, tt.status, tt.want)
		}
	}
	reading := Direct(p.server(nil).Local(), func() error { return nil })
	err := reading.Do(t.Context(), http.MethodPut, "/api/v1/workflows/default/r/stop", nil, nil)
	if api, ok := err.(*APIError); !ok || api.Status != 503 || !strings.Contains(api.Hint, "pawl serve") {
		t.Errorf("without a server: %v", err)
	}
}

func TestTheSocketIsTheUsersOwn(t *testing.T) {
	p := newPlace(t)
	l, err := ListenSocket(p.data)
	p.check(err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, l, p.server(nil).Local()) }()
	info, err := os.Stat(SocketPath(p.data))
	p.check(err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode of the socket is %v, want 0600", info.Mode().Perm())
	}
	c, err := Dial(ctx, SocketPath(p.data))
	p.check(err)
	var runs []RunSummary
	p.check(c.Do(ctx, http.MethodGet, "/api/v1/workflows/default", nil, &runs))
	p.check(c.Close())
	cancel()
	p.check(<-done)
	if _, err := Dial(t.Context(), SocketPath(p.data)); err == nil {
		t.Error("somebody listens still")
	}
	l, err = ListenSocket(p.data) // what a dead server left is no hindrance
	p.check(err)
	p.check(l.Close())
	if _, err := ListenSocket(filepath.Join(p.data, strings.Repeat("x", 100))); err == nil || !strings.Contains(err.Error(), "shorter data folder") {
		t.Errorf("a path too long for a socket: %v", err)
	}
}

func TestCheckListen(t *testing.T) {
	for address, want := range map[string]string{
		"127.0.0.1:7463": "", "localhost:0": "", "[::1]:80": "", "127.9.9.9:1": "",
		"0.0.0.0:7463": "not on loopback", ":7463": "not on loopback", "192.0.2.1:1": "not on loopback",
		"example.com:1": "not on loopback", "7463": "missing port", "[::]:1": "not on loopback",
	} {
		err := CheckListen(address)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", address, err, want)
		}
	}
}

func TestServeEndsOpenStreams(t *testing.T) {
	p := newPlace(t)
	p.run("r", sched.Running)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	p.check(err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, l, p.server(nil).Network()) }()
	resp, err := http.Get("http://" + l.Addr().String() + "/api/v1/workflows/default/r/watch")
	p.check(err)
	defer resp.Body.Close()
	var d RunDetail
	p.check(json.NewDecoder(resp.Body).Decode(&d))
	cancel()
	p.check(<-done)
	http.DefaultClient.CloseIdleConnections()
}
