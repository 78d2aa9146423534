package simnet

import (
	"math"
	"time"

	"luatnetd/netif/health"
)

var (
	tcpA  = health.Target{Kind: health.TCP, Address: "192.0.2.1:443"}
	tcpB  = health.Target{Kind: health.TCP, Address: "192.0.2.2:443"}
	dnsA  = health.Target{Kind: health.DNS, Address: "192.0.2.1:53"}
	pingA = health.Target{Kind: health.ICMP, Address: "192.0.2.1"}
	pingB = health.Target{Kind: health.ICMP, Address: "192.0.2.2"}
	gate  = health.Target{Kind: health.Gateway}
)

func standard(targets ...health.Target) health.Policy {
	return health.Policy{
		Targets: targets, Interval: 5 * time.Second, MissInterval: time.Second, Timeout: 2 * time.Second,
		FailAfter: 3, RecoverAfter: 3, HoldDown: 10 * time.Second,
	}
}

// fault is something that happens to a line.
type fault struct {
	name string
	// leave says that traffic must leave the line: it is dead for the LAN.
	leave bool
	begin func(b *box, u *uplink)
	end   func(b *box, u *uplink)
}

// quiet makes a fault out of a change of the line that the sensors see nothing of.
func quiet(name string, leave bool, set func(l *Line, on bool)) fault {
	return fault{name, leave, func(_ *box, u *uplink) { set(u.line, true) }, func(_ *box, u *uplink) { set(u.line, false) }}
}

func block(l *Line, kind string, on bool) {
	if l.Blocked == nil {
		l.Blocked = map[string]bool{}
	}
	l.Blocked[kind] = on
}

func vanish(l *Line, on bool, addresses ...string) {
	if l.Gone == nil {
		l.Gone = map[string]bool{}
	}
	for _, a := range addresses {
		l.Gone[a] = on
	}
}

// table is every fault that the issue names, for a line with the targets
// tcpA, tcpB, dnsA, pingA and pingB.
var table = []fault{
	{"cable out", true,
		func(b *box, u *uplink) { u.line.Carrier = false; b.changed(u) },
		func(b *box, u *uplink) { u.line.Carrier = true; b.changed(u) }},
	{"device gone", true,
		func(b *box, u *uplink) {
			u.line.Present, u.line.Lease = false, false
			b.kernel.RemoveDevice(u.line.Device)
			b.changed(u)
		},
		func(b *box, u *uplink) {
			u.line.Present, u.line.Carrier = true, true
			b.kernel.AddDevice(u.line.Device, Device{Up: true, Carrier: true, IgnoreLinkdown: true})
			b.changed(u)
			b.clock.In(b.between(time.Second, 3*time.Second), func() { u.line.Lease = true; b.changed(u) })
		}},
	{"lease lost", true,
		func(b *box, u *uplink) { u.line.Lease = false; b.changed(u) },
		func(b *box, u *uplink) { u.line.Lease = u.line.Present; b.changed(u) }},
	quiet("silent death", true, func(l *Line, on bool) { l.Dead = on }),
	quiet("only the gateway answers", true, func(l *Line, on bool) { l.Dead, l.Gateway = on, on }),
	quiet("ping works, TCP does not", true, func(l *Line, on bool) { block(l, "tcp", on) }),
	quiet("only DNS works", true, func(l *Line, on bool) { block(l, "tcp", on); block(l, "icmp", on) }),
	quiet("every TCP target is dead", true, func(l *Line, on bool) { vanish(l, on, tcpA.Address, tcpB.Address) }),
	quiet("one TCP target is dead", false, func(l *Line, on bool) { vanish(l, on, tcpA.Address) }),
	quiet("ping is filtered", false, func(l *Line, on bool) { block(l, "icmp", on) }),
	quiet("ping and DNS are filtered", false, func(l *Line, on bool) { block(l, "icmp", on); block(l, "dns", on) }),
	quiet("5 % loss", false, lossy(0.05)),
	quiet("60 % loss", false, lossy(0.6)),
	quiet("slow", false, rtt(1200*time.Millisecond)),
	quiet("slower than the timeout", true, rtt(3*time.Second)),
}

func lossy(share float64) func(*Line, bool) {
	return func(l *Line, on bool) {
		l.Loss = 0
		if on {
			l.Loss = share
		}
	}
}

func rtt(d time.Duration) func(*Line, bool) {
	return func(l *Line, on bool) {
		l.RTT = 30 * time.Millisecond
		if on {
			l.RTT = d
		}
	}
}

// trouble makes faults at random on every line for ever: some short, some
// long, two at once, and sometimes on all lines together.
func (b *box) trouble(mean time.Duration) {
	for _, u := range b.ups {
		if b.rand.IntN(3) == 0 { // present before the start
			b.hit(u, table[b.rand.IntN(len(table))])
		}
		b.strike(u, mean)
	}
	b.operator(mean)
}

func (b *box) strike(u *uplink, mean time.Duration) {
	b.clock.In(time.Duration(b.rand.ExpFloat64()*float64(mean)), func() {
		f := table[b.rand.IntN(len(table))]
		victims := []*uplink{u}
		if b.rand.IntN(8) == 0 {
			victims = b.ups // power cut at the exchange
		}
		for _, v := range victims {
			b.hit(v, f)
		}
		b.strike(u, mean)
	})
}

// hit begins a fault and plans its end, 0.2 s to 20 min later, mostly soon.
func (b *box) hit(u *uplink, f fault) {
	long := time.Duration(float64(200*time.Millisecond) * math.Pow(6000, b.rand.Float64()))
	again := 0
	if b.rand.IntN(5) == 0 {
		long, again = b.between(300*time.Millisecond, 15*time.Second), b.rand.IntN(12) // flapping
	}
	b.flap(u, f, long, again)
}

func (b *box) flap(u *uplink, f fault, long time.Duration, again int) {
	b.say("FAULT %s: %s for %v", u.line.Name, f.name, long.Round(time.Millisecond))
	f.begin(b, u)
	b.clock.In(long, func() {
		b.say("END   %s: %s", u.line.Name, f.name)
		f.end(b, u)
		if again > 0 {
			b.clock.In(long, func() { b.flap(u, f, long, again-1) })
		}
	})
}

// operator does what operators do: use, auto, close, open, kill -9.
func (b *box) operator(mean time.Duration) {
	b.clock.In(time.Duration(b.rand.ExpFloat64()*float64(3*mean)), func() {
		u := b.ups[b.rand.IntN(len(b.ups))]
		pause := b.between(time.Second, 10*time.Minute)
		switch b.rand.IntN(3) {
		case 0:
			b.choose(u.line.Name)
			b.clock.In(pause, func() { b.choose("") })
		case 1:
			b.say("OPERATOR closes %s", u.line.Name)
			u.line.Closed = true
			b.changed(u)
			b.clock.In(pause, func() { b.say("OPERATOR opens %s", u.line.Name); u.line.Closed = false; b.changed(u) })
		case 2:
			b.crash(b.between(50*time.Millisecond, 5*time.Second))
		}
		b.operator(mean)
	})
}

func (b *box) choose(name string) {
	b.say("OPERATOR uses %q", name)
	b.use = name
	b.oracle.Use(name)
	b.in(0, b.turn)
}
