package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("PAWL_TEST_APPEND_IN"); dir != "" {
		os.Exit(appendUntilKilled(dir))
	}
	goleak.VerifyTestMain(m)
}

// open opens a new store for one test.
func open(tb testing.TB) *Store {
	tb.Helper()
	return openAt(tb, filepath.Join(tb.TempDir(), "pawl.db"), Options{})
}

func openAt(tb testing.TB, path string, o Options) *Store {
	tb.Helper()
	s, err := Open(context.Background(), path, o)
	must(tb, err)
	tb.Cleanup(func() { must(tb, s.Close()) })
	return s
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func refuses(tb testing.TB, err error, words ...string) {
	tb.Helper()
	if err == nil {
		tb.Error("no error")
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			tb.Errorf("error %q does not say %q", err, w)
		}
	}
}

func exec(tb testing.TB, s *Store, query string) {
	tb.Helper()
	_, err := s.w.conn.ExecContext(tb.Context(), query)
	must(tb, err)
}

// records reads a whole journal.
func records(tb testing.TB, s *Store, run string) []string {
	tb.Helper()
	var all []string
	for r, err := range s.Read(tb.Context(), run, 0) {
		must(tb, err)
		all = append(all, string(r))
	}
	return all
}

func TestASecondWriterOnAFolderIsRefusedByNameAndPid(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data", "pawl.db")
	s := openAt(t, path, Options{})
	_, err := Open(t.Context(), path, Options{})
	refuses(t, err, "another pawl serve uses "+filepath.Dir(path), fmt.Sprintf("(pid %d)", os.Getpid()), "--data")
	var inUse *InUseError
	if !errors.As(err, &inUse) || inUse.PID != os.Getpid() {
		t.Errorf("error is no InUseError of this process: %v", err)
	}
	must(t, s.Close())
	openAt(t, path, Options{})
}

func TestAStoreOfAnotherFormatIsRefusedInWords(t *testing.T) {
	all, err := formats()
	must(t, err)
	for name, tt := range map[string]struct {
		sql      string
		readOnly bool
		want     []string
	}{
		"newer, for writing":   {"PRAGMA user_version = 99", false, []string{"newer pawl", "format 99", fmt.Sprint("up to ", len(all))}},
		"newer, for reading":   {"PRAGMA user_version = 99", true, []string{"newer pawl"}},
		"older, for reading":   {"PRAGMA user_version = 0", true, []string{"older pawl", "pawl serve"}},
		"another's, to write":  {"PRAGMA application_id = 7", false, []string{"not one of pawl's"}},
		"another's, unmarked":  {"PRAGMA application_id = 0", false, []string{"not one of pawl's"}},
		"another's, for reads": {"PRAGMA application_id = 7", true, []string{"not one of pawl's"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			exec(t, s, tt.sql)
			must(t, s.Close())
			other, err := Open(t.Context(), s.Path(), Options{ReadOnly: tt.readOnly})
			refuses(t, err, append(tt.want, s.Path())...)
			if other != nil {
				t.Error("it was opened")
			}
		})
	}
	t.Run("no database at all", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "pawl.db")
		must(t, os.WriteFile(path, []byte(strings.Repeat("no database ", 100)), 0o600))
		_, err := Open(t.Context(), path, Options{})
		refuses(t, err, path, "not a database")
	})
}

func TestAReaderSeesWhatAWriterCommits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pawl.db")
	_, err := Open(t.Context(), path, Options{ReadOnly: true})
	if !errors.Is(err, ErrNotFound) {
		t.Errorf("reading what is not there: %v", err)
	}
	refuses(t, err, path, "pawl serve")

	w := openAt(t, path, Options{})
	r := openAt(t, path, Options{ReadOnly: true})
	for _, text := range []string{"one", "two"} {
		must(t, w.Append(t.Context(), "run", []byte(text)))
		if got := records(t, r, "run"); got[len(got)-1] != text {
			t.Errorf("read %q after %q", got, text)
		}
	}
	if err := r.Append(t.Context(), "run", []byte("three")); !errors.Is(err, ErrReadOnly) {
		t.Errorf("writing to a reader: %v", err)
	}
	if err := r.PutNodes(t.Context(), "run", []Node{{}}); !errors.Is(err, ErrReadOnly) {
		t.Errorf("writing to a reader: %v", err)
	}
	must(t, w.Close())
	if got := records(t, r, "run"); len(got) != 2 {
		t.Errorf("read %q after the writer had gone", got)
	}
	must(t, r.Close())
	r = openAt(t, path, Options{ReadOnly: true})
	if got := records(t, r, "run"); len(got) != 2 {
		t.Errorf("read %q with no writer about", got)
	}
}

func TestAClosedStoreRefusesAndKeepsWhatWasInTheLane(t *testing.T) {
	s := open(t)
	_, _, err := s.CreateRun(t.Context(), Run{UID: "u", Name: "r"})
	must(t, err)
	must(t, s.PutNodes(t.Context(), "u", someNodes(laneBatch+1)))
	must(t, s.Close())
	must(t, s.Close())
	for what, err := range map[string]error{
		"Append":   s.Append(t.Context(), "u", []byte("x")),
		"PutNodes": s.PutNodes(t.Context(), "u", []Node{{}}),
		"Flush":    s.Flush(t.Context()),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s after Close: %v", what, err)
		}
	}
	again := openAt(t, s.Path(), Options{})
	nodes, err := again.Nodes(t.Context(), "u", 0, 0)
	must(t, err)
	if len(nodes) != laneBatch+1 {
		t.Errorf("%d nodes were kept, want %d", len(nodes), laneBatch+1)
	}
}

func TestCloseWaitsForWhatIsUnderWay(t *testing.T) {
	s := open(t)
	_, _, err := s.CreateRun(t.Context(), Run{UID: "u", Name: "r"})
	must(t, err)
	must(t, s.PutNodes(t.Context(), "u", someNodes(1)))
	release := hold(s)
	var g errgroup.Group
	g.Go(func() error { return s.Append(t.Context(), "u", []byte("x")) })
	queued(s, 1)
	g.Go(func() error {
		if err := s.Flush(context.Background()); err != nil && !errors.Is(err, ErrClosed) {
			return err
		}
		return nil
	})
	g.Go(s.Close)
	release()
	must(t, g.Wait())
	s = openAt(t, s.Path(), Options{})
	nodes, err := s.Nodes(t.Context(), "u", 0, 0)
	must(t, err)
	if got := records(t, s, "u"); len(got) != 1 || len(nodes) != 1 {
		t.Errorf("%d records and %d nodes were kept", len(got), len(nodes))
	}
}

func TestTheStoreMayBeInAnyFolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a b?mode=ro#c%20&ü", "pawl.db")
	s := openAt(t, path, Options{})
	must(t, s.Append(t.Context(), "run", []byte("x")))
	if _, err := os.Stat(path + "-wal"); err != nil {
		t.Error("it is somewhere else:", err)
	}
	if got := records(t, openAt(t, path, Options{ReadOnly: true}), "run"); len(got) != 1 {
		t.Errorf("read %q", got)
	}
}

func someNodes(n int) []Node {
	nodes := make([]Node, n)
	for i := range nodes {
		nodes[i] = Node{Index: i, Name: fmt.Sprint("n", i), Phase: "Running", Data: []byte(`{}`)}
	}
	return nodes
}

func TestFilesOfTheStoreAreTheOwnersOnly(t *testing.T) {
	s := open(t)
	must(t, s.Append(t.Context(), "run", []byte("secret")))
	files, err := filepath.Glob(s.Path() + "*")
	must(t, err)
	if len(files) < 3 {
		t.Fatalf("files: %v", files)
	}
	for _, f := range files {
		info, err := os.Stat(f)
		must(t, err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", f, info.Mode())
		}
	}
}

func TestCheckFindsGapsAndOrphans(t *testing.T) {
	s := open(t)
	for i := range 5 {
		must(t, s.Append(t.Context(), "run", record(i)))
		must(t, s.Append(t.Context(), "other", record(i)))
	}
	must(t, s.Check(t.Context()))
	exec(t, s, "DELETE FROM records WHERE id = (1 << 32) + 2")
	refuses(t, s.Check(t.Context()), "the journal of run has 4 of 5 records")
	var last error
	for _, err := range s.Read(t.Context(), "run", 0) {
		last = err
	}
	refuses(t, last, "journal of run", "record 2 is missing")
	exec(t, s, "INSERT INTO records (id, data) VALUES (77 << 32, 'x')")
	refuses(t, s.Check(t.Context()), "1 records belong to no journal")
}

func TestManyOpenANewStoreAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pawl.db")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			s, err := Open(t.Context(), path, Options{Shared: true})
			if err != nil {
				t.Error(err)
				return
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}
