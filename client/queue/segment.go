package queue

import (
	"fmt"
	"os"
	"sort"
	"time"

	"luatnetd/client"
)

// tier is where a segment lives.
type tier uint8

const (
	inRun tier = iota
	onDisk
)

// segment is one file of records. Its fields are guarded by the queue's mu.
type segment struct {
	tier        tier
	name        string
	salt        uint32
	f           file // nil while closed
	first, last uint64
	from        uint64 // records below it are in an earlier segment too
	size        int64
	sealed      bool // not appended to any more
	dirty       bool // in the queue's list of what to sync
	syncing     bool // being synced: f stays open
	fresh       bool // the name is not yet durable

	live      int   // messages that are not done
	liveBytes int64 // of the medium, for those
	idx       []entry
	shift     time.Duration // what the clock was stepped by since the messages were accepted
	synced    bool          // some of it may have been synced, and promised
	shadow    *segment      // another copy of the same records: see supersede and popLocked
}

func segmentName(first uint64, salt uint32) string {
	return fmt.Sprintf("%016x-%08x.seg", first, salt)
}

// parseName is the reverse of segmentName; ok is false for a foreign name.
func parseName(name string) (first uint64, salt uint32, ok bool) {
	n, err := fmt.Sscanf(name, "%016x-%08x.seg", &first, &salt)
	return first, salt, err == nil && n == 2 && name == segmentName(first, salt)
}

func (q *Queue) dir(t tier) dir {
	if t == onDisk {
		return q.cfg.disk
	}
	return q.cfg.run
}

// create makes an empty segment for records from first on.
func (q *Queue) create(t tier, first uint64) (*segment, error) {
	s := &segment{tier: t, first: first, salt: q.cfg.salt(), fresh: true, idx: []entry{}}
	s.name = segmentName(first, s.salt)
	f, err := q.dir(t).open(s.name, os.O_RDWR|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return nil, fmt.Errorf("new segment: %w", err)
	}
	s.f = f
	return s, nil
}

// append writes records, encoded with the segment's salt, behind the others.
func (s *segment) append(b []byte, list []entry) error {
	if _, err := s.f.WriteAt(b, s.size); err != nil {
		s.sealed = true // what is written half is a torn tail for ever
		return fmt.Errorf("write: %w", err)
	}
	for _, e := range list {
		e.off += uint32(s.size)
		s.live++
		s.liveBytes += int64(e.size)
		s.last = e.seq
		if s.idx != nil {
			s.idx = append(s.idx, e)
		}
	}
	s.size += int64(len(b))
	return nil
}

// openFile opens the file for reading if it is closed.
func (q *Queue) openFile(s *segment) (err error) {
	if s.f == nil {
		s.f, err = q.dir(s.tier).open(s.name, os.O_RDONLY)
	}
	return err
}

// index returns the records of s that are not done. It is loaded where it is
// not in memory: only the head and the tail of a long queue have one.
func (q *Queue) index(s *segment) []entry {
	loaded := s.idx != nil
	if !loaded {
		b, err := q.content(s)
		if err != nil {
			q.troubleLocked(readTrouble, fmt.Errorf("read %s: %w", s.name, err))
		}
		s.idx = append([]entry{}, scan(b, s.salt).list...)
	}
	s.idx = pending(s.idx, max(s.from, q.done+1))
	if !loaded && len(s.idx) < s.live {
		q.shrinkLocked(s)
	}
	return s.idx
}

// pending returns the entries from number low on.
func pending(list []entry, low uint64) []entry {
	return list[sort.Search(len(list), func(i int) bool { return list[i].seq >= low }):]
}

// shrinkLocked corrects the count of a segment that was damaged while it waited.
func (q *Queue) shrinkLocked(s *segment) {
	lost, size := s.live-len(s.idx), sizeOf(s.idx)
	q.stats.Damaged += uint64(lost)
	q.stats.Messages -= lost
	q.stats.Bytes -= s.liveBytes - size
	s.live, s.liveBytes = len(s.idx), size
}

func sizeOf(list []entry) (n int64) {
	for _, e := range list {
		n += int64(e.size)
	}
	return n
}

func (q *Queue) content(s *segment) ([]byte, error) {
	if err := q.openFile(s); err != nil {
		return nil, err
	}
	return readAll(s.f, s.size)
}

// read returns the messages of list, which are neighbours in s. bad are those
// that could not be read back.
func (q *Queue) read(s *segment, list []entry) (got []client.Message, bad []entry) {
	start := int64(list[0].off)
	tail := list[len(list)-1]
	b := make([]byte, int64(tail.off)+int64(tail.size)-start)
	err := q.openFile(s)
	if err == nil {
		if n, rerr := s.f.ReadAt(b, start); n < len(b) {
			err = rerr
		}
	}
	if err != nil {
		q.troubleLocked(readTrouble, fmt.Errorf("read %s: %w", s.name, err))
		if len(list) > 1 {
			return q.readEach(s, list)
		}
	}
	if err == nil {
		q.troubleLocked(readTrouble, nil)
	}
	for _, e := range list {
		at := int64(e.off) - start
		m, size := decode(b[at:at+int64(e.size)], s.salt)
		if size == 0 || m.Seq != e.seq {
			bad = append(bad, e)
			continue
		}
		m.Data = m.Data[:len(m.Data):len(m.Data)]
		if q.cfg.IDs {
			m.ID = m.Seq
		}
		got = append(got, m)
	}
	return got, bad
}

// readEach is the slow way around a spot that cannot be read.
func (q *Queue) readEach(s *segment, list []entry) (got []client.Message, bad []entry) {
	for i := range list {
		g, b := q.read(s, list[i:i+1])
		got, bad = append(got, g...), append(bad, b...)
	}
	return got, bad
}

// supersede removes the other copies of s, which is synced or of no use now.
func (q *Queue) supersede(s *segment) {
	for c := s.shadow; c != nil; c = c.shadow {
		q.remove(c)
	}
	s.shadow = nil
}

// keep adds another copy to s, and the copies of that.
func (s *segment) keep(c *segment) {
	end := s
	for end.shadow != nil {
		end = end.shadow
	}
	end.shadow = c
}

// remove closes and unlinks the file. A failure costs nothing but its room:
// what is in it counts as done.
func (q *Queue) remove(s *segment) {
	s.close()
	if err := q.dir(s.tier).remove(s.name); err != nil {
		q.cfg.Log.Debug("segment not removed", "queue", q.cfg.Run, "segment", s.name, "err", err)
	}
}

func (s *segment) close() {
	if s.f != nil {
		_ = s.f.Close()
		s.f = nil
	}
}
