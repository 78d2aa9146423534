package simnet

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"luatnetd/netif"
	"luatnetd/netif/failover"
	"luatnetd/netif/health"
	"luatnetd/router"
)

var wan = netip.MustParseAddr("203.0.113.80") // where the LAN client wants to go

// uplink is one uplink of the daemon in the box.
type uplink struct {
	line    *Line
	index   netif.Index
	addr    netip.Prefix
	gateway netip.Addr
	monitor *health.Monitor
	seen    []health.Target // kept over a restart, as the state directory does
	carrier bool            // last observed level
	leased  bool
	enabled bool
	adopted bool
}

// box is the daemon around the two pure rooms, on a virtual kernel: what
// internal/engine and router/kernel do, with random delays and refusals.
type box struct {
	clock  Clock
	rand   *rand.Rand
	kernel Kernel
	oracle *Oracle

	ups    []*uplink
	health health.Policy
	policy failover.Policy
	use    string

	life     int // of the daemon; events of an earlier life are void
	state    failover.State
	decision failover.Decision
	killed   map[string]bool
	verified bool
	applying bool
	wake     time.Time
	timer    int

	changes []string // what the daemon did, for reports and for DEV-13
	kills   int
	steps   int
	broken  []string // faults of the two rooms seen without the oracle

	// sabotage, if set, spoils every decision: the oracle must notice.
	sabotage func(*box, *failover.Decision)
}

// newBox builds n uplinks with the given questions; nothing runs yet.
func newBox(seed uint64, n int, p health.Policy, fp failover.Policy) *box {
	b := &box{rand: rand.New(rand.NewPCG(seed, 76)), health: p, policy: fp}
	var lines []*Line
	for i := range n {
		u := &uplink{
			line:    &Line{Name: fmt.Sprintf("wan%d", i+1), Device: fmt.Sprintf("eth%d", i+1), Present: true, Carrier: true, Lease: true},
			index:   netif.Index(i + 1),
			addr:    netip.MustParsePrefix(fmt.Sprintf("198.51.%d.2/24", i+1)),
			gateway: netip.MustParseAddr(fmt.Sprintf("198.51.%d.1", i+1)),
		}
		u.line.RTT = time.Duration(5+b.rand.IntN(60)) * time.Millisecond
		for _, t := range p.Targets {
			u.line.Questions = append(u.line.Questions, Question{string(t.Kind), t.Address})
		}
		b.ups = append(b.ups, u)
		lines = append(lines, u.line)
		b.kernel.AddDevice(u.line.Device, Device{Up: true, Carrier: true, IgnoreLinkdown: true})
	}
	b.oracle = &Oracle{Promise: promise(p), Clock: &b.clock, Kernel: &b.kernel, Lines: lines, Wan: wan}
	b.oracle.Fault = func(text string) { b.say("BROKEN PROMISE %s", text) }
	b.kernel.Applied = b.oracle.Applied
	b.kernel.Refuse = b.refuse
	b.clock.After = b.oracle.Look
	return b
}

// promise is written down here in numbers of its own: not health's formulas.
func promise(p health.Policy) Promise {
	return Promise{
		Check: p.Interval, Timeout: p.Timeout,
		Detect:  time.Duration(p.FailAfter)*p.Interval + time.Second,
		Recover: 10*time.Second + p.HoldDown + 2*time.Second, // ping_time, hold-down, answers
		Start:   15 * time.Second,
		Apply:   600 * time.Millisecond,
	}
}

func (b *box) between(lo, hi time.Duration) time.Duration {
	return lo + time.Duration(b.rand.Int64N(int64(hi-lo)+1))
}

// refuse makes one operation in two hundred fail.
func (b *box) refuse(router.Op) error {
	if b.rand.IntN(200) == 0 {
		return ErrDown
	}
	return nil
}

func (b *box) say(format string, args ...any) {
	b.changes = append(b.changes, fmt.Sprintf("%12v ", b.clock.Uptime().Round(time.Millisecond))+fmt.Sprintf(format, args...))
}

// in plans something that dies with the daemon.
func (b *box) in(d time.Duration, do func()) {
	life := b.life
	b.clock.In(d, func() {
		if b.life == life {
			do()
		}
	})
}

// start starts the daemon: a fresh process on whatever the kernel holds.
func (b *box) start() {
	b.life++
	b.state, b.decision, b.killed = failover.State{}, failover.Decision{}, map[string]bool{}
	b.verified, b.applying, b.wake = false, false, time.Time{}
	for _, u := range b.ups {
		u.monitor = health.New(b.health)
		u.monitor.Remember(u.seen)
		u.adopted = b.oracle.has(u.line)
		if u.adopted {
			u.monitor.Adopt(b.clock.Now())
		}
		b.level(u)
	}
	b.say("start")
	b.oracle.Started()
	b.resync()
	b.turn()
}

// crash is a kill -9 followed by a start.
func (b *box) crash(pause time.Duration) {
	b.life++
	b.say("kill -9")
	b.oracle.Stopped()
	b.clock.In(pause, b.start)
}

// resync is the daemon's full read once a minute.
func (b *box) resync() {
	b.in(time.Minute, func() {
		for _, u := range b.ups {
			b.level(u)
		}
		b.turn()
		b.resync()
	})
}

// changed says that the truth about a line changed; the sensor sees it later.
func (b *box) changed(u *uplink) {
	if d := b.kernel.Devices[u.line.Device]; d != nil {
		d.Carrier = u.line.Carrier
	}
	b.in(b.between(0, 20*time.Millisecond), func() {
		b.level(u)
		b.turn()
		b.apply()
	})
}

// level lets the monitor observe the line.
func (b *box) level(u *uplink) {
	l := health.Level{Enabled: !u.line.Closed, Present: u.line.Present, Carrier: u.line.Present && u.line.Carrier}
	if u.leased = u.line.Present && u.line.Lease; u.leased {
		l.Addr, l.Gateway = u.addr, u.gateway
	}
	u.enabled, u.carrier = l.Enabled, l.Carrier
	u.monitor.Observe(b.clock.Now(), l)
}

// turn is one turn of the loop: collect, step, hand over.
func (b *box) turn() {
	now := b.clock.Now()
	in := failover.Input{Use: b.use}
	for _, u := range b.ups {
		for _, r := range u.monitor.Due(now) {
			b.ask(u, r)
		}
		in.Uplinks = append(in.Uplinks, failover.Uplink{
			Name: u.line.Name, Verdict: u.monitor.Verdict(), Carrier: u.carrier, HasAddr: u.leased,
			Enabled: u.enabled, Adopted: u.adopted, Addr: u.addr,
		})
	}
	var d failover.Decision
	b.state, d = failover.Step(b.policy, b.state, in, now)
	if b.steps++; b.steps%100 == 0 { // invariant 8
		if _, again := failover.Step(b.policy, b.state, in, now); !again.Equal(d) || again.Reason != d.Reason {
			b.broken = append(b.broken, fmt.Sprintf("%v: not the same decision twice: %+v, %+v", b.clock.Uptime(), d, again))
		}
	}
	if b.sabotage != nil {
		b.sabotage(b, &d)
	}
	if !d.Equal(b.decision) {
		b.say("active=%q main=%v hold=%v kill=%v: %s", d.Active, d.Main, d.Hold, d.Kill, d.Reason)
		if !slices.Equal(d.Main, b.decision.Main) {
			b.verified = false
		}
		b.decision = d
		for name := range b.killed {
			if !slices.Contains(d.Kill, name) {
				delete(b.killed, name)
			}
		}
		b.apply()
	}
	b.plan(d.Next)
}

// plan sets the timer for the next turn, a little late as timers are.
func (b *box) plan(next time.Time) {
	for _, u := range b.ups {
		if at := u.monitor.Next(); !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	now := b.clock.Now()
	if next.IsZero() || b.wake.After(now) && !next.Before(b.wake) {
		return
	}
	b.wake = next
	b.timer++
	timer := b.timer
	b.in(next.Sub(now)+b.between(0, 3*time.Millisecond), func() {
		if timer == b.timer {
			b.wake = time.Time{}
			b.turn()
		}
	})
}

// ask sends a probe over the uplink's own wire.
func (b *box) ask(u *uplink, r health.Request) {
	sent := b.clock.Now()
	done := func(ok bool, rtt time.Duration, reason string) {
		b.in(b.between(0, 2*time.Millisecond), func() {
			at := b.clock.Now()
			u.monitor.Result(at, health.Result{Target: r.Target, Seq: r.Seq, Sent: sent, At: at, OK: ok, RTT: rtt, Reason: reason})
			u.seen = u.monitor.Seen()
			b.turn()
		})
	}
	if dev, _ := b.kernel.Lookup(Packet{Dst: wan, Oif: u.line.Device}); dev != u.line.Device {
		done(false, 0, "network is unreachable")
		return
	}
	life := b.life
	u.line.Ask(&b.clock, b.rand, string(r.Target.Kind), r.Target.Address, r.Timeout, func(ok bool, rtt time.Duration) {
		if life == b.life {
			done(ok, rtt, "timeout")
		}
	})
}

// apply starts the applier unless it runs.
func (b *box) apply() {
	if !b.applying {
		b.applying = true
		b.in(b.between(0, 5*time.Millisecond), b.operate)
	}
}

// operate executes the next operation of what the latest decision wants.
func (b *box) operate() {
	op := b.next()
	if op == nil {
		b.applying = false
		return
	}
	pause := b.between(100*time.Microsecond, 20*time.Millisecond)
	if err := b.kernel.Apply(op); err != nil {
		pause = 100 * time.Millisecond
	} else if flush, ok := op.(router.FlushMark); ok {
		b.killed[b.ups[flush.Uplink-1].line.Name] = true
		b.kills++
		b.say("killed flows of wan%d", flush.Uplink)
	} else if _, ok := op.(router.Verify); ok {
		b.verified = true
	}
	b.in(pause, b.operate)
}

// next is the first operation between the kernel and the decision: own tables
// and rules, defaults to add, defaults to remove, verify, kill, addresses to
// remove (install, verify, kill).
func (b *box) next() router.Op {
	for _, u := range b.ups {
		if op := b.own(u); op != nil {
			return op
		}
	}
	if op := b.main(); op != nil {
		return op
	}
	for _, name := range b.decision.Kill {
		if u := b.named(name); !b.killed[name] {
			return router.FlushMark{Uplink: u.index, Mark: router.DefaultMask.Of(u.index), Mask: uint32(router.DefaultMask)}
		}
	}
	for _, u := range b.ups {
		a := router.AddrSpec{Device: u.line.Device, Prefix: u.addr}
		if slices.Contains(b.kernel.Addrs, a) && (!u.leased || !u.enabled) {
			return router.DelAddr{AddrSpec: a}
		}
	}
	return nil
}

func (b *box) named(name string) *uplink {
	return b.ups[slices.IndexFunc(b.ups, func(u *uplink) bool { return u.line.Name == name })]
}

// own is what an uplink with a lease needs besides main.
func (b *box) own(u *uplink) router.Op {
	if !u.leased || !u.enabled || b.kernel.Devices[u.line.Device] == nil {
		return nil
	}
	if a := (router.AddrSpec{Device: u.line.Device, Prefix: u.addr}); !slices.Contains(b.kernel.Addrs, a) {
		return router.AddAddr{AddrSpec: a}
	}
	table := router.TableUplink + uint32(u.index)
	if r := b.route(u, table, 0); !slices.Contains(b.kernel.Routes, r) {
		return router.AddRoute{RouteSpec: r}
	}
	n := uint32(u.index)
	for _, r := range []router.RuleSpec{
		{Pref: router.PrefLocalFirst, Table: router.TableMain, Suppress: 0},
		{Pref: router.PrefOif + n, Table: table, Oif: u.line.Device, Suppress: -1},
		{Pref: router.PrefMark + n, Table: table, Mark: router.DefaultMask.Of(u.index), Mask: uint32(router.DefaultMask), Suppress: -1},
		{Pref: router.PrefFrom + n, Table: table, From: netip.PrefixFrom(u.addr.Addr(), 32), Suppress: -1},
	} {
		if !slices.Contains(b.kernel.Rules, r) {
			return router.AddRule{RuleSpec: r}
		}
	}
	return nil
}

func (b *box) route(u *uplink, table uint32, metric uint32) router.RouteSpec {
	return router.RouteSpec{
		Table: table, Dst: netip.MustParsePrefix("0.0.0.0/0"), Gateway: u.gateway, Device: u.line.Device,
		Metric: metric, Src: u.addr.Addr(),
	}
}

// main makes the defaults in main equal to the decision: additions first, the
// best one first so that no packet ever takes a worse one, then removals, then
// the look-up.
func (b *box) main() router.Op {
	if b.decision.Hold {
		return nil
	}
	var want []router.RouteSpec
	for i, name := range b.decision.Main {
		if u := b.named(name); u.leased && u.enabled && slices.ContainsFunc(b.kernel.Addrs, func(a router.AddrSpec) bool { return a.Prefix == u.addr }) {
			want = append(want, b.route(u, router.TableMain, uint32(router.MetricMain+i)))
		}
	}
	for _, r := range want {
		if !slices.Contains(b.kernel.Routes, r) {
			return router.AddRoute{RouteSpec: r}
		}
	}
	for _, r := range b.kernel.Defaults(router.TableMain) {
		if len(want) > 0 && !slices.Contains(want, r) {
			return router.DelRoute{RouteSpec: r}
		}
	}
	if !b.verified && len(want) > 0 {
		return router.Verify{Lookup: router.Lookup{Target: wan, Device: want[0].Device}}
	}
	return nil
}

// report fails the test with what the oracle saw and what led to it.
func (b *box) report(t *testing.T, how string) {
	t.Helper()
	faults := append(b.oracle.Violations(), b.broken...)
	if len(faults) == 0 {
		return
	}
	n := slices.IndexFunc(b.changes, func(s string) bool { return strings.Contains(s, "BROKEN PROMISE") }) + 1
	t.Errorf("%s:\n%s\nwhat led to the first:\n%s", how, strings.Join(faults, "\n"), strings.Join(b.changes[max(0, n-60):n], "\n"))
}
