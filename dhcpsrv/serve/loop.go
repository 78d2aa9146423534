package serve

import (
	"context"
	"slices"
	"time"

	"luatnetd/dhcpsrv"
	"luatnetd/internal/store"
)

const (
	// batchMax is how many packets are decided on before the log is written.
	batchMax = 64
	// retryMin and retryMax bound the wait before the sockets are opened again.
	retryMin = 100 * time.Millisecond
	retryMax = time.Second
	// lookInterval is how often the device is compared with the sockets.
	lookInterval = time.Second
	// commitLimit is how long an ACK waits for the log. A flash that takes
	// longer must not take the LAN down; the state is shown.
	commitLimit = 2 * time.Second
	// storeRetry is how often a log that fails is tried again.
	storeRetry = 30 * time.Second
	// backlogMax is how many records wait for a slow log; beyond it they are
	// dropped and the whole table is written when the log is back.
	backlogMax = 4096
	// stopLimit is how long the end waits for the log.
	stopLimit = 5 * time.Second
	// compactAt is the size in bytes at which compaction is thought of first.
	compactAt = 16 << 10
)

// loop is one Run of a Server.
type loop struct {
	s      *Server
	cfg    Config
	link   *link // nil while the device is away
	retry  time.Duration
	timer  *time.Timer // the table's next deadline
	look   *time.Timer // the next look at the device
	commit *committer  // nil without a state file

	// What waits for the log. out is the job that the committer has, with the
	// replies that go when it is done; next is collected meanwhile.
	busy        bool
	slow        bool // the job out takes longer than commitLimit
	limit       *time.Timer
	outReplies  []dhcpsrv.Reply
	nextRecords []dhcpsrv.Record
	nextReplies []dhcpsrv.Reply
	whole       bool      // the log must be written anew
	tryStore    time.Time // not before, after an error
	compactNext int64     // size at which to think of compaction again
}

func newLoop(s *Server) *loop {
	return &loop{
		s: s, cfg: s.config(), retry: retryMin, compactNext: compactAt,
		timer: time.NewTimer(time.Hour), look: time.NewTimer(0), limit: time.NewTimer(time.Hour),
	}
}

func (l *loop) run(ctx context.Context) {
	l.load()
	if l.commit != nil {
		go l.commit.run() // ends when stop closes its channel
	}
	defer l.stop()
	l.flush()
	for l.turn(ctx) {
		l.flush()
		l.arm()
	}
}

// turn waits for one thing to happen and does it; false at the end.
func (l *loop) turn(ctx context.Context) bool {
	var packets chan packet
	var heard chan dhcpsrv.ARP
	var done chan result
	if l.link != nil {
		packets, heard = l.link.packets, l.link.heard
	}
	if l.commit != nil {
		done = l.commit.done
	}
	select {
	case <-ctx.Done():
		return false
	case p := <-packets:
		l.batch(p)
	case a := <-heard:
		l.decide(func(t *dhcpsrv.Table, now time.Time) dhcpsrv.Output {
			if !t.Probing() {
				return dhcpsrv.Output{} // most ARP on a LAN is none of our business
			}
			return t.Heard(now, a)
		})
	case <-l.timer.C:
		l.decide((*dhcpsrv.Table).Tick)
	case <-l.look.C:
		l.inspect(ctx)
	case <-l.s.change:
		l.configure(ctx)
	case r := <-done:
		l.committed(r)
	case <-l.limit.C:
		l.overdue()
	}
	return true
}

// batch handles a packet and what waits behind it, so that one sync of the log
// serves all of them.
func (l *loop) batch(p packet) {
	for n := 1; ; n++ {
		l.decide(func(t *dhcpsrv.Table, now time.Time) dhcpsrv.Output {
			return t.Handle(now, dhcpsrv.Packet{Payload: p.payload, IPSrc: p.from})
		})
		if n == batchMax {
			return // before another packet is taken from the channel
		}
		select {
		case p = <-l.link.packets:
		default:
			return
		}
	}
}

// decide asks the table and carries out what it says. Replies that need the
// log wait; all others go at once.
func (l *loop) decide(f func(*dhcpsrv.Table, time.Time) dhcpsrv.Output) {
	l.s.mu.Lock()
	out := f(l.s.table, l.s.now())
	l.s.mu.Unlock()
	if l.commit != nil {
		l.nextRecords = append(l.nextRecords, out.Records...)
		if len(l.nextRecords) > backlogMax {
			l.nextRecords, l.whole = nil, true
		}
	}
	for _, r := range out.Replies {
		if r.Wait && l.waits() {
			l.nextReplies = append(l.nextReplies, r)
			continue
		}
		l.send(r)
	}
	for _, a := range out.Probes {
		if l.link == nil {
			continue
		}
		if err := l.link.ask(a); err != nil {
			l.s.log.Debug("arp probe", "addr", a, "err", err)
		}
	}
	l.s.emit(out.Events)
}

// waits reports whether a reply must wait for the log: there is something
// unwritten, and the log works.
func (l *loop) waits() bool {
	return l.commit != nil && !l.slow && (l.busy || len(l.nextRecords) > 0)
}

func (l *loop) send(r dhcpsrv.Reply) {
	if l.link == nil {
		return // the client asks again
	}
	if err := l.link.send(l.cfg.Address.Addr(), r); err != nil {
		l.s.log.Debug("send reply", "to", r.To, "mac", r.MAC.String(), "err", err)
		l.look.Reset(0) // the device may be gone
	}
}

// arm sets the timer to the table's next deadline.
func (l *loop) arm() {
	l.s.mu.Lock()
	next := l.s.table.Next()
	l.s.mu.Unlock()
	wait := time.Hour
	if !next.IsZero() {
		// Never in the past, or the loop would spin; never too far, since the
		// timer does not count while the machine sleeps.
		wait = min(max(next.Sub(l.s.now()), time.Millisecond), time.Hour)
	}
	l.timer.Reset(wait)
}

// inspect opens the sockets if there are none, and again if the device is
// another one now.
func (l *loop) inspect(ctx context.Context) {
	if l.link != nil && !l.link.current() {
		l.closeLink("the device went away or changed")
	}
	if l.link != nil {
		l.look.Reset(lookInterval)
		return
	}
	k, err := openLink(ctx, l.cfg.Device)
	if err != nil {
		first := l.retry == retryMin
		l.s.set(func(st *Status) { st.Listening, st.Socket = false, err })
		if first {
			l.s.log.Warn("dhcp server waits for its device", "device", l.cfg.Device, "err", err)
		}
		l.look.Reset(l.retry)
		l.retry = min(2*l.retry, retryMax)
		return
	}
	l.link, l.retry = k, retryMin
	l.s.set(func(st *Status) { st.Listening, st.Socket = true, nil })
	l.s.log.Info("dhcp server listens", "device", l.cfg.Device, "addr", l.cfg.Address)
	l.look.Reset(lookInterval)
}

func (l *loop) closeLink(why string) {
	if l.link == nil {
		return
	}
	l.link.close()
	l.link = nil
	l.s.set(func(st *Status) { st.Listening, st.Socket = false, errClosed(why) })
	l.s.log.Info("dhcp server closed its sockets", "device", l.cfg.Device, "reason", why)
}

// errClosed is a reason as an error.
type errClosed string

func (e errClosed) Error() string { return string(e) }

// configure takes over the newest configuration.
func (l *loop) configure(ctx context.Context) {
	next := l.s.config()
	moved := next.Device != l.cfg.Device
	l.cfg = next
	l.decide(func(t *dhcpsrv.Table, now time.Time) dhcpsrv.Output { return t.Update(now, next.Config) })
	if moved {
		l.closeLink("another device is configured")
		l.retry = retryMin
		l.inspect(ctx)
	}
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

// stop ends the run: the sockets first, then the log, which is written once
// more so that after a planned reboot the leases have what really remains.
func (l *loop) stop() {
	l.closeLink("the server stops")
	l.timer.Stop()
	l.look.Stop()
	l.limit.Stop()
	if l.commit == nil {
		return
	}
	limit := time.NewTimer(stopLimit)
	defer limit.Stop()
	for l.busy {
		select {
		case <-l.commit.done:
			l.busy = false
		case <-limit.C:
			close(l.commit.jobs) // a hanging medium: its goroutine ends when it answers
			return
		}
	}
	l.commit.jobs <- job{records: l.all(), rewrite: true}
	close(l.commit.jobs)
	for {
		select {
		case _, more := <-l.commit.done:
			if !more {
				return
			}
		case <-limit.C:
			return
		}
	}
}
