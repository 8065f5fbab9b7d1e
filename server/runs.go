package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/pawl-dev/pawl/engine/executor/process"
	"github.com/pawl-dev/pawl/engine/sched"
	"github.com/pawl-dev/pawl/reconcile"
	"github.com/pawl-dev/pawl/store"
)

func (s *Server) listRuns(r *http.Request) (any, error) {
	f := store.RunFilter{Namespace: r.PathValue("namespace"), Phases: r.URL.Query()["status"]}
	if f.Namespace == "*" {
		f.Namespace = ""
	}
	if l := r.URL.Query().Get("limit"); l != "" {
		n, err := strconv.Atoi(l)
		if err != nil || n < 0 {
			return nil, fail(http.StatusBadRequest, "", "limit %q is not a number from 0", l)
		}
		f.Limit = n
	}
	runs, err := s.Store.ListRuns(r.Context(), f)
	if err != nil {
		return nil, err
	}
	out := []RunSummary{}
	for _, run := range runs {
		out = append(out, summaryOf(run))
	}
	return out, nil
}

// latest is the name by which the newest run of a namespace is asked for.
const latest = "@latest"

// find is the run that a request is about.
func (s *Server) find(r *http.Request) (store.Run, error) {
	ns, name := r.PathValue("namespace"), r.PathValue("name")
	if name == latest {
		runs, err := s.Store.ListRuns(r.Context(), store.RunFilter{Namespace: ns, Limit: 1})
		if err != nil {
			return store.Run{}, err
		}
		if len(runs) == 0 {
			return store.Run{}, fail(http.StatusNotFound, "name another namespace with -n", "namespace %s has no runs", ns)
		}
		return s.Store.RunByUID(r.Context(), runs[0].UID)
	}
	run, err := s.Store.GetRun(r.Context(), ns, name)
	if errors.Is(err, store.ErrNotFound) {
		return run, fail(http.StatusNotFound, "`pawl list -A` lists the runs of all namespaces", "run %s/%s does not exist", ns, name)
	}
	return run, err
}

func (s *Server) getRun(r *http.Request) (any, error) {
	run, err := s.find(r)
	if err != nil {
		return nil, err
	}
	return Workflow(r.Context(), s.Store, run)
}

func (s *Server) runDetail(r *http.Request) (any, error) {
	run, err := s.find(r)
	if err != nil {
		return nil, err
	}
	d, err := Detail(r.Context(), s.Store, run)
	if err != nil {
		return nil, err
	}
	LastLogs(s.Data, d)
	return d, nil
}

func (s *Server) gates(r *http.Request) (any, error) {
	run, err := s.find(r)
	if err != nil {
		return nil, err
	}
	return reconcile.Judgements(r.Context(), s.Store, run.UID)
}

// watchEvery is how often a watched run is read again.
const watchEvery = 300 * time.Millisecond

// watchRun sends the run whenever it has changed, until it is over.
func (s *Server) watchRun(r *http.Request, send func(v any) error) error {
	run, err := s.find(r)
	if err != nil {
		return err
	}
	ctx := r.Context()
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		d, err := Detail(ctx, s.Store, run)
		if err != nil {
			return err
		}
		LastLogs(s.Data, d)
		if err := send(d); err != nil {
			return err
		}
		if !run.Status.Finished.IsZero() {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		if run, err = s.Store.RunByUID(ctx, run.UID); err != nil {
			return err
		}
	}
}

func (s *Server) runAction(r *http.Request) (any, error) {
	c, err := s.control()
	if err != nil {
		return nil, err
	}
	run, err := s.find(r)
	if err != nil {
		return nil, err
	}
	by := who(r.Context())
	switch action := r.PathValue("action"); action {
	case "stop", "terminate":
		if !run.Status.Finished.IsZero() {
			return nil, fail(http.StatusConflict, "", "run %s/%s is over already: %s", run.Namespace, run.Name, run.Status.Phase)
		}
		how := sched.Stop
		if action == "terminate" {
			how = sched.Terminate
		}
		if err := c.Shutdown(r.Context(), run, how, by); err != nil {
			return nil, err
		}
		return Submitted{Namespace: run.Namespace, Name: run.Name, UID: run.UID}, nil
	case "resubmit":
		started, err := c.Resubmit(r.Context(), run, by)
		if err != nil {
			return nil, err
		}
		return Submitted{Namespace: started.Namespace, Name: started.Name, UID: started.UID}, nil
	default:
		return nil, fail(http.StatusNotFound, "", "a run has no action %q", action)
	}
}

func (s *Server) deleteRun(r *http.Request) (any, error) {
	if _, err := s.control(); err != nil {
		return nil, err
	}
	run, err := s.find(r)
	if err != nil {
		return nil, err
	}
	if err := s.Store.DeleteRun(r.Context(), run.UID); err != nil {
		if errors.Is(err, store.ErrUnfinished) {
			return nil, fail(http.StatusConflict, "stop it first: pawl stop "+run.Name, "run %s/%s is not over", run.Namespace, run.Name)
		}
		return nil, err
	}
	if err := os.RemoveAll(process.RunDir(s.Data, run.UID)); err != nil {
		return nil, fmt.Errorf("run %s/%s is deleted, but not its logs: %w", run.Namespace, run.Name, err)
	}
	return nil, nil
}

// who wishes something, for people.
func who(ctx context.Context) string {
	if uid, ok := Peer(ctx); ok {
		return "uid " + strconv.Itoa(uid)
	}
	return "somebody"
}
