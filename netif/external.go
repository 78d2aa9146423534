package netif

import "net/netip"

// ExternalLease is what somebody else gave to a link: its first global address
// of each family, and the next hop of its best default that is not of protocol
// own. nil when the link has no such address.
func ExternalLease(s *Snapshot, link int, own uint8) *Lease {
	var l Lease
	for _, a := range s.AddrsOf(link) {
		ip := a.Prefix.Addr()
		switch {
		case a.Proto == own || ip.IsLinkLocalUnicast() || ip.IsLoopback():
		case ip.Is4() && !l.Addr.IsValid():
			l.Addr = a.Prefix
		case ip.Is6() && !l.Addr6.IsValid():
			l.Addr6 = a.Prefix
		}
	}
	if !l.Addr.IsValid() && !l.Addr6.IsValid() {
		return nil
	}
	l.Gateway = nextHop(s, link, own, true)
	l.Gateway6 = nextHop(s, link, own, false)
	return &l
}

// nextHop is the gateway of the link's best default that is not ours.
func nextHop(s *Snapshot, link int, own uint8, v4 bool) (hop netip.Addr) {
	best := ^uint32(0)
	for _, r := range s.Routes {
		if r.Link != link || r.Protocol == own || r.Dst.Bits() != 0 || r.Dst.Addr().Is4() != v4 || !r.Gateway.IsValid() {
			continue
		}
		if r.Metric < best || !hop.IsValid() {
			best, hop = r.Metric, r.Gateway
		}
	}
	return hop
}
