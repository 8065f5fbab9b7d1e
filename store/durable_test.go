package store

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	osexec "os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Whatever part of the write-ahead log survives, every Append that was
// acknowledged by then is there, whole and in order, and nothing else.
func TestWhereverTheLogIsCutAcknowledgedRecordsAreThere(t *testing.T) {
	s := open(t)
	wal := s.Path() + "-wal"
	type ack struct {
		size    int64 // of the log when the Append returned
		journal string
		records []string
	}
	var acks []ack
	appendAll := func(journal string, records ...string) {
		t.Helper()
		var raw [][]byte
		for _, r := range records {
			raw = append(raw, []byte(r))
		}
		must(t, s.Append(t.Context(), journal, raw...))
		info, err := os.Stat(wal)
		must(t, err)
		acks = append(acks, ack{info.Size(), journal, records})
	}
	for i := range 12 {
		appendAll("small", fmt.Sprint("record ", i))
		appendAll(fmt.Sprint("run", i%3), string(record(i)), string(record(i+1)))
		if i%4 == 0 {
			appendAll("large", strings.Repeat(fmt.Sprint("large ", i), 2000), "after")
		}
	}
	db, log := readFile(t, s.Path()), readFile(t, wal)

	check := func(name string, log []byte, intact int64) {
		t.Helper()
		want := map[string][]string{}
		for _, a := range acks {
			if a.size <= intact {
				want[a.journal] = append(want[a.journal], a.records...)
			}
		}
		path := filepath.Join(fastDir(t), "pawl.db")
		defer os.RemoveAll(filepath.Dir(path))
		must(t, os.WriteFile(path, db, 0o600))
		must(t, os.WriteFile(path+"-wal", log, 0o600))
		cut, err := Open(t.Context(), path, Options{})
		must(t, err)
		defer cut.Close()
		for _, j := range []string{"small", "run0", "run1", "run2", "large"} {
			if got := records(t, cut, j); !slices.Equal(got, want[j]) {
				t.Errorf("%s: journal %s has %d records, want %d", name, j, len(got), len(want[j]))
			}
		}
		must(t, cut.Append(t.Context(), "small", []byte("goes on")))
		must(t, cut.Check(t.Context()))
	}
	opened := 0
	for at := int64(32); at <= int64(len(log)); at += walFrame {
		check(fmt.Sprintf("cut at %d", at), log[:at], at)
		if torn := at + walFrame/2; torn < int64(len(log)) {
			check(fmt.Sprintf("cut within the frame at %d", at), log[:torn], at)
			flipped := bytes.Clone(log)
			flipped[torn] ^= 1
			check(fmt.Sprintf("damaged within the frame at %d", at), flipped, at)
		}
		opened++
	}
	if opened < 40 {
		t.Errorf("only %d frames were tried", opened)
	}
}

func readFile(tb testing.TB, path string) []byte {
	tb.Helper()
	b, err := os.ReadFile(path)
	must(tb, err)
	return b
}

// fastDir is a folder in memory, if there is such a thing.
func fastDir(tb testing.TB) string {
	tb.Helper()
	if dir, err := os.MkdirTemp("/dev/shm", "pawl-test-"); err == nil {
		tb.Cleanup(func() { os.RemoveAll(dir) })
		return dir
	}
	return tb.TempDir()
}

const appenders = 8

// appendUntilKilled is the process of the tests below: it appends, and prints
// "journal number" after each acknowledgement. With a limit it ends by itself.
func appendUntilKilled(dir string) int {
	limit, err := strconv.Atoi(os.Getenv("PAWL_TEST_APPENDS"))
	if err != nil {
		limit = 1 << 30
	}
	writers, err := strconv.Atoi(os.Getenv("PAWL_TEST_APPENDERS"))
	if err != nil {
		writers = appenders
	}
	ctx := context.Background()
	s, err := Open(ctx, filepath.Join(dir, "pawl.db"), Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer s.Close()
	var wg sync.WaitGroup
	for j := range writers {
		journal := fmt.Sprint("j", j)
		next := 0
		for range s.Read(ctx, journal, 0) {
			next++
		}
		wg.Go(func() {
			for range limit {
				if err := s.Append(ctx, journal, numbered(journal, next)); err != nil {
					fmt.Fprintln(os.Stderr, err)
					return
				}
				os.Stdout.WriteString(journal + " " + strconv.Itoa(next) + "\n")
				next++
			}
		})
	}
	wg.Wait()
	return 0
}

// numbered is the record that belongs at a number; now and then a large one.
func numbered(journal string, n int) []byte {
	text := fmt.Sprintf("%s %d ", journal, n)
	if n%10 == 9 {
		return []byte(strings.Repeat(text, 1000))
	}
	return []byte(text)
}

func appendProcess(tb testing.TB, dir string, wrap ...string) *osexec.Cmd {
	tb.Helper()
	args := append(wrap, os.Args[0])
	cmd := osexec.CommandContext(tb.Context(), args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "PAWL_TEST_APPEND_IN="+dir)
	cmd.Stderr = os.Stderr
	return cmd
}

func TestAfterKill9AllThatWasAcknowledgedIsThere(t *testing.T) {
	dir := t.TempDir()
	acked := map[string]int{} // journal to how many records it must have
	kills := 6
	if os.Getenv("PAWL_LONG") != "" {
		kills = 200
	}
	for range kills {
		cmd := appendProcess(t, dir)
		out, err := cmd.StdoutPipe()
		must(t, err)
		must(t, cmd.Start())
		lines := bufio.NewScanner(out)
		for after := rand.IntN(300); lines.Scan(); after-- {
			if after == 0 {
				must(t, cmd.Process.Kill()) // what it has printed by then is still read
			}
			journal, n, _ := strings.Cut(lines.Text(), " ")
			number, err := strconv.Atoi(n)
			must(t, err)
			acked[journal] = max(acked[journal], number+1)
		}
		cmd.Wait()

		readers := []Options{{ReadOnly: true}, {}} // with the log as it was left, and after
		for _, o := range readers {
			s, err := Open(t.Context(), filepath.Join(dir, "pawl.db"), o)
			must(t, err)
			for j, n := range acked {
				got := records(t, s, j)
				if len(got) < n {
					t.Errorf("journal %s has %d records, %d were acknowledged", j, len(got), n)
				}
				for i, r := range got {
					if r != string(numbered(j, i)) {
						t.Fatalf("journal %s: record %d is %.40q", j, i, r)
					}
				}
			}
			must(t, s.Check(t.Context()))
			must(t, s.Close())
		}
	}
	if len(acked) != appenders {
		t.Errorf("only %d of %d journals were written to", len(acked), appenders)
	}
}

// Before each acknowledgement there is a successful fdatasync or fsync of the
// write-ahead log after the last write to it.
func TestAppendsAreSyncedBeforeTheyAreAcknowledged(t *testing.T) {
	const n = 40
	t.Run("one after the other", func(t *testing.T) {
		calls := traceAppends(t, 1, n)
		acks, syncs, dirty := 0, 0, true
		for _, c := range calls {
			switch {
			case c.wal && c.sync:
				syncs, dirty = syncs+1, false
			case c.wal:
				dirty = true
			case c.ack:
				if acks++; dirty {
					t.Errorf("acknowledgement %d came with the log not on the disk", acks)
				}
				dirty = true // each needs a sync of its own
			}
		}
		if acks != n {
			t.Errorf("%d acknowledgements, want %d", acks, n)
		}
		t.Logf("%d syncs of the log before %d acknowledgements", syncs, acks)
	})
	t.Run("many at once", func(t *testing.T) {
		const writers = 100
		acks, syncs := 0, 0
		for _, c := range traceAppends(t, writers, 10) {
			if c.ack {
				acks++
			}
			if c.wal && c.sync {
				syncs++
			}
		}
		if acks != writers*10 || syncs >= acks/2 {
			t.Errorf("%d syncs of the log for %d acknowledgements", syncs, acks)
		}
		t.Logf("%d syncs of the log for %d acknowledgements", syncs, acks)
	})
}

// call is a system call of the traced process: a write to or a sync of the log,
// or an acknowledgement.
type call struct{ wal, sync, ack bool }

func traceAppends(t *testing.T, writers, each int) []call {
	t.Helper()
	strace, err := osexec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not here: ", err)
	}
	trace := filepath.Join(t.TempDir(), "trace")
	wrap := []string{strace, "-f", "-y", "-s", "16", "-e", "trace=fdatasync,fsync,write,pwrite64", "-e", "signal=none", "-o", trace}
	if out, err := osexec.Command(wrap[0], append(slices.Clone(wrap[1:]), "true")...).CombinedOutput(); err != nil {
		t.Skipf("strace cannot trace here: %v: %s", err, out)
	}
	cmd := appendProcess(t, t.TempDir(), wrap...)
	cmd.Env = append(cmd.Env, fmt.Sprint("PAWL_TEST_APPENDERS=", writers), fmt.Sprint("PAWL_TEST_APPENDS=", each))
	if out, err := cmd.Output(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return parseTrace(string(readFile(t, trace)))
}

var (
	ackWrite   = regexp.MustCompile(`^write\(1<.*, "j\d+ \d+\\n"`)
	walWrite   = regexp.MustCompile(`^p?write(64)?\(\d+<[^>]*pawl\.db-wal>`)
	walSync    = regexp.MustCompile(`^f(data)?sync\(\d+<[^>]*pawl\.db-wal>`)
	unfinished = "<unfinished ...>"
)

// parseTrace reads a trace: acknowledgements and writes count from when they
// begin, syncs only when they have succeeded.
func parseTrace(trace string) []call {
	var calls []call
	syncing := map[string]bool{} // threads within a sync of the log
	for line := range strings.Lines(trace) {
		pid, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		text = strings.TrimSpace(text)
		switch {
		case ackWrite.MatchString(text):
			calls = append(calls, call{ack: true})
		case walWrite.MatchString(text):
			calls = append(calls, call{wal: true})
		case walSync.MatchString(text) && strings.HasSuffix(text, unfinished):
			syncing[pid] = true
		case walSync.MatchString(text) && strings.HasSuffix(text, "= 0"),
			syncing[pid] && strings.Contains(text, "sync resumed>") && strings.HasSuffix(text, "= 0"):
			delete(syncing, pid)
			calls = append(calls, call{wal: true, sync: true})
		}
	}
	return calls
}
