package dhcp

import (
	"context"
	crand "crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"luatnetd/netif"
	"luatnetd/netif/lease"
)

// Config describes one client. Lease holds what the machine needs to know; an
// empty BootID is filled in.
type Config struct {
	Device string
	Lease  lease.Config
	// Now is the time since boot (CLOCK_BOOTTIME); nil asks the kernel.
	Now func() time.Time
	// Load returns the record of an earlier run, nil for none. Save keeps one;
	// it is called from Run and may take its time. Both may be nil.
	Load func() ([]byte, error)
	Save func([]byte) error
	// Rand is the source of transaction ids and jitter; nil makes a secure seed.
	Rand rand.Source
	Log  *slog.Logger // nil: no log
}

// Link is the state of the device, as the sensor sees it.
type Link struct {
	Present bool
	Carrier bool
	Index   int
	MAC     netif.MAC
	MTU     int
	// Addrs are the addresses on the device. Nil: the client looks itself.
	Addrs []netip.Prefix
}

// Event is a change of the lease.
type Event struct {
	Lease  *netif.Lease // nil: IP_LOSE, or still none
	Reason string       // why there is none
	State  string       // of RFC 2131, after the change
	At     time.Time
	// Renewed: nothing but the times differs from the lease before.
	Renewed bool
	// Provisional: a modem's stopgap, see lease.BoundTo.
	Provisional bool
	Extra       map[uint8][]byte // see lease.BoundTo
}

const (
	eventsQueue  = 16
	packetsQueue = 64          // when full the packet is dropped, as the kernel would
	brokenQueue  = 8           // more than there are sockets
	longestSleep = time.Minute // Go's timers do not count the time of a suspend
	reopenAfter  = time.Second // after a socket could not be opened
)

// Client is the DHCP client of one uplink.
type Client struct {
	cfg      Config
	log      *slog.Logger
	events   chan Event
	wake     chan struct{} // capacity 1: a wake-up that is pending says enough
	received chan received
	broken   chan io.Closer
	status   atomic.Pointer[lease.Status]

	mu     sync.Mutex // guards wishes
	wishes wishes

	// Owned by Run.
	machine  *lease.Machine
	socks    sockets
	deadline time.Time // of the machine, zero for none
	applied  Link
	known    bool // applied holds something
}

// wishes is what others asked for and Run has not taken yet.
type wishes struct {
	link     Link
	linkSet  bool // a value ever came
	linkNew  bool
	wasDown  bool // a value without carrier was replaced before Run saw it
	renew    bool
	restart  *string
	avoid    []netip.Prefix
	avoidNew bool
	release  chan struct{} // closed when done
}

// New returns a client that does nothing before Run.
func New(cfg Config) *Client {
	c := &Client{
		cfg: cfg, log: cfg.Log,
		events: make(chan Event, eventsQueue), wake: make(chan struct{}, 1),
		received: make(chan received, packetsQueue), broken: make(chan io.Closer, brokenQueue),
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	c.log = c.log.With("device", cfg.Device)
	if c.cfg.Now == nil {
		c.cfg.Now = bootTime
	}
	c.status.Store(&lease.Status{})
	return c
}

// Events delivers the changes of the lease, in order.
func (c *Client) Events() <-chan Event { return c.events }

// Status is the machine's state at this moment.
func (c *Client) Status() lease.Status { return *c.status.Load() }

// Link tells the state of the device. It never blocks; the latest one wins.
func (c *Client) Link(l Link) {
	c.wish(func(w *wishes) {
		if w.linkNew && !(w.link.Present && w.link.Carrier) {
			w.wasDown = true
		}
		l.Addrs = slices.Clone(l.Addrs)
		w.link, w.linkSet, w.linkNew = l, true, true
	})
}

// Renew asks for a renewal now, or for the next try now.
func (c *Client) Renew() { c.wish(func(w *wishes) { w.renew = true }) }

// Restart gives the lease up and starts anew, without a RELEASE.
func (c *Client) Restart(reason string) { c.wish(func(w *wishes) { w.restart = &reason }) }

// Avoid replaces the subnets that no lease may overlap.
func (c *Client) Avoid(list []netip.Prefix) {
	c.wish(func(w *wishes) { w.avoid, w.avoidNew = slices.Clone(list), true })
}

// Release gives the address back to the server and ends Run. It waits until
// that is done: the address must stay on the device until then.
func (c *Client) Release(ctx context.Context) error {
	var done chan struct{}
	c.wish(func(w *wishes) {
		if w.release == nil {
			w.release = make(chan struct{})
		}
		done = w.release
	})
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("release the lease of %s: %w", c.cfg.Device, ctx.Err())
	}
}

func (c *Client) wish(f func(*wishes)) {
	c.mu.Lock()
	f(&c.wishes)
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Run works until ctx ends, which leaves the lease as it is, or until Release.
// It may be called again after it returned.
func (c *Client) Run(ctx context.Context) error {
	if err := c.start(); err != nil {
		return err
	}
	defer c.socks.close()
	timer := time.NewTimer(longestSleep)
	defer timer.Stop()
	for {
		timer.Reset(c.sleep())
		select {
		case <-ctx.Done():
			c.step(ctx, lease.Stop{})
			return nil
		case <-c.wake:
			if c.obey(ctx) {
				return nil
			}
		case r := <-c.received:
			c.receive(ctx, r)
		case s := <-c.broken:
			c.socks.drop(s, c.cfg.Now())
		case <-timer.C:
			c.socks.sync(c.cfg.Now())
			c.step(ctx, lease.Timer{})
		}
	}
}

func (c *Client) start() error {
	cfg := c.cfg.Lease
	if cfg.BootID == "" {
		b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
		if err != nil {
			return fmt.Errorf("boot id: %w", err)
		}
		cfg.BootID = strings.TrimSpace(string(b))
	}
	src := c.cfg.Rand
	if src == nil {
		var seed [16]byte
		crand.Read(seed[:]) // never fails
		src = rand.NewPCG(binary.NativeEndian.Uint64(seed[:]), binary.NativeEndian.Uint64(seed[8:]))
	}
	c.machine = lease.New(cfg, c.load(), rand.New(src))
	c.socks = sockets{device: c.cfg.Device, out: c.received, broken: c.broken, log: c.log}
	c.deadline, c.applied, c.known = time.Time{}, Link{}, false
	c.mu.Lock()
	c.wishes.linkNew = c.wishes.linkSet // of an earlier Run
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
	return nil
}

// load reads the record; a bad one is worth a word, not a refusal to work.
func (c *Client) load() *lease.Record {
	if c.cfg.Load == nil {
		return nil
	}
	b, err := c.cfg.Load()
	if err == nil && len(b) == 0 {
		return nil
	}
	if err == nil {
		var r lease.Record
		if r, err = lease.ParseRecord(b); err == nil {
			return &r
		}
	}
	c.log.Warn("lease record not used", "err", err)
	return nil
}

// sleep is the time until something has to be done.
func (c *Client) sleep() time.Duration {
	d := longestSleep
	for _, at := range []time.Time{c.deadline, c.socks.retry} {
		if !at.IsZero() {
			d = min(d, at.Sub(c.cfg.Now()))
		}
	}
	return max(d, 0)
}

// obey does what others asked for and reports whether that ends Run.
func (c *Client) obey(ctx context.Context) bool {
	c.mu.Lock()
	w := c.wishes
	c.wishes = wishes{link: w.link, linkSet: w.linkSet}
	c.mu.Unlock()
	if w.avoidNew {
		c.step(ctx, lease.Avoid{Prefixes: w.avoid})
	}
	if w.linkNew {
		c.apply(ctx, w.link, w.wasDown)
	}
	if w.restart != nil {
		c.step(ctx, lease.Restart{Reason: *w.restart})
	}
	if w.renew {
		c.step(ctx, lease.Renew{})
	}
	if w.release == nil {
		return false
	}
	c.step(ctx, lease.Release{})
	close(w.release)
	return true
}

// apply turns a level into the machine's events. A device that came back has
// another index, and every socket of the old one is deaf.
func (c *Client) apply(ctx context.Context, l Link, wasDown bool) {
	old := c.applied
	c.applied = l
	replaced := c.known && old.Present && old.Index != l.Index
	if !l.Present || replaced {
		c.socks.setDevice(0, c.cfg.Now())
		c.step(ctx, lease.LinkDown{Gone: true})
	}
	c.known = true
	if !l.Present {
		return
	}
	c.socks.setDevice(l.Index, c.cfg.Now())
	if !l.Carrier || wasDown {
		c.step(ctx, lease.LinkDown{})
	}
	if l.Carrier {
		if l.Addrs == nil {
			l.Addrs = addresses(l.Index)
		}
		c.step(ctx, lease.LinkUp{MAC: l.MAC, MTU: l.MTU, Addrs: l.Addrs})
	}
}

// receive passes on what a socket heard. While the packet socket is open it
// hears everything that the UDP socket hears, and the sender's link address.
func (c *Client) receive(ctx context.Context, r received) {
	if r.udp && c.socks.raw != nil {
		return
	}
	c.step(ctx, r.event)
}

// addresses asks the kernel for the IPv4 addresses on a device; nobody needs
// to know if that fails.
func addresses(index int) []netip.Prefix {
	dev, err := net.InterfaceByIndex(index)
	if err != nil {
		return nil
	}
	list, err := dev.Addrs()
	if err != nil {
		return nil
	}
	var out []netip.Prefix
	for _, a := range list {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() {
			out = append(out, p)
		}
	}
	return out
}

// bootTime is CLOCK_BOOTTIME in the form of netif.Boot.
func bootTime() time.Time {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic(fmt.Sprintf("CLOCK_BOOTTIME: %v", err)) // in every kernel since 2.6.39
	}
	return netif.Boot(time.Duration(ts.Nano()))
}
