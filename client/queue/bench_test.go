package queue

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"luatnetd/client"
)

// benchDir is on the disk, not on a tmpfs: QUEUE_BENCH_DIR or the package.
func benchDir(b *testing.B) string {
	b.Helper()
	dir, err := os.MkdirTemp(os.Getenv("QUEUE_BENCH_DIR"), "queue-bench")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

const batch = 64 // sources that put at the same time

// BenchmarkBare is the yardstick of BenchmarkDisk: append 64 records, fdatasync.
func BenchmarkBare(b *testing.B) {
	d := &osDir{path: benchDir(b)}
	f, err := d.open("bare", os.O_RDWR|os.O_CREATE)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	size := recordSize(client.Message{Source: "uart", Data: payload(0)})
	rec := make([]byte, size)
	off := int64(0)
	for b.Loop() {
		for range batch {
			if _, err := f.WriteAt(rec, off); err != nil {
				b.Fatal(err)
			}
			off += size
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*batch)/b.Elapsed().Seconds(), "msg/s")
}

// BenchmarkDisk puts from 64 goroutines in mode disk, each synced before Put
// returns: at least half of BenchmarkBare's msg/s.
func BenchmarkDisk(b *testing.B) {
	dir := benchDir(b)
	q, _ := Open(Config{Run: filepath.Join(dir, "run"), Disk: filepath.Join(dir, "disk"), Mode: OnDisk, MaxMessages: 1 << 30, MaxBytes: 1 << 40})
	defer q.Close()
	data := payload(0)
	b.ResetTimer()
	var wg sync.WaitGroup
	for range batch {
		wg.Go(func() {
			for range b.N {
				if _, held, err := q.Put(client.Message{Source: "uart", Data: data}); err != nil || held != client.Disk {
					b.Error(held, err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N*batch)/b.Elapsed().Seconds(), "msg/s")
	b.ReportMetric(float64(q.Stats().FlashSyncs)/float64(b.N), "syncs/batch")
}

// BenchmarkThrough is one message through a healthy queue in run: put, read, done.
func BenchmarkThrough(b *testing.B) {
	dir := benchDir(b)
	q, _ := Open(Config{Run: filepath.Join(dir, "run"), Disk: filepath.Join(dir, "disk")})
	defer q.Close()
	q.SetLink(true)
	data := payload(0)
	for b.Loop() {
		m, _, err := q.Put(client.Message{Source: "uart", Data: data})
		if err != nil {
			b.Fatal(err)
		}
		if got := q.Read(m.Seq-1, 1, 1000); len(got) != 1 {
			b.Fatal(got)
		}
		q.Done(m.Seq)
	}
}

// BenchmarkRecover opens a queue of 100,000 messages: at most 2 s.
func BenchmarkRecover(b *testing.B) {
	dir := benchDir(b)
	cfg := Config{Run: filepath.Join(dir, "run"), Disk: filepath.Join(dir, "disk"), Mode: OnDisk, Sync: 1 << 40, MaxBytes: 1 << 30}
	q, _ := Open(cfg)
	for i := range 100_000 {
		if _, _, err := q.Put(client.Message{Source: "uart", Data: fmt.Appendf(nil, "%0100d", i)}); err != nil {
			b.Fatal(err)
		}
	}
	if err := q.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		q, found := Open(cfg)
		if found.Messages != 100_000 || len(q.Read(0, 1, 1000)) != 1 {
			b.Fatalf("%+v", found)
		}
		_ = q.Close()
	}
}
