package queue

import (
	"fmt"
	"time"

	"luatnetd/client"
)

// Put appends m and returns it with its Seq, and how safe it is. After an error
// the message is not in the queue.
func (q *Queue) Put(m client.Message) (client.Message, client.Held, error) {
	size := recordSize(m)
	if len(m.Data) > q.cfg.MaxMessage || size > q.cfg.MaxBytes || len(m.Source) > 255 || len(m.To) > 255 {
		q.mu.Lock()
		q.stats.Refused++
		q.mu.Unlock()
		return m, 0, fmt.Errorf("put %d bytes: %w of %d", len(m.Data), ErrTooLarge, q.cfg.MaxMessage)
	}
	m, held, err := q.put(m, size)
	q.tell()
	if err != nil {
		return m, 0, err
	}
	select {
	case q.changed <- struct{}{}:
	default: // a wake-up is already waiting
	}
	if held == client.Disk {
		held = q.commit(m.Seq)
	}
	return m, held, nil
}

// put does what needs the lock. Held is Disk where a commit has to follow.
func (q *Queue) put(m client.Message, size int64) (client.Message, client.Held, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return m, 0, fmt.Errorf("put: %w", ErrClosed)
	}
	now := q.lookLocked()
	q.expireLocked(now)
	if err := q.roomLocked(size); err != nil {
		return m, 0, err
	}
	if m.At.IsZero() {
		m.At = now
	}
	m.Seq = q.numberLocked()
	s, err := q.storeLocked(m)
	if err != nil {
		q.stats.Refused++
		return m, 0, fmt.Errorf("put: %w", err)
	}
	if q.cfg.IDs {
		m.ID = m.Seq
	}
	q.stats.Accepted++
	q.stats.Messages++
	q.stats.Bytes += size
	held := client.Run
	if s.tier == onDisk && q.cfg.Mode == OnDisk && q.cfg.Sync == 0 {
		held = client.Disk
	}
	if s.tier == onDisk {
		q.dirtyLocked(s, now)
	}
	q.armLocked(now)
	return m, held, nil
}

// dirtyLocked puts s on the list of what to sync.
func (q *Queue) dirtyLocked(s *segment, now time.Time) {
	if len(q.dirty) == 0 {
		q.dirtySince = now
	}
	if !s.dirty {
		s.dirty = true
		q.dirty = append(q.dirty, s)
	}
}

// numberLocked gives out the next number. One is never used twice, not even
// after a failed write, whose bytes may be on the medium.
func (q *Queue) numberLocked() uint64 {
	if q.cfg.IDs && q.next > q.reserved {
		q.reserveLocked()
	}
	q.next++
	return q.next - 1
}

// storeLocked writes m where messages go now and, if that fails, to the other tier.
func (q *Queue) storeLocked(m client.Message) (*segment, error) {
	s, err := q.appendLocked(q.tier, m)
	switch {
	case err == nil:
		return s, nil
	case q.tier == onDisk:
		q.failLocked(err)
		s, err = q.appendLocked(inRun, m)
	case q.cfg.Mode == Spill && q.noDisk.IsZero():
		q.troubleLocked(runTrouble, err)
		s, err2 := q.appendLocked(onDisk, m)
		if err2 != nil {
			q.failLocked(err2)
		}
		return s, err2
	}
	if err != nil {
		q.troubleLocked(runTrouble, err)
	}
	return s, err
}

// appendLocked writes m to the last segment, or to a new one where that is in
// another tier, full or broken.
func (q *Queue) appendLocked(t tier, m client.Message) (*segment, error) {
	size := recordSize(m)
	s := q.lastLocked()
	created := s == nil || s.sealed || s.tier != t || s.size+size > q.cfg.SegmentSize && s.size > 0
	if created {
		var err error
		if s, err = q.create(t, m.Seq); err != nil {
			return nil, err
		}
	}
	b := appendRecord(make([]byte, 0, size), s.salt, m)
	if err := s.append(b, []entry{{seq: m.Seq, at: m.At.UnixNano(), size: uint32(size)}}); err != nil {
		if created {
			q.remove(s)
		}
		return nil, err
	}
	if created {
		q.rotateLocked(s)
	}
	if t == inRun {
		q.troubleLocked(runTrouble, nil)
	}
	q.countWriteLocked(t, len(b))
	return s, nil
}

func (q *Queue) lastLocked() *segment {
	if len(q.segs) == 0 {
		return nil
	}
	return q.segs[len(q.segs)-1]
}

// rotateLocked seals the last segment and puts s behind it. What is between
// the head and the tail keeps neither index nor open file.
func (q *Queue) rotateLocked(s *segment) {
	if old := q.lastLocked(); old != nil {
		old.sealed = true
		q.popLocked()
		if len(q.segs) > 0 && q.segs[0] != old {
			old.idx = nil
			if !old.dirty && !old.syncing {
				old.close()
			}
		}
	}
	q.segs = append(q.segs, s)
}
