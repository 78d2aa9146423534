package dns

import (
	"net/netip"
	"slices"
)

// guard judges addresses in answers of public servers: a name that resolves to
// an address of the LAN lets a web page reach devices behind us (DNS
// rebinding). Our own public addresses are not judged: a dynamic name with a
// port forward is the usual way home.
type guard struct {
	off           bool
	allowLoopback bool            // DNS block lists answer 127.0.0.x
	exempt        map[string]bool // domains, in wire form
	own           []netip.Addr    // addresses of the LANs
}

// inside are the prefixes that a public name has no business with.
var inside = prefixes(
	"10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16",
	"fc00::/7", "fe80::/10", "fec0::/10",
)

var nat64 = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052 §2.1

// exempted reports whether name is in a domain that may answer such addresses.
func (g *guard) exempted(name []byte, l *labels) bool {
	for n := 1; n <= l.n; n++ {
		if g.exempt[string(l.tail(name, n))] {
			return true
		}
	}
	return false
}

// private reports whether a record holds an address that only we may give out.
func (g *guard) private(msg []byte, r *record) bool {
	data := msg[r.data:r.end]
	switch {
	case r.class != classIN:
		return false
	case r.typ == typeA && len(data) == 4, r.typ == typeAAAA && len(data) == 16:
		return g.privateAddr(data)
	case r.typ == typeSVCB, r.typ == typeHTTPS:
		return g.privateHint(msg, r)
	}
	return false
}

func (g *guard) privateAddr(b []byte) bool {
	a, ok := netip.AddrFromSlice(b)
	if !ok {
		return false
	}
	a = a.Unmap()
	if nat64.Contains(a) {
		low := a.As16()
		a = netip.AddrFrom4([4]byte(low[12:]))
	}
	if a.IsLoopback() {
		return !g.allowLoopback
	}
	return slices.Contains(g.own, a) || slices.ContainsFunc(inside, func(p netip.Prefix) bool { return p.Contains(a) })
}

// Keys of service parameters that hold addresses (RFC 9460 §14.3.2).
const (
	keyIPv4Hint = 4
	keyIPv6Hint = 6
)

// privateHint looks into the address hints of an HTTPS or SVCB record
// (RFC 9460 §2.2). A record that cannot be read is left to the client.
func (g *guard) privateHint(msg []byte, r *record) bool {
	if r.end-r.data < 3 {
		return false
	}
	off, ok := nameEnd(msg[:r.end], r.data+2)
	for ok && off+4 <= r.end {
		key, size := u16(msg, off), int(u16(msg, off+2))
		off += 4
		if off+size > r.end {
			return false
		}
		step := 0
		switch key {
		case keyIPv4Hint:
			step = 4
		case keyIPv6Hint:
			step = 16
		}
		for i := 0; step > 0 && i+step <= size; i += step {
			if g.privateAddr(msg[off+i : off+i+step]) {
				return true
			}
		}
		off += size
	}
	return false
}
