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

// A daemon that is killed and started again adopts its leases: no packet of
// the client is lost, no address or route is deleted (invariant 6).
func TestRestartAdoptsTheLease(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		b := newBox(t, 2)
		for _, isp := range b.ISPs {
			b.dnsmasq(isp, "1h")
		}
		b.write(leased)
		b.start()
		b.staticClient()
		b.active(20*time.Second, "wan", "wan1")
		b.ready(20*time.Second, "wan2")
		deleted := b.monitor()
		udp, err := b.Client.StartUDP(fmt.Sprintf("%s:%d", lab.WebAddr, lab.EchoPort), 5*time.Millisecond)
		b.ok(err)
		tcp := b.Client.StartTCP(fmt.Sprintf("%s:%d", lab.WebAddr, lab.RPCPort))
		time.Sleep(300 * time.Millisecond)
		b.stop(syscall.SIGKILL)
		b.start()
		b.active(20*time.Second, "wan", "wan1")
		b.ready(20*time.Second, "wan", "wan2")
		time.Sleep(500 * time.Millisecond)
		if r := udp.Stop(200 * time.Millisecond); r.Lost != 0 {
			t.Errorf("%d of %d packets were lost over kill -9 and restart, want 0 (gap %v)", r.Lost, r.Sent, r.Gap)
		}
		if r := tcp.Stop(); r.Resets+r.Timeouts+r.Failed != 0 {
			t.Errorf("the session did not survive: %+v", r)
		}
		if d := deleted(); d != "" {
			t.Errorf("addresses or routes were deleted:\n%s", d)
		}
	})
}

// Twenty renewals under a stream: nothing is lost, nothing is deleted.
func TestRenewalsDisturbNothing(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		b := newBox(t, 1)
		dns := b.dnsmasq(b.ISPs[0], "2m") // dnsmasq's shortest
		b.write(leased)                   // wan2 has no device here: it is waited for
		b.start()
		b.staticClient()
		b.active(20*time.Second, "wan", "wan1")
		deleted := b.monitor()
		udp, err := b.Client.StartUDP(fmt.Sprintf("%s:%d", lab.WebAddr, lab.EchoPort), time.Millisecond)
		b.ok(err)
		before := strings.Count(dns.Output(), "DHCPACK(")
		for i := range 20 {
			b.ok(b.daemonRenew())
			b.eventually(5*time.Second, "the renewal is answered", func() error {
				if n := strings.Count(dns.Output(), "DHCPACK("); n < before+i+1 {
					return fmt.Errorf("%d answers", n-before)
				}
				return nil
			})
			time.Sleep(50 * time.Millisecond) // the daemon reads the answer
		}
		if r := udp.Stop(200 * time.Millisecond); r.Lost != 0 {
			t.Errorf("%d of %d packets were lost over 20 renewals, want 0", r.Lost, r.Sent)
		}
		if d := deleted(); d != "" {
			t.Errorf("addresses or routes were deleted:\n%s", d)
		}
	})
}

// An uplink that goes gives its address back, from that address: by reload,
// while the plan takes the address away, and by on_stop = "clean". DEV-29.
func TestReleaseLeavesBeforeTheAddress(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		b := newBox(t, 2)
		servers := []*lab.Proc{b.dnsmasq(b.ISPs[0], "1h"), b.dnsmasq(b.ISPs[1], "1h")}
		b.write("on_stop = \"clean\"\n" + leased)
		b.start()
		b.active(20*time.Second, "wan", "wan1")
		b.ready(20*time.Second, "wan2")
		addr, _, _ := strings.Cut(b.uplink("wan").Address, "/")
		sent := newTap(t, b.ISPs[0].NS, "down0", func(p packet) bool { return p.src.String() == addr && p.dport == 67 })
		released := func(isp, want int) {
			t.Helper()
			b.eventually(5*time.Second, "the provider hears the RELEASE", func() error {
				if n := strings.Count(servers[isp].Output(), "DHCPRELEASE("); n != want {
					return fmt.Errorf("%d RELEASEs, want %d", n, want)
				}
				return nil
			})
		}
		_, wan2, _ := strings.Cut(leased, "\n\n")
		for i := range 10 {
			b.write("on_stop = \"clean\"\n" + wan2)
			b.reload()
			released(0, i+1)
			if n := sent.count(); n != i+1 {
				t.Errorf("%d of %d RELEASEs came from %s", n, i+1, addr)
			}
			b.active(10*time.Second, "wan2", "wan2")
			b.write("on_stop = \"clean\"\n" + leased)
			b.reload()
			b.active(20*time.Second, "wan", "wan1")
		}
		b.stop(syscall.SIGTERM)
		released(0, 11)
		released(1, 1)
		if out := b.Gateway.MustRun(t, "ip", "-4", "-o", "addr", "show", "dev", "wan1"); out != "" {
			t.Errorf("a clean stop left %s", out)
		}
	})
}

// daemonRenew asks the daemon to renew its leases now.
func (b *box) daemonRenew() error {
	_, err := b.API.Post(context.Background(), "uplink", "wan", "renew")
	return err
}

// monitor follows rtnetlink with iproute2; the function it returns says which
// addresses and routes of the box were deleted since.
func (b *box) monitor() func() string {
	b.t.Helper()
	p, err := b.Gateway.Start(nil, "ip", "-4", "monitor", "address", "route", "rule")
	b.ok(err)
	time.Sleep(100 * time.Millisecond)
	return func() string {
		var bad []string
		for l := range strings.Lines(p.Output()) {
			if strings.HasPrefix(l, "Deleted") {
				bad = append(bad, l)
			}
		}
		return strings.Join(bad, "")
	}
}
