package queue

import (
	"fmt"
	"slices"
	"time"

	"luatnetd/client"
)

// roomLocked applies the rule for a full queue: it makes room for size bytes
// or says why there is none.
func (q *Queue) roomLocked(size int64) error {
	for q.stats.Messages+1 > q.cfg.MaxMessages || q.stats.Bytes+size > q.cfg.MaxBytes {
		switch q.cfg.Full {
		case Newest:
			q.stats.DroppedFull++
			return fmt.Errorf("put: %w with %d messages, the new one is dropped", ErrFull, q.stats.Messages)
		case Refuse:
			q.stats.Refused++
			return fmt.Errorf("put: %w with %d messages", ErrFull, q.stats.Messages)
		}
		if !q.dropHeadLocked(DropFull) {
			return nil // empty, and Put has refused what is larger than the queue
		}
		q.stats.DroppedFull++
	}
	return nil
}

// headLocked returns the oldest message's place.
func (q *Queue) headLocked() (*segment, entry, bool) {
	for _, s := range q.segs {
		if s.live == 0 {
			continue
		}
		if idx := q.index(s); len(idx) > 0 {
			return s, idx[0], true
		}
	}
	return nil, entry{}, false
}

// dropHeadLocked takes the oldest message out; it returns false where there is none.
func (q *Queue) dropHeadLocked(reason string) bool {
	s, e, ok := q.headLocked()
	if !ok {
		return false
	}
	d := drop{m: client.Message{Seq: e.seq}, reason: reason}
	if got, _ := q.read(s, []entry{e}); len(got) == 1 {
		d.m = got[0]
	}
	q.doneLocked(e.seq)
	q.drops = append(q.drops, d)
	return true
}

// damagedLocked takes messages out that could not be read back.
func (q *Queue) damagedLocked(s *segment, bad []entry) {
	for _, e := range bad {
		s.idx = slices.DeleteFunc(slices.Clone(s.idx), func(have entry) bool { return have.seq == e.seq })
		s.live--
		s.liveBytes -= int64(e.size)
		q.stats.Messages--
		q.stats.Bytes -= int64(e.size)
		q.stats.Damaged++
		q.drops = append(q.drops, drop{client.Message{Seq: e.seq}, DropDamaged})
	}
}

// expireLocked drops what is older than the limit.
func (q *Queue) expireLocked(now time.Time) {
	if q.cfg.MaxAge == 0 || q.closed {
		return
	}
	for {
		s, e, ok := q.headLocked()
		if !ok || age(now, s, e) <= q.cfg.MaxAge {
			return
		}
		q.dropHeadLocked(DropOld)
		q.stats.DroppedOld++
	}
}

// undated is the year before which a clock has not been set: a gateway without
// a battery starts in 1970, or when its firmware was built.
const undated = 2020

// age is how long a message has waited. A message from before the clock was
// set in another run of the daemon has no age: it must not be dropped for it.
func age(now time.Time, s *segment, e entry) time.Duration {
	at := time.Unix(0, e.at).Add(s.shift)
	if at.Year() < undated && now.Year() >= undated {
		return 0
	}
	return now.Round(0).Sub(at)
}

// lookLocked returns the time. A clock that was stepped moves all that waits
// with it: setting the clock makes no message older.
func (q *Queue) lookLocked() time.Time {
	now := q.cfg.Now()
	step := q.cfg.step(q.wall, now)
	if step > 2*time.Second || step < -2*time.Second {
		for _, s := range q.segs {
			s.shift += step
			s.sealed = true
		}
		q.cfg.Log.Info("clock was stepped, waiting messages keep their age", "queue", q.cfg.Run, "by", step)
	}
	q.wall = now
	return now
}

// clockStep is what the wall clock was set by between two instants: what it
// moved more than the monotonic clock.
func clockStep(last, now time.Time) time.Duration {
	return now.Round(0).Sub(last.Round(0)) - now.Sub(last)
}

// tell hands what was dropped to OnDrop, each once. The caller holds no lock.
func (q *Queue) tell() {
	q.mu.Lock()
	drops := q.drops
	q.drops = nil
	q.mu.Unlock()
	if q.cfg.OnDrop == nil {
		return
	}
	for _, d := range drops {
		q.cfg.OnDrop(d.m, d.reason)
	}
}
