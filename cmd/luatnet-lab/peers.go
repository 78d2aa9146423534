package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"luatnetd/dhcpsrv"
	"luatnetd/dhcpsrv/serve"
	"luatnetd/internal/host"
	"luatnetd/internal/lab"
	"luatnetd/netif"
	"luatnetd/netif/dhcp"
	"luatnetd/netif/lease"
)

// provide is what a provider does for its customers until ctx ends: an
// address, a resolver.
func provide(ctx context.Context, isp *lab.ISP) error {
	dns, err := isp.ServeDNS()
	if err != nil {
		return fmt.Errorf("resolver of %s: %w", isp.Name, err)
	}
	defer dns.Close()
	server := serve.New(serve.Config{
		Config: dhcpsrv.Config{
			LAN: isp.Name, Address: netip.PrefixFrom(isp.Gateway, isp.Subnet.Bits()),
			PoolStart: hostOf(isp.Subnet, 100), PoolEnd: hostOf(isp.Subnet, 199), Lease: time.Hour,
		},
		Device: "down0", BootID: host.BootID(), Now: host.Now,
	})
	return isp.Do(func() error { return server.Run(ctx) }) // its sockets are opened by Run, on this thread
}

// hostOf is the n-th address of a /24.
func hostOf(p netip.Prefix, n byte) netip.Addr {
	a := p.Masked().Addr().As4()
	a[3] = n
	return netip.AddrFrom4(a)
}

// join makes the client a member of the LAN until ctx ends: it asks for an
// address by DHCP, as any computer does, and uses what it gets.
func (c *client) join(ctx context.Context, device string) error {
	link, err := c.link(device)
	if err != nil {
		return err
	}
	dc := dhcp.New(dhcp.Config{Device: device, Lease: lease.Config{Hostname: "laptop"}, Now: host.Now})
	dc.Link(link)
	ended := make(chan error, 1)
	go func() { ended <- c.Do(func() error { return dc.Run(ctx) }) }() // its sockets are opened by Run, on that thread
	for {
		select {
		case err := <-ended:
			return err
		case ev := <-dc.Events():
			if err := c.use(link.Index, ev); err != nil {
				c.say.line("client", "%v", err)
			}
		}
	}
}

// link is the client's device as its DHCP client wants it.
func (c *client) link(device string) (l dhcp.Link, err error) {
	err = c.Do(func() error {
		dev, err := netlink.LinkByName(device)
		if err != nil {
			return fmt.Errorf("device %s: %w", device, err)
		}
		a := dev.Attrs()
		l = dhcp.Link{Present: true, Carrier: true, Index: a.Index, MAC: netif.MAC(a.HardwareAddr), MTU: a.MTU}
		return nil
	})
	return l, err
}

// use makes what the DHCP client got true, or takes it away.
func (c *client) use(index int, ev dhcp.Event) error {
	old, _ := c.leased()
	if ev.Lease == nil {
		c.set(netip.Addr{}, netip.Addr{})
		if !old.IsValid() {
			return nil // still none
		}
		c.say.line("client", "lost its address %s: %s", old, ev.Reason)
		return c.Do(func() error { return removeAddrs(index) })
	}
	if err := c.Do(func() error { return configure(index, *ev.Lease) }); err != nil {
		return err
	}
	now := ev.Lease.Addr.Addr()
	if now != old {
		c.say.line("client", "got %s, router %s", now, ev.Lease.Gateway)
	}
	c.set(now, ev.Lease.Gateway)
	return nil
}

// configure gives the device its address and the default route.
func configure(index int, l netif.Lease) error {
	dev, err := netlink.LinkByIndex(index)
	if err != nil {
		return err
	}
	addr, err := netlink.ParseAddr(l.Addr.String())
	if err != nil {
		return err
	}
	if err := netlink.AddrReplace(dev, addr); err != nil {
		return fmt.Errorf("address %s: %w", l.Addr, err)
	}
	if err := netlink.RouteReplace(&netlink.Route{LinkIndex: index, Gw: l.Gateway.AsSlice()}); err != nil {
		return fmt.Errorf("default route by %s: %w", l.Gateway, err)
	}
	return nil
}

func removeAddrs(index int) error {
	dev, err := netlink.LinkByIndex(index)
	if err != nil {
		return err
	}
	list, err := netlink.AddrList(dev, unix.AF_INET)
	for _, a := range list {
		err = errors.Join(err, netlink.AddrDel(dev, &a))
	}
	return err
}

// leased is the client's address and its router, zero without a lease.
func (c *client) leased() (got, router netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.got, c.router
}

func (c *client) set(got, router netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got, c.router = got, router
}

// address waits until the client has an address.
func (c *client) address(ctx context.Context, limit time.Duration) (got netip.Addr, err error) {
	err = until(ctx, limit, func() error {
		if got, _ = c.leased(); !got.IsValid() {
			return errors.New("the client got no address")
		}
		return nil
	})
	return got, err
}
