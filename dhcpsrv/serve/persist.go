package serve

import (
	"slices"
	"time"

	"luatnetd/dhcpsrv"
	"luatnetd/internal/store"
)

// waits reports whether a reply must wait for the log: there is something
// unwritten, and the log works.
func (l *loop) waits() bool {
	return l.commit != nil && !l.slow && (l.busy || len(l.nextRecords) > 0)
}

// load reads the lease log into the table.
func (l *loop) load() {
	if l.s.file == "" {
		return
	}
	log, found := store.OpenLog(store.LogConfig{Path: l.s.file, Version: logVersion})
	l.commit = newCommitter(log)
	records := make([]dhcpsrv.Record, len(found.Records))
	for i, r := range found.Records {
		records[i] = dhcpsrv.Record{Type: r.Type, Payload: r.Payload}
	}
	l.s.mu.Lock()
	got := l.s.table.Restore(l.s.now(), records)
	l.s.state.Store, l.s.state.Restored, l.s.state.Bad = log.Err(), got.Leases, found.Bad+got.Skipped
	l.s.mu.Unlock()
	if found.SetAside != "" {
		l.s.log.Warn("lease file was unreadable", "file", l.s.file, "kept as", found.SetAside)
	}
	if err := log.Err(); err != nil {
		l.s.log.Warn("leases are kept in memory only", "err", err)
		l.whole, l.tryStore = true, l.s.now().Add(storeRetry)
	}
	// Records of another boot are counted from the clock of this one from now
	// on; damaged stretches and foreign records are not carried along.
	l.whole = l.whole || got.Reboot || found.Bad+got.Skipped > 0
	l.s.log.Info("leases restored", "leases", got.Leases, "damaged", found.Bad, "skipped", got.Skipped, "cut_bytes", found.Torn)
}

// flush gives the committer its next job if it has none.
func (l *loop) flush() {
	if l.commit == nil || l.busy {
		return
	}
	if l.whole && !l.s.now().Before(l.tryStore) {
		l.start(job{records: l.all(), rewrite: true})
		return
	}
	if l.tryStore.After(l.s.now()) || l.whole {
		// No log at present: nobody waits for it. The table is written whole
		// when it is tried again.
		l.nextRecords, l.whole = nil, true
		l.release()
		return
	}
	if len(l.nextRecords) > 0 {
		l.start(job{records: l.nextRecords})
		return
	}
	l.release()
}

// all is the table as records, for a rewrite.
func (l *loop) all() []dhcpsrv.Record {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	return l.s.table.Records(l.s.now())
}

func (l *loop) start(j job) {
	l.busy, l.whole = true, false
	l.nextRecords = nil
	l.outReplies, l.nextReplies = l.nextReplies, nil
	l.limit.Reset(commitLimit)
	l.commit.jobs <- j // capacity 1 and not busy: never blocks
}

// release sends the replies that wait for nothing any more.
func (l *loop) release() {
	list := slices.Concat(l.outReplies, l.nextReplies)
	l.outReplies, l.nextReplies = nil, nil
	for _, r := range list {
		l.send(r)
	}
}

// committed sends what waited for the job. After an error too: a medium that
// fails must not take the LAN down.
func (l *loop) committed(r result) {
	l.busy, l.slow = false, false
	l.limit.Stop()
	for _, reply := range l.outReplies {
		l.send(reply)
	}
	l.outReplies = nil
	l.stored(r.err)
	if r.err != nil {
		l.whole, l.tryStore = true, l.s.now().Add(storeRetry)
		return
	}
	l.tryStore = time.Time{}
	if r.size < compactAt {
		l.compactNext = compactAt
	}
	if r.size > l.compactNext {
		l.compactNext = 2 * r.size
		// The committer has no job now, so its log may be asked.
		live := l.all()
		l.whole = l.commit.log.Wants(storeRecords(live))
	}
}

// stored notes and tells how the log is doing, once per change.
func (l *loop) stored(err error) {
	l.s.mu.Lock()
	before := l.s.state.Store
	l.s.state.Store = err
	l.s.mu.Unlock()
	switch {
	case before == nil && err != nil:
		l.s.log.Warn("leases are kept in memory only", "err", err)
	case before != nil && err == nil:
		l.s.log.Info("leases are kept on disk again")
	}
}

// overdue stops waiting for a log that hangs.
func (l *loop) overdue() {
	if !l.busy {
		return
	}
	l.slow = true
	l.stored(errClosed("the medium of the lease file takes more than " + commitLimit.String() + " for a write"))
	l.release()
}
