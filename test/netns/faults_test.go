package netns

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"luatnetd/internal/lab"
)

// fault is what can happen to the preferred uplink, and how soon the LAN must
// be online by the other one when it happens to a running daemon.
type fault struct {
	name      string
	hit, heal func(b *box)
	within    time.Duration
	state     string // of the uplink that was hit
}

var faults = []fault{
	{
		name: "carrier", within: time.Second, state: "OPENED", // DEV-14
		hit: func(b *box) { b.ok(b.ISPs[0].Cut()) }, heal: func(b *box) { b.ok(b.ISPs[0].Restore()) },
	},
	{
		name: "silent death", within: 3*time.Second + time.Second, state: "OPENED", // fail_after × interval + 1 s; DEV-10, DEV-11
		hit: func(b *box) { b.ok(b.ISPs[0].Blackhole(true)) }, heal: func(b *box) { b.ok(b.ISPs[0].Blackhole(false)) },
	},
	{
		name: "silent next hop", within: 3*time.Second + time.Second, state: "OPENED",
		hit:  func(b *box) { b.ISPs[0].MustRun(b.t, "ip", "addr", "del", "100.64.1.1/24", "dev", "down0") },
		heal: func(b *box) { b.ok(b.ISPs[0].AddAddr("down0", "100.64.1.1/24")) },
	},
	{
		name: "no device", within: time.Second, state: "DISCONNECTED", // DEV-21
		hit: func(b *box) { b.unplug(b.ISPs[0]) }, heal: func(b *box) { b.plug(b.ISPs[0]) },
	},
}

// startLimit is how long after the start the LAN is online at the latest, with
// a fault that was there before.
const startLimit = 15 * time.Second

// "Every fault of the table is tried twice: while running, and already present
// before start"; invariant 11. RTR-08, RTR-09, DEV-12.
func TestFaultOfThePreferredUplink(t *testing.T) {
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			lab.Run(t, func(t *testing.T) {
				b := newBox(t, 2)
				b.staticClient()
				b.write(static)
				m := b.stream()

				f.hit(b)
				began := time.Now()
				b.start()
				b.online(m, began, startLimit, f.name+" before the start")
				b.reroutedTo("wan2", f)
				f.heal(b)
				b.active(15*time.Second, "wan", "wan1")
				b.sees("100.64.1.2")
				b.ready(10*time.Second, "wan2")

				m = b.stream() // the old one may be sticky to wan2
				b.online(m, time.Now(), time.Second, "before the fault")
				began = time.Now()
				f.hit(b)
				b.online(m, time.Now(), f.within, f.name)
				t.Logf("%s: online again after %v", f.name, time.Since(began).Round(time.Millisecond))
				b.reroutedTo("wan2", f)
				f.heal(b)
				b.active(15*time.Second, "wan", "wan1")
				b.sees("100.64.1.2")
				b.steady()
				b.noForeign()
			})
		})
	}
}

// reroutedTo checks what the daemon says of the fault.
func (b *box) reroutedTo(name string, f fault) {
	b.t.Helper()
	b.active(2*time.Second, name, b.ISPs[1].Device)
	if u := b.uplink("wan"); u.State != f.state || u.Ready || u.Reason == "" {
		b.t.Errorf("%s: the uplink that was hit is %s, want state %s and a reason", f.name, pretty(u), f.state)
	}
	b.sees("100.64.2.2")
}

// stream sends a datagram each 5 ms as the LAN client until the test ends.
func (b *box) stream() *lab.UDPMeter {
	b.t.Helper()
	m, err := b.Client.StartUDP(fmt.Sprintf("%s:%d", lab.WebAddr, lab.EchoPort), 5*time.Millisecond)
	b.ok(err)
	b.t.Cleanup(func() { m.Stop(0) })
	return m
}

// online fails the test unless the stream flows again within the limit.
func (b *box) online(m *lab.UDPMeter, since time.Time, limit time.Duration, what string) {
	b.t.Helper()
	ctx, cancel := context.WithDeadline(b.t.Context(), since.Add(limit))
	defer cancel()
	if err := m.Back(ctx, since); err != nil {
		b.t.Errorf("%s: the LAN is not online within %v: %v", what, limit, err)
	}
}

// Nothing usable: the current uplink is left alone, nothing is killed, and the
// LAN reaches the router all the time, from a cold start on. Invariant 2; "LAN
// ↔ router works whatever the uplinks do".
func TestBothUplinksDead(t *testing.T) {
	deaths := map[string][2]func(*lab.ISP) error{
		"carrier":      {(*lab.ISP).Cut, (*lab.ISP).Restore},
		"silent death": {func(p *lab.ISP) error { return p.Blackhole(true) }, func(p *lab.ISP) error { return p.Blackhole(false) }},
	}
	for name, death := range deaths {
		t.Run(name, func(t *testing.T) {
			lab.Run(t, func(t *testing.T) {
				b := newBox(t, 2)
				b.staticClient()
				b.write(static)
				each := func(f func(*lab.ISP) error) {
					for _, isp := range b.ISPs {
						b.ok(f(isp))
					}
				}
				each(death[0])
				b.start()
				b.lanAnswers(true)
				b.lanWorks("dead from before the start")
				each(death[1])
				b.active(20*time.Second, "wan", "wan1")
				b.sees("100.64.1.2")
				b.ready(15*time.Second, "wan2")

				m := b.stream()
				b.online(m, time.Now(), time.Second, "before the fault")
				b.ok(death[0](b.ISPs[1])) // the standby first: the last one to die is the one that carries
				b.eventually(8*time.Second, "the standby is found dead", func() error {
					if d := b.status(); len(d.Order) != 1 {
						return fmt.Errorf("order %v", d.Order)
					}
					return nil
				})
				b.steady()
				before := b.Gateway.MustRun(t, "ip", "-N", "route", "show", "default")
				b.ok(death[0](b.ISPs[0]))
				b.eventually(8*time.Second, "both are found dead", func() error {
					if d := b.status(); !d.Hold || d.Uplinks[0].Ready || d.Uplinks[1].Ready {
						return fmt.Errorf("hold %t, %s", d.Hold, d.Reason)
					}
					return nil
				})
				if now := b.Gateway.MustRun(t, "ip", "-N", "route", "show", "default"); before == "" || plainRoutes(now) != plainRoutes(before) {
					t.Errorf("main was not left alone:\n%swant\n%s", now, before)
				}
				b.lanWorks("dead while running")
				b.stop(syscall.SIGKILL)
				b.start()
				b.lanWorks("after kill -9 and a start without any uplink")
				each(death[1])
				b.online(m, time.Now(), 15*time.Second, "both come back")
				b.active(20*time.Second, "wan", "wan1")
				b.sees("100.64.1.2")
				b.steady()
				b.noForeign()
			})
		})
	}
}

// plainRoutes is a listing without the kernel's remarks on the link.
func plainRoutes(out string) string {
	return strings.NewReplacer(" linkdown", "", " dead", "", " ", "").Replace(out)
}

// lanWorks fails the test unless the router answers every ping and every DNS
// query of the LAN, with an error if need be.
func (b *box) lanWorks(when string) {
	b.t.Helper()
	out, err := b.Client.Run(b.t.Context(), "ping", "-c10", "-i0.1", "-W1", "192.168.5.1")
	if err != nil || !strings.Contains(out, " 0% packet loss") {
		b.t.Errorf("%s: the LAN pings the router: %v\n%s", when, err, out)
	}
	out, err = b.Client.Run(b.t.Context(), "dig", "+tries=1", "+time=5", "@192.168.5.1", "nobody.lan")
	if err != nil || !strings.Contains(out, "status: NXDOMAIN") {
		b.t.Errorf("%s: the router's DNS says of an unknown local name: %v\n%s", when, err, out)
	}
}
