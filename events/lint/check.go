// Package lint judges EventSource, Sensor and CronWorkflow objects before they
// are used: every field is honoured, or has no meaning here and that is said, or
// is refused by name, with the line it stands in.
package lint

import (
	"reflect"

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
	case *eventsv1.EventSource:
		ps = fields(obj, eventSourceTable(), reflect.TypeFor[eventsv1.EventSourceSpec]())
		ps = append(ps, filesource.Check(typed)...)
		if !namesEvents(typed.Spec) {
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

// namesEvents reports whether an EventSource has an event of any kind: each kind
// is a map of its events by name.
func namesEvents(spec eventsv1.EventSourceSpec) bool {
	v := reflect.ValueOf(spec)
	for i := range v.NumField() {
		if f := v.Field(i); f.Kind() == reflect.Map && f.Len() > 0 {
			return true
		}
	}
	return false
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
