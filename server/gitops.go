package server

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/pawl-dev/pawl/promotion/forge"
	"github.com/pawl-dev/pawl/reconcile"
	"github.com/pawl-dev/pawl/store"
)

func (s *Server) applications(r *http.Request) (any, error) {
	return reconcile.Applications(r.Context(), s.Store)
}

func (s *Server) stages(r *http.Request) (any, error) {
	return reconcile.Stages(r.Context(), s.Store)
}

func (s *Server) crons(r *http.Request) (any, error) {
	return reconcile.Crons(r.Context(), s.Store)
}

func (s *Server) refresh(*http.Request) (any, error) {
	c, err := s.control()
	if err != nil {
		return nil, err
	}
	c.Refresh()
	return nil, nil
}

func (s *Server) triggerCron(r *http.Request) (any, error) {
	c, err := s.control()
	if err != nil {
		return nil, err
	}
	ns, name := r.PathValue("namespace"), r.PathValue("name")
	started, err := c.TriggerCron(r.Context(), ns, name, who(r.Context()))
	if errors.Is(err, store.ErrNotFound) {
		return nil, fail(http.StatusNotFound, "`pawl cron list` lists them", "cron workflow %s/%s does not exist", ns, name)
	}
	if err != nil {
		return nil, err
	}
	return Submitted{Namespace: started.Namespace, Name: started.Name, UID: started.UID}, nil
}

// PullDetail is a pull request with what it changes.
type PullDetail struct {
	forge.PullRequest
	Diff string `json:"diff,omitempty"`
}

func (s *Server) forge() (forge.Forge, error) {
	if s.Forge == nil {
		return nil, fail(http.StatusServiceUnavailable, "pull requests of the local forge are there while `pawl serve` runs on a bare repository", "there is no forge here")
	}
	return s.Forge, nil
}

func (s *Server) pulls(r *http.Request) (any, error) {
	f, err := s.forge()
	if err != nil {
		return nil, err
	}
	q := forge.Query{}
	switch st := r.URL.Query().Get("state"); st {
	case "", "all":
	case "open", "merged", "closed":
		q.State = forge.State(st)
	default:
		return nil, fail(http.StatusBadRequest, "", "state %q is none of open, merged, closed, all", st)
	}
	list, err := f.List(r.Context(), q)
	if err != nil {
		return nil, err
	}
	if list == nil {
		list = []forge.PullRequest{}
	}
	return list, nil
}

func number(r *http.Request) (int, error) {
	n, err := strconv.Atoi(r.PathValue("number"))
	if err != nil || n < 1 {
		return 0, fail(http.StatusBadRequest, "", "%q is not the number of a pull request", r.PathValue("number"))
	}
	return n, nil
}

func (s *Server) pull(r *http.Request) (any, error) {
	f, err := s.forge()
	if err != nil {
		return nil, err
	}
	n, err := number(r)
	if err != nil {
		return nil, err
	}
	pr, err := f.Get(r.Context(), n)
	if err != nil {
		return nil, pullError(n, err)
	}
	out := PullDetail{PullRequest: pr}
	if d, ok := f.(forge.Differ); ok {
		diff, err := d.Diff(r.Context(), n)
		if err != nil {
			return nil, err
		}
		out.Diff = diff.String()
	}
	return out, nil
}

// PullWish is what a request about a pull request asks for.
type PullWish struct {
	// Head is the commit that was looked at; empty: whatever it is now.
	Head   string       `json:"head,omitempty"`
	Method forge.Method `json:"method,omitempty"`
	Reason string       `json:"reason,omitempty"`
	By     string       `json:"by,omitempty"`
}

func (s *Server) pullAction(r *http.Request) (any, error) {
	c, err := s.control()
	if err != nil {
		return nil, err
	}
	f, err := s.forge()
	if err != nil {
		return nil, err
	}
	n, err := number(r)
	if err != nil {
		return nil, err
	}
	var wish PullWish
	if err := decode(r, &wish); err != nil {
		return nil, err
	}
	if wish.By == "" || wish.By == reconcile.Author {
		wish.By = who(r.Context())
	}
	var pr forge.PullRequest
	switch action := r.PathValue("action"); action {
	case "merge":
		if wish.Head == "" {
			if pr, err = f.Get(r.Context(), n); err != nil {
				return nil, pullError(n, err)
			}
			wish.Head = pr.HeadSHA
		}
		pr, err = f.Merge(r.Context(), n, forge.MergeOptions{ExpectedHead: wish.Head, Method: wish.Method, By: wish.By})
	case "close":
		pr, err = f.Close(r.Context(), n, wish.By, wish.Reason)
	default:
		return nil, fail(http.StatusNotFound, "", "a pull request has no action %q", action)
	}
	if err != nil {
		return nil, pullError(n, err)
	}
	c.Refresh()
	c.Wake()
	return pr, nil
}

// pullError says what to do about what a forge answers.
func pullError(n int, err error) error {
	hints := []struct {
		is   error
		hint string
	}{
		{forge.ErrNotFound, "`pawl pr list --state all` lists them"},
		{forge.ErrNotOpen, ""},
		{forge.ErrHeadMoved, "look at it again: pawl pr show " + strconv.Itoa(n)},
		{forge.ErrConflict, "pawl makes the change again on the new base by itself; look again in a moment"},
		{forge.ErrDraft, ""},
		{forge.ErrUnsupported, "methods are merge and squash"},
	}
	for _, h := range hints {
		if errors.Is(err, h.is) {
			status := http.StatusConflict
			if h.is == forge.ErrNotFound {
				status = http.StatusNotFound
			}
			return fail(status, h.hint, "pull request %d: %w", n, err)
		}
	}
	return err
}
