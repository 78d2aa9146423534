package queue

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"luatnetd/client"
)

// TestLC04Together uses one queue from many goroutines, as sources and a
// connection do: each message comes out once, and those of one source in order.
func TestLC04Together(t *testing.T) {
	for _, cfg := range []Config{{Mode: Spill, SpillAfter: time.Millisecond}, {Mode: OnDisk}, {Mode: OnDisk, Sync: time.Millisecond}} {
		t.Run(fmt.Sprint(cfg.Mode, cfg.Sync), func(t *testing.T) {
			dir := t.TempDir()
			cfg.Run, cfg.Disk, cfg.SegmentSize = filepath.Join(dir, "run"), filepath.Join(dir, "disk"), 2000
			q, _ := Open(cfg)
			const sources, each = 8, 100
			var wg sync.WaitGroup
			for s := range sources {
				wg.Go(func() {
					for i := range each {
						if _, _, err := q.Put(client.Message{Source: fmt.Sprint(s), Data: fmt.Append(nil, i)}); err != nil {
							t.Error(err)
						}
						if i%10 == 0 {
							q.SetLink(i%20 == 0)
							q.Stats()
						}
					}
				})
			}
			next := map[string]int{}
			for got := 0; got < sources*each; {
				<-q.Changed()
				for list := q.Read(0, 16, 1000); len(list) > 0; list = q.Read(0, 16, 1000) {
					for _, m := range list {
						if string(m.Data) != fmt.Sprint(next[m.Source]) {
							t.Fatalf("source %s: %s, want %d", m.Source, m.Data, next[m.Source])
						}
						next[m.Source]++
					}
					got += len(list)
					q.Done(list[len(list)-1].Seq)
				}
			}
			wg.Wait()
			if err := q.Close(); err != nil {
				t.Error(err)
			}
			if st := q.Stats(); st.Messages != 0 || st.Bytes != 0 || st.Accepted != sources*each || st.Done != st.Accepted {
				t.Errorf("%+v", st)
			}
		})
	}
}
