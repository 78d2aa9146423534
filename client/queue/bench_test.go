package queue

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

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

const sources = 64 // that put at the same time

// BenchmarkDisk puts from 64 goroutines in mode disk, each synced before Put
// returns, and compares it with bare appends and fdatasync at the same batch:
// as many messages for each sync as the queue made. At least half of it.
func BenchmarkDisk(b *testing.B) {
	dir := benchDir(b)
	q, _ := Open(Config{Run: filepath.Join(dir, "run"), Disk: filepath.Join(dir, "disk"), Mode: OnDisk, MaxMessages: 1 << 30, MaxBytes: 1 << 40})
	defer q.Close()
	own := time.Now()
	var wg sync.WaitGroup
	for range sources {
		wg.Go(func() {
			for range b.N {
				if _, held, err := q.Put(client.Message{Source: "uart", Data: payload(0)}); err != nil || held != client.Disk {
					b.Error(held, err)
					return
				}
			}
		})
	}
	wg.Wait()
	took := time.Since(own)
	messages, syncs := sources*b.N, int(q.Stats().FlashSyncs)
	bare := bareAppend(b, dir, messages, max(1, messages/syncs))
	b.ReportMetric(float64(messages)/took.Seconds(), "msg/s")
	b.ReportMetric(float64(messages)/float64(syncs), "msg/sync")
	b.ReportMetric(100*bare.Seconds()/took.Seconds(), "%-of-bare")
}

// bareAppend is the yardstick: a write for each record, fdatasync for each batch.
func bareAppend(b *testing.B, dir string, messages, batch int) time.Duration {
	b.Helper()
	d := &osDir{path: dir}
	f, err := d.open("bare", os.O_RDWR|os.O_CREATE)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	rec := make([]byte, recordSize(client.Message{Source: "uart", Data: payload(0)}))
	start := time.Now()
	for i := range messages {
		if _, err := f.WriteAt(rec, int64(i*len(rec))); err != nil {
			b.Fatal(err)
		}
		if i%batch == batch-1 {
			if err := f.Sync(); err != nil {
				b.Fatal(err)
			}
		}
	}
	return time.Since(start)
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
