package queue

import (
	"fmt"
	"sync"
	"time"

	"luatnetd/client"
)

// Queue is one connection's queue. Its methods may be called from any goroutine.
type Queue struct {
	cfg     Config
	changed chan struct{}
	runPos  position
	diskPos position

	syncMu sync.Mutex // held while something waits for flash; taken before mu

	mu         sync.Mutex // guards what follows
	closed     bool
	segs       []*segment // in order; the last one may be appended to
	dead       []*segment // all done, on flash: removed once the position is synced
	dirty      []*segment // on flash, not yet synced
	next       uint64     // the number of the next message
	done       uint64
	reserved   uint64 // numbers up to it may be given out as IDs
	tier       tier   // where the next message goes
	linkUp     bool
	linkSince  time.Time
	committing bool // someone syncs for all that wait on committed
	committed  sync.Cond
	safe       uint64    // what is on flash up to it is synced
	dirtySince time.Time // the first write that is not synced
	lastSync   time.Time
	noDisk     time.Time // the flash failed: not before this instant again; zero when it works
	diskDone   uint64    // the position that flash knows
	wall       time.Time // the clock at the last look, for steps
	timer      *time.Timer
	due        time.Time // when the timer ends, zero for never
	stats      Stats
	trouble    [troubles]error
	drops      []drop // to be told to OnDrop outside of the lock
}

// drop is a message that left by a rule.
type drop struct {
	m      client.Message
	reason string
}

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
		return q.appendLocked(inRun, m)
	case q.cfg.Mode == Spill && q.noDisk.IsZero():
		q.troubleLocked(runTrouble, err)
		s, err2 := q.appendLocked(onDisk, m)
		if err2 != nil {
			q.failLocked(err2)
		}
		return s, err2
	}
	q.troubleLocked(runTrouble, err)
	return nil, err
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

// Changed is sent to after each Put. It has room for one: who reads it then
// reads the queue until it is empty.
func (q *Queue) Changed() <-chan struct{} { return q.changed }

// Read returns, in order, messages behind after that are not done: at most
// messages of them, and bytes of data unless the first alone is larger.
func (q *Queue) Read(after uint64, messages, bytes int) []client.Message {
	q.mu.Lock()
	q.expireLocked(q.lookLocked())
	list := q.readLocked(max(after, q.done), messages, int64(bytes))
	q.mu.Unlock()
	q.tell()
	return list
}

func (q *Queue) readLocked(after uint64, messages int, bytes int64) (list []client.Message) {
	for _, s := range q.segs {
		if s.last <= after || s.live == 0 {
			continue
		}
		idx := pending(q.index(s), after+1)
		n, size := take(idx, messages, bytes, len(list) == 0)
		if n == 0 {
			break
		}
		all := n == len(idx) // or a small message of the next segment would overtake
		got, bad := q.read(s, idx[:n])
		q.damagedLocked(s, bad)
		list = append(list, got...)
		messages -= n
		bytes -= size
		if !all {
			break
		}
	}
	return list
}

// take returns how many entries fit, and their bytes of data. The first fits
// always, or a large message would never be read.
func take(idx []entry, messages int, bytes int64, first bool) (n int, size int64) {
	for _, e := range idx {
		data := int64(e.size) - overhead - minBody
		if n >= messages || size+data > bytes && !(first && n == 0) {
			break
		}
		n++
		size += data
	}
	return n, size
}

// Done says that everything up to seq has had its result: it leaves the queue.
func (q *Queue) Done(seq uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if seq <= q.done || q.closed {
		return
	}
	before := q.stats.Messages
	q.doneLocked(min(seq, q.next-1))
	q.stats.Done += uint64(before - q.stats.Messages)
	now := q.lookLocked()
	if q.tier == onDisk && q.cfg.Mode == Spill && !q.spillingLocked(now) {
		q.toRunLocked()
	}
	q.armLocked(now)
}

// doneLocked moves the position.
func (q *Queue) doneLocked(seq uint64) {
	if seq <= q.done {
		return
	}
	for _, s := range q.segs {
		if s.first > seq {
			break
		}
		q.settleLocked(s, seq)
	}
	q.done = seq
	q.popLocked()
	if err := q.runPos.write(q.done, q.reserved, false); err != nil {
		q.troubleLocked(positionTrouble, err)
	}
}

// settleLocked takes what is up to seq off the count.
func (q *Queue) settleLocked(s *segment, seq uint64) {
	n, size := s.live, s.liveBytes
	if s.last > seq {
		n, size = 0, 0
		for _, e := range q.index(s) {
			if e.seq > seq {
				break
			}
			n++
			size += int64(e.size)
		}
	}
	s.live -= n
	s.liveBytes -= size
	q.stats.Messages -= n
	q.stats.Bytes -= size
}

// runKeep is the size at which a file in run that is all done is given up. It
// is memory, and there may be a thousand connections.
const runKeep = 16 << 10

func (q *Queue) enoughLocked(s *segment) int64 {
	if s.tier == inRun {
		return min(runKeep, q.cfg.SegmentSize)
	}
	return q.cfg.SegmentSize
}

// popLocked takes leading segments that are done out of the queue. Those on
// flash are removed later, when the position there says so.
func (q *Queue) popLocked() {
	for len(q.segs) > 0 {
		s := q.segs[0]
		if s.last > q.done || !s.sealed && s.size < q.enoughLocked(s) {
			return
		}
		q.segs = q.segs[1:]
		s.idx = nil
		for c := s; c != nil; {
			next := c.shadow
			if c.shadow = nil; c.tier == inRun {
				q.remove(c)
			} else {
				q.dead = append(q.dead, c)
			}
			c = next
		}
	}
}
