package queue

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// Health codes, stable for monitoring.
const (
	HealthNoDisk = "queue-not-on-flash" // flash refuses: messages are kept in run
	HealthNoRun  = "queue-no-room"      // run refuses too: messages may be refused
	HealthSpot   = "queue-read-error"   // a stored message could not be read back
	HealthTwice  = "queue-position"     // the position is not kept: messages may come again after a restart
)

// What can be wrong at the same time, worst first, and its code.
const (
	runTrouble = iota
	diskTrouble
	readTrouble
	positionTrouble
	troubles
)

var codes = [troubles]string{HealthNoRun, HealthNoDisk, HealthSpot, HealthTwice}

// Stats is what an operator sees.
type Stats struct {
	Messages int   // accepted and not done
	Bytes    int64 // of the medium, for those
	Oldest   time.Duration
	OnFlash  int // segments on flash
	Spilling bool

	Accepted, Done, Refused          uint64 // since Open
	DroppedFull, DroppedOld, Damaged uint64
	RunBytes, FlashBytes, FlashSyncs int64 // written since Open, for the wear of the flash
	Health, HealthText               string
	LastSeq, DoneSeq                 uint64
}

// Recovered is what Open found.
type Recovered struct {
	Messages int
	Bytes    int64
	Damaged  int // stretches in segments that held no sound record, each counted once
	Torn     int // bytes behind the last sound record of a segment
	Twice    int // messages found in two segments, kept once
}

// Stats returns the figures of this moment.
func (q *Queue) Stats() Stats {
	q.mu.Lock()
	defer q.mu.Unlock()
	st := q.stats
	now := q.cfg.Now()
	if !q.closed {
		if s, e, ok := q.headLocked(); ok {
			st.Oldest = max(0, age(now, s, e))
		}
	}
	for _, s := range q.segs {
		if s.tier == onDisk {
			st.OnFlash++
		}
	}
	st.Spilling = q.cfg.Mode == Spill && q.tier == onDisk
	st.LastSeq, st.DoneSeq = q.next-1, q.done
	for kind := range troubles {
		if err := q.trouble[kind]; err != nil {
			st.Health, st.HealthText = codes[kind], sentence(err)
			break
		}
	}
	return st
}

func (q *Queue) countWriteLocked(t tier, n int) {
	if t == onDisk {
		q.stats.FlashBytes += int64(n)
		return
	}
	q.stats.RunBytes += int64(n)
}

// troubleLocked notes that something is wrong, or with nil that it is well
// again, and logs the change.
func (q *Queue) troubleLocked(kind int, err error) {
	had := q.trouble[kind] != nil
	q.trouble[kind] = err
	switch {
	case err != nil && !had:
		q.cfg.Log.Warn("queue degraded", "queue", q.cfg.Run, "code", codes[kind], "err", err)
	case err == nil && had:
		q.cfg.Log.Info("queue well again", "queue", q.cfg.Run, "code", codes[kind])
	}
}

// sentence says in words what the usual failures of a medium mean.
func sentence(err error) string {
	switch {
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return "no space left: " + err.Error()
	case errors.Is(err, unix.EROFS):
		return "the file system is read-only, often after an error of the flash: " + err.Error()
	case errors.Is(err, unix.EIO):
		return "the medium reports errors: " + err.Error()
	}
	return err.Error()
}
