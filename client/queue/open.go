package queue

import (
	"fmt"
	"sort"
)

// idBlock is how many IDs one write to flash reserves.
const idBlock = 1 << 16

// maxSegment is what is read of one segment at most: one message of the
// largest size behind a segment of the largest size that makes sense.
const maxSegment = 64 << 20

// Open finds what earlier runs left. It never fails: where the media do not
// allow it the queue starts empty, and Stats says why.
func Open(cfg Config) (*Queue, Recovered) {
	cfg = cfg.withDefaults()
	q := &Queue{cfg: cfg, changed: make(chan struct{}, 1)}
	q.committed.L = &q.mu
	q.mu.Lock()
	defer q.mu.Unlock()
	now := cfg.Now()
	q.wall, q.linkSince = now, now
	q.runPos.dir, q.diskPos.dir = cfg.run, cfg.disk
	sameBoot := q.loadPositionsLocked()
	var found Recovered
	q.adoptLocked(q.scanLocked(&found), &found)
	q.numberFromLocked(sameBoot)
	if cfg.Mode == OnDisk && now.After(q.noDisk) {
		q.toDiskLocked() // what an earlier run could not put there
	}
	if err := q.runPos.write(q.done, q.reserved, false); err != nil {
		q.troubleLocked(positionTrouble, err)
	}
	if found.Messages > 0 {
		q.changed <- struct{}{}
	}
	q.armLocked(now)
	return q, found
}

// loadPositionsLocked reads how far the queue had come. sameBoot reports that
// run still knows, so that its numbers are exact.
func (q *Queue) loadPositionsLocked() (sameBoot bool) {
	sameBoot, err := q.runPos.load()
	if err != nil {
		q.troubleLocked(positionTrouble, fmt.Errorf("position: %w", err))
	}
	if q.cfg.disk != nil {
		if _, err := q.diskPos.load(); err != nil {
			q.failLocked(fmt.Errorf("position: %w", err))
		}
	}
	q.diskDone = q.diskPos.done
	q.done = max(q.runPos.done, q.diskPos.done)
	q.reserved = max(q.runPos.reserved, q.diskPos.reserved)
	return sameBoot
}

// scanLocked reads every segment of both tiers, in the order of their numbers.
func (q *Queue) scanLocked(found *Recovered) []*segment {
	var all []*segment
	for _, t := range []tier{inRun, onDisk} {
		if q.dir(t) == nil {
			continue
		}
		names, err := q.dir(t).list()
		if err != nil {
			q.troubleLocked(readTrouble, err)
		}
		for _, name := range names {
			first, salt, ok := parseName(name)
			if !ok {
				continue
			}
			s := &segment{tier: t, name: name, first: first, salt: salt, sealed: true, fresh: true, synced: true}
			q.scanOneLocked(s, found)
			all = append(all, s)
		}
	}
	sort.SliceStable(all, func(i, j int) bool {
		if all[i].first != all[j].first {
			return all[i].first < all[j].first
		}
		return len(all[i].idx) > len(all[j].idx) // the fuller one of two copies
	})
	return all
}

func (q *Queue) scanOneLocked(s *segment, found *Recovered) {
	s.size = maxSegment
	b, err := q.content(s)
	if err != nil {
		q.troubleLocked(readTrouble, fmt.Errorf("read %s: %w", s.name, err))
	}
	s.close()
	s.size = int64(len(b))
	sc := scan(b, s.salt)
	s.idx = sc.list
	found.Damaged += sc.damaged
	found.Torn += sc.torn
	if n := len(s.idx); n > 0 {
		s.first, s.last = s.idx[0].seq, s.idx[n-1].seq
	}
}

// adoptLocked takes over what is not done, each message once.
func (q *Queue) adoptLocked(all []*segment, found *Recovered) {
	prev := uint64(0)
	for _, s := range all {
		fresh := pending(s.idx, prev+1)
		found.Twice += len(s.idx) - len(fresh)
		s.from = prev + 1
		prev = max(prev, s.last)
		list := pending(fresh, q.done+1)
		s.live, s.liveBytes = len(list), sizeOf(list)
		s.idx = nil // loaded again when it is its turn
		switch {
		case s.live > 0:
			q.segs = append(q.segs, s)
			found.Messages += s.live
			found.Bytes += s.liveBytes
			if s.tier == onDisk { // the process that wrote it may have died before it synced
				q.dirtyLocked(s, q.wall)
			}
		case s.last > q.done && len(q.segs) > 0:
			q.lastLocked().keep(s) // another copy: which one was synced nobody knows
		case s.tier == onDisk:
			q.dead = append(q.dead, s)
		default:
			q.remove(s)
		}
	}
	q.next = max(prev, q.done) + 1
	q.stats.Messages, q.stats.Bytes = found.Messages, found.Bytes
}

// numberFromLocked makes sure that no ID is given out twice: after a power cut
// nobody knows which ones of the reserved block were used.
func (q *Queue) numberFromLocked(sameBoot bool) {
	if !q.cfg.IDs {
		return
	}
	if !sameBoot && q.reserved >= q.next {
		q.next = q.reserved + 1
	}
	if q.next > q.reserved {
		q.reserveLocked()
	}
}

// reserveLocked records that IDs up to a new limit may be used. Both slots are
// written, so that damage of one cannot take the limit back.
func (q *Queue) reserveLocked() {
	q.reserved = q.next + idBlock
	if q.cfg.disk == nil {
		return
	}
	for range 2 {
		if err := q.diskPos.write(q.diskDone, q.reserved, true); err != nil {
			q.failLocked(fmt.Errorf("reserve IDs: %w", err))
			return
		}
		q.stats.FlashBytes += slotLen
		q.stats.FlashSyncs++
	}
}

// Close ends the queue. In mode Spill what waits moves to flash, in every mode
// with flash it is synced. Later calls find the queue closed.
func (q *Queue) Close() error {
	q.syncMu.Lock()
	defer q.syncMu.Unlock()
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return nil
	}
	if q.cfg.Mode != RunOnly && q.stats.Messages > 0 && q.tier == inRun {
		q.toDiskLocked()
	}
	if q.timer != nil {
		q.timer.Stop()
	}
	q.closed = true // what was put before is flushed, nothing comes after
	q.mu.Unlock()
	q.flush()
	q.reap()
	q.tell()
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, s := range q.segs {
		s.close()
	}
	q.runPos.close()
	q.diskPos.close()
	if err := q.trouble[diskTrouble]; err != nil {
		return fmt.Errorf("close queue %s: what waits is not on flash: %w", q.cfg.Run, err)
	}
	return nil
}
