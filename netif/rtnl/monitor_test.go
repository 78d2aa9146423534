package rtnl

import (
	"fmt"
	"math/rand"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"luatnetd/internal/lab"
	"luatnetd/netif"
	"luatnetd/router"
)

func TestSnapshotHoldsWhatMatters(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		world(t)
		ours := defaultVia(t, "wan1", "192.0.2.254", 7601, 0, router.Protocol)
		foreign := defaultVia(t, "wan2", "198.51.100.254", 254, 100, unix.RTPROT_STATIC)
		connected := &netlink.Route{Dst: cidr("192.0.2.0/24"), LinkIndex: index(t, "wan1"), Scope: unix.RT_SCOPE_LINK, Table: 254, Priority: 7601, Protocol: router.Protocol}
		ignored := &netlink.Route{Dst: cidr("10.0.0.0/8"), Gw: net.ParseIP("192.0.2.1"), Table: 254, Protocol: unix.RTPROT_STATIC}
		for _, r := range []*netlink.Route{ours, foreign, connected, ignored, {Dst: cidr("0.0.0.0/0"), Type: unix.RTN_UNREACHABLE, Table: 99}} {
			must(t, netlink.RouteAdd(r))
		}
		rule := netlink.NewRule()
		rule.Priority, rule.Table, rule.Mark, rule.Protocol = 7801, 7601, 0x100, router.Protocol
		rule.Mask = ptr(uint32(0x3f00))
		must(t, netlink.RuleAdd(rule))
		first := netlink.NewRule()
		first.Priority, first.Table, first.SuppressPrefixlen = 7600, 254, 0
		must(t, netlink.RuleAdd(first))

		f := follow(t, Options{})
		want := []netif.Route{
			{Table: 99, Dst: netip.MustParsePrefix("0.0.0.0/0"), Protocol: unix.RTPROT_BOOT, Type: unix.RTN_UNREACHABLE},
			{Table: 254, Dst: netip.MustParsePrefix("0.0.0.0/0"), Gateway: netip.MustParseAddr("198.51.100.254"), Link: index(t, "wan2"), Metric: 100, Protocol: unix.RTPROT_STATIC, Type: unix.RTN_UNICAST},
			{Table: 254, Dst: netip.MustParsePrefix("192.0.2.0/24"), Link: index(t, "wan1"), Metric: 7601, Protocol: 76, Type: unix.RTN_UNICAST},
			{Table: 7601, Dst: netip.MustParsePrefix("0.0.0.0/0"), Gateway: netip.MustParseAddr("192.0.2.254"), Link: index(t, "wan1"), Protocol: 76, Type: unix.RTN_UNICAST},
		}
		got := slices.DeleteFunc(slices.Clone(f.last.Routes), func(r netif.Route) bool { return r.Dst.Addr().Is6() })
		if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Prefix{}, netip.Addr{})); diff != "" {
			t.Errorf("routes (-want +got):\n%s", diff)
		}
		for _, want := range []netif.Rule{
			{Pref: 7801, Protocol: 76, Table: 7601, Mark: 0x100, Mask: 0x3f00, Suppress: -1},
			{Pref: 7600, Table: 254, Suppress: 0},
		} {
			// vishvananda sends no protocol for the second one; the kernel then stores "unspecified".
			if !slices.Contains(f.last.Rules, want) {
				t.Errorf("rule %+v is missing in %+v", want, f.last.Rules)
			}
		}
		f.settle(t, "start")
	})
}

func ptr[T any](v T) *T { return &v }

func TestCarrierIsSeenAtOnce(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		_, isp1, _ := world(t)
		f := follow(t, Options{})
		f.wait(t, "carrier", carrier("wan1", true))
		kernel := announce(t)
		var worst, total time.Duration
		for range 20 {
			for _, on := range []bool{false, true} {
				start := time.Now()
				must(t, isp1.SetUp("eth0", on))
				worst = max(worst, kernel.delay(t, f, "wan1", on))
				total += time.Since(start)
			}
		}
		t.Logf("40 changes: at most %v after the announcement; with the change itself %v each", worst, total/40)
		if worst > 100*time.Millisecond {
			t.Errorf("a carrier change was seen %v after its announcement, want at most 100 ms", worst)
		}
	})
}

func TestRandomFlipsEndRight(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		here, isp1, isp2 := world(t)
		f := follow(t, Options{})
		seed := time.Now().UnixNano()
		t.Logf("seed %d", seed)
		rnd := rand.New(rand.NewSource(seed))
		extra := &net.IPNet{IP: net.IPv4(192, 0, 2, 77), Mask: net.CIDRMask(24, 32)}
		for i := range 200 {
			isp := []*lab.NS{isp1, isp2}[rnd.Intn(2)]
			wan := []string{"wan1", "wan2"}[rnd.Intn(2)]
			switch rnd.Intn(6) {
			case 0:
				must(t, here.SetUp(wan, rnd.Intn(2) == 0))
			case 1:
				r := defaultVia(t, wan, map[string]string{"wan1": "192.0.2.254", "wan2": "198.51.100.254"}[wan], 254, 10+rnd.Intn(3), router.Protocol)
				_ = netlink.RouteReplace(r) // refused while the device is down
			case 2:
				l, err := netlink.LinkByName("wan1")
				must(t, err)
				if err := netlink.AddrAdd(l, &netlink.Addr{IPNet: extra}); err != nil {
					_ = netlink.AddrDel(l, &netlink.Addr{IPNet: extra})
				}
			default:
				must(t, isp.SetUp("eth0", rnd.Intn(2) == 0))
			}
			if i%50 == 49 {
				f.settle(t, fmt.Sprintf("after flip %d", i))
			}
		}
		t.Logf("%d snapshots for 200 flips", f.count)
	})
}

func TestRoutesThatGoWithoutAWord(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		here, _, _ := world(t)
		f := follow(t, Options{})
		must(t, netlink.RouteAdd(defaultVia(t, "wan1", "192.0.2.254", 254, 10, router.Protocol)))
		must(t, netlink.RouteAdd(defaultVia(t, "wan1", "192.0.2.254", 7601, 0, router.Protocol)))
		has := func(want int) func(*netif.Snapshot) bool {
			return func(s *netif.Snapshot) bool {
				n := 0
				for _, r := range s.Routes {
					if r.Protocol == router.Protocol {
						n++
					}
				}
				return n == want
			}
		}
		f.wait(t, "routes there", has(2))
		must(t, here.SetUp("wan1", false)) // IPv4 drops both and reports neither
		f.wait(t, "routes gone", has(0))
		f.settle(t, "device down")
		must(t, here.SetUp("wan1", true))
		f.settle(t, "device up: the kernel does not bring them back")
		if !has(0)(f.last) {
			t.Errorf("routes came back: %+v", f.last.Routes)
		}

		// An address that goes takes the routes that prefer it as source.
		r := defaultVia(t, "wan2", "198.51.100.254", 254, 20, router.Protocol)
		r.Src = net.ParseIP("198.51.100.10")
		must(t, netlink.RouteAdd(r))
		f.wait(t, "route with source", has(1))
		l, err := netlink.LinkByName("wan2")
		must(t, err)
		must(t, netlink.AddrDel(l, &netlink.Addr{IPNet: &net.IPNet{IP: net.IPv4(198, 51, 100, 10), Mask: net.CIDRMask(24, 32)}}))
		f.wait(t, "address gone", func(s *netif.Snapshot) bool {
			return !slices.ContainsFunc(s.Addrs, func(a netif.Addr) bool { return a.Link == l.Attrs().Index && a.Prefix.Addr().Is4() })
		})
		f.settle(t, "address removed")
	})
}

func TestHotplug(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		here, _, _ := world(t)
		f := follow(t, Options{})
		attrs := netlink.NewLinkAttrs()
		attrs.Name = "usb0"
		must(t, netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "usb0peer"}))
		f.wait(t, "added", func(s *netif.Snapshot) bool {
			_, ok := s.LinkByName("usb0")
			return ok && slices.ContainsFunc(s.Facts, func(d netif.DeviceFacts) bool { return d.Name == "usb0" && !d.MAC.IsZero() })
		})
		must(t, here.SetUp("usb0", true))
		must(t, here.SetUp("usb0peer", true))
		must(t, here.AddAddr("usb0", "203.0.113.9/24"))
		f.wait(t, "address", func(s *netif.Snapshot) bool {
			l, _ := s.LinkByName("usb0")
			return l.Carrier && slices.ContainsFunc(s.AddrsOf(l.Index), func(a netif.Addr) bool { return a.Prefix.String() == "203.0.113.9/24" })
		})
		l, err := netlink.LinkByName("usb0")
		must(t, err)
		was := l.Attrs().Index
		must(t, netlink.LinkSetDown(l))
		must(t, netlink.LinkSetName(l, "wan3"))
		f.wait(t, "renamed", func(s *netif.Snapshot) bool {
			l, ok := s.LinkByName("wan3")
			_, old := s.LinkByName("usb0")
			return ok && !old && l.Index == was && slices.ContainsFunc(s.Facts, func(d netif.DeviceFacts) bool { return d.Name == "wan3" })
		})

		// A bridge tells about its ports in link messages of its own: leaving it
		// is not the end of the device.
		attrs.Name = "br0"
		must(t, netlink.LinkAdd(&netlink.Bridge{LinkAttrs: attrs}))
		br, err := netlink.LinkByName("br0")
		must(t, err)
		must(t, netlink.LinkSetMaster(l, br))
		f.wait(t, "joined", func(s *netif.Snapshot) bool {
			l, _ := s.LinkByName("wan3")
			return l.Master == br.Attrs().Index
		})
		must(t, netlink.LinkSetNoMaster(l))
		f.wait(t, "left", func(s *netif.Snapshot) bool {
			l, ok := s.LinkByName("wan3")
			return ok && l.Master == 0
		})
		f.settle(t, "left the bridge")

		must(t, netlink.LinkDel(l))
		f.wait(t, "removed", func(s *netif.Snapshot) bool {
			_, ok := s.LinkByIndex(was)
			return !ok && !slices.ContainsFunc(s.Facts, func(d netif.DeviceFacts) bool { return d.Name == "wan3" })
		})
		f.settle(t, "removed")
	})
}

func TestAddresses(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		here, _, _ := world(t)
		f := follow(t, Options{})
		has := func(prefix string, want bool) func(*netif.Snapshot) bool {
			return func(s *netif.Snapshot) bool {
				return want == slices.ContainsFunc(s.Addrs, func(a netif.Addr) bool { return a.Prefix.String() == prefix })
			}
		}
		must(t, here.AddAddr("wan1", "192.0.2.11/24"))
		f.wait(t, "secondary", has("192.0.2.11/24", true))
		l, err := netlink.LinkByName("wan1")
		must(t, err)
		a, _ := netlink.ParseAddr("192.0.2.11/24")
		must(t, netlink.AddrDel(l, a))
		f.wait(t, "secondary gone", has("192.0.2.11/24", false))

		// While duplicate address detection runs, an IPv6 address is no address.
		must(t, here.AddAddr("wan1", "2001:db8::5/64"))
		f.wait(t, "IPv6 address after DAD", func(s *netif.Snapshot) bool {
			if !has("2001:db8::5/64", true)(s) {
				return false
			}
			addrs, err := netlink.AddrList(l, unix.AF_INET6)
			must(t, err)
			for _, a := range addrs {
				if a.IP.String() == "2001:db8::5" && a.Flags&unix.IFA_F_TENTATIVE != 0 {
					t.Error("a tentative address is in the snapshot")
				}
			}
			return true
		})
		// Of a point-to-point address the local one counts.
		p, _ := netlink.ParseAddr("10.64.0.2/32")
		p.Peer = cidr("10.64.0.1/32")
		must(t, netlink.AddrAdd(l, p))
		f.wait(t, "point to point", has("10.64.0.2/32", true))
		if has("10.64.0.1/32", true)(f.last) {
			t.Error("the peer is taken for our address")
		}
	})
}

func TestManyNextHops(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		world(t)
		f := follow(t, Options{})
		must(t, netlink.RouteAdd(&netlink.Route{Dst: cidr("0.0.0.0/0"), Table: 254, Protocol: unix.RTPROT_STATIC, MultiPath: []*netlink.NexthopInfo{
			{LinkIndex: index(t, "wan1"), Gw: net.ParseIP("192.0.2.254")},
			{LinkIndex: index(t, "wan2"), Gw: net.ParseIP("198.51.100.254")},
		}}))
		f.wait(t, "both next hops", func(s *netif.Snapshot) bool {
			var via []string
			for _, r := range s.Routes {
				if r.Dst.Addr().Is4() {
					via = append(via, fmt.Sprintf("%s dev %d", r.Gateway, r.Link))
				}
			}
			return slices.Equal(via, []string{fmt.Sprintf("192.0.2.254 dev %d", index(t, "wan1")), fmt.Sprintf("198.51.100.254 dev %d", index(t, "wan2"))})
		})
	})
}

func TestRefreshAnswers(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		world(t)
		f := follow(t, Options{})
		f.calm(t)
		f.quiet(t, "start")
		f.Refresh()
		select {
		case s := <-f.Snapshots():
			if !s.Equal(f.last) {
				t.Errorf("refresh changed the snapshot: %v", netif.Delta(f.last, s))
			}
		case <-time.After(5 * time.Second):
			t.Fatal("no snapshot after Refresh")
		}
		f.quiet(t, "one answer is enough")
	})
}

func TestResyncFindsWhatNobodyTold(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		world(t)
		// The filter hides that somebody replaces a route of ours, other than a
		// default, by one of his own.
		r := &netlink.Route{Dst: cidr("10.9.0.0/16"), LinkIndex: index(t, "wan1"), Scope: unix.RT_SCOPE_LINK, Table: 254, Protocol: router.Protocol}
		must(t, netlink.RouteAdd(r))
		f := follow(t, Options{Resync: 100 * time.Millisecond})
		f.calm(t)
		r.Protocol = unix.RTPROT_STATIC
		must(t, netlink.RouteReplace(r))
		f.wait(t, "resync", func(s *netif.Snapshot) bool {
			return !slices.ContainsFunc(s.Routes, func(r netif.Route) bool { return r.Dst.Bits() == 16 })
		})
		f.settle(t, "resync")
		f.quiet(t, "a resync without a change is silent")
	})
}
