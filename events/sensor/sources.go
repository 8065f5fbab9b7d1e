package sensor

import (
	"fmt"
	"slices"
	"strings"

	eventsv1 "github.com/argoproj/argo-events/pkg/apis/events/v1alpha1"

	"github.com/pawl-dev/pawl/api"
	"github.com/pawl-dev/pawl/events"
)

// Source is what is known of an event source: the type of each of its events by
// name.
type Source map[string]string

// CheckSources says where a Sensor and the event sources beside it do not fit:
// dependencies on events that nobody sends, and tags that no event can fill.
// What a source that is not there would send is not known.
func CheckSources(s *eventsv1.Sensor, sources map[string]Source) api.Problems {
	c := checker{sensor: s}
	types := map[string]string{} // of the dependencies' events
	for i, d := range s.Spec.Dependencies {
		path := api.IndexPath("spec.dependencies", i)
		source, ok := sources[d.EventSourceName]
		if !ok {
			c.say(api.SeverityWarning, path+".eventSourceName", fmt.Sprintf("there is no EventSource %s beside the sensor: nothing will arrive", d.EventSourceName), nearest(d.EventSourceName, sources))
			continue
		}
		if types[d.Name], ok = source[d.EventName]; !ok {
			c.refuse(path+".eventName", fmt.Sprintf("EventSource %s has no event %s", d.EventSourceName, d.EventName), nearest(d.EventName, source))
		}
	}
	for i, t := range s.Spec.Triggers {
		if t.Template != nil {
			c.tagsOf(api.IndexPath("spec.triggers", i)+".template", t, types)
		}
	}
	return c.problems
}

// tagsOf refuses tags of a trigger that none of its events can fill.
func (c *checker) tagsOf(path string, t eventsv1.Trigger, types map[string]string) {
	waitsFor := dependencyNames(c.sensor)
	if cond, err := parseCondition(t.Template.Conditions, waitsFor); err == nil {
		waitsFor = cond.names()
	}
	var sent []string
	for _, d := range waitsFor {
		if types[d] == "" {
			return
		}
		sent = append(sent, types[d])
	}
	a, err := actionOf(t.Template)
	if err != nil || a.log != nil {
		return
	}
	source, tags := a.tags(path, t)
	for _, tag := range tags {
		kinds, known := events.AliasKinds(tag.alias)
		if known && kinds != nil && !slices.ContainsFunc(sent, func(kind string) bool { return slices.Contains(kinds, kind) }) {
			c.refuse(tag.in(source), fmt.Sprintf("%s: an event of kind %s has no %s", tag.text, strings.Join(sent, " or "), tag.alias), "map the value by parameters")
		}
	}
}

// nearest suggests a key that is spelled almost like the name.
func nearest[V any](name string, of map[string]V) string {
	var names []string
	for n := range of {
		names = append(names, n)
	}
	slices.Sort(names)
	if near := api.Nearest(name, names); near != "" {
		return fmt.Sprintf("did you mean %s?", near)
	}
	return ""
}
