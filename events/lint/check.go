// Package lint judges EventSource, Sensor and CronWorkflow objects before they
// are used: every field is honoured, or has no meaning here and that is said, or
// is refused by name, with the line it stands in.
package lint

import (
	"reflect"
	"strings"

	eventsv1 "github.com/argoproj/argo-events/pkg/apis/events/v1alpha1"
	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"

	"github.com/pawl-dev/pawl/api"
	"github.com/pawl-dev/pawl/events/cron"
	"github.com/pawl-dev/pawl/events/filesource"
	"github.com/pawl-dev/pawl/events/sensor"
)

// Check says what is wrong with an object and what is worth knowing about it.
// Objects of other kinds have no problems here. Unknown fields are the decoder's
// to say.
func Check(obj *api.Object) api.Problems {
	var ps api.Problems
	switch typed := obj.Typed.(type) {
	case *wfv1.CronWorkflow:
		ps = fields(obj, cronWorkflowTable(), reflect.TypeFor[wfv1.CronWorkflowSpec]())
		_, more := cron.SpecOf(typed)
		ps = append(ps, more...)
		if spec, ok := obj.Raw["spec"].(map[string]any); ok && isZero(spec["workflowSpec"]) {
			ps = append(ps, api.Problem{Severity: api.SeverityError, Path: "spec.workflowSpec", Message: "is missing", Hint: "such as workflowTemplateRef: {name: train}"})
		}
	case *eventsv1.EventSource:
		ps = fields(obj, eventSourceTable(), reflect.TypeFor[eventsv1.EventSourceSpec]())
		ps = append(ps, filesource.Check(typed)...)
		if len(eventsOf(typed.Spec)) == 0 {
			ps = append(ps, api.Problem{Severity: api.SeverityError, Path: "spec", Message: "names no event", Hint: "spec.file"})
		}
	case *eventsv1.Sensor:
		ps = fields(obj, sensorTable(), reflect.TypeFor[eventsv1.SensorSpec]())
		ps = append(ps, sensor.Check(typed)...)
	}
	for i := range ps {
		ps[i].Position = obj.Position(ps[i].Path)
	}
	return ps
}

// CheckSources says where the Sensors among the objects of one destination do not
// fit the EventSources among them; those of one namespace see each other.
func CheckSources(objs []*api.Object) api.Problems {
	sources := map[string]map[string]sensor.Source{} // by namespace
	for _, obj := range objs {
		if es, ok := obj.Typed.(*eventsv1.EventSource); ok {
			if sources[obj.Namespace] == nil {
				sources[obj.Namespace] = map[string]sensor.Source{}
			}
			sources[obj.Namespace][obj.Name] = eventsOf(es.Spec)
		}
	}
	var ps api.Problems
	for _, obj := range objs {
		if s, ok := obj.Typed.(*eventsv1.Sensor); ok {
			for _, p := range sensor.CheckSources(s, sources[obj.Namespace]) {
				p.Position = obj.Position(p.Path)
				ps = append(ps, p)
			}
		}
	}
	return ps
}

// eventsOf lists the events of an EventSource with their types.
func eventsOf(spec eventsv1.EventSourceSpec) sensor.Source {
	source := sensor.Source{}
	v := reflect.ValueOf(spec)
	for i := range v.NumField() {
		if v.Field(i).Kind() != reflect.Map {
			continue
		}
		kind, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		if kind == "pubSub" {
			kind = "pubsub" // the one type that is spelled otherwise than its field
		}
		for _, name := range v.Field(i).MapKeys() {
			source[name.String()] = kind
		}
	}
	return source
}

// fields compares the spec of an object with the table of its kind.
func fields(obj *api.Object, t table, spec reflect.Type) api.Problems {
	w := walk{table: t}
	v, given := obj.Raw["spec"]
	if !given || v == nil {
		w.say(api.SeverityError, "spec", "is missing", "")
		return w.problems
	}
	w.inside("spec", "spec", v, spec)
	return w.problems
}
