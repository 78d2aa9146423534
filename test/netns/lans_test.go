package netns

import (
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"luatnetd/internal/lab"
)

// Two LANs work at once; the second, without an address, gets the next free
// /24; they see each other unless isolated, and nothing between them leaves by
// an uplink. RTR-02, RTR-03, RTR-06, RTR-15.
func TestTwoLANs(t *testing.T) {
	t.Parallel()
	lab.Run(t, func(t *testing.T) {
		b := newBox(t, 1)
		b.staticClient()
		other := b.MustNS(t, "other")
		b.MustLink(t, other, "eth0", b.Gateway, "lan2")
		second := static + "[[lan]]\nname = \"office\"\nports = [\"lan2\"]\n"
		b.write(second)
		b.start()
		b.active(20*time.Second, "wan", "wan1")
		own := netip.MustParsePrefix(b.status().LANs[1].Address)
		if want := netip.MustParsePrefix("192.168.6.1/24"); own != want {
			t.Fatalf("the second LAN has %s, want the next free /24: %s", own, want)
		}
		b.ok(other.AddAddr("eth0", "192.168.6.50/24"))
		b.ok(other.AddRoute("default", "192.168.6.1"))
		b.Client.MustDo(t, func() error { return serveBanner(t, "192.168.5.50:80", "lan") })
		other.MustDo(t, func() error { return serveBanner(t, "192.168.6.50:80", "office") })
		leaks := newTap(t, b.ISPs[0].NS, "down0", func(p packet) bool { return p.dst.IsPrivate() || p.src.IsPrivate() })

		internet := fmt.Sprintf("%s:%d", lab.WebAddr, lab.RPCPort)
		for _, ns := range []*lab.NS{b.Client, other} {
			if got := banner(ns, internet); got != "echo" {
				t.Errorf("%s: the internet answers %q, want echo", ns.Name, got)
			}
		}
		if got := banner(b.Client, "192.168.6.50:80"); got != "office" {
			t.Errorf("the LAN gets %q from the office, want office", got)
		}
		if got := banner(other, "192.168.5.50:80"); got != "lan" {
			t.Errorf("the office gets %q from the LAN, want lan", got)
		}

		b.write(second + "[firewall]\nisolate_lans = true\n")
		b.reload()
		b.steady()
		if got := banner(b.Client, "192.168.6.50:80"); got == "office" {
			t.Errorf("isolated, the LAN still reaches the office")
		}
		if got := banner(other, "192.168.5.50:80"); got == "lan" {
			t.Errorf("isolated, the office still reaches the LAN")
		}
		if got := banner(other, internet); got != "echo" {
			t.Errorf("isolated, the office gets %q from the internet, want echo", got)
		}
		leaks.nothing("packets of a LAN at the provider")
		b.noForeign()
	})
}

// A flow that began between a LAN and the router or a VPN is not translated. It
// must not leave by an uplink when its own route is gone: what the LAN sends
// is seen by no provider with a private source.
func TestFlowsThatLoseTheirRouteStayInside(t *testing.T) {
	t.Parallel()
	lab.Run(t, func(t *testing.T) {
		b := newBox(t, 1)
		b.staticClient()
		vpn := b.MustNS(t, "vpn")
		b.MustLink(t, vpn, "eth0", b.Gateway, "vpn0")
		b.ok(vpn.AddAddr("eth0", "10.9.0.2/24"))
		b.ok(vpn.AddRoute("default", "10.9.0.1"))
		b.ok(b.Gateway.AddAddr("vpn0", "10.9.0.1/24"))
		b.ok(b.Gateway.AddRoute("10.50.0.0/16", "10.9.0.2"))
		b.ok(b.Gateway.Sysctl("net/ipv4/conf/vpn0/forwarding", "1"))
		b.ok(vpn.AddAddr("lo", "10.50.0.1/32"))
		b.write(static + allowLine("lan", "dev:vpn0"))
		b.start()
		b.active(20*time.Second, "wan", "wan1")

		router, far := b.pinging("192.168.5.1"), b.pinging("10.50.0.1")
		b.ok(b.Daemon.Signal(syscall.SIGSTOP)) // nobody repairs
		b.Gateway.MustRun(t, "ip", "route", "del", "192.168.5.0/24", "dev", "lan1")
		b.Gateway.MustRun(t, "ip", "route", "del", "10.50.0.0/16")
		before, was := b.echoes(router), b.echoes(far)
		time.Sleep(500 * time.Millisecond) // pings that must not be answered
		if now := b.echoes(router); now > before+1 {
			t.Errorf("%d pings of the router were answered without a route to the LAN: this test sees nothing", now-before)
		}
		if now := b.echoes(far); now > was+1 {
			t.Errorf("%d pings of the VPN were answered without a route: this test sees nothing", now-was)
		}
		b.noForeign()
		b.ok(b.Daemon.Signal(syscall.SIGCONT))
		b.steady()
		b.lanAnswers(true)
		b.noForeign()
	})
}

// pinging pings ten times a second as the LAN client until the test ends. It
// returns once the first answer is there.
func (b *box) pinging(addr string) *lab.Proc {
	b.t.Helper()
	p, err := b.Client.Start(nil, "ping", "-n", "-i0.1", addr)
	b.ok(err)
	b.eventually(5*time.Second, "a ping of "+addr+" is answered", func() error {
		if b.echoes(p) == 0 {
			return fmt.Errorf("%s", p.Output())
		}
		return nil
	})
	return p
}

func (b *box) echoes(p *lab.Proc) int { return strings.Count(p.Output(), "bytes from") }

// A LAN without a cable at boot works when the cable comes, as a single port
// and as a port of a bridge. RTR-07, RTR-08.
func TestLANWithoutCableAtBoot(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"port": static, "bridge": strings.Replace(static, `["lan1"]`, `["lan1", "lan9"]`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lab.Run(t, func(t *testing.T) {
				b := newBox(t, 1)
				b.ok(b.Client.AddAddr("eth0", "192.168.5.50/24"))
				b.ok(b.Client.SetUp("eth0", false))
				b.write(text)
				b.start()
				b.active(20*time.Second, "wan", "wan1")
				if l := b.status().LANs[0]; l.Carrier {
					t.Fatalf("the LAN has carrier without a cable: %s", pretty(l))
				}
				b.ok(b.Client.SetUp("eth0", true))
				b.ok(b.Client.AddRoute("default", "192.168.5.1"))
				b.sees("100.64.1.2")
				b.steady()
			})
		})
	}
}
