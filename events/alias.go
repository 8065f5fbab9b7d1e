package events

import (
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/tidwall/gjson"
)

// An alias is a short name for a value of an event. A tag
// {{inputs.parameters.NAME}} in the arguments of a workflow that a Sensor
// submits stands for the alias NAME:
//
//	any source    event-id, event-name, event-source, event-type, event-time
//	file          file-path (whole path), file-name (its last element), file-op
//	minio (S3)    s3-key and s3-bucket (URL-decoded), s3-event
//
// Argo Events knows no such tags: it submits them as they are, and the run is
// given the literal text.
type alias struct {
	name string
	// kinds are the types of event that have it; none means all.
	kinds []string
	value func(Event) (string, bool)
}

func aliases() []alias {
	file, s3 := []string{"file"}, []string{"minio", "s3"}
	return []alias{
		{"event-id", nil, func(e Event) (string, bool) { return e.ID, true }},
		{"event-name", nil, func(e Event) (string, bool) { return e.Subject, true }},
		{"event-source", nil, func(e Event) (string, bool) { return e.Source, true }},
		{"event-type", nil, func(e Event) (string, bool) { return e.Type, true }},
		{"event-time", nil, func(e Event) (string, bool) { return e.Time.UTC().Format(time.RFC3339Nano), true }},
		{"file-path", file, member("name")},
		{"file-name", file, func(e Event) (string, bool) {
			p, ok := member("name")(e)
			return filepath.Base(p), ok
		}},
		{"file-op", file, func(e Event) (string, bool) {
			op, ok := member("op")(e)
			n, err := strconv.ParseUint(op, 10, 32)
			return FileOp(n).String(), ok && err == nil
		}},
		{"s3-key", s3, decoded("notification.0.s3.object.key")},
		{"s3-bucket", s3, decoded("notification.0.s3.bucket.name")},
		{"s3-event", s3, member("notification.0.eventName")},
	}
}

func member(path string) func(Event) (string, bool) {
	return func(e Event) (string, bool) {
		v := gjson.GetBytes(e.Data, path)
		return v.String(), v.Exists()
	}
}

// decoded is a member that S3 writes URL-encoded, a blank as a plus sign.
func decoded(path string) func(Event) (string, bool) {
	return func(e Event) (string, bool) {
		v, ok := member(path)(e)
		if !ok {
			return "", false
		}
		d, err := url.QueryUnescape(v)
		return d, err == nil
	}
}

// Alias is the value of the event's alias of this name, if it has one.
func Alias(e Event, name string) (string, bool) {
	for _, a := range aliases() {
		if a.name == name && (a.kinds == nil || slices.Contains(a.kinds, e.Type)) {
			return a.value(e)
		}
	}
	return "", false
}

// AliasKinds is the types of event that have an alias of this name; nil with
// true means every type, false that no event has it.
func AliasKinds(name string) (kinds []string, known bool) {
	for _, a := range aliases() {
		if a.name == name {
			return a.kinds, true
		}
	}
	return nil, false
}

// AliasNames is all aliases, in the order of the documentation.
func AliasNames() []string {
	var names []string
	for _, a := range aliases() {
		names = append(names, a.name)
	}
	return names
}
