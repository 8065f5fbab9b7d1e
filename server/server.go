package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"

	"github.com/pawl-dev/pawl/api"
	"github.com/pawl-dev/pawl/engine/artifact"
	"github.com/pawl-dev/pawl/engine/sched"
	"github.com/pawl-dev/pawl/promotion/forge"
	"github.com/pawl-dev/pawl/reconcile"
	"github.com/pawl-dev/pawl/store"
)

// Backend is what the API reads and passes wishes to.
type Backend struct {
	Data      string // the data folder
	Store     *store.Store
	Artifacts *artifact.Store
	// Forge is where pull requests are; nil: there is none, or nobody serves.
	Forge forge.Forge
	// Control carries wishes out; nil: nobody serves, and only reading is done.
	Control Control
	// WebhookSecret signs POST /webhooks/git; empty: the webhook is not served.
	WebhookSecret []byte
	Log           *slog.Logger // default: discards
}

// Control carries wishes out. by is who wishes, for people.
type Control interface {
	Shutdown(ctx context.Context, run store.Run, how sched.Shutdown, by string) error
	Resubmit(ctx context.Context, run store.Run, by string) (reconcile.Started, error)
	TriggerCron(ctx context.Context, namespace, name, by string) (reconcile.Started, error)
	Refresh()
	Wake()
}

// Server answers the API. Make one with New.
type Server struct {
	Backend
	metrics *metrics
	hook    *webhook
}

// New makes a server.
func New(b Backend) *Server {
	if b.Log == nil {
		b.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{Backend: b}
	s.metrics = newMetrics(b.Store)
	if len(b.WebhookSecret) > 0 && b.Control != nil {
		s.hook = newWebhook(b.WebhookSecret, b.Control.Refresh)
	}
	return s
}

// Local is the whole API, for whoever may open the socket.
func (s *Server) Local() http.Handler {
	mux := s.reading()
	mux.HandleFunc("PUT /api/v1/workflows/{namespace}/{name}/{action}", s.answer(s.runAction))
	mux.HandleFunc("DELETE /api/v1/workflows/{namespace}/{name}", s.answer(s.deleteRun))
	mux.HandleFunc("POST /api/v1/applications/refresh", s.answer(s.refresh))
	mux.HandleFunc("POST /api/v1/pulls/{number}/{action}", s.answer(s.pullAction))
	mux.HandleFunc("POST /api/v1/cron-workflows/{namespace}/{name}/trigger", s.answer(s.triggerCron))
	return mux
}

// Network is what loopback serves: reading, metrics and the signed webhook. A
// request that names another host is refused, so that no page in a browser can
// reach it by a name of its own.
func (s *Server) Network() http.Handler {
	mux := s.reading()
	if s.hook != nil {
		mux.Handle("POST /webhooks/git", s.hook)
	}
	return onlyLoopbackNames(mux)
}

func (s *Server) reading() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.index)
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.Handle("GET /metrics", s.metrics.handler())
	mux.HandleFunc("GET /api/v1/workflows/{namespace}", s.answer(s.listRuns))
	mux.HandleFunc("GET /api/v1/workflows/{namespace}/{name}", s.answer(s.getRun))
	mux.HandleFunc("GET /api/v1/workflows/{namespace}/{name}/detail", s.answer(s.runDetail))
	mux.HandleFunc("GET /api/v1/workflows/{namespace}/{name}/gates", s.answer(s.gates))
	mux.HandleFunc("GET /api/v1/workflows/{namespace}/{name}/watch", s.stream(s.watchRun))
	mux.HandleFunc("GET /api/v1/workflows/{namespace}/{name}/log", s.stream(s.log))
	mux.HandleFunc("GET /api/v1/applications", s.answer(s.applications))
	mux.HandleFunc("GET /api/v1/stages", s.answer(s.stages))
	mux.HandleFunc("GET /api/v1/cron-workflows", s.answer(s.crons))
	mux.HandleFunc("GET /api/v1/pulls", s.answer(s.pulls))
	mux.HandleFunc("GET /api/v1/pulls/{number}", s.answer(s.pull))
	return mux
}

func (s *Server) index(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	io.WriteString(w, `pawl serves here. To look around:

  /api/v1/applications            what is synced
  /api/v1/workflows/*             runs
  /api/v1/workflows/NS/RUN        a run as an Argo Workflow object
  /api/v1/workflows/NS/RUN/log    what its steps printed
  /api/v1/stages                  which model each stage serves
  /api/v1/pulls                   pull requests
  /api/v1/cron-workflows          cron workflows
  /metrics  /healthz
`)
}

// healthz says whether the store answers.
func (s *Server) healthz(w http.ResponseWriter, r *http.Request) {
	if _, err := s.Store.ListRuns(r.Context(), store.RunFilter{Limit: 1}); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	io.WriteString(w, "ok\n")
}

// failure is an error with its HTTP status and what to do.
type failure struct {
	status int
	err    error
	hint   string
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

func fail(status int, hint, format string, args ...any) error {
	return &failure{status: status, err: fmt.Errorf(format, args...), hint: hint}
}

// answer turns a function into a handler that speaks JSON.
func (s *Server) answer(f func(r *http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		out, err := f(r)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		if out == nil {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(out); err != nil && r.Context().Err() == nil {
			s.Log.Warn("answering", "path", r.URL.Path, "err", err)
		}
	}
}

// stream turns a function that sends JSON values one by one into a handler.
func (s *Server) stream(f func(r *http.Request, send func(v any) error) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		begun := false
		enc := json.NewEncoder(w)
		err := f(r, func(v any) error {
			if !begun {
				w.Header().Set("Content-Type", "application/x-ndjson")
				begun = true
			}
			if err := enc.Encode(v); err != nil {
				return err
			}
			if fl, ok := w.(http.Flusher); ok {
				fl.Flush()
			}
			return nil
		})
		switch {
		case err == nil || r.Context().Err() != nil:
		case !begun:
			s.fail(w, r, err)
		default:
			s.Log.Warn("streaming", "path", r.URL.Path, "err", err)
		}
	}
}

// fail answers with an error.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	status, body := http.StatusInternalServerError, ErrorBody{Message: err.Error()}
	var f *failure
	var problems api.Problems
	switch {
	case errors.As(err, &f):
		status, body.Hint = f.status, f.hint
	case errors.As(err, &problems):
		status = http.StatusUnprocessableEntity
	case errors.Is(err, store.ErrNotFound), errors.Is(err, forge.ErrNotFound):
		status = http.StatusNotFound
	case errors.Is(err, store.ErrExists), errors.Is(err, store.ErrUnfinished), errors.Is(err, store.ErrConflict):
		status = http.StatusConflict
	case errors.Is(err, store.ErrReadOnly):
		status, body.Hint = http.StatusServiceUnavailable, nobodyServes
	default:
		s.Log.Error("request failed", "path", r.URL.Path, "err", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client may be gone
}

const nobodyServes = "no pawl serve is running on this data folder: start one, then ask again"

// control is who carries wishes out, or the error that nobody does.
func (s *Server) control() (Control, error) {
	if s.Control == nil {
		return nil, fail(http.StatusServiceUnavailable, nobodyServes, "nothing is there to carry this out")
	}
	return s.Control, nil
}
