package queue

import (
	"slices"
	"time"
)

// SetLink tells the queue whether its connection is up. In mode Spill messages
// move to flash while it stays down.
func (q *Queue) SetLink(up bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.linkUp == up {
		return
	}
	now := q.lookLocked()
	q.linkUp, q.linkSince = up, now
	if q.cfg.Mode == Spill && q.tier == onDisk && !q.spillingLocked(now) {
		q.toRunLocked()
	}
	q.armLocked(now)
}

// spillingLocked reports whether what waits belongs onto flash.
func (q *Queue) spillingLocked(now time.Time) bool {
	if !q.linkUp && now.Sub(q.linkSince) >= q.cfg.SpillAfter {
		return true
	}
	s, e, ok := q.headLocked()
	return ok && age(now, s, e) >= q.cfg.SpillAge
}

// toRunLocked ends the use of flash for what comes next.
func (q *Queue) toRunLocked() {
	q.tier = inRun
	if s := q.lastLocked(); s != nil {
		s.sealed = true
	}
	q.popLocked()
}

// wantLocked is the tier that messages belong to now, were all media well.
func (q *Queue) wantLocked(now time.Time) tier {
	if q.cfg.Mode == OnDisk || q.cfg.Mode == Spill && q.spillingLocked(now) {
		return onDisk
	}
	return inRun
}

// steerLocked moves to the tier that messages belong to. The caller holds syncMu.
func (q *Queue) steerLocked(now time.Time) {
	want := q.wantLocked(now)
	switch {
	case want == inRun && q.tier == onDisk:
		q.toRunLocked()
	case want == onDisk && q.tier == inRun && !now.Before(q.noDisk):
		q.noDisk = time.Time{}
		q.toDiskLocked()
	}
}

// steerAtLocked is when steerLocked may have to act, zero for never.
func (q *Queue) steerAtLocked(now time.Time) time.Time {
	if q.cfg.Mode == RunOnly || q.tier == onDisk {
		return time.Time{}
	}
	if q.cfg.Mode == OnDisk {
		return q.noDisk
	}
	var at time.Time
	if s, e, ok := q.headLocked(); ok {
		at = now.Add(q.cfg.SpillAge - age(now, s, e))
		if down := q.linkSince.Add(q.cfg.SpillAfter); !q.linkUp && down.Before(at) {
			at = down
		}
		if at.Before(q.noDisk) {
			at = q.noDisk
		}
	}
	return at
}

// toDiskLocked moves all that waits to flash, oldest first. It stops at the
// first failure: what is left stays in run, and so does what comes next.
func (q *Queue) toDiskLocked() {
	if s := q.lastLocked(); s != nil {
		s.sealed = true
		q.popLocked()
	}
	for i, s := range q.segs {
		if s.tier == onDisk || s.live == 0 {
			continue
		}
		if err := q.moveLocked(i, onDisk); err != nil {
			q.failLocked(err)
			return
		}
	}
	q.tier = onDisk
}

// moveLocked copies what waits in segment i to the other tier and puts the copy
// in its place. On the way to flash the original stays until the copy is synced;
// on the way back it stays if part of it was promised to survive a power cut.
func (q *Queue) moveLocked(i int, t tier) error {
	old := q.segs[i]
	list := q.index(old)
	n, err := q.create(t, max(old.from, old.first))
	if err != nil {
		return err
	}
	n.last, n.shift, n.sealed = old.last, old.shift, true
	if err := q.copyLocked(old, n, list); err != nil {
		q.remove(n)
		return err
	}
	if i > 0 {
		n.idx = nil
	}
	q.segs[i] = n
	if t == inRun {
		q.dirty = slices.DeleteFunc(q.dirty, func(s *segment) bool { return s == old })
		q.retireLocked(n, old)
		return nil
	}
	n.keep(old)
	old.close()
	q.dirtyLocked(n, q.cfg.Now())
	return nil
}

func (q *Queue) copyLocked(from, to *segment, list []entry) error {
	if len(list) == 0 {
		return nil
	}
	got, bad := q.read(from, list)
	q.damagedLocked(from, bad)
	var b []byte
	var moved []entry
	for _, m := range got {
		e := entry{seq: m.Seq, at: m.At.UnixNano(), off: uint32(len(b)), size: uint32(recordSize(m))}
		b = appendRecord(b, to.salt, m)
		moved = append(moved, e)
	}
	q.countWriteLocked(to.tier, len(b))
	last := to.last
	err := to.append(b, moved)
	to.last = max(last, to.last)
	return err
}

// retireLocked ends the use of a copy on flash that could not be synced. What
// was synced of it earlier is all that a power cut would leave.
func (q *Queue) retireLocked(now, old *segment) {
	old.dirty, old.idx = false, nil
	if !old.synced {
		q.remove(old)
		return
	}
	old.close()
	now.keep(old)
}

// failLocked notes that flash failed: messages go to run until it is tried again.
func (q *Queue) failLocked(err error) {
	q.noDisk = q.cfg.Now().Add(RetryDisk)
	q.troubleLocked(diskTrouble, err)
	if q.tier == onDisk {
		q.toRunLocked()
	}
}

// rescueLocked copies what could not be synced to run: the kernel may drop
// pages whose write-back failed, but still has them now.
func (q *Queue) rescueLocked(list []*segment) {
	for _, s := range list {
		if s.shadow != nil && s.shadow.tier == inRun { // the original is still there
			q.restoreLocked(s)
			continue
		}
		if i := slices.Index(q.segs, s); i >= 0 {
			if err := q.moveLocked(i, inRun); err != nil {
				q.troubleLocked(runTrouble, err)
			}
		}
	}
}

// restoreLocked puts the original of a copy that could not be synced back, if
// all that waits is in it. Nothing was appended since: copies are sealed.
func (q *Queue) restoreLocked(s *segment) {
	i := slices.Index(q.segs, s)
	if i < 0 {
		return
	}
	old := s.shadow
	old.live, old.idx, old.from, old.sealed = 0, nil, s.from, true
	if len(q.index(old)) < s.live {
		return
	}
	old.live, old.liveBytes = s.live, s.liveBytes
	q.segs[i] = old
	s.shadow = nil
	q.retireLocked(old, s)
}
