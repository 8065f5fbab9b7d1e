package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"time"

	eventsv1 "github.com/argoproj/argo-events/pkg/apis/events/v1alpha1"

	"github.com/pawl-dev/pawl/api"
	"github.com/pawl-dev/pawl/engine"
	"github.com/pawl-dev/pawl/events"
	"github.com/pawl-dev/pawl/events/filesource"
	"github.com/pawl-dev/pawl/events/lint"
	"github.com/pawl-dev/pawl/events/sensor"
	"github.com/pawl-dev/pawl/store"
)

const (
	kindCron   = "cron"
	kindCursor = "event-source"
	kindSensor = "sensor"
	// kindTrigger is the fact that a sensor was triggered, by its name.
	kindTrigger = "trigger"

	// evaluateWithin bounds the filters and transformations of a sensor.
	evaluateWithin = 10 * time.Second
	// watchAgain is when an event source that is in trouble is watched again.
	watchAgain = 10 * time.Second
)

// triggers watches the event sources and the clock of the commit in force, and
// submits what sensors and cron workflows ask for.
type triggers struct {
	l      *Loop
	reload chan struct{}
	// one evaluates events and due times one after the other: each has state that
	// the next one builds on.
	one sync.Mutex
}

func newTriggers(l *Loop) *triggers { return &triggers{l: l, reload: make(chan struct{}, 1)} }

// changed says that another commit is in force.
func (t *triggers) changed() {
	select {
	case t.reload <- struct{}{}:
	default:
	}
}

// run watches until ctx ends, beginning anew with each commit in force. What
// happens in between is not lost: sources keep cursors, the clock a last time.
func (t *triggers) run(ctx context.Context) {
	for ctx.Err() == nil {
		cur, release := t.l.hold()
		t.watch(ctx, cur)
		release()
	}
}

// watch returns when another commit is in force, or ctx has ended.
func (t *triggers) watch(ctx context.Context, cur *synced) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	if cur != nil {
		for _, o := range cur.objects {
			if es, ok := o.Typed.(*eventsv1.EventSource); ok {
				for name, spec := range es.Spec.File {
					wg.Go(func() { t.watchFiles(ctx, o, name, spec) })
				}
			}
		}
		wg.Go(func() { t.watchClock(ctx, cur) })
	}
	select {
	case <-t.reload:
	case <-ctx.Done():
	}
}

// watchFiles watches one file event of an event source until ctx ends.
func (t *triggers) watchFiles(ctx context.Context, o *api.Object, event string, spec eventsv1.FileEventSource) {
	log := t.l.Log.With("eventSource", o.Namespace+"/"+o.Name, "event", event)
	for ctx.Err() == nil {
		err := t.watchOnce(ctx, o, event, spec, log)
		if ctx.Err() != nil {
			return
		}
		log.Error("watching, will try again", "in", watchAgain, "err", err)
		select {
		case <-time.After(watchAgain):
		case <-ctx.Done():
		}
	}
}

// watchOnce goes on where the event source was.
func (t *triggers) watchOnce(ctx context.Context, o *api.Object, event string, spec eventsv1.FileEventSource, log *slog.Logger) error {
	l := t.l
	key := o.Namespace + "/" + o.Name + "/" + event
	var cursor filesource.Cursor
	doc, ok, err := l.Store.GetDoc(ctx, kindCursor, key)
	if err != nil {
		return err
	}
	if ok {
		if err := json.Unmarshal(doc.Data, &cursor); err != nil {
			return fmt.Errorf("reading where it was: %w", err)
		}
	}
	src, err := filesource.New(filesource.Config{
		Source: o.Name, Event: event, Spec: spec, Cursor: cursor, Now: l.Now, Log: log,
		Emit: func(ctx context.Context, e events.Event) error { return t.emit(ctx, o.Namespace, e) },
		Save: func(ctx context.Context, c filesource.Cursor) error {
			data, err := json.Marshal(c)
			if err != nil {
				return err
			}
			_, err = l.Store.PutDoc(ctx, kindCursor, key, data, store.AnyVersion)
			return err
		},
	})
	if err != nil {
		return err
	}
	return src.Run(ctx)
}

// emit gives an event to the sensors of its namespace, and returns when what
// they ask for is recorded. An event that comes again changes nothing.
func (t *triggers) emit(ctx context.Context, namespace string, e events.Event) error {
	t.one.Lock()
	defer t.one.Unlock()
	cur, release := t.l.hold()
	defer release()
	t.l.Log.Info("event", "source", e.Source, "name", e.Subject, "id", e.ID)
	for _, o := range cur.objects {
		s, ok := o.Typed.(*eventsv1.Sensor)
		if !ok || o.Namespace != namespace {
			continue
		}
		if err := t.evaluate(ctx, cur, o, s, e); err != nil {
			return err
		}
	}
	return nil
}

func (t *triggers) evaluate(ctx context.Context, cur *synced, o *api.Object, s *eventsv1.Sensor, e events.Event) error {
	l := t.l
	key := o.Namespace + "/" + o.Name
	doc, ok, err := l.Store.GetDoc(ctx, kindSensor, key)
	if err != nil {
		return err
	}
	var state sensor.State
	if ok {
		if err := json.Unmarshal(doc.Data, &state); err != nil {
			return fmt.Errorf("sensor %s: its state: %w", key, err)
		}
	}
	within, cancel := context.WithTimeout(ctx, evaluateWithin)
	out := sensor.Evaluate(within, s, state, e, l.Now())
	cancel()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	for _, n := range out.Notes {
		l.Log.Info("sensor", "sensor", key, "dependency", n.Dependency, "trigger", n.Trigger, "note", n.Message)
	}
	for _, tr := range out.Triggers {
		if err := t.fire(ctx, cur, o, tr); err != nil {
			return err
		}
	}
	data, err := json.Marshal(out.State)
	if err != nil {
		return err
	}
	_, err = l.Store.PutDoc(ctx, kindSensor, key, data, store.AnyVersion)
	return err
}

// fire does what a trigger asks for. A manifest that is refused is said and
// recorded; trying again would not mend it.
func (t *triggers) fire(ctx context.Context, cur *synced, declared *api.Object, tr events.Trigger) error {
	l := t.l
	key := declared.Namespace + "/" + declared.Name
	if tr.Operation == events.Log {
		l.Log.Info("log trigger", "sensor", key, "trigger", tr.Name, "message", tr.Message)
		return nil
	}
	record := Fired{Trigger: tr}
	started, err := t.submit(ctx, cur, declared, tr, t.watched(cur, declared))
	var problems api.Problems
	switch {
	case errors.As(err, &problems):
		record.Refused = err.Error()
		l.Log.Error("trigger refused", "of", key, "trigger", tr.Name, "err", err)
	case err != nil:
		return err
	default:
		record.Run = started.Name
	}
	if started.Existing {
		return nil
	}
	data, err := json.Marshal(record)
	if err != nil {
		return err
	}
	_, err = l.Store.AddFact(ctx, kindTrigger, key, tr.At, data)
	return err
}

// Fired is the record of a trigger.
type Fired struct {
	Trigger events.Trigger `json:"trigger"`
	Run     string         `json:"run,omitempty"`
	Refused string         `json:"refused,omitempty"`
}

// submit starts the run that a trigger asks for, once.
func (t *triggers) submit(ctx context.Context, cur *synced, declared *api.Object, tr events.Trigger, visible []string) (Started, error) {
	var raw map[string]any
	if err := json.Unmarshal(tr.Workflow, &raw); err != nil {
		return Started{}, fmt.Errorf("%s: the workflow of its trigger: %w", declared.Title(), err)
	}
	wf, problems := api.FromRaw(raw, declared)
	if err := problems.Err(); err != nil {
		return Started{}, err
	}
	if wf.Kind != "Workflow" {
		return Started{}, api.Problems{problemOf(declared, "spec", "the trigger's resource is a "+wf.Kind+", not a Workflow", "")}
	}
	if wf.Namespace == "" {
		wf.Namespace = declared.Namespace
	}
	code, err := t.l.codeOf(cur.snapshot, cur, wf, declared)
	if err != nil {
		return Started{}, api.Problems{problemOf(declared, "metadata.annotations", err.Error(), "")}
	}
	s := t.l.submission(cur, wf)
	s.Name, s.Key, s.Visible = tr.RunName, tr.ID, visible
	s.Origin = engine.Origin{Kind: "sensor", Name: tr.Sensor, Commit: cur.snapshot.Commit, Detail: "trigger " + tr.Name + ", event " + strings.Join(tr.EventIDs, ", ")}
	if tr.Cron != "" {
		s.WorkflowName = tr.Cron
		s.Origin = engine.Origin{Kind: "cron", Name: tr.Cron, Commit: cur.snapshot.Commit, Scheduled: tr.At}
	}
	return t.l.submit(ctx, cur, s, code)
}

// watched are the folders that a sensor's event sources watch: its runs may read
// what their events are about.
func (t *triggers) watched(cur *synced, declared *api.Object) []string {
	s, ok := declared.Typed.(*eventsv1.Sensor)
	if !ok {
		return nil
	}
	var dirs []string
	for _, d := range s.Spec.Dependencies {
		for _, o := range cur.objects {
			es, ok := o.Typed.(*eventsv1.EventSource)
			if !ok || o.Namespace != declared.Namespace || o.Name != d.EventSourceName {
				continue
			}
			if f, ok := es.Spec.File[d.EventName]; ok {
				dirs = append(dirs, filepath.Clean(f.WatchPathConfig.Directory))
			}
		}
	}
	return dirs
}

// checkTriggers judges the objects that trigger.
func checkTriggers(objects []*api.Object, data string) api.Problems {
	var problems api.Problems
	for _, o := range objects {
		problems = append(problems, lint.Check(o)...)
		es, ok := o.Typed.(*eventsv1.EventSource)
		if !ok {
			continue
		}
		for name, f := range es.Spec.File {
			dir := filepath.Clean(f.WatchPathConfig.Directory)
			if within(dir, data) || within(data, dir) {
				path := "spec.file." + name + ".watchPathConfig.directory"
				problems = append(problems, problemOf(o, path, fmt.Sprintf("%s holds pawl's own data, or lies in it, and no step may see that", dir), "watch a folder apart from it"))
			}
		}
	}
	return append(problems, lint.CheckSources(objects)...)
}

// within reports whether a clean path is a folder or lies in it.
func within(folder, p string) bool {
	rel, err := filepath.Rel(folder, p)
	return err == nil && filepath.IsLocal(rel)
}

// earliest is the first of two times that are not zero.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
