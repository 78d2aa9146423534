package rtnl

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/vishvananda/netlink"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"luatnetd/internal/lab"
	"luatnetd/netif"
	"luatnetd/router"
)

func TestMain(m *testing.M) { lab.Main(m) }

// follower runs a monitor and keeps its latest snapshot.
type follower struct {
	*Monitor
	last  *netif.Snapshot
	count int // snapshots taken
}

// follow starts a monitor and waits for its first snapshot. Its end, and that
// of all its goroutines, is checked with the test.
func follow(t *testing.T, o Options) *follower {
	t.Helper()
	before := goleak.IgnoreCurrent()
	m, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run ended with %v, want nil after cancel", err)
			}
		case <-time.After(5 * time.Second):
			t.Error("Run did not end")
		}
		if err := goleak.Find(before); err != nil {
			t.Error(err)
		}
	})
	f := &follower{Monitor: m}
	f.wait(t, "first snapshot", func(s *netif.Snapshot) bool { return true })
	return f
}

// wait takes snapshots until one is as wanted and returns how long that took.
func (f *follower) wait(t *testing.T, what string, ok func(*netif.Snapshot) bool) time.Duration {
	t.Helper()
	start := time.Now()
	limit := time.NewTimer(5 * time.Second)
	defer limit.Stop()
	for f.last == nil || !ok(f.last) {
		select {
		case f.last = <-f.Snapshots():
			f.count++
		case <-limit.C:
			t.Fatalf("%s: not seen in 5 s; last snapshot: %+v", what, f.last)
		}
	}
	return time.Since(start)
}

// calm waits until the kernel has nothing more to do for IPv6 on the uplinks.
func (f *follower) calm(t *testing.T) {
	t.Helper()
	f.wait(t, "link-local addresses", func(s *netif.Snapshot) bool {
		n := 0
		for _, a := range s.Addrs {
			if l, _ := s.LinkByIndex(a.Link); a.Prefix.Addr().IsLinkLocalUnicast() && strings.HasPrefix(l.Name, "wan") {
				n++
			}
		}
		return n == 2
	})
	f.settle(t, "calm")
}

// quiet fails if a snapshot comes within a while.
func (f *follower) quiet(t *testing.T, what string) {
	t.Helper()
	select {
	case s := <-f.Snapshots():
		t.Errorf("%s: a snapshot came, changes: %v", what, netif.Delta(f.last, s))
		f.last = s
	case <-time.After(200 * time.Millisecond):
	}
}

func carrier(name string, want bool) func(*netif.Snapshot) bool {
	return func(s *netif.Snapshot) bool {
		l, ok := s.LinkByName(name)
		return ok && l.Carrier == want
	}
}

// world is the usual set-up: wan1 and wan2 to a namespace each.
func world(t *testing.T) (here, isp1, isp2 *lab.NS) {
	t.Helper()
	n := lab.New(t)
	here, isp1, isp2 = n.MustHere(t), n.MustNS(t, "isp1"), n.MustNS(t, "isp2")
	n.MustLink(t, here, "wan1", isp1, "eth0")
	n.MustLink(t, here, "wan2", isp2, "eth0")
	must(t, here.AddAddr("wan1", "192.0.2.10/24"))
	must(t, here.AddAddr("wan2", "198.51.100.10/24"))
	return here, isp1, isp2
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func index(t *testing.T, name string) int {
	t.Helper()
	l, err := netlink.LinkByName(name)
	must(t, err)
	return l.Attrs().Index
}

func cidr(s string) *net.IPNet {
	_, n, err := net.ParseCIDR(s)
	if err != nil {
		panic(err)
	}
	return n
}

func defaultVia(t *testing.T, device, via string, table, metric, proto int) *netlink.Route {
	return &netlink.Route{
		Dst: cidr("0.0.0.0/0"), Gw: net.ParseIP(via), LinkIndex: index(t, device),
		Table: table, Priority: metric, Protocol: netlink.RouteProtocol(proto),
	}
}

// settle waits until the snapshot equals what another library reads.
func (f *follower) settle(t *testing.T, what string) time.Duration {
	t.Helper()
	var diff string
	start := time.Now()
	for time.Since(start) < 5*time.Second {
		select {
		case f.last = <-f.Snapshots():
			f.count++
		case <-time.After(5 * time.Millisecond):
		}
		if diff = cmp.Diff(oracle(t), normal(f.last), cmpopts.EquateComparable(netip.Prefix{}, netip.Addr{})); diff == "" {
			return time.Since(start)
		}
	}
	t.Fatalf("%s: snapshot differs from the kernel after 5 s (-kernel +snapshot):\n%s", what, diff)
	return 0
}

// normal sorts what has no order and leaves out what the oracle cannot know.
func normal(s *netif.Snapshot) []string {
	var list []string
	for _, l := range s.Links {
		list = append(list, fmt.Sprintf("link %d %s %s mtu %d up %v carrier %v master %d kind %s", l.Index, l.Name, l.MAC, l.MTU, l.AdminUp, l.Carrier, l.Master, l.Kind))
	}
	for _, a := range s.Addrs {
		list = append(list, fmt.Sprintf("addr %d %s", a.Link, a.Prefix))
	}
	for _, r := range s.Routes {
		list = append(list, fmt.Sprintf("route %s via %v dev %d table %d metric %d proto %d down %v", r.Dst, r.Gateway, r.Link, r.Table, r.Metric, r.Protocol, r.LinkDown))
	}
	for _, r := range s.Rules {
		list = append(list, fmt.Sprintf("rule %v %d table %d mark %d oif %q", r.IPv6, r.Pref, r.Table, r.Mark, r.OifName))
	}
	slices.Sort(list)
	return list
}

// oracle reads the same with vishvananda/netlink, one family after the other.
func oracle(t *testing.T) []string {
	t.Helper()
	var s netif.Snapshot
	links, err := netlink.LinkList()
	must(t, err)
	down := map[int]bool{}
	for _, l := range links {
		a := l.Attrs()
		mac, _ := netif.MACFrom(a.HardwareAddr)
		lower := a.RawFlags&unix.IFF_LOWER_UP != 0
		up := a.RawFlags&unix.IFF_UP != 0
		kind := l.Type()
		if kind == "device" {
			kind = ""
		}
		down[a.Index] = !lower
		s.Links = append(s.Links, netif.Link{
			Index: a.Index, Name: a.Name, MAC: mac, MTU: a.MTU, AdminUp: up, Master: a.MasterIndex, Kind: kind,
			Carrier: up && lower && (a.OperState == netlink.OperUp || a.OperState == netlink.OperUnknown),
		})
	}
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		addrs, err := netlink.AddrList(nil, family)
		must(t, err)
		for _, a := range addrs {
			if a.Flags&unix.IFA_F_TENTATIVE != 0 {
				continue
			}
			p, _ := netip.AddrFromSlice(a.IP)
			bits, _ := a.Mask.Size()
			s.Addrs = append(s.Addrs, netif.Addr{Link: a.LinkIndex, Prefix: netip.PrefixFrom(p.Unmap(), bits)})
		}
		routes, err := netlink.RouteListFiltered(family, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE)
		must(t, err)
		for _, r := range routes {
			bits := 0
			if r.Dst != nil {
				bits, _ = r.Dst.Mask.Size()
			}
			if bits != 0 && r.Protocol != router.Protocol {
				continue
			}
			dst := unspecified(uint8(family))
			if r.Dst != nil {
				dst, _ = netip.AddrFromSlice(r.Dst.IP)
				dst = dst.Unmap()
			}
			gw, _ := netip.AddrFromSlice(r.Gw)
			s.Routes = append(s.Routes, netif.Route{
				Dst: netip.PrefixFrom(dst, bits), Gateway: gw.Unmap(), Link: r.LinkIndex, Table: uint32(r.Table),
				Metric: uint32(r.Priority), Protocol: uint8(r.Protocol), LinkDown: down[r.LinkIndex],
			})
		}
		rules, err := netlink.RuleList(family)
		must(t, err)
		for _, r := range rules {
			s.Rules = append(s.Rules, netif.Rule{IPv6: family == unix.AF_INET6, Pref: uint32(max(r.Priority, 0)), Table: uint32(r.Table), Mark: r.Mark, OifName: r.OifName})
		}
	}
	return normal(&s)
}

// announcements tells when the kernel announced the carrier of a device, heard
// on another socket by another library. The kernel itself is late while any
// process of the machine holds its lock; that is not the monitor's delay.
type announcements struct {
	updates chan netlink.LinkUpdate
}

func announce(t *testing.T) *announcements {
	t.Helper()
	a := &announcements{updates: make(chan netlink.LinkUpdate, 1000)}
	done := make(chan struct{})
	must(t, netlink.LinkSubscribe(a.updates, done))
	t.Cleanup(func() {
		close(done)
		for range a.updates { // closed when the subscription has ended
		}
	})
	return a
}

// delay waits for the snapshot that shows the carrier and returns by how much
// it came after the announcement.
func (a *announcements) delay(t *testing.T, f *follower, name string, on bool) time.Duration {
	t.Helper()
	heard := make(chan time.Time, 1)
	go func() {
		for u := range a.updates {
			lower := u.Attrs().RawFlags&unix.IFF_LOWER_UP != 0
			if u.Attrs().Name == name && lower == on && (u.Attrs().OperState == netlink.OperUp) == on {
				heard <- time.Now()
				return
			}
		}
	}()
	f.wait(t, "carrier of "+name, carrier(name, on))
	seen := time.Now()
	select {
	case at := <-heard:
		return max(seen.Sub(at), 0)
	case <-time.After(5 * time.Second):
		t.Fatalf("the kernel did not announce carrier %v of %s", on, name)
		return 0
	}
}
