package queue

import (
	"flag"
	"fmt"
	"path/filepath"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"luatnetd/client"
)

var offline = flag.Duration("queue.offline", 0, "how long TestLC04RealHour is offline, at least a minute")

// payload is what a device sends each second: 100 bytes.
func payload(i int) []byte { return fmt.Appendf(nil, "%0100d", i) }

// TestLC04HourOffline: one hour without a link at a message a second, on a
// virtual clock and a real disk. 0 lost, order kept, the heap grows by 1 MiB at
// most, 3 bytes are written for each of payload at most, and 1 sync a second.
func TestLC04HourOffline(t *testing.T) {
	for _, mode := range []Mode{Spill, OnDisk} {
		t.Run(string(mode), func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) { hourOffline(t, mode, dir, 3600) })
		})
	}
}

// TestLC04RealHour is the same on the real clock, as long as -queue.offline says.
func TestLC04RealHour(t *testing.T) {
	n := int(offline.Seconds())
	if n == 0 {
		t.Skip("needs a real hour, which -queue.offline=1h gives it: \"make soak\" does")
	}
	for _, mode := range []Mode{Spill, OnDisk} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel() // they wait most of the time
			hourOffline(t, mode, t.TempDir(), n)
		})
	}
}

// hourOffline takes n messages, one a second, without a link.
func hourOffline(t *testing.T, mode Mode, dir string, n int) {
	cfg := Config{Run: filepath.Join(dir, "run"), Disk: filepath.Join(dir, "disk"), Mode: mode, Sync: time.Second}
	cfg.OnDrop = func(m client.Message, reason string) { t.Errorf("dropped %d: %s", m.Seq, reason) }
	q, _ := Open(cfg)
	q.SetLink(false)
	before := heap()
	for i := range n {
		if _, _, err := q.Put(client.Message{Source: "uart", Data: payload(i)}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
	}
	st := q.Stats()
	if grown := heap() - before; grown > 1<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
	if written := st.FlashBytes + st.RunBytes; written > int64(3*n*100) {
		t.Errorf("%d bytes written for %d of payload", written, n*100)
	}
	if st.FlashSyncs > int64(n) || st.FlashSyncs < int64(n/4) {
		t.Errorf("%d syncs in %d s", st.FlashSyncs, n)
	}
	t.Logf("%s: %d bytes to flash, %d to run for %d of payload, %d syncs", mode, st.FlashBytes, st.RunBytes, n*100, st.FlashSyncs)
	q.SetLink(true)
	for i := range n {
		list := q.Read(0, 1, 1000)
		if len(list) != 1 || string(list[0].Data) != string(payload(i)) {
			t.Fatalf("message %d came back as %v", i, list)
		}
		q.Done(list[0].Seq)
	}
	time.Sleep(time.Minute)
	if list, _ := q.cfg.disk.list(); len(list) > 2 {
		t.Errorf("%d files are left on flash", len(list))
	}
	if err := q.Close(); err != nil {
		t.Error(err)
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestLC04HealthyHour: an hour of a link that is up writes nothing to flash.
func TestLC04HealthyHour(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		q, _ := Open(Config{Run: filepath.Join(dir, "run"), Disk: filepath.Join(dir, "disk")})
		q.SetLink(true)
		for i := range 3600 {
			m, _, err := q.Put(client.Message{Source: "uart", Data: payload(i)})
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			q.Done(m.Seq)
		}
		if err := q.Close(); err != nil {
			t.Error(err)
		}
		if st := q.Stats(); st.FlashBytes != 0 || st.FlashSyncs != 0 {
			t.Errorf("%d bytes and %d syncs to flash", st.FlashBytes, st.FlashSyncs)
		}
	})
	if list, _ := (&osDir{path: filepath.Join(dir, "disk")}).list(); len(list) != 0 {
		t.Errorf("files on flash: %v", list)
	}
}
