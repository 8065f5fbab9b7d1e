package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Run is one execution of a workflow, as lists and pages see it.
type Run struct {
	ID           int64 // order of creation, given by the store
	UID          string
	Namespace    string
	Name         string
	App          string            // application that it belongs to; empty for a run by hand
	WorkflowName string            // name of the Workflow, or of the template it was started from
	Key          string            // run key; empty for a run that nothing else can be the same as
	Workflow     json.RawMessage   // what it was made from; only from GetRun and RunByUID
	Origin       json.RawMessage   // who or what started it
	Labels       map[string]string // nil for none
	Created      time.Time
	Status       RunStatus
}

// RunStatus is how far a run is: derived from its journal.
type RunStatus struct {
	UID      string
	Phase    string
	Message  string
	Started  time.Time
	Finished time.Time // set for a run that has ended, and only then
	Progress string    // Argo's "done/all"
	Outputs  json.RawMessage
}

// columns are the values of a status in the order of the statements.
func (s RunStatus) columns() []any {
	return []any{s.Phase, s.Message, nanos(s.Started), nanos(s.Finished), s.Progress, []byte(s.Outputs)}
}

// nanos is a time in a column: 0 for none.
func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func fromNanos(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

// CreateRun makes a run and the first records of its journal, both or neither.
// If the run's key is known for its application, namespace and workflow name,
// or its UID is there already, it makes nothing and returns the UID of that run
// and existing. That run may have been deleted since: its key stays known. A
// name that another run has is ErrExists.
func (s *Store) CreateRun(ctx context.Context, r Run, records ...[]byte) (uid string, existing bool, err error) {
	labels, err := json.Marshal(r.Labels)
	if err != nil {
		return "", false, err
	}
	err = s.write(ctx, func(t *tx) error {
		var err error
		if uid, err = t.sameRun(r); err != nil || uid != "" {
			existing = uid != ""
			return err
		}
		uid, existing = r.UID, false
		return t.insertRun(r, labels, records)
	}, Change{What: RunChanged, Key: r.UID})
	if err != nil {
		return "", false, fmt.Errorf("creating run %s/%s: %w", r.Namespace, r.Name, err)
	}
	return uid, existing, nil
}

// sameRun finds the run that stands for r, and refuses a name that is taken.
func (t *tx) sameRun(r Run) (uid string, err error) {
	if r.Key != "" {
		found, err := t.get(sqlKeyGet, []any{r.App, r.Namespace, r.WorkflowName, r.Key}, &uid)
		if err != nil || found {
			return uid, err
		}
	}
	var id int64
	if found, err := t.get(sqlRunID, []any{r.UID}, &id); err != nil || found {
		return r.UID, err
	}
	found, err := t.get(sqlRunNameTaken, []any{r.Namespace, r.Name}, &uid)
	if err == nil && found {
		err = fmt.Errorf("a run of that name (uid %s): %w", uid, ErrExists)
	}
	return "", err
}

func (t *tx) insertRun(r Run, labels []byte, records [][]byte) error {
	args := []any{r.UID, r.Namespace, r.Name, r.App, r.WorkflowName, r.Key, nanos(r.Created), []byte(r.Origin), labels}
	var id int64
	if _, err := t.get(sqlRunInsert, append(args, r.Status.columns()...), &id); err != nil {
		return err
	}
	if err := t.exec(sqlWorkflowInsert, id, []byte(r.Workflow)); err != nil {
		return err
	}
	if r.Key != "" {
		if err := t.exec(sqlKeyInsert, r.App, r.Namespace, r.WorkflowName, r.Key, r.UID); err != nil {
			return err
		}
	}
	if len(records) == 0 {
		return nil
	}
	return t.appendRecords(r.UID, records)
}

// KnownKey tells which run a key has started, if any; that run may be deleted.
func (s *Store) KnownKey(ctx context.Context, app, namespace, workflowName, key string) (uid string, ok bool, err error) {
	err = s.reads.QueryRowContext(ctx, sqlKeyGet, app, namespace, workflowName, key).Scan(&uid)
	if errors.Is(err, sql.ErrNoRows) {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("looking up run key %s of %s/%s: %w", key, namespace, workflowName, err)
	}
	return uid, true, nil
}

// UpdateRun changes a run's status, and returns when that and all that was put
// into the index before is durable. A run that is not there is left so.
func (s *Store) UpdateRun(ctx context.Context, st RunStatus) error {
	if err := s.UpdateRunSoon(ctx, st); err != nil {
		return err
	}
	return s.Flush(ctx)
}

// UpdateRunSoon changes a run's status in one of the next commits; of several
// changes by then only the last is written.
func (s *Store) UpdateRunSoon(ctx context.Context, st RunStatus) error {
	return s.later(ctx, func(l *lane) { l.putStatus(st) })
}

// later puts changes of the index into the lane.
func (s *Store) later(ctx context.Context, put func(*lane)) error {
	if s.w == nil {
		return ErrReadOnly
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.w.later(put)
}

// Flush returns when all that was put into the index before is durable, and
// seen by readers.
func (s *Store) Flush(ctx context.Context) error {
	if s.w == nil {
		return ErrReadOnly
	}
	if err := s.w.flush(ctx); err != nil {
		return fmt.Errorf("writing the index: %w", err)
	}
	return nil
}

// GetRun returns a run by its name, with its Workflow.
func (s *Store) GetRun(ctx context.Context, namespace, name string) (Run, error) {
	r, err := s.getRun(ctx, sqlRunByName, namespace, name)
	if err != nil {
		return Run{}, fmt.Errorf("run %s/%s: %w", namespace, name, err)
	}
	return r, nil
}

// RunByUID returns a run by its UID, with its Workflow.
func (s *Store) RunByUID(ctx context.Context, uid string) (Run, error) {
	r, err := s.getRun(ctx, sqlRunByUID, uid)
	if err != nil {
		return Run{}, fmt.Errorf("run with uid %s: %w", uid, err)
	}
	return r, nil
}

func (s *Store) getRun(ctx context.Context, query string, args ...any) (Run, error) {
	runs, err := s.queryRuns(ctx, query, args...)
	if err != nil {
		return Run{}, err
	}
	if len(runs) == 0 {
		return Run{}, ErrNotFound
	}
	r := runs[0]
	err = s.reads.QueryRowContext(ctx, sqlWorkflowGet, r.ID).Scan((*[]byte)(&r.Workflow))
	if errors.Is(err, sql.ErrNoRows) { // deleted in between
		return Run{}, ErrNotFound
	}
	return r, err
}

// RunFilter selects runs; its zero value selects all.
type RunFilter struct {
	Namespace string
	App       string
	Workflow  string   // WorkflowName
	Phases    []string // any of them
	Before    int64    // created before the run with this ID: the next page
	Limit     int      // 0: no limit
}

// ListRuns returns the runs that match, newest first, without their Workflow.
func (s *Store) ListRuns(ctx context.Context, f RunFilter) ([]Run, error) {
	var where []string
	var args []any
	add := func(condition string, values ...any) {
		where = append(where, condition)
		args = append(args, values...)
	}
	if f.Namespace != "" {
		add("namespace = ?", f.Namespace)
	}
	if f.App != "" {
		add("app = ?", f.App)
	}
	if f.Workflow != "" {
		add("workflow_name = ?", f.Workflow)
	}
	if f.Before > 0 {
		add("id < ?", f.Before)
	}
	if len(f.Phases) > 0 {
		var phases []any
		for _, p := range f.Phases {
			phases = append(phases, p)
		}
		add("phase IN (?"+strings.Repeat(", ?", len(phases)-1)+")", phases...)
	}
	query := sqlRunColumns
	if len(where) > 0 {
		query += "WHERE " + strings.Join(where, " AND ")
	}
	query += " ORDER BY id DESC"
	if f.Limit > 0 {
		query += " LIMIT ?"
		args = append(args, f.Limit)
	}
	runs, err := s.queryRuns(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("listing runs: %w", err)
	}
	return runs, nil
}

// UnfinishedRuns returns the runs without a Finished time, oldest first,
// without their Workflow: what a restarted engine goes on with.
func (s *Store) UnfinishedRuns(ctx context.Context) ([]Run, error) {
	runs, err := s.queryRuns(ctx, sqlRunsUnfinished)
	if err != nil {
		return nil, fmt.Errorf("listing unfinished runs: %w", err)
	}
	return runs, nil
}

func (s *Store) queryRuns(ctx context.Context, query string, args ...any) ([]Run, error) {
	rows, err := s.reads.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var runs []Run
	for rows.Next() {
		r, err := scanRun(rows)
		if err != nil {
			return nil, err
		}
		runs = append(runs, r)
	}
	return runs, rows.Err()
}

func scanRun(rows *sql.Rows) (Run, error) {
	var r Run
	var labels []byte
	var created, started, finished int64
	st := &r.Status
	err := rows.Scan(&r.ID, &r.UID, &r.Namespace, &r.Name, &r.App, &r.WorkflowName, &r.Key, &created,
		(*[]byte)(&r.Origin), &labels, &st.Phase, &st.Message, &started, &finished, &st.Progress, (*[]byte)(&st.Outputs))
	if err != nil {
		return Run{}, err
	}
	r.Created, st.Started, st.Finished = fromNanos(created), fromNanos(started), fromNanos(finished)
	st.UID = r.UID
	if err := json.Unmarshal(labels, &r.Labels); err != nil {
		return Run{}, fmt.Errorf("labels of run %s: %w", r.UID, err)
	}
	return r, nil
}

// DeleteRun removes a run, its nodes and its journal, but not its key. A run
// that has not ended is ErrUnfinished.
func (s *Store) DeleteRun(ctx context.Context, uid string) error {
	err := s.write(ctx, func(t *tx) error {
		var id, finished int64
		var namespace, name string
		found, err := t.get(sqlRunUnfinished, []any{uid}, &id, &namespace, &name, &finished)
		switch {
		case err != nil:
			return err
		case !found:
			return ErrNotFound
		case finished == 0:
			return fmt.Errorf("run %s/%s is %w: stop it first with `pawl stop -n %s %s`", namespace, name, ErrUnfinished, namespace, name)
		}
		if err := t.deleteJournal(uid); err != nil {
			return err
		}
		first, last := slots(id)
		if err := t.exec(sqlNodesDelete, first, last); err != nil {
			return err
		}
		if err := t.exec(sqlWorkflowDelete, id); err != nil {
			return err
		}
		return t.exec(sqlRunDelete, id)
	}, Change{What: RunChanged, Key: uid})
	if err != nil {
		return fmt.Errorf("deleting run %s: %w", uid, err)
	}
	return nil
}
