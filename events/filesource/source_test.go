package filesource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	eventsv1 "github.com/argoproj/argo-events/pkg/apis/events/v1alpha1"

	"github.com/pawl-dev/pawl/events"
)

// A bench runs a Source on a real folder and keeps what it emits and saves.
type bench struct {
	t      *testing.T
	dir    string
	spec   eventsv1.FileEventSource
	quiet  time.Duration
	got    chan events.Event
	failed chan struct{} // receives whenever fail was answered

	mu     sync.Mutex
	cursor Cursor
	fail   error // what Emit answers
}

func newBench(t *testing.T, op string) *bench {
	dir := filepath.Join(t.TempDir(), "in")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return &bench{
		t: t, dir: dir, quiet: 50 * time.Millisecond, got: make(chan events.Event, 100), failed: make(chan struct{}, 1000),
		spec: eventsv1.FileEventSource{
			EventType:       op,
			WatchPathConfig: eventsv1.WatchPathConfig{Directory: dir + "/", PathRegexp: `\.csv$`},
			Metadata:        map[string]string{"team": "fraud"},
		},
	}
}

// source is a Source that continues from the cursor that is stored.
func (b *bench) source(saved func()) *Source {
	b.t.Helper()
	s, err := New(Config{
		Source: "files", Event: "new", Spec: b.spec, Cursor: b.stored(), Quiet: b.quiet, Poll: 20 * time.Millisecond,
		Emit: func(_ context.Context, e events.Event) error {
			b.mu.Lock()
			defer b.mu.Unlock()
			if b.fail != nil {
				b.failed <- struct{}{}
				return b.fail
			}
			b.got <- e
			return nil
		},
		Save: func(_ context.Context, c Cursor) error {
			b.store(c)
			saved()
			return nil
		},
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

// run starts the Source; the returned function stops it and waits.
func (b *bench) run() (stop func()) {
	b.t.Helper()
	ready := make(chan struct{})
	s := b.source(sync.OnceFunc(func() { close(ready) }))
	first := b.stored().Watch != b.spec.WatchPathConfig
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	if first {
		<-ready // what is there now is known
	}
	return func() {
		cancel()
		if err := <-done; err != nil {
			b.t.Error(err)
		}
	}
}

// store keeps a cursor as JSON, as a store does.
func (b *bench) store(c Cursor) {
	text, err := json.Marshal(c)
	if err != nil {
		b.t.Error(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cursor = Cursor{}
	if err := json.Unmarshal(text, &b.cursor); err != nil {
		b.t.Error(err)
	}
}

func (b *bench) stored() Cursor {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.cursor
}

func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

func (b *bench) write(name, text string) {
	b.t.Helper()
	if err := os.WriteFile(b.path(name), []byte(text), 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// next is the next event, as "OP name".
func (b *bench) next() string {
	b.t.Helper()
	select {
	case e := <-b.got:
		return b.describe(e)
	case <-time.After(20 * time.Second):
		b.t.Fatal("no event came")
		return ""
	}
}

func (b *bench) describe(e events.Event) string {
	var data struct {
		Name     string
		Op       events.FileOp
		Metadata map[string]string
	}
	if err := json.Unmarshal(e.Data, &data); err != nil {
		b.t.Fatal(err)
	}
	if e.Source != "files" || e.Subject != "new" || e.Type != "file" || e.ID == "" || e.Time.IsZero() || filepath.Dir(data.Name) != b.dir || data.Metadata["team"] != "fraud" {
		b.t.Errorf("event %+v, data %s", e, e.Data)
	}
	return data.Op.String() + " " + filepath.Base(data.Name)
}

// none makes sure that everything up to now brought no event: a marker that is
// written now is the next.
func (b *bench) none() {
	b.t.Helper()
	marker := fmt.Sprintf("marker%d.csv", time.Now().UnixNano())
	b.write(marker, "x")
	if got := b.next(); got != "CREATE "+marker {
		b.t.Errorf("got %q, want none", got)
	}
}

func (b *bench) want(wants ...string) {
	b.t.Helper()
	for _, want := range wants {
		if got := b.next(); got != want {
			b.t.Fatalf("got %q, want %q", got, want)
		}
	}
}

func TestWatching(t *testing.T) {
	for _, polling := range []bool{false, true} {
		t.Run(fmt.Sprintf("polling %v", polling), func(t *testing.T) {
			b := newBench(t, "CREATE")
			b.spec.Polling = polling
			b.write("before.csv", "known")
			defer b.run()()
			b.write("a.txt", "does not match")
			b.write("a.csv", "1")
			b.want("CREATE a.csv")
			b.write("before.csv", "changed")
			b.none()
			b.write("a.csv", "2")
			b.none()
		})
	}
}

func TestAFileRenamedIntoPlaceIsAnnouncedAtOnce(t *testing.T) {
	b := newBench(t, "CREATE")
	b.quiet = time.Hour
	defer b.run()()
	b.write("a.tmp", "1")
	if err := os.Rename(b.path("a.tmp"), b.path("a.csv")); err != nil {
		t.Fatal(err)
	}
	b.want("CREATE a.csv")
	// Over one that is there, too: it is another file.
	b.write("a.tmp", "22")
	if err := os.Rename(b.path("a.tmp"), b.path("a.csv")); err != nil {
		t.Fatal(err)
	}
	b.want("CREATE a.csv")
}

func TestAFileIsAnnouncedWhenItIsComplete(t *testing.T) {
	b := newBench(t, "CREATE")
	defer b.run()()
	f, err := os.Create(b.path("long.csv"))
	if err != nil {
		t.Fatal(err)
	}
	if _, known := writers(b.path("long.csv")); !known {
		t.Skip("this system cannot tell whether a file is being written to")
	}
	for range 3 {
		if _, err := f.WriteString("a line\n"); err != nil {
			t.Fatal(err)
		}
		b.none() // though it is quiet meanwhile
	}
	f.Close()
	b.want("CREATE long.csv")
	b.none()
}

func TestAnEmptyFileIsAnnouncedWhenItStaysSo(t *testing.T) {
	b := newBench(t, "CREATE")
	b.spec.WatchPathConfig.PathRegexp, b.spec.WatchPathConfig.Path = "", "_SUCCESS"
	defer b.run()()
	b.write("other", "1")
	b.write("_SUCCESS", "")
	b.want("CREATE _SUCCESS")
}

func TestAFileThatCameWhileNobodyWatchedIsNoticedOnce(t *testing.T) {
	b := newBench(t, "CREATE")
	b.write("old.csv", "1")
	b.run()()
	b.write("dropped.csv", "2")
	stop := b.run()
	b.want("CREATE dropped.csv")
	b.none()
	stop()
	stop = b.run()
	b.none()
	stop()
}

func TestAnEventThatIsFoundAgainHasTheSameID(t *testing.T) {
	b := newBench(t, "CREATE")
	b.run()()
	before := b.stored()
	b.write("a.csv", "1")
	var ids []string
	for range 2 { // the cursor is lost in a crash after the event was emitted
		b.store(before)
		stop := b.run()
		ids = append(ids, (<-b.got).ID)
		stop()
	}
	if ids[0] != ids[1] {
		t.Errorf("IDs %q", ids)
	}
}

func TestAnEventThatCannotBeEmittedIsTriedAgain(t *testing.T) {
	b := newBench(t, "CREATE")
	defer b.run()()
	b.mu.Lock()
	b.fail = errors.New("the disk is full")
	b.mu.Unlock()
	b.write("a.csv", "1")
	<-b.failed
	<-b.failed
	b.mu.Lock()
	b.fail = nil
	b.mu.Unlock()
	b.want("CREATE a.csv")
}

func TestEachOperation(t *testing.T) {
	for _, test := range []struct {
		op   string
		do   func(*bench) error
		want string
	}{
		{"WRITE", func(b *bench) error { return os.WriteFile(b.path("a.csv"), []byte("longer"), 0o644) }, "WRITE a.csv"},
		{"WRITE", func(b *bench) error { return os.WriteFile(b.path("b.csv"), []byte("new"), 0o644) }, "WRITE b.csv"},
		{"REMOVE", func(b *bench) error { return os.Remove(b.path("a.csv")) }, "REMOVE a.csv"},
		{"RENAME", func(b *bench) error { return os.Rename(b.path("a.csv"), b.path("a.txt")) }, "RENAME a.csv"},
		{"RENAME", func(b *bench) error { return os.Rename(b.path("a.csv"), filepath.Join(b.dir, "..", "away.csv")) }, "RENAME a.csv"},
		{"CHMOD", func(b *bench) error { return os.Chmod(b.path("a.csv"), 0o600) }, "CHMOD a.csv"},
		{"CREATE", func(b *bench) error { return os.Rename(b.path("a.csv"), b.path("b.csv")) }, "CREATE b.csv"},
	} {
		t.Run(test.op, func(t *testing.T) {
			b := newBench(t, test.op)
			b.write("a.csv", "1")
			defer b.run()()
			if err := test.do(b); err != nil {
				t.Fatal(err)
			}
			b.want(test.want)
		})
	}
}

func TestAFolderThatGoesSaysNothingAboutItsFiles(t *testing.T) {
	b := newBench(t, "REMOVE")
	b.write("a.csv", "1")
	b.write("b.csv", "1")
	b.run()()
	away := b.dir + "-away"
	if err := os.Rename(b.dir, away); err != nil {
		t.Fatal(err)
	}
	if err := b.source(func() {}).pass(t.Context()); err == nil || len(b.stored().Files) != 2 {
		t.Errorf("without the folder: %v, %+v", err, b.stored())
	}
	if err := os.Rename(away, b.dir); err != nil {
		t.Fatal(err)
	}
	defer b.run()()
	if err := os.Remove(b.path("b.csv")); err != nil {
		t.Fatal(err)
	}
	b.want("REMOVE b.csv")
}

func TestAFolderThatIsNotThereYetIsEmpty(t *testing.T) {
	b := newBench(t, "CREATE")
	if err := os.Remove(b.dir); err != nil {
		t.Fatal(err)
	}
	defer b.run()()
	if err := os.Mkdir(b.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	b.write("first.csv", "1")
	b.want("CREATE first.csv")
}

func TestAnotherPatternTakesTheFilesThereAsKnown(t *testing.T) {
	b := newBench(t, "CREATE")
	b.write("a.json", "1")
	b.run()()
	b.spec.WatchPathConfig.PathRegexp = `\.(csv|json)$`
	stop := b.run()
	b.none()
	stop()
}

func TestCheckRefuses(t *testing.T) {
	for _, test := range []struct {
		name string
		spec eventsv1.FileEventSource
		want string
	}{
		{"two operations", eventsv1.FileEventSource{EventType: "CREATE|WRITE", WatchPathConfig: eventsv1.WatchPathConfig{Directory: "/d", Path: "x"}}, "eventType"},
		{"a relative folder", eventsv1.FileEventSource{EventType: "CREATE", WatchPathConfig: eventsv1.WatchPathConfig{Directory: "d", Path: "x"}}, "directory"},
		{"no folder", eventsv1.FileEventSource{EventType: "CREATE", WatchPathConfig: eventsv1.WatchPathConfig{Path: "x"}}, "directory"},
		{"no file", eventsv1.FileEventSource{EventType: "CREATE", WatchPathConfig: eventsv1.WatchPathConfig{Directory: "/d"}}, "watchPathConfig: says no file"},
		{"both", eventsv1.FileEventSource{EventType: "CREATE", WatchPathConfig: eventsv1.WatchPathConfig{Directory: "/d", Path: "x", PathRegexp: "x"}}, "pathRegexp"},
		{"a file in a subfolder", eventsv1.FileEventSource{EventType: "CREATE", WatchPathConfig: eventsv1.WatchPathConfig{Directory: "/d", Path: "x/y"}}, "watchPathConfig.path"},
		{"no regular expression", eventsv1.FileEventSource{EventType: "CREATE", WatchPathConfig: eventsv1.WatchPathConfig{Directory: "/d", PathRegexp: "("}}, "pathRegexp"},
	} {
		t.Run(test.name, func(t *testing.T) {
			es := &eventsv1.EventSource{Spec: eventsv1.EventSourceSpec{File: map[string]eventsv1.FileEventSource{"new": test.spec}}}
			ps := Check(es)
			if len(ps) != 1 || !strings.Contains(ps[0].String(), "spec.file.new."+test.want) && !strings.Contains(ps[0].String(), test.want) {
				t.Errorf("got %v, want one about %s", ps, test.want)
			}
			if _, err := New(Config{Source: "s", Event: "new", Spec: test.spec}); err == nil {
				t.Error("New takes it")
			}
		})
	}
}
