package dns

import (
	"net/netip"
	"slices"
)

// Port is where DNS servers listen.
const Port = 53

// Mode says how configured servers go with those of a lease, as LuatOS's
// socket.setDNS and the configuration's dns_mode do.
type Mode string

// The modes.
const (
	Append  Mode = "append"  // the lease's servers first, the configured ones behind
	Replace Mode = "replace" // the configured ones only, if there are any
)

// lastResort is LuatOS's server for an uplink that was told none.
var lastResort = netip.AddrPortFrom(netip.AddrFrom4([4]byte{114, 114, 114, 114}), Port)

// Servers returns the servers of one uplink, in the order in which they are to
// be asked, each once. A lease that names none falls back to the gateway, as
// far as there is one, and 114.114.114.114.
func Servers(lease, configured []netip.AddrPort, mode Mode, gateway netip.Addr) []netip.AddrPort {
	list := slices.Concat(lease, configured)
	if mode == Replace && len(usable(configured)) > 0 {
		list = configured
	}
	if list = usable(list); len(list) > 0 {
		return list
	}
	return usable([]netip.AddrPort{netip.AddrPortFrom(gateway, Port), lastResort})
}

// usable drops repeated entries and what cannot be a server: the unspecified,
// multicast and loopback addresses that broken DHCP servers hand out.
func usable(list []netip.AddrPort) []netip.AddrPort {
	var out []netip.AddrPort
	for _, s := range list {
		s = netip.AddrPortFrom(s.Addr().Unmap(), s.Port())
		if s.Port() == 0 {
			s = netip.AddrPortFrom(s.Addr(), Port)
		}
		a := s.Addr()
		if !a.IsValid() || a.IsUnspecified() || a.IsMulticast() || a.IsLoopback() || slices.Contains(out, s) {
			continue
		}
		if a == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
			continue
		}
		out = append(out, s)
	}
	return out
}
