package probe

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"luatnetd/internal/bind"
	"luatnetd/netif/health"
)

const (
	maxInFlight    = 64               // probes under way at once
	resultsRoom    = 64               // results that nobody took yet
	defaultTimeout = 3 * time.Second  // LuatOS: httpdns.ali
	maxTimeout     = 30 * time.Second // whatever is asked for
)

// Request is a probe over one uplink. Source may be invalid: the socket is then
// tied by device and mark only. Gateway is needed for health.Gateway, and tells
// a refusal by the next hop from one by the world.
type Request struct {
	Uplink  string // name, handed back with the result
	Device  string
	Mark    uint32
	Source  netip.Addr
	Gateway netip.Addr
	health.Request
}

// Result is how a probe over an uplink ended.
type Result struct {
	Uplink string
	health.Result
}

// Options for New. The zero value is ready for use.
type Options struct {
	Now func() time.Time // boot time of results; nil: CLOCK_BOOTTIME
}

// Prober runs probes. Its methods may be called from any goroutine.
type Prober struct {
	now     func() time.Time
	slots   chan struct{} // one element per probe under way; full: no more are started
	results chan Result
	wg      sync.WaitGroup
}

// New returns a prober without any probe under way.
func New(o Options) *Prober {
	if o.Now == nil {
		o.Now = bootTime
	}
	return &Prober{now: o.Now, slots: make(chan struct{}, maxInFlight), results: make(chan Result, resultsRoom)}
}

// bootTime is netif's time, see package netif.
func bootTime() time.Time {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic(fmt.Sprintf("probe: read CLOCK_BOOTTIME: %v", err)) // every supported kernel has it
	}
	return time.Unix(0, ts.Nano()).UTC()
}

// Results is where results come out. It holds 64; when it is full the oldest is
// dropped. It is never closed.
func (p *Prober) Results() <-chan Result { return p.results }

// Start starts a probe and returns at once. It ends in one Result, after its
// timeout at the latest, and in none once ctx has ended. With 64 probes under
// way the Result is a failure that says so.
func (p *Prober) Start(ctx context.Context, r Request) {
	select {
	case p.slots <- struct{}{}:
	default:
		now := p.now()
		p.deliver(r, now, 0, fmt.Errorf("not asked: %d probes are under way already", maxInFlight))
		return
	}
	p.wg.Go(func() {
		defer func() { <-p.slots }()
		sent := p.now()
		bounded, cancel := context.WithTimeout(ctx, r.timeout())
		defer cancel()
		rtt, err := r.ask(bounded)
		if ctx.Err() == nil {
			p.deliver(r, sent, rtt, err)
		}
	})
}

// Wait returns when no probe is under way; call it after the contexts have
// ended and no Start will follow.
func (p *Prober) Wait() { p.wg.Wait() }

func (p *Prober) deliver(r Request, sent time.Time, rtt time.Duration, err error) {
	res := Result{Uplink: r.Uplink, Result: health.Result{
		Target: r.Target, Seq: r.Seq, Sent: sent, At: p.now(), OK: err == nil, RTT: rtt, Reason: r.reason(err),
	}}
	for {
		select {
		case p.results <- res:
			return
		default:
		}
		select {
		case <-p.results: // the oldest makes room
		default:
		}
	}
}

func (r Request) timeout() time.Duration {
	if r.Timeout <= 0 {
		return defaultTimeout
	}
	return min(r.Timeout, maxTimeout)
}

func (r Request) bind() bind.Bind {
	return bind.Bind{Device: r.Device, Mark: r.Mark, Source: r.Source}
}

// ask runs the probe and returns the time that the answer took.
func (r Request) ask(ctx context.Context) (time.Duration, error) {
	switch r.Target.Kind {
	case health.ICMP:
		to, err := netip.ParseAddr(r.Target.Address)
		if err != nil {
			return 0, fmt.Errorf("target %q: want an IP address", r.Target.Address)
		}
		return echo(ctx, r.bind(), to, uint16(r.Seq))
	case health.TCP:
		to, err := netip.ParseAddrPort(r.Target.Address)
		if err != nil {
			return 0, fmt.Errorf("target %q: want an IP address and a port", r.Target.Address)
		}
		return connect(ctx, r.bind(), to, r.Gateway)
	case health.DNS:
		to, err := netip.ParseAddrPort(r.Target.Address)
		if err != nil {
			return 0, fmt.Errorf("target %q: want an IP address and a port", r.Target.Address)
		}
		return resolve(ctx, r.bind(), to)
	case health.HTTP:
		return get(ctx, r.bind(), r.Target.Address)
	case health.Gateway:
		return gateway(ctx, r.bind(), r.Gateway, uint16(r.Seq))
	}
	return 0, fmt.Errorf("unknown kind of target %q", r.Target.Kind)
}
