package sensor

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	eventsv1 "github.com/argoproj/argo-events/pkg/apis/events/v1alpha1"

	"github.com/pawl-dev/pawl/events"
	"github.com/pawl-dev/pawl/events/cron"
)

// maxSeen is how many events a sensor remembers to know one that is delivered
// again.
const maxSeen = 256

// State is what a sensor remembers between events. The zero State is that of a
// new sensor. It is kept as JSON.
type State struct {
	// Seen is the last events that were evaluated, oldest first.
	Seen []string `json:"seen,omitempty"`
	// Held is, by trigger and dependency, the latest event that waits for others.
	Held map[string]map[string]Held `json:"held,omitempty"`
	// Logged is when a log trigger with an interval last wrote.
	Logged map[string]time.Time `json:"logged,omitempty"`
}

// Held is an event that waits until its trigger's conditions hold.
type Held struct {
	Event events.Event `json:"event"`
	At    time.Time    `json:"at"`
	// Of identifies the dependency and the conditions that it passed; when the
	// sensor is changed there, it no longer counts.
	Of string `json:"of"`
}

// clone copies what Evaluate changes.
func (st State) clone() State {
	c := State{Seen: slices.Clone(st.Seen), Held: map[string]map[string]Held{}, Logged: maps.Clone(st.Logged)}
	for trigger, held := range st.Held {
		c.Held[trigger] = maps.Clone(held)
	}
	if c.Logged == nil {
		c.Logged = map[string]time.Time{}
	}
	return c
}

// see reports whether the event was evaluated before, and remembers it.
func (st *State) see(e events.Event) (again bool) {
	key := events.NewID(e.Source, e.ID)
	if slices.Contains(st.Seen, key) {
		return true
	}
	st.Seen = append(st.Seen, key)
	if over := len(st.Seen) - maxSeen; over > 0 {
		st.Seen = slices.Delete(st.Seen, 0, over)
	}
	return false
}

// prune forgets what belongs to triggers and dependencies that the sensor no
// longer has, or has otherwise than then.
func (st *State) prune(s *eventsv1.Sensor, now time.Time) {
	triggers := map[string]eventsv1.TriggerTemplate{}
	for _, t := range s.Spec.Triggers {
		if t.Template != nil {
			triggers[t.Template.Name] = *t.Template
		}
	}
	for name, held := range st.Held {
		t, ok := triggers[name]
		maps.DeleteFunc(held, func(dependency string, h Held) bool {
			d := findDependency(s, dependency)
			return !ok || d == nil || h.Of != identity(*d, t.Conditions) || resetSince(t, h.At, now)
		})
		if len(held) == 0 {
			delete(st.Held, name)
		}
	}
	maps.DeleteFunc(st.Logged, func(name string, _ time.Time) bool { return triggers[name].Log == nil })
}

// resetSince reports whether a conditionsReset of the trigger came due after an
// event was held.
func resetSince(t eventsv1.TriggerTemplate, held, now time.Time) bool {
	for _, r := range t.ConditionsReset {
		if r.ByTime == nil {
			continue
		}
		// A schedule that cannot be read is refused before a sensor is evaluated.
		at, err := cron.Next(r.ByTime.Cron, r.ByTime.Timezone, held.In(now.Location()))
		if err == nil && !at.After(now) {
			return true
		}
	}
	return false
}

func findDependency(s *eventsv1.Sensor, name string) *eventsv1.EventDependency {
	i := slices.IndexFunc(s.Spec.Dependencies, func(d eventsv1.EventDependency) bool { return d.Name == name })
	if i < 0 {
		return nil
	}
	return &s.Spec.Dependencies[i]
}

func identity(d eventsv1.EventDependency, conditions string) string {
	b, err := json.Marshal(d)
	if err != nil {
		panic(fmt.Sprintf("sensor: dependency %s has no JSON: %v", d.Name, err))
	}
	sum := sha256.Sum256(append(b, conditions...))
	return hex.EncodeToString(sum[:8])
}
