package netif

import (
	"net/netip"
	"slices"
	"time"
)

// ClasslessRoute is one entry of DHCP option 121 (RFC 3442). A zero Gateway
// means that Dst is on-link.
type ClasslessRoute struct {
	Dst     netip.Prefix
	Gateway netip.Addr
}

// Lease is what an uplink needs to be used, whoever gave it: a DHCP server, a
// modem or the configuration. It carries both families; a field that the
// source does not know is zero. A Lease is immutable once published.
type Lease struct {
	Addr      netip.Prefix     // own address with the subnet's length
	Gateway   netip.Addr       // next hop; may be outside of Addr (RFC 3442, /32 leases)
	DNS       []netip.AddrPort // servers, in order; zone for link-local ones
	Routes    []ClasslessRoute // option 121 without its default
	Domain    string           // option 15
	Hostname  string           // option 12, as told by the server
	MTU       int              // option 26, 0 for none
	ServerID  netip.Addr       // option 54
	ServerMAC MAC              // link source of the ACK
	Broadcast netip.Addr       // option 28

	Addr6     netip.Prefix   // IPv6 address, zero until the IPv6 work
	Gateway6  netip.Addr     // IPv6 next hop
	Delegated []netip.Prefix // DHCPv6-PD (RFC 8415 §6.3)
	PREF64    netip.Prefix   // RFC 8781

	Acquired time.Time // boot time of the ACK that made it
	Renew    time.Time // T1
	Rebind   time.Time // T2
	Expire   time.Time // zero: never
}

// Equal reports whether a and b give the same addresses, routes and servers.
// The clocks are left out: a renewal that changes only times is equal.
func (a Lease) Equal(b Lease) bool {
	if a.Addr != b.Addr || a.Gateway != b.Gateway || a.MTU != b.MTU || a.Domain != b.Domain ||
		a.Addr6 != b.Addr6 || a.Gateway6 != b.Gateway6 || a.PREF64 != b.PREF64 {
		return false
	}
	return slices.Equal(a.DNS, b.DNS) && slices.Equal(a.Routes, b.Routes) && slices.Equal(a.Delegated, b.Delegated)
}
