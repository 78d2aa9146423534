package queue

import (
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

// Changed is sent to after each Put. It has room for one: who reads it then
// reads the queue until it is empty.
func (q *Queue) Changed() <-chan struct{} { return q.changed }

// Read returns, in order, messages behind after that are not done: at most
// messages of them, and bytes of data unless the first alone is larger.
func (q *Queue) Read(after uint64, messages, bytes int) []client.Message {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return nil
	}
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
	// Before anything is removed: the numbers that were given out must not be
	// forgotten with the messages that had them.
	q.troubleLocked(positionTrouble, q.runPos.write(q.done, q.reserved, false))
	q.popLocked()
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
