package netns

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"luatnetd/internal/lab"
)

// unplug takes the gateway's device away, as a USB modem that is pulled.
func (b *box) unplug(isp *lab.ISP) {
	b.t.Helper()
	b.Gateway.MustRun(b.t, "ip", "link", "del", isp.Device)
}

// plug makes a new device of the same name, with another hardware address.
func (b *box) plug(isp *lab.ISP) {
	b.t.Helper()
	b.MustLink(b.t, b.Gateway, isp.Device, isp.NS, "down0")
	b.ok(isp.AddAddr("down0", isp.Gateway.String()+"/24"))
}

// A device that is missing at boot is waited for and delays nothing; one that
// is pulled and plugged again comes back. DEV-21.
func TestDeviceIsHotPlugged(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		b := newBox(t, 2)
		b.staticClient()
		b.unplug(b.ISPs[0])
		b.write(static)
		began := time.Now()
		b.start()
		b.active(8*time.Second, "wan2", "wan2")
		b.sees("100.64.2.2")
		if took := time.Since(began); took > 8*time.Second {
			t.Errorf("a missing device delayed the other uplink by %v", took)
		}
		if u := b.uplink("wan"); u.Present || u.State != "DISCONNECTED" {
			t.Errorf("the uplink without a device is %s", pretty(u))
		}
		b.plug(b.ISPs[0])
		b.active(10*time.Second, "wan", "wan1")
		b.sees("100.64.1.2")
		b.steady()

		b.unplug(b.ISPs[0])
		b.sees("100.64.2.2")
		b.active(2*time.Second, "wan2", "wan2")
		b.plug(b.ISPs[0])
		b.active(10*time.Second, "wan", "wan1")
		b.sees("100.64.1.2")
		b.steady()
		b.noForeign()
	})
}

// twin makes wan2 a provider with the subnet and the addresses of the first
// one, as two modems of one make are. It translates, since the server can have
// one route back only.
func (b *box) twin() *lab.NS {
	b.t.Helper()
	twin := b.MustNS(b.t, "twin")
	b.MustLink(b.t, b.Gateway, "wan2", twin, "down0")
	b.MustLink(b.t, twin, "up0", b.Server, "eth9")
	b.ok(twin.AddAddr("down0", "100.64.1.1/24"))
	b.ok(twin.AddAddr("up0", "198.18.9.2/30"))
	b.ok(b.Server.AddAddr("eth9", "198.18.9.1/30"))
	b.ok(twin.AddRoute("default", "198.18.9.1"))
	b.ok(twin.Sysctl("net/ipv4/ip_forward", "1"))
	twin.MustRun(b.t, "nft", "table ip nat { chain post { type nat hook postrouting priority srcnat; oifname \"up0\" masquerade; }; }")
	return twin
}

// "Two uplinks with the same subnet, gateway or even address work": each is
// probed over its own wire.
func TestTwoUplinksWithTheSameAddress(t *testing.T) {
	t.Parallel()
	for name, own := range map[string]string{"same subnet": "100.64.1.3/24", "same address": "100.64.1.2/24"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lab.Run(t, func(t *testing.T) {
				b := newBox(t, 1)
				twin := b.twin()
				b.staticClient()
				b.write(strings.NewReplacer("100.64.2.2/24", own, "100.64.2.1", "100.64.1.1").Replace(static))
				probe := func(p packet) bool { return p.dst != netip.MustParseAddr(lab.WebAddr) && p.dst.IsGlobalUnicast() }
				first, second := newTap(t, b.ISPs[0].NS, "down0", probe), newTap(t, twin, "down0", probe)
				b.start()
				b.active(20*time.Second, "wan", "wan1")
				b.ready(10*time.Second, "wan2")
				first.arrives(2)
				second.arrives(2)
				b.sees("100.64.1.2")

				b.ok(b.ISPs[0].Blackhole(true)) // the wire of the first alone
				b.active(10*time.Second, "wan2", "wan2")
				b.sees("198.18.9.2")
				if !b.uplink("wan2").Verified || b.uplink("wan").Ready {
					t.Errorf("each wire for itself: %s", pretty(b.status().Uplinks))
				}
				b.ok(b.ISPs[0].Blackhole(false))
				b.active(15*time.Second, "wan", "wan1")
				b.sees("100.64.1.2")

				b.ok(twin.Sysctl("net/ipv4/ip_forward", "0"))
				b.eventually(10*time.Second, "the second is found dead", func() error {
					if u := b.uplink("wan2"); u.Ready {
						return fmt.Errorf("%s: %s", u.State, u.Reason)
					}
					return nil
				})
				b.active(time.Second, "wan", "wan1")
				b.sees("100.64.1.2")
				b.steady()
			})
		})
	}
}

// address = "external": somebody else owns link and address; we select, route,
// translate and probe, and take nothing away. DEV-25.
func TestExternalUplink(t *testing.T) {
	t.Parallel()
	lab.Run(t, func(t *testing.T) {
		b := newBox(t, 2)
		b.staticClient()
		b.write(strings.NewReplacer(`address = "100.64.2.2/24"`, `address = "external"`, `gateway = "100.64.2.1"`, "").Replace(static))
		b.start()
		b.active(20*time.Second, "wan", "wan1")
		if u := b.uplink("wan2"); u.Ready || u.Address != "" {
			t.Errorf("an external uplink without an address is %s", pretty(u))
		}
		owner := [][]string{
			{"addr", "add", "100.64.2.2/24", "dev", "wan2"},
			{"route", "add", "default", "via", "100.64.2.1", "dev", "wan2", "proto", "dhcp", "metric", "700"},
		}
		for _, args := range owner {
			b.Gateway.MustRun(t, "ip", args...)
		}
		b.ready(10*time.Second, "wan2")
		b.ok(b.ISPs[0].Cut())
		b.active(5*time.Second, "wan2", "wan2")
		b.sees("100.64.2.2")
		b.ok(b.ISPs[0].Restore())
		b.active(10*time.Second, "wan", "wan1")

		b.steady() // nothing of the owner's is wanted as ours
		out := b.Gateway.MustRun(t, "ip", "route", "show", "proto", "dhcp") + b.Gateway.MustRun(t, "ip", "addr", "show", "dev", "wan2")
		if !strings.Contains(out, "default via 100.64.2.1 dev wan2 metric 700") || !strings.Contains(out, "100.64.2.2/24") {
			t.Errorf("what the owner had made is gone:\n%s", out)
		}
		b.Gateway.MustRun(t, "ip", "addr", "del", "100.64.2.2/24", "dev", "wan2")
		b.eventually(5*time.Second, "the loss of the address is seen", func() error {
			if u := b.uplink("wan2"); u.Ready || u.Address != "" {
				return fmt.Errorf("%s", pretty(u))
			}
			return nil
		})
		if out, _ := b.ctl("events"); !strings.Contains(out, "wan2 lost its address") {
			t.Errorf("events say nothing of the lost address:\n%s", out)
		}
		b.steady()
		b.noForeign()
	})
}
