package engine

import (
	"net/netip"
	"os"

	"luatnetd/internal/config"
	"luatnetd/netif"
	"luatnetd/netif/dhcp"
)

// dhcpLink is the level of an uplink's link as its DHCP client needs it.
func (e *Engine) dhcpLink(u *uplink) dhcp.Link {
	l := dhcp.Link{
		Present: u.present && !u.down, Carrier: u.link.Carrier && !u.down,
		Index: u.link.Index, MAC: u.link.MAC, MTU: u.link.MTU, Addrs: []netip.Prefix{},
	}
	for _, a := range e.snap.AddrsOf(u.link.Index) {
		l.Addrs = append(l.Addrs, a.Prefix)
	}
	return l
}

// lanPrefixes are the subnets that no lease may overlap.
func (e *Engine) lanPrefixes() (list []netip.Prefix) {
	for _, l := range e.cfg.LANs {
		list = append(list, l.Address)
	}
	return list
}

// lanMACs are those of our own LANs: an answer from one of them is our own
// server, heard through a loop.
func (e *Engine) lanMACs() (list []netif.MAC) {
	for _, l := range e.cfg.LANs {
		if link, ok := e.snap.LinkByName(l.Device); ok && !link.MAC.IsZero() {
			list = append(list, link.MAC)
		}
	}
	return list
}

// hostname is the configured name, or the machine's own.
func hostname(configured string) string {
	if configured != "" {
		return configured
	}
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return name
}

func staticLease(c config.Uplink) *netif.Lease {
	return &netif.Lease{Addr: c.Address, Gateway: c.Gateway, DNS: append([]netip.AddrPort(nil), c.DNS...)}
}
