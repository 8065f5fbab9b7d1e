package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"

	"github.com/pawl-dev/pawl/api"
	"github.com/pawl-dev/pawl/engine/sched"
	"github.com/pawl-dev/pawl/events/cron"
	"github.com/pawl-dev/pawl/store"
)

// CronStatus is a CronWorkflow as `pawl cron list` shows it.
type CronStatus struct {
	Namespace string    `json:"namespace"`
	Name      string    `json:"name"`
	Schedules string    `json:"schedules"`
	Timezone  string    `json:"timezone,omitempty"`
	Suspended bool      `json:"suspended,omitempty"`
	Last      time.Time `json:"last,omitzero"`
	Next      time.Time `json:"next,omitzero"`
	Why       string    `json:"why,omitempty"`
}

const (
	// lookAtClock is how often the clock is looked at though nothing is due: it
	// may have been set, or the machine may have slept.
	lookAtClock = 15 * time.Second
	// cronAgain is when a cron workflow that is in trouble is looked at again.
	cronAgain = 10 * time.Second
)

// cronRecord is what is kept of a CronWorkflow.
type cronRecord struct {
	State  cron.State `json:"state"`
	Status CronStatus `json:"status"`
}

// watchClock fires the cron workflows of a commit when they are due.
func (t *triggers) watchClock(ctx context.Context, cur *synced) {
	if err := t.forgetCrons(ctx, cur); err != nil && ctx.Err() == nil {
		t.l.Log.Error("cron", "err", err)
	}
	for ctx.Err() == nil {
		next := t.l.Now().Add(lookAtClock)
		for _, o := range cur.objects {
			if cw, ok := o.Typed.(*wfv1.CronWorkflow); ok {
				at, err := t.due(ctx, cur, o, cw)
				if err != nil && ctx.Err() == nil {
					t.l.Log.Error("cron", "cronWorkflow", o.Namespace+"/"+o.Name, "err", err)
					at = t.l.Now().Add(cronAgain)
				}
				next = earliest(next, at)
			}
		}
		select {
		case <-time.After(max(next.Sub(t.l.Now()), 10*time.Millisecond)):
		case <-ctx.Done():
		}
	}
}

// due fires one CronWorkflow if it is due, and returns when to ask again. The
// run is recorded before the state: after a crash in between, the same run is
// asked for, and found.
func (t *triggers) due(ctx context.Context, cur *synced, o *api.Object, cw *wfv1.CronWorkflow) (time.Time, error) {
	t.one.Lock()
	defer t.one.Unlock()
	l := t.l
	key := o.Namespace + "/" + o.Name
	spec, problems := cron.SpecOf(cw)
	if err := problems.Err(); err != nil {
		return time.Time{}, err
	}
	var rec cronRecord
	doc, ok, err := l.Store.GetDoc(ctx, kindCron, key)
	if err != nil {
		return time.Time{}, err
	}
	if ok {
		if err := json.Unmarshal(doc.Data, &rec); err != nil {
			return time.Time{}, fmt.Errorf("its state: %w", err)
		}
	}
	if rec.State.Active, err = t.activeRuns(ctx, o); err != nil {
		return time.Time{}, err
	}
	d, err := cron.Due(spec, rec.State, l.Now())
	if errors.Is(err, cron.ErrNever) {
		d.Why = err.Error()
	} else if err != nil {
		return time.Time{}, err
	}
	for _, name := range d.Stop {
		if err := l.stopRun(ctx, o.Namespace, name, sched.Terminate, "concurrencyPolicy Replace of "+o.Name); err != nil {
			return time.Time{}, err
		}
	}
	if d.Fire != nil {
		tr, err := cron.Trigger(o, *d.Fire)
		if err != nil {
			return time.Time{}, err
		}
		if err := t.fire(ctx, cur, o, tr); err != nil {
			return time.Time{}, err
		}
	}
	rec.State = d.State
	rec.Status = CronStatus{
		Namespace: o.Namespace, Name: o.Name, Schedules: strings.Join(spec.Schedules, ", "), Timezone: spec.Timezone,
		Suspended: spec.Suspend, Last: d.State.LastScheduled, Next: d.Next, Why: d.Why,
	}
	data, err := json.Marshal(rec)
	if err != nil {
		return time.Time{}, err
	}
	return d.Next, l.putIfChanged(ctx, kindCron, key, data)
}

// activeRuns are the unfinished runs of a CronWorkflow.
func (t *triggers) activeRuns(ctx context.Context, o *api.Object) ([]string, error) {
	runs, err := t.l.Store.ListRuns(ctx, store.RunFilter{Namespace: o.Namespace, App: t.l.Name, Workflow: o.Name, Phases: []string{"Pending", "Running"}})
	if err != nil {
		return nil, err
	}
	var names []string
	for _, r := range runs {
		if r.Labels[cron.LabelCron] == o.Name {
			names = append(names, r.Name)
		}
	}
	return names, nil
}

// forgetCrons removes the records of cron workflows that are no longer asked
// for, so that one that comes again begins anew.
func (t *triggers) forgetCrons(ctx context.Context, cur *synced) error {
	wanted := map[string]bool{}
	for _, o := range cur.objects {
		if o.Kind == "CronWorkflow" {
			wanted[o.Namespace+"/"+o.Name] = true
		}
	}
	return forgetDocs(ctx, t.l.Store, kindCron, wanted)
}

// TriggerCron runs a CronWorkflow now, because who asks for it.
func (l *Loop) TriggerCron(ctx context.Context, namespace, name, who string) (Started, error) {
	cur, release := l.hold()
	defer release()
	if cur == nil {
		return Started{}, ErrNothingSynced
	}
	for _, o := range cur.objects {
		if o.Kind != "CronWorkflow" || o.Namespace != namespace || o.Name != name {
			continue
		}
		tr, err := cron.Trigger(o, l.Now().Truncate(time.Second))
		if err != nil {
			return Started{}, err
		}
		l.Log.Info("cron workflow triggered by hand", "cronWorkflow", namespace+"/"+name, "by", who)
		return (&triggers{l: l}).submit(ctx, cur, o, tr, nil)
	}
	return Started{}, fmt.Errorf("cron workflow %s/%s: %w", namespace, name, store.ErrNotFound)
}

// Crons are all cron workflows.
func Crons(ctx context.Context, st *store.Store) ([]CronStatus, error) {
	docs, err := st.ListDocs(ctx, kindCron, "")
	if err != nil {
		return nil, err
	}
	out := []CronStatus{}
	for _, d := range docs {
		var r cronRecord
		if err := json.Unmarshal(d.Data, &r); err != nil {
			return nil, fmt.Errorf("cron workflow %s: %w", d.Key, err)
		}
		out = append(out, r.Status)
	}
	return out, nil
}
