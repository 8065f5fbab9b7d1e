package events_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/pawl-dev/pawl/events"
)

var at = time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)

func TestAnEventIsACloudEvent(t *testing.T) {
	e := events.Event{ID: "1", Source: "files", Type: "file", Subject: "new", Time: at, Data: json.RawMessage(`{"name":"x"}`)}
	b, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"id":"1","source":"files","specversion":"1.0","type":"file","datacontenttype":"application/json","subject":"new","time":"2024-05-06T07:08:09Z","data":{"name":"x"}}`
	if string(b) != want {
		t.Errorf("got  %s\nwant %s", b, want)
	}
	var back events.Event
	if err := json.Unmarshal(b, &back); err != nil || !reflect.DeepEqual(back, e) {
		t.Errorf("back: %+v, %v", back, err)
	}
	context, err := e.Context()
	if err != nil || strings.Contains(string(context), "data\":{") || !strings.Contains(string(context), `"subject":"new"`) {
		t.Errorf("context %s, %v", context, err)
	}
	if err := json.Unmarshal([]byte(`{"id":"1","specversion":"0.3"}`), &back); err == nil {
		t.Error("another version of the envelope is read")
	}
}

func TestAliases(t *testing.T) {
	file := events.Event{ID: "1", Source: "s", Type: "file", Subject: "n", Time: at, Data: json.RawMessage(`{"name":"/d/a.csv","op":2}`)}
	object := events.Event{Type: "minio", Data: json.RawMessage(`{"notification":[{"s3":{"bucket":{"name":"b"},"object":{"key":"a%2Fb+c%2B"}}}]}`)}
	for _, test := range []struct {
		name, alias string
		event       events.Event
		want        string
		ok          bool
	}{
		{"path of a file", "file-path", file, "/d/a.csv", true},
		{"name of a file", "file-name", file, "a.csv", true},
		{"operation on a file", "file-op", file, "WRITE", true},
		{"an operation that is no number", "file-op", events.Event{Type: "file", Data: json.RawMessage(`{"op":"x"}`)}, "", false},
		{"time of an event", "event-time", file, "2024-05-06T07:08:09Z", true},
		{"key of an object is decoded", "s3-key", object, "a/b c+", true},
		{"a key that is wrongly encoded", "s3-key", events.Event{Type: "minio", Data: json.RawMessage(`{"notification":[{"s3":{"object":{"key":"%zz"}}}]}`)}, "", false},
		{"key of a file", "s3-key", file, "", false},
		{"path of an object", "file-path", object, "", false},
		{"a member that is not there", "s3-event", object, "", false},
		{"an alias of nobody", "gone", file, "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, ok := events.Alias(test.event, test.alias)
			if ok != test.ok || ok && got != test.want {
				t.Errorf("got %q, %v", got, ok)
			}
		})
	}
	for _, name := range events.AliasNames() {
		if _, known := events.AliasKinds(name); !known {
			t.Errorf("%s is not known", name)
		}
	}
}

func TestIDsDifferWhereTheirPartsDo(t *testing.T) {
	seen := map[string][]string{}
	for _, parts := range [][]string{{}, {""}, {"", ""}, {"a", "b"}, {"ab"}, {"a,b"}, {`a","b`}, {"b", "a"}} {
		id := events.NewID(parts...)
		if other, ok := seen[id]; ok || len(id) != 32 {
			t.Errorf("%q and %q both have %s", parts, other, id)
		}
		seen[id] = parts
	}
}

func TestFileOps(t *testing.T) {
	for i, name := range events.FileOpNames() {
		op, ok := events.ParseFileOp(name)
		if !ok || op != 1<<i || op.String() != name {
			t.Errorf("%s is %d, %v", name, op, ok)
		}
	}
	if _, ok := events.ParseFileOp("CREATE|WRITE"); ok || (events.FileCreate|events.FileWrite).String() != "CREATE|WRITE" {
		t.Error("two operations are one")
	}
}
