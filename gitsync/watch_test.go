package gitsync

import (
	"context"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

// watching runs a watch and gives the channel of its notices; the first one has
// been received.
func watching(t *testing.T, cfg WatchConfig) (*Watch, <-chan struct{}) {
	t.Helper()
	notices := make(chan struct{}, 100)
	cfg.Notify = func(context.Context) { notices <- struct{}{} }
	w, err := NewWatch(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the watch ended with %v", err)
		}
		goleak.VerifyNone(t)
	})
	await(t, notices, "the beginning")
	return w, notices
}

func await(t *testing.T, notices <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-notices:
	case <-time.After(10 * time.Second):
		t.Fatalf("%s was not noticed", what)
	}
}

func drain(notices <-chan struct{}) {
	for {
		select {
		case <-notices:
		case <-time.After(10 * settle):
			return
		}
	}
}

func TestPushesToALocalRepositoryAreNoticedAtOnce(t *testing.T) {
	w := newWorld(t)
	w.commit("one")
	_, notices := watching(t, WatchConfig{Source: w.source(), Interval: time.Hour})
	for _, step := range []struct {
		what string
		do   func()
	}{
		{"a push", func() { w.commit("two") }},
		{"a new branch in a new folder", func() { w.git("push", "-q", "origin", "HEAD:refs/heads/a/b/c") }},
		{"a push to it", func() {
			w.git("commit", "-q", "--allow-empty", "-m", "x")
			w.git("push", "-q", "origin", "HEAD:refs/heads/a/b/c")
		}},
		{"a tag", func() { w.git("push", "-q", "origin", "HEAD:refs/tags/v1") }},
		{"packing", func() { git(t, w.bare, "pack-refs", "--all") }},
		{"deleting a packed branch", func() { w.git("push", "-q", "origin", ":refs/heads/a/b/c") }},
	} {
		step.do()
		await(t, notices, step.what)
		drain(notices)
	}
}

func TestAPushIsNoticedWithinASecond(t *testing.T) {
	w := newWorld(t)
	w.commit("one")
	_, notices := watching(t, WatchConfig{Source: w.source(), Interval: time.Hour})
	base := mustResolve(t, w.source()).Commit
	begin := time.Now()
	if _, err := Push(testContext(t), w.source(), change(base, "main", map[string]File{"x": text("x")}), base); err != nil {
		t.Fatal(err)
	}
	await(t, notices, "the push")
	if took := time.Since(begin); took > time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestARepositoryThatIsMadeLaterIsHeard(t *testing.T) {
	parent := t.TempDir()
	bare := filepath.Join(parent, "later.git")
	watch, notices := watching(t, WatchConfig{Source: Source{URL: bare}, Interval: time.Hour})
	git(t, parent, "init", "-q", "--bare", bare)
	watch.Poke()
	await(t, notices, "the poke")
	base, err := Push(testContext(t), Source{URL: bare}, change("", "main", map[string]File{"x": text("x")}), "")
	if err != nil || base == "" {
		t.Fatal(err)
	}
	await(t, notices, "the push")
}

func TestFilesOtherThanReferencesAreNotNoticed(t *testing.T) {
	w := newWorld(t)
	w.commit("one")
	_, notices := watching(t, WatchConfig{Source: w.source(), Interval: time.Hour})
	for _, name := range []string{"description", "refs/heads/main.lock", "FETCH_HEAD"} {
		if err := os.WriteFile(filepath.Join(w.bare, name), []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-notices:
		t.Error("it was noticed")
	case <-time.After(10 * settle):
	}
}

func TestPollingIsSpreadByJitterAndPokesComeBetween(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var looks atomic.Int32
		watch, err := NewWatch(WatchConfig{Source: Source{URL: "http://192.0.2.1/x"}, Interval: 30 * time.Second, Jitter: 0.5,
			Notify: func(context.Context) { looks.Add(1) }})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		go watch.Run(ctx)
		synctest.Wait()
		if looks.Load() != 1 {
			t.Fatalf("%d looks at the beginning", looks.Load())
		}
		time.Sleep(14 * time.Second)
		synctest.Wait()
		if looks.Load() != 1 {
			t.Error("a look came before the interval less its jitter")
		}
		time.Sleep(32 * time.Second)
		synctest.Wait()
		if looks.Load() < 2 {
			t.Error("no look came within the interval and its jitter")
		}
		before := looks.Load()
		watch.Poke()
		watch.Poke()
		synctest.Wait()
		if got := looks.Load(); got < before+1 || got > before+2 {
			t.Errorf("two pokes made %d looks", got-before)
		}
		cancel()
		synctest.Wait()
	})
}

func TestAWatchThatCannotBeIsRefused(t *testing.T) {
	notify := func(context.Context) {}
	for name, cfg := range map[string]WatchConfig{
		"nobody to notify":    {},
		"a negative interval": {Notify: notify, Interval: -1},
		"too much jitter":     {Notify: notify, Jitter: 2},
	} {
		if _, err := NewWatch(cfg); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}
