package queue

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"time"

	"luatnetd/client"
)

// positionEvery is how often the position is written to flash at most.
const positionEvery = time.Second

// syncSlack is the part of the interval that a sync comes later: a source that
// sends just as often as is synced then shares one sync between two messages.
const syncSlack = 50

// commit waits until seq is synced to flash. One of those that wait syncs for
// all. It returns Run where the flash failed: seq is then in run.
func (q *Queue) commit(seq uint64) client.Held {
	q.mu.Lock()
	defer q.mu.Unlock()
	for tried := false; q.safe < seq; {
		if q.committing {
			q.committed.Wait()
			continue
		}
		if tried {
			return client.Run
		}
		tried, q.committing = true, true
		q.gatherLocked()
		q.mu.Unlock()
		q.syncMu.Lock()
		q.flush()
		q.syncMu.Unlock()
		q.mu.Lock()
		q.committing = false
		q.committed.Broadcast()
	}
	return client.Disk
}

// gatherLocked lets those that the last sync has woken put their next message
// before this one, as long as more come: with two groups that take turns each
// sync would serve half of them.
func (q *Queue) gatherLocked() {
	for range 16 {
		before := q.next
		q.mu.Unlock()
		runtime.Gosched()
		q.mu.Lock()
		if q.next == before {
			return
		}
	}
}

// flush syncs what was written to flash. The caller holds syncMu.
func (q *Queue) flush() {
	list, files, fresh, upto := q.beginFlush()
	if len(list) == 0 {
		return
	}
	syncs, err := q.syncAll(list, files, fresh)
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.cfg.Now()
	q.lastSync = now
	q.stats.FlashSyncs += int64(syncs)
	for _, s := range list {
		s.syncing = false
	}
	if err != nil {
		q.failLocked(err)
		q.rescueLocked(list)
		return
	}
	q.safe = upto
	if q.tier == onDisk || !now.Before(q.noDisk) {
		q.noDisk = time.Time{}
		q.troubleLocked(diskTrouble, nil)
	}
	for _, s := range list {
		q.syncedLocked(s)
	}
}

// beginFlush takes the list of what to sync; files holds nil for those that
// are closed, as Open leaves them.
func (q *Queue) beginFlush() (list []*segment, files []file, fresh bool, upto uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	list, q.dirty = q.dirty, nil
	for _, s := range list {
		s.dirty, s.syncing = false, true
		fresh = fresh || s.fresh
		files = append(files, s.f)
	}
	return list, files, fresh, q.next - 1
}

// syncAll makes the content of the segments durable and, where one is new, the
// directory that names it.
func (q *Queue) syncAll(list []*segment, files []file, fresh bool) (syncs int, err error) {
	for i, s := range list {
		if err := q.syncOne(s.name, files[i]); err != nil {
			return syncs, fmt.Errorf("sync %s: %w", s.name, err)
		}
		syncs++
	}
	if fresh {
		if err := q.cfg.disk.sync(); err != nil {
			return syncs, fmt.Errorf("sync directory: %w", err)
		}
		syncs++
	}
	return syncs, nil
}

func (q *Queue) syncOne(name string, f file) error {
	if f != nil {
		return f.Sync()
	}
	f, err := q.cfg.disk.open(name, os.O_RDONLY)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

func (q *Queue) syncedLocked(s *segment) {
	s.fresh, s.synced = false, true
	q.supersede(s)
	if s != q.lastLocked() && !s.dirty {
		s.close()
	}
}

// reap records the position on flash and removes what is done there. The
// caller holds syncMu. The order matters: a power cut may bring a removed file
// back, and then the position has to know that it is done.
func (q *Queue) reap() {
	q.mu.Lock()
	dead, done, known, reserved := q.dead, q.done, q.diskDone, q.reserved
	due := q.positionDueLocked()
	q.dead = nil
	q.mu.Unlock()
	if !due {
		return
	}
	var err error
	if done > known {
		err = q.diskPos.write(done, reserved, true)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.lastSync = q.cfg.Now()
	if err != nil {
		// Removing goes on: it is what makes room on a full flash, and costs at
		// most that what was done comes again after a power cut.
		q.failLocked(err)
	} else if done > known {
		q.stats.FlashBytes += slotLen
		q.stats.FlashSyncs++
	}
	q.diskDone = done
	for _, s := range dead {
		q.buryLocked(s)
	}
}

// positionDueLocked reports whether flash holds messages that are done and
// does not know it.
func (q *Queue) positionDueLocked() bool {
	if len(q.dead) > 0 {
		return true
	}
	for _, s := range q.segs {
		if s.first > q.done || q.done <= q.diskDone {
			return false
		}
		if s.tier == onDisk && s.last > q.diskDone {
			return true
		}
	}
	return false
}

// buryLocked removes a segment of which nothing is needed any more.
func (q *Queue) buryLocked(s *segment) {
	q.dirty = slices.DeleteFunc(q.dirty, func(d *segment) bool { return d == s })
	q.supersede(s)
	q.remove(s)
}

// tick does what has become due. The timer calls it.
func (q *Queue) tick() {
	q.syncMu.Lock()
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		q.syncMu.Unlock()
		return
	}
	q.due = time.Time{}
	now := q.lookLocked()
	q.expireLocked(now)
	q.steerLocked(now)
	q.mu.Unlock()
	q.flush()
	q.reap()
	q.mu.Lock()
	q.armLocked(q.cfg.Now())
	q.mu.Unlock()
	q.syncMu.Unlock()
	q.tell()
}

// armLocked makes the timer end when the next thing is due. It never moves the
// timer back: one that ends too early finds nothing to do.
func (q *Queue) armLocked(now time.Time) {
	next := q.nextLocked(now)
	if q.closed || q.cfg.manual || next.IsZero() || !q.due.IsZero() && !next.Before(q.due) {
		return
	}
	q.due = next
	wait := max(next.Sub(now), time.Millisecond)
	if q.timer == nil {
		q.timer = time.AfterFunc(wait, q.tick)
		return
	}
	q.timer.Reset(wait)
}

// nextLocked is the earliest instant at which there is something to do, zero for none.
func (q *Queue) nextLocked(now time.Time) (next time.Time) {
	earlier := func(at time.Time) {
		if at.Before(now) {
			at = now
		}
		if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	if len(q.dirty) > 0 {
		every := q.cfg.Sync
		if every == 0 { // who waits for it syncs it; what Open and moves leave does not wait
			every = positionEvery
		}
		earlier(later(now, q.dirtySince).Add(every + every/syncSlack))
	}
	if q.positionDueLocked() {
		earlier(later(now, q.lastSync).Add(positionEvery))
	}
	if q.cfg.MaxAge > 0 {
		if s, e, ok := q.headLocked(); ok {
			earlier(now.Add(q.cfg.MaxAge - age(now, s, e) + time.Millisecond))
		}
	}
	if at := q.steerAtLocked(now); !at.IsZero() {
		earlier(at)
	}
	return next
}

// later keeps an instant from lying in the future, where a clock that was
// stepped back would leave it.
func later(now, last time.Time) time.Time {
	if last.After(now) {
		return now
	}
	return last
}
