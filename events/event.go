// Package events says that something happened: events come from event sources
// and from the clock, sensors turn them into triggers, and a trigger asks for a
// run. The packages below it decide; nothing here runs a workflow.
package events

import (
	"encoding/json"
	"fmt"
	"time"
)

// Event is one occurrence, in the envelope of CloudEvents 1.0 as Argo Events
// fills it: the source is the name of the EventSource, the type is its kind
// ("file", "minio"), and the subject is the name of the event in it.
type Event struct {
	// ID is unique within a source for all time: an event that is delivered
	// again carries the same one.
	ID      string
	Source  string
	Type    string
	Subject string
	Time    time.Time
	// Data is JSON; a source that receives something else converts it.
	Data json.RawMessage
}

// envelope is the JSON of an Event; the members are CloudEvents' own.
type envelope struct {
	ID              string          `json:"id"`
	Source          string          `json:"source"`
	SpecVersion     string          `json:"specversion"`
	Type            string          `json:"type"`
	DataContentType string          `json:"datacontenttype"`
	Subject         string          `json:"subject"`
	Time            time.Time       `json:"time"`
	Data            json.RawMessage `json:"data,omitempty"`
}

// SpecVersion and ContentType are the same for every Event.
const (
	SpecVersion = "1.0"
	ContentType = "application/json"
)

func (e Event) envelope() envelope {
	return envelope{
		ID: e.ID, Source: e.Source, SpecVersion: SpecVersion, Type: e.Type,
		DataContentType: ContentType, Subject: e.Subject, Time: e.Time, Data: e.Data,
	}
}

// MarshalJSON writes a structured CloudEvent.
func (e Event) MarshalJSON() ([]byte, error) { return json.Marshal(e.envelope()) }

// UnmarshalJSON reads a structured CloudEvent.
func (e *Event) UnmarshalJSON(b []byte) error {
	var v envelope
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	if v.SpecVersion != SpecVersion {
		return fmt.Errorf("decoding event %s: specversion is %q, not %q", v.ID, v.SpecVersion, SpecVersion)
	}
	*e = Event{ID: v.ID, Source: v.Source, Type: v.Type, Subject: v.Subject, Time: v.Time, Data: v.Data}
	return nil
}

// Context is the envelope without the data, as JSON: what contextKey and
// contextTemplate of a Sensor select from.
func (e Event) Context() ([]byte, error) {
	v := e.envelope()
	v.Data = nil
	return json.Marshal(v)
}
