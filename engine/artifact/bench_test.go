package artifact

import (
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func random(b *testing.B, path string, size int64) {
	b.Helper()
	f, err := os.Create(path)
	must(b, err)
	_, err = io.CopyN(f, rand.NewChaCha8([32]byte(fmt.Appendf(nil, "%32d", time.Now().UnixNano()))), size)
	must(b, err)
	must(b, f.Close())
}

// BenchmarkPutBig stores a model of 256 MiB that the attempt has just written,
// and says what of that is hashing and what is waiting for the disk.
func BenchmarkPutBig(b *testing.B) {
	const size = 256 << 20
	for name, flushed := range map[string]bool{"on disk already": true, "still in memory": false} {
		b.Run(name, func(b *testing.B) {
			s := open(b)
			b.SetBytes(size)
			var hashing time.Duration
			for range b.N {
				b.StopTimer()
				path := filepath.Join(b.TempDir(), "model")
				random(b, path, size)
				if flushed {
					must(b, syncFolder(path))
				}
				hashing += plainHash(b, path)
				b.StartTimer()
				put(b, s, path)
			}
			perOp := b.Elapsed().Seconds() / float64(b.N) * 1000
			hash := hashing.Seconds() / float64(b.N) * 1000
			b.ReportMetric(hash, "ms-sha256/op")
			b.ReportMetric(perOp-hash, "ms-beyond/op")
		})
	}
}

func plainHash(b *testing.B, path string) time.Duration {
	b.Helper()
	start := time.Now()
	f, err := os.Open(path)
	must(b, err)
	defer f.Close()
	h := sha256.New()
	_, err = io.CopyBuffer(struct{ io.Writer }{h}, struct{ io.Reader }{f}, make([]byte, 256<<10))
	must(b, err)
	return time.Since(start)
}

// BenchmarkPutSmall is the usual metrics.json.
func BenchmarkPutSmall(b *testing.B) {
	s := open(b)
	dir := b.TempDir()
	for i := range b.N {
		path := filepath.Join(dir, "metrics.json")
		must(b, os.WriteFile(path, fmt.Appendf(nil, `{"accuracy": %d}`, i), 0o644))
		put(b, s, path)
	}
}

// BenchmarkPutTree is a folder of 1,000 small files.
func BenchmarkPutTree(b *testing.B) {
	s := open(b)
	for i := range b.N {
		b.StopTimer()
		dir := filepath.Join(b.TempDir(), "tree")
		must(b, os.Mkdir(dir, 0o755))
		for f := range 1000 {
			must(b, os.WriteFile(filepath.Join(dir, fmt.Sprint(f)), fmt.Append(nil, i, f), 0o644))
		}
		b.StartTimer()
		put(b, s, dir)
	}
}
