package serve

import (
	"context"
	"time"

	"luatnetd/dhcpsrv"
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
