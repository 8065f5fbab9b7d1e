package sched

import (
	"encoding/json"
	"fmt"
)

// Version is the version of the scheduler's behaviour. A journal is folded by
// the version that wrote it, or by a later one that is known to fold it alike.
const Version = 1

// Header is the first record of a journal, before its events.
type Header struct {
	Scheduler int    `json:"scheduler"`
	Plan      string `json:"plan"` // Plan.Digest
}

// Encode is the header as one JSON object.
func (h Header) Encode() []byte {
	data, err := json.Marshal(h)
	if err != nil {
		panic(err) // a number and a string: cannot fail
	}
	return data
}

// DecodeHeader reads a header and refuses one of a later scheduler.
func DecodeHeader(data []byte) (Header, error) {
	var h Header
	if err := json.Unmarshal(data, &h); err != nil {
		return h, fmt.Errorf("journal header: %w", err)
	}
	if h.Scheduler < 1 || h.Scheduler > Version {
		return h, fmt.Errorf("journal header: written by version %d of the scheduler, this one knows up to %d", h.Scheduler, Version)
	}
	return h, nil
}

// Encode is the event as one JSON object without line breaks.
func Encode(ev Event) []byte {
	data, err := json.Marshal(ev)
	if err != nil {
		panic(err) // strings, numbers and times: a year past 9999 alone can fail
	}
	return data
}

// Decode reads an event. Fields that this version does not know do not matter.
func Decode(data []byte) (Event, error) {
	var ev Event
	if err := json.Unmarshal(data, &ev); err != nil {
		return ev, fmt.Errorf("journal event: %w", err)
	}
	if ev.Kind == "" {
		return ev, fmt.Errorf("journal event: it has no kind: %.80q", data)
	}
	return ev, nil
}
