package main

import (
	"fmt"
	"io"
	"time"

	"luatnetd/client"
	"luatnetd/client/queue"
)

// waiting is how many messages the writer leaves in the queue in mode disk.
const waiting = 60

// write puts messages until it is killed. It prints "try N" before it puts, so
// that the judge knows what can be there, "synced N" once everything up to N
// must survive a power cut, and "leaving N" before everything up to N is done.
func write(cfg queue.Config, out io.Writer) error {
	cfg.OnDrop = func(m client.Message, reason string) { fmt.Fprintln(out, "dropped", m.Seq, reason) }
	q, found := queue.Open(cfg)
	if found.Messages != 0 {
		return fmt.Errorf("%d messages are in the queue before the start", found.Messages)
	}
	seen := syncs{}
	for n := uint64(1); ; n++ {
		fmt.Fprintln(out, "try", n)
		m, held, err := q.Put(message(n, sizeOf(n)))
		if err != nil || m.Seq != n {
			return fmt.Errorf("put %d: got number %d: %v", n, m.Seq, err)
		}
		st := q.Stats()
		if st.Health != "" {
			return fmt.Errorf("put %d: %s: %s", n, st.Health, st.HealthText)
		}
		if cfg.Mode == queue.Spill {
			held = seen.look(&m, st)
			time.Sleep(time.Millisecond) // a device's pace, or flash is full too soon
		}
		if held == client.Disk {
			fmt.Fprintln(out, "synced", m.Seq)
		}
		// In mode spill nothing leaves: syncs counts what only messages cause.
		if cfg.Mode == queue.OnDisk && n > waiting && n%7 == 0 {
			fmt.Fprintln(out, "leaving", n-waiting)
			q.Done(n - waiting)
		}
	}
}

// syncs finds out from the queue's counter what is synced in mode spill, where
// Put does not wait for it. The sync that is counted first after a put may have
// begun before it; the one after that began later, as there is one at a time.
type syncs struct {
	count int64  // of syncs, at the last change
	older uint64 // put when the counter had changed before that
	last  uint64 // put when it had changed last
}

// look notes the counter after message m was put. It returns Disk, and in
// m.Seq up to where all is synced, when that has moved on.
func (s *syncs) look(m *client.Message, st queue.Stats) client.Held {
	if st.FlashSyncs == s.count || !st.Spilling {
		return client.Run
	}
	s.count = st.FlashSyncs
	m.Seq, s.older, s.last = s.older, s.last, m.Seq
	if m.Seq == 0 {
		return client.Run
	}
	return client.Disk
}
