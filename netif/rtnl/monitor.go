package rtnl

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"luatnetd/netif"
)

const (
	resyncEvery  = 5 * time.Minute
	gapFactor    = 20                     // reading takes at most 1/20 of the time
	gapMin       = 10 * time.Millisecond  // between two reads
	gapMax       = time.Second            // whatever a read costs
	gapOverrun   = 200 * time.Millisecond // between two reads after overruns
	retryMin     = 100 * time.Millisecond // after a read that failed
	retryMax     = 5 * time.Second
	warnOverruns = time.Minute // between two log lines
)

// Options for Open. The zero value is ready for use.
type Options struct {
	Log           *slog.Logger           // nil: no log
	Sysfs         string                 // where DeviceFacts come from; "": /sys
	ReceiveBuffer int                    // bytes; 0: 1 MiB
	Resync        time.Duration          // everything is read again at least this often; 0: 5 min
	Own           func(port uint32) bool // whether a netlink port is ours, see Snapshot.Foreign; nil: none is. Called from Run's goroutines

	unfiltered bool // tests: see foreign routes
}

// Monitor follows rtnetlink. Its methods may be called from any goroutine.
type Monitor struct {
	opt     Options
	events  *events
	out     chan *netif.Snapshot
	refresh chan struct{}
}

// Open opens the socket for notifications, so nothing after it is missed. The
// caller calls Run, which closes the socket.
func Open(o Options) (*Monitor, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Sysfs == "" {
		o.Sysfs = "/sys"
	}
	if o.ReceiveBuffer == 0 {
		o.ReceiveBuffer = receiveBuffer
	}
	if o.Resync == 0 {
		o.Resync = resyncEvery
	}
	e, err := openEvents(o)
	if err != nil {
		return nil, err
	}
	return &Monitor{opt: o, events: e, out: make(chan *netif.Snapshot, 1), refresh: make(chan struct{}, 1)}, nil
}

// Snapshots is where snapshots come out: the first once everything was read,
// then one per change. It holds one; a newer one replaces it. It is not closed.
func (m *Monitor) Snapshots() <-chan *netif.Snapshot { return m.out }

// Refresh has everything read again. A snapshot comes out afterwards even if
// nothing changed.
func (m *Monitor) Refresh() {
	select {
	case m.refresh <- struct{}{}:
	default: // asked for already
	}
}

// Run follows the kernel until the context ends, which is no error.
func (m *Monitor) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	batches := make(chan batch) // full: notifications wait in the socket
	failed := make(chan error, 1)
	l := &loop{
		m: m, state: newState(), dirty: roomAll,
		jobs: make(chan job, 1), results: make(chan result, 1),
		timer: time.NewTimer(0), retry: retryMin,
	}
	var wg sync.WaitGroup
	wg.Go(func() { failed <- m.read(ctx, batches) })
	wg.Go(func() { (&dumper{sysfs: m.opt.Sysfs}).run(ctx, l.jobs, l.results) })
	err := l.run(ctx, batches, failed)
	cancel()
	_ = m.events.conn.Close()
	l.timer.Stop()
	wg.Wait()
	return err
}

// read hands on notifications until the socket is closed.
func (m *Monitor) read(ctx context.Context, batches chan<- batch) error {
	for {
		b, err := m.events.next()
		if err != nil {
			return err
		}
		select {
		case batches <- b:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// loop is the state of one Run.
type loop struct {
	m       *Monitor
	state   *state
	last    *netif.Snapshot // that was handed out
	jobs    chan job        // room for the one job that is under way
	results chan result

	dirty     room      // to be read
	busy      bool      // a job is under way
	force     bool      // a Refresh waits for a read that starts after it
	answers   bool      // the job under way is that read
	fullAt    time.Time // start of the last full read
	notBefore time.Time // of the next read
	timer     *time.Timer
	retry     time.Duration
	warned    time.Time
}

func (l *loop) run(ctx context.Context, batches <-chan batch, failed <-chan error) error {
	resync := time.NewTicker(l.m.opt.Resync)
	defer resync.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("follow rtnetlink: %w", err)
		case b := <-batches:
			l.batch(b)
		case r := <-l.results:
			l.result(r)
		case <-l.timer.C:
		case <-resync.C:
			l.dirty |= roomAll
		case <-l.m.refresh:
			l.dirty |= roomAll
			l.force = true
		}
		l.schedule()
	}
}

func (l *loop) batch(b batch) {
	dirty, changed := l.state.apply(b)
	l.dirty |= dirty
	if changed {
		l.emit(false)
	}
	if !b.overrun {
		return
	}
	// A flood that goes on must neither keep us reading nor put it off for ever.
	if at := l.fullAt.Add(gapOverrun); at.After(l.notBefore) {
		l.notBefore = at
	}
	now := time.Now()
	if now.Sub(l.warned) > warnOverruns {
		l.warned = now
		l.m.opt.Log.Warn("rtnetlink notifications were lost, reading everything again")
	}
}

// result takes over what was read.
func (l *loop) result(r result) {
	l.busy = false
	answers := l.answers
	l.answers = false
	now := time.Now()
	if r.bad != nil {
		l.m.opt.Log.Debug("rtnetlink entry left out", "err", r.bad)
	}
	if r.err != nil {
		l.m.opt.Log.Warn("rtnetlink table not read, trying again", "err", r.err, "after", l.retry)
		l.dirty |= r.rooms
		l.force = l.force || answers
		l.notBefore = now.Add(l.retry)
		l.retry = min(2*l.retry, retryMax)
		return
	}
	l.retry = retryMin
	l.notBefore = now.Add(min(max(gapMin, gapFactor*r.cost), gapMax))
	l.dirty |= r.again
	l.state.merge(r)
	if len(l.state.unknownFacts()) > 0 {
		l.dirty |= roomFacts
	}
	l.emit(answers)
}

// schedule gives the dumper a job as soon as it is allowed.
func (l *loop) schedule() {
	if l.busy || l.dirty == 0 {
		return
	}
	if wait := time.Until(l.notBefore); wait > 0 {
		l.timer.Reset(wait)
		return
	}
	j := job{rooms: l.dirty &^ roomFacts, facts: l.state.unknownFacts()}
	if l.dirty&roomLinks != 0 {
		clear(l.state.touched)
	}
	if l.dirty&roomAll == roomAll {
		l.fullAt = time.Now()
		l.answers, l.force = l.force, false
	}
	l.dirty, l.busy = 0, true
	l.jobs <- j
}

// emit hands out a snapshot if it differs from the last one, or if forced.
func (l *loop) emit(force bool) {
	if !l.state.complete() {
		return
	}
	s := l.state.snapshot()
	if !force && s.Equal(l.last) {
		return
	}
	l.last = s
	select {
	case <-l.m.out: // nobody took the older one
	default:
	}
	l.m.out <- s
}
