package rtnl

import (
	"slices"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"luatnetd/internal/lab"
	"luatnetd/netif"
	"luatnetd/router"
)

func TestForeignCountsWhatOthersDelete(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		world(t)
		us, err := netlink.NewHandle(unix.NETLINK_ROUTE)
		must(t, err)
		defer us.Close()
		port := portOf(t, us)
		f := follow(t, Options{Own: func(p uint32) bool { return p == port }})
		f.calm(t)
		r := defaultVia(t, "wan1", "192.0.2.254", 7601, 0, router.Protocol)
		there := func(want bool) func(*netif.Snapshot) bool {
			return func(s *netif.Snapshot) bool {
				return want == slices.ContainsFunc(s.Routes, func(r netif.Route) bool { return r.Table == 7601 })
			}
		}
		must(t, us.RouteAdd(r))
		f.wait(t, "added", there(true))
		must(t, us.RouteDel(r))
		f.wait(t, "deleted by us", there(false))
		f.quiet(t, "nothing more to tell")
		if f.last.Foreign != 0 {
			t.Errorf("Foreign = %d after our own deletion, want 0", f.last.Foreign)
		}
		must(t, us.RouteAdd(r))
		f.wait(t, "added", there(true))
		must(t, netlink.RouteDel(r))
		f.wait(t, "deleted by another", func(s *netif.Snapshot) bool { return there(false)(s) && s.Foreign == 1 })

		rule := netlink.NewRule()
		rule.Priority, rule.Table, rule.Protocol, rule.OifName, rule.Family = 7701, 7601, router.Protocol, "wan1", unix.AF_INET
		must(t, us.RuleAdd(rule))
		must(t, netlink.RuleDel(rule))
		f.wait(t, "rule deleted by another", func(s *netif.Snapshot) bool { return s.Foreign == 2 })
		other := defaultVia(t, "wan2", "198.51.100.254", 99, 0, unix.RTPROT_STATIC)
		must(t, netlink.RouteAdd(other))
		must(t, netlink.RouteDel(other))
		f.settle(t, "routes of others")
		if f.last.Foreign != 2 {
			t.Errorf("Foreign = %d after a route of somebody else went, want 2", f.last.Foreign)
		}
	})
}

// portOf finds the netlink port of a handle: it is the one that shows up in
// /proc/net/netlink for its protocol and is not the process id.
func portOf(t *testing.T, h *netlink.Handle) uint32 {
	t.Helper()
	probe, err := Open(Options{})
	must(t, err)
	defer func() { _ = probe.events.conn.Close() }()
	r := defaultVia(t, "wan1", "192.0.2.254", 4242, 0, unix.RTPROT_STATIC)
	must(t, h.RouteAdd(r))
	defer func() { must(t, h.RouteDel(r)) }()
	buf := make([]byte, eventBuffer)
	var port uint32
	for port == 0 {
		var n int
		must(t, probe.events.raw.Read(func(fd uintptr) bool {
			n, _, err = unix.Recvfrom(int(fd), buf, unix.MSG_DONTWAIT)
			return err != unix.EAGAIN
		}))
		must(t, err)
		must(t, walk(buf[:n], func(h header, body []byte) error {
			if h.typ == unix.RTM_NEWROUTE {
				port = h.port
			}
			return nil
		}))
	}
	return port
}
