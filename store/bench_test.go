package store

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

// record is as large as a usual AttemptEnded.
func record(i int) []byte {
	return fmt.Appendf(nil, `{"kind":"AttemptEnded","time":"2026-01-02T03:04:05.678901234Z","node":"train-abc12.variant(%d:lr=0.1)","attempt":0,"result":{"outcome":"Succeeded","exitCode":0,"startedAt":"2026-01-02T03:04:05.1Z","finishedAt":"2026-01-02T03:04:05.6Z","parameters":{"accuracy":"0.9666667"}}}`, i)
}

// BenchmarkSync is what the disk takes for the smallest durable write: the
// measure for the benchmarks below.
func BenchmarkSync(b *testing.B) {
	f, err := os.Create(filepath.Join(b.TempDir(), "file"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	page := make([]byte, 4120)
	for i := range b.N {
		if _, err := f.WriteAt(page, int64(i%1000)*4120); err != nil {
			b.Fatal(err)
		}
		if err := datasync(f); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	b.Run("serial", func(b *testing.B) { appendSerially(b, open(b), func(int) {}) })
	b.Run("serial, with the index", func(b *testing.B) {
		s := open(b)
		_, _, err := s.CreateRun(b.Context(), Run{UID: "run", Name: "run"})
		must(b, err)
		appendSerially(b, s, func(i int) {
			must(b, s.PutNodes(b.Context(), "run", []Node{{Index: i, Name: "n", Phase: "Running", Data: record(i)}}))
		})
	})
	b.Run("parallel(100)", func(b *testing.B) {
		s := open(b)
		var wg sync.WaitGroup
		next := make(chan int)
		for g := range 100 {
			wg.Go(func() {
				for i := range next {
					if err := s.Append(b.Context(), fmt.Sprint("run", g), record(i)); err != nil {
						b.Error(err)
					}
				}
			})
		}
		start := time.Now()
		for i := range b.N {
			next <- i
		}
		close(next)
		wg.Wait()
		b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "appends/s")
	})
}

func appendSerially(b *testing.B, s *Store, also func(i int)) {
	took := make([]time.Duration, b.N)
	for i := range b.N {
		start := time.Now()
		must(b, s.Append(b.Context(), "run", record(i)))
		also(i)
		took[i] = time.Since(start)
	}
	slices.Sort(took)
	for name, at := range map[string]int{"p50-us": b.N / 2, "p99-us": b.N * 99 / 100, "max-us": b.N - 1} {
		b.ReportMetric(float64(took[at].Microseconds()), name)
	}
}

// BenchmarkCommit is an Append without the disk: what of its time is ours.
func BenchmarkCommit(b *testing.B) {
	s := open(b)
	if _, err := s.w.conn.ExecContext(b.Context(), "PRAGMA synchronous = OFF"); err != nil {
		b.Fatal(err)
	}
	for i := range b.N {
		if err := s.Append(b.Context(), "run", record(i)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	s := open(b)
	const n = 100_000
	records := make([][]byte, n)
	for i := range records {
		records[i] = record(i)
	}
	if err := s.Append(b.Context(), "run", records...); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for range b.N {
		for _, err := range s.Read(b.Context(), "run", 0) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(b.Elapsed().Seconds()*1e9/float64(b.N*n), "ns/record")
}

func BenchmarkPutNodes(b *testing.B) {
	s := open(b)
	if _, _, err := s.CreateRun(b.Context(), Run{UID: "run", Name: "run"}); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for i := range b.N {
		if err := s.PutNodes(b.Context(), "run", []Node{{Index: i, Name: "n", Data: record(i)}}); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkOpen(b *testing.B) {
	for name, o := range map[string]Options{"to write": {}, "to read": {ReadOnly: true}} {
		b.Run(name, func(b *testing.B) {
			s := open(b)
			must(b, s.Close())
			for b.Loop() {
				s, err := Open(b.Context(), s.Path(), o)
				must(b, err)
				must(b, s.Close())
			}
		})
	}
}
