package drive

import (
	"context"
	"errors"
	"sync"
	"time"

	"luatnetd/modem"
)

// Driver runs one modem. It is made by New.
type Driver struct {
	cfg     Config
	machine *modem.Machine // Run's own
	inbox   chan any       // modem.Event, opened or changed; capacity 64; a full one makes the sender wait, never Run
	poke    chan struct{}  // capacity 1: what is outside changed
	events  chan Event     // capacity 64; a full one makes Run wait for the engine

	ports          map[string]*port         // Run's own
	closing        map[string]chan struct{} // Run's own: of the latest port of that path, closed when it is free
	plane          *plane                   // Run's own; nil while no data plane is wanted
	inherited      Link                     // Run's own: the session that was left, until more is known
	inheritedUntil time.Time                // Run's own
	kept           kept                     // Run's own: as it was left
	ran            bool                     // Run's own
	work           sync.WaitGroup           // goroutines that may wait

	mu       sync.Mutex // guards what follows
	outside  Outside
	update   *modem.Settings // not yet shown to the machine
	status   modem.Status
	link     Link
	asked    map[uint64]chan<- modem.Answer
	lastAsk  uint64
	sms      smsStore
	last     *modem.Device // that was there, for levers
	open     []openPort    // the one we speak on first
	identity Identity
}

// Link is the data plane as the engine uses it.
type Link struct {
	Netdev   string // "" while there is none
	Up       bool
	External bool         // link and address are the plane's own (pppd)
	Bearer   modem.Bearer // addresses, where the plane gives them; zero: DHCP
}

// Event is what a Driver tells the engine: one of its fields is set, or none,
// which says that Status or Link changed.
type Event struct {
	Tell    *modem.Tell
	Release *modem.Release
}

// New returns the Driver of a modem; nothing happens before Run.
func New(cfg Config) *Driver {
	if cfg.Clean == nil {
		cfg.Clean = func(context.Context) error { return nil }
	}
	if cfg.Terminal == nil {
		cfg.Terminal = terminal
	}
	d := &Driver{
		cfg: cfg, inbox: make(chan any, 64), poke: make(chan struct{}, 1), events: make(chan Event, 64),
		ports: map[string]*port{}, closing: map[string]chan struct{}{}, asked: map[uint64]chan<- modem.Answer{},
	}
	d.sms.load(d.smsPath())
	d.start()
	return d
}

// start makes a machine from what is remembered: at first, and after a panic.
func (d *Driver) start() {
	now := d.cfg.Now()
	memory, err := d.loadMemory()
	if err != nil {
		d.cfg.Log.Error("the modem begins without a memory: an unproved PIN is not sent", "err", err)
	}
	d.machine = modem.NewMachine(d.cfg.Settings, d.cfg.Profiles, memory, d.cfg.Seed, now)
	d.mu.Lock()
	d.inherit(now)
	d.status, d.link = d.machine.Status(now), d.linkNow(now)
	d.mu.Unlock()
}

// Events is what the engine reads; it is never closed.
func (d *Driver) Events() <-chan Event { return d.events }

// Status is how the modem stands.
func (d *Driver) Status() modem.Status {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.status
}

// Link is the data plane as it stands.
func (d *Driver) Link() Link {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.link
}

// Show tells what holds outside. It never waits.
func (d *Driver) Show(o Outside) {
	d.mu.Lock()
	same := sameOutside(d.outside, o)
	d.outside = o
	if o.Device != nil {
		d.last = o.Device
	}
	d.mu.Unlock()
	if !same {
		d.wake()
	}
}

// Update gives the Driver new settings. A session that they do not touch goes on.
func (d *Driver) Update(s modem.Settings) {
	d.mu.Lock()
	d.update = &s
	d.mu.Unlock()
	d.wake()
}

func (d *Driver) wake() {
	select {
	case d.poke <- struct{}{}:
	default:
	}
}

// ErrRemoved is the cause of a context that ends because nobody wants the
// modem any more: its session is ended, too.
var ErrRemoved = errors.New("the modem is not configured any more")

// Run drives the modem until ctx ends. The data plane then goes on: a session
// outlives the daemon and is adopted by the next one. It may be called again,
// also after a panic.
func (d *Driver) Run(ctx context.Context) error {
	if d.ran {
		d.start()
	}
	d.ran = true
	inner, cancel := context.WithCancel(ctx)
	defer d.close(ctx)
	defer cancel()
	return d.loop(inner)
}

func (d *Driver) loop(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	first := d.adoptPPP(ctx)
	for {
		list := first
		first = nil
		select {
		case <-ctx.Done():
			return nil
		case ev := <-d.inbox:
			list = d.take(list, ev)
		case <-d.poke:
		case <-timer.C:
		}
		list = d.drain(list)
		now := d.cfg.Now()
		for _, a := range d.machine.Step(now, d.level(), list) {
			d.carryOut(ctx, a)
		}
		d.publish(ctx, now)
		timer.Reset(d.pause(now))
	}
}

// drain takes what else has arrived, so that one step answers all of it.
func (d *Driver) drain(list []modem.Event) []modem.Event {
	for range cap(d.inbox) {
		select {
		case ev := <-d.inbox:
			list = d.take(list, ev)
		default:
			return list
		}
	}
	return list
}

// take adds what the machine is told of ev.
func (d *Driver) take(list []modem.Event, ev any) []modem.Event {
	switch ev := ev.(type) {
	case opened:
		if e, ok := d.portOpened(ev); ok {
			list = append(list, e)
		}
	case closed:
		if e, ok := d.portClosed(ev); ok {
			list = append(list, e)
		}
	case changed:
		if e, ok := d.planeChanged(ev); ok {
			list = append(list, e)
		}
	case modem.Event:
		list = append(list, ev)
	}
	return list
}

// longest is how long Run sleeps when the machine waits for nothing.
const longest = time.Hour

func (d *Driver) pause(now time.Time) time.Duration {
	next := d.machine.Next()
	if next.IsZero() {
		return longest
	}
	return max(next.Sub(now), time.Millisecond)
}

// level is what holds now.
func (d *Driver) level() modem.Level {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.update != nil {
		d.cfg.Settings = *d.update
		d.machine.Update(*d.update)
		d.update = nil
	}
	l := modem.Level{Enabled: d.outside.Enabled, Device: d.outside.Device, Path: d.outside.Path, Addr: d.outside.Lease, Netdev: d.link.Netdev}
	if l.Netdev != "" {
		l.Received, _ = d.cfg.Received(l.Netdev)
	}
	return l
}

// publish makes the machine's status readable and tells the engine when what
// it uses changed.
func (d *Driver) publish(ctx context.Context, now time.Time) {
	s := d.machine.Status(now)
	link := d.linkNow(now)
	d.noteOpen()
	d.mu.Lock()
	moved := !sameLink(link, d.link)
	changed := moved || s.State != d.status.State || s.Code != d.status.Code
	d.status, d.link = s, link
	d.identity.IMEI, d.identity.IMSI, d.identity.ICCID = d.machine.Numbers()
	d.mu.Unlock()
	if moved {
		d.keepLink(link)
	}
	if changed {
		d.say(ctx, Event{})
	}
}

func (d *Driver) say(ctx context.Context, ev Event) {
	select {
	case d.events <- ev:
	case <-ctx.Done():
	}
}

// post hands an event to Run from another goroutine.
func (d *Driver) post(ctx context.Context, ev any) {
	select {
	case d.inbox <- ev:
	case <-ctx.Done():
	}
}

// close lets go of the ports; the data plane goes on, except where the modem
// is not wanted any more.
func (d *Driver) close(ctx context.Context) {
	for path := range d.ports {
		d.closePort(path)
	}
	d.work.Wait()
	if p := d.plane; p != nil && errors.Is(context.Cause(ctx), ErrRemoved) {
		limited, stop := context.WithTimeout(context.WithoutCancel(ctx), stopLimit)
		defer stop()
		if err := errors.Join(p.end(limited), d.cfg.Clean(limited)); err != nil {
			d.cfg.Log.Warn("the session of a removed modem goes on", "err", err)
		}
	}
	d.plane = nil
}

func sameOutside(a, b Outside) bool {
	return a.Enabled == b.Enabled && a.Lease == b.Lease && a.Path == b.Path && sameDevice(a.Device, b.Device)
}

func sameLink(a, b Link) bool {
	return a.Netdev == b.Netdev && a.Up == b.Up && a.External == b.External && a.Bearer.Equal(b.Bearer)
}

func sameDevice(a, b *modem.Device) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Equal(*b)
}
