package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"luatnetd/client"
	"luatnetd/client/queue"
)

// barePeer is what a queue on flash cannot do without: the bytes appended, and
// one fdatasync for as many records as the queue had for each of its syncs.
const barePeer = "append+fdatasync"

const (
	queueSources = 64 // put at the same time
	queueEach    = 20 // messages of each in a round
	queueKept    = 100_000
)

var queueData = bytes.Repeat([]byte("x"), 100)

// queueDir is beside the daemon, on a disk: /tmp may be memory.
func queueDir(opt options) (string, queue.Config, error) {
	dir, err := os.MkdirTemp(filepath.Dir(opt.binary), "queue-bench")
	return dir, queue.Config{Run: filepath.Join(dir, "run"), Disk: filepath.Join(dir, "disk"), Mode: queue.OnDisk, MaxMessages: 1 << 30, MaxBytes: 1 << 40}, err
}

// queueDisk compares mode disk, each message synced before its source is told,
// with the peer, alternately.
func queueDisk(opt options) ([]figure, error) {
	dir, cfg, err := queueDir(opt)
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	q, _ := queue.Open(cfg)
	defer q.Close()
	bare, err := os.Create(filepath.Join(dir, "bare"))
	if err != nil {
		return nil, err
	}
	defer bare.Close()
	var own, peer, ratio []float64
	for range opt.rounds(50) {
		before := q.Stats()
		took, err := putAll(q)
		if err != nil {
			return nil, err
		}
		st := q.Stats()
		n := int(st.Accepted - before.Accepted)
		theirs, err := bareAppend(bare, n, int(st.FlashBytes-before.FlashBytes)/n, int(st.FlashSyncs-before.FlashSyncs))
		if err != nil {
			return nil, err
		}
		own = append(own, float64(n)/took.Seconds())
		peer = append(peer, float64(n)/theirs.Seconds())
		ratio = append(ratio, 100*theirs.Seconds()/took.Seconds())
	}
	r := summary("queue-disk-ratio", "% of the peer's rate", ratio, nil)
	whole, theirs := 100.0, at(peer, 50)
	r.Peer, r.PeerN, r.PeerP50 = barePeer, len(peer), &whole
	m := summary("queue-disk-rate", "messages/s", own, nil)
	m.Peer, m.PeerN, m.PeerP50 = barePeer, len(peer), &theirs
	return []figure{r.judge("p50 ≥ 50", r.P50 >= 50), m.judge("≥ half of the peer's", 2*m.P50 >= theirs)}, nil
}

// putAll puts from all sources at once.
func putAll(q *queue.Queue) (time.Duration, error) {
	var wg sync.WaitGroup
	failed := make(chan error, queueSources) // room for one of each
	start := time.Now()
	for range queueSources {
		wg.Go(func() {
			for range queueEach {
				if _, held, err := q.Put(client.Message{Source: "uart", Data: queueData}); err != nil || held != client.Disk {
					failed <- fmt.Errorf("put: held %v: %w", held, err)
					return
				}
			}
		})
	}
	wg.Wait()
	select {
	case err := <-failed:
		return 0, err
	default:
		return time.Since(start), nil
	}
}

// bareAppend writes as many records of the same size with as many syncs.
func bareAppend(f *os.File, n, size, syncs int) (time.Duration, error) {
	rec := make([]byte, size)
	batch := max(1, n/max(1, syncs))
	start := time.Now()
	for i := range n {
		if _, err := f.Write(rec); err != nil {
			return 0, err
		}
		if i%batch == batch-1 {
			if err := unix.Fdatasync(int(f.Fd())); err != nil {
				return 0, err
			}
		}
	}
	return time.Since(start), nil
}

// queueRecover opens a queue in which many messages wait, as after a restart.
func queueRecover(opt options) ([]figure, error) {
	dir, cfg, err := queueDir(opt)
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	cfg.Sync = time.Hour // filling it is not what is measured
	q, _ := queue.Open(cfg)
	for range queueKept {
		if _, _, err := q.Put(client.Message{Source: "uart", Data: queueData}); err != nil {
			return nil, err
		}
	}
	if err := q.Close(); err != nil {
		return nil, err
	}
	var took []time.Duration
	for range opt.rounds(50) {
		start := time.Now()
		q, found := queue.Open(cfg)
		first := q.Read(0, 1, 1000)
		took = append(took, time.Since(start))
		if found.Messages != queueKept || len(first) != 1 || first[0].Seq != 1 {
			return nil, fmt.Errorf("recovered %+v, first %v", found, first)
		}
		if err := q.Close(); err != nil {
			return nil, err
		}
	}
	f := summary("queue-recover", "ms", ms(took), nil)
	return []figure{f.judge("100,000 messages: max ≤ 2000", f.Max <= 2000)}, nil
}
