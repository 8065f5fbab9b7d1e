package sensor

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	eventsv1 "github.com/argoproj/argo-events/pkg/apis/events/v1alpha1"
	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"

	"github.com/pawl-dev/pawl/events"
)

// The labels by which Argo Events marks what a Sensor created.
const (
	LabelSensor    = "events.argoproj.io/sensor"
	LabelTrigger   = "events.argoproj.io/trigger"
	LabelTimestamp = "events.argoproj.io/action-timestamp"
)

// fire makes the trigger of the events that its conditions hold for.
func (ev *evaluation) fire(t eventsv1.Trigger, came []namedEvent) {
	parts := []string{"sensor", ev.sensor.Namespace, ev.sensor.Name, t.Template.Name}
	trigger := events.Trigger{
		Namespace: ev.sensor.Namespace,
		Sensor:    ev.sensor.Name,
		Name:      t.Template.Name,
		At:        ev.now,
	}
	for _, c := range came {
		parts = append(parts, c.dependency, c.ID)
		if !slices.Contains(trigger.EventIDs, c.ID) {
			trigger.EventIDs = append(trigger.EventIDs, c.ID)
		}
	}
	trigger.ID = events.NewID(parts...)
	err := ev.act(&trigger, t, came)
	switch {
	case errors.Is(err, errTooSoon):
		ev.note(Note{Trigger: trigger.Name, Message: err.Error()})
	case err != nil:
		ev.note(Note{Trigger: trigger.Name, Message: err.Error(), Failed: true})
	default:
		ev.out.Triggers = append(ev.out.Triggers, trigger)
	}
}

// act fills in what the trigger does.
func (ev *evaluation) act(trigger *events.Trigger, t eventsv1.Trigger, came []namedEvent) error {
	p := patcher{events: map[string]events.Event{}, now: ev.now, note: func(m string) {
		ev.note(Note{Trigger: trigger.Name, Message: m})
	}}
	for _, c := range came {
		p.events[c.dependency] = c.Event
	}
	template, left, err := patchTemplate(t, p, came)
	if err != nil {
		return fmt.Errorf("trigger %s: %w", trigger.Name, err)
	}
	a, err := actionOf(template)
	if err != nil {
		return fmt.Errorf("trigger %s: %w", trigger.Name, err)
	}
	if a.log != nil {
		return ev.log(trigger, a.log.GetInterval(), came)
	}
	workflow, err := a.workflow(p, came, left)
	if err != nil {
		return fmt.Errorf("trigger %s: %w", trigger.Name, err)
	}
	ev.label(workflow, trigger)
	trigger.Operation = events.Submit
	if trigger.Workflow, err = json.Marshal(workflow); err != nil {
		return fmt.Errorf("trigger %s: encoding its workflow: %w", trigger.Name, err)
	}
	return nil
}

// patchTemplate binds the tags in the arguments of the template's workflow and
// then applies the trigger's parameters to the whole template. The tags that no
// event knew are returned.
func patchTemplate(t eventsv1.Trigger, p patcher, came []namedEvent) (*eventsv1.TriggerTemplate, []unbound, error) {
	doc, err := json.Marshal(t.Template)
	if err != nil {
		return nil, nil, fmt.Errorf("encoding the template: %w", err)
	}
	a, err := actionOf(t.Template)
	if err != nil {
		return nil, nil, err
	}
	var left []unbound
	var at string
	if a.log == nil {
		var manifest []byte
		if manifest, at, err = a.resource(); err != nil {
			return nil, nil, err
		}
		if at != "" {
			if doc, left, err = bindIn(doc, at, manifest, came); err != nil {
				return nil, nil, err
			}
		}
	}
	p.isData = func(dest string) bool { return at != "" && isData(strings.TrimPrefix(dest, at+".")) }
	if doc, err = p.apply(doc, t.Parameters); err != nil {
		return nil, nil, err
	}
	patched := &eventsv1.TriggerTemplate{}
	if err := json.Unmarshal(doc, patched); err != nil {
		return nil, nil, fmt.Errorf("the template is none any more after its parameters: %w", err)
	}
	return patched, left, nil
}

// bindIn binds the tags of a manifest that stands in a document at a path.
func bindIn(doc []byte, at string, manifest []byte, came []namedEvent) ([]byte, []unbound, error) {
	workflow, err := decodeObject(manifest)
	if err != nil {
		return nil, nil, err
	}
	left := bind(workflow, came)
	bound, err := json.Marshal(workflow)
	if err != nil {
		return nil, nil, fmt.Errorf("encoding the resource: %w", err)
	}
	doc, err = sjson.SetRawBytes(doc, at, bound)
	return doc, left, err
}

// workflow is the manifest that the action submits. left is the tags that are
// known to be unbound in it.
func (a action) workflow(p patcher, came []namedEvent, left []unbound) (map[string]any, error) {
	manifest, at, err := a.resource()
	if err != nil {
		return nil, err
	}
	if at == "" {
		wrapped, more, err := bindIn([]byte("{}"), "resource", manifest, came)
		if err != nil {
			return nil, err
		}
		left = more
		manifest = []byte(gjson.GetBytes(wrapped, "resource").Raw)
	}
	p.isData = isData
	if manifest, err = p.apply(manifest, a.parameters); err != nil {
		return nil, err
	}
	workflow, err := decodeObject(manifest)
	if err != nil {
		return nil, err
	}
	if err := checkWorkflow(workflow); err != nil {
		return nil, err
	}
	for _, there := range tagsIn(workflow) {
		for _, u := range left {
			if u.tag == there {
				return nil, fmt.Errorf("%s: %w", u.path, u.err)
			}
		}
	}
	return workflow, nil
}

// isData reports whether a place in a workflow is one where text stays as it is.
func isData(dest string) bool {
	return strings.HasPrefix(dest, "spec.arguments.") || strings.HasPrefix(dest, "metadata.")
}

// label marks the workflow as Argo Events does and names its run.
func (ev *evaluation) label(workflow map[string]any, trigger *events.Trigger) {
	metadata := workflow["metadata"].(map[string]any) // checkWorkflow saw it
	labels, _ := metadata["labels"].(map[string]any)
	if labels == nil {
		labels = map[string]any{}
		metadata["labels"] = labels
	}
	labels[LabelSensor] = trigger.Sensor
	labels[LabelTrigger] = trigger.Name
	labels[LabelTimestamp] = strconv.FormatInt(ev.now.UnixMilli(), 10)
	switch namespace := nameOf(workflow, "namespace"); {
	case namespace != "":
		trigger.Namespace = namespace
	case trigger.Namespace != "":
		metadata["namespace"] = trigger.Namespace
	}
	trigger.RunName = nameOf(workflow, "name")
	if trigger.RunName == "" {
		trigger.RunName = nameOf(workflow, "generateName") + trigger.ID[:8]
	}
}

var errTooSoon = errors.New("the log trigger's intervalSeconds is not over")

// log makes a message of the events, at most one an interval.
func (ev *evaluation) log(trigger *events.Trigger, interval time.Duration, came []namedEvent) error {
	if last, ok := ev.out.State.Logged[trigger.Name]; ok && interval > 0 && ev.now.Sub(last) < interval {
		return errTooSoon
	}
	if interval > 0 {
		ev.out.State.Logged[trigger.Name] = ev.now
	}
	said := map[string]events.Event{}
	for _, c := range came {
		said[c.dependency] = c.Event
	}
	b, err := json.Marshal(said)
	if err != nil {
		return fmt.Errorf("trigger %s: encoding its events: %w", trigger.Name, err)
	}
	trigger.Operation, trigger.Message = events.Log, string(b)
	return nil
}
