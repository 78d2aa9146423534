package netns

import (
	"fmt"
	"net/netip"
	"strings"
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
		b.planned()
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
				b.planned()
			})
		})
	}
}
