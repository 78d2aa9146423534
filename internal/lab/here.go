package lab

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Here returns the namespace that the process itself lives in, for tests of
// code that starts goroutines: those always run here. Its devices survive the
// Net: remove them with Strip.
func (n *Net) Here() (*NS, error) {
	fd, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open own network namespace: %w", err)
	}
	ns := &NS{Name: "here", net: n, fd: fd, dir: n.dir}
	n.mu.Lock()
	n.all = append(n.all, ns)
	n.mu.Unlock()
	return ns, up("lo")
}

// MustHere is Here for tests; devices and rules made there go with the test.
func (n *Net) MustHere(t TB) *NS {
	t.Helper()
	ns, err := n.Here()
	if err != nil {
		t.Fatalf("lab: %v", err)
	}
	t.Cleanup(func() {
		if err := ns.Strip(); err != nil {
			t.Fatalf("lab: strip own namespace: %v", err)
		}
	})
	return ns
}

// Strip removes every device but lo, every error route, which belongs to no
// device, and every rule but the kernel's three.
func (ns *NS) Strip() error {
	return ns.Do(func() error {
		links, err := netlink.LinkList()
		if err != nil {
			return err
		}
		for _, l := range links {
			if l.Attrs().Name == "lo" {
				continue
			}
			if err := netlink.LinkDel(l); err != nil && !errors.Is(err, unix.ENODEV) && !errors.Is(err, unix.EOPNOTSUPP) {
				return fmt.Errorf("delete device %s: %w", l.Attrs().Name, err)
			}
		}
		for _, kind := range []int{unix.RTN_UNREACHABLE, unix.RTN_BLACKHOLE, unix.RTN_PROHIBIT, unix.RTN_THROW} {
			routes, err := netlink.RouteListFiltered(netlink.FAMILY_ALL, &netlink.Route{Type: kind}, netlink.RT_FILTER_TYPE|netlink.RT_FILTER_TABLE)
			if err != nil {
				return err
			}
			for _, r := range routes {
				if err := netlink.RouteDel(&r); err != nil && !errors.Is(err, unix.ESRCH) {
					return fmt.Errorf("delete route %s: %w", r, err)
				}
			}
		}
		rules, err := netlink.RuleList(netlink.FAMILY_ALL)
		if err != nil {
			return err
		}
		for _, r := range rules {
			if r.Priority == 0 || r.Priority == 32766 || r.Priority == 32767 {
				continue
			}
			if err := netlink.RuleDel(&r); err != nil {
				return fmt.Errorf("delete rule %d: %w", r.Priority, err)
			}
		}
		return nil
	})
}
