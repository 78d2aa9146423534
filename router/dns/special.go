package dns

import (
	"net/netip"
	"time"
)

// What is done with a special name.
const (
	ruleForward  = iota
	ruleLocal    // ours alone: NXDOMAIN unless the table knows it
	ruleLoopback // RFC 6761 §6.3
	ruleAbsent   // NXDOMAIN, never forwarded
	ruleEmpty    // the name exists and holds nothing
)

// special are the domains that never leave the house.
var special = map[string]int{
	mustName("localhost"):     ruleLoopback, // RFC 6761 §6.3
	mustName("invalid"):       ruleAbsent,   // RFC 6761 §6.4
	mustName("test"):          ruleAbsent,   // RFC 6761 §6.2
	mustName("onion"):         ruleAbsent,   // RFC 7686 §2
	mustName("alt"):           ruleAbsent,   // RFC 9476 §3
	mustName("local"):         ruleAbsent,   // RFC 6762 §22.1: belongs to mDNS
	mustName("resolver.arpa"): ruleEmpty,    // RFC 9462 §6.4: nobody else may redirect our clients
	mustName("home.arpa"):     ruleLocal,    // RFC 8375 §4
	mustName("lan"):           ruleLocal,    // practice
}

// privateReverse are the prefixes whose reverse names are answered here
// (RFC 6303 §4, RFC 7793).
var privateReverse = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
	"192.0.2.0/24", "192.168.0.0/16", "198.51.100.0/24", "203.0.113.0/24", "255.255.255.255/32",
	"::/128", "::1/128", "fc00::/7", "fe80::/10", "2001:db8::/32",
)

func prefixes(list ...string) []netip.Prefix {
	p := make([]netip.Prefix, len(list))
	for i, s := range list {
		p[i] = netip.MustParsePrefix(s)
	}
	return p
}

// home answers what is answered without a server: local and special names.
type home struct {
	hosts *hosts
	zones map[string]int // special and the configured local domains
	split labels
}

func newHome(domains []string) (*home, error) {
	h := &home{zones: map[string]int{}}
	for name, rule := range special {
		h.zones[name] = rule
	}
	for _, d := range domains {
		w, err := wireName(d)
		if err != nil {
			return nil, err
		}
		h.zones[w] = ruleLocal
	}
	return h, nil
}

// answer returns our own answer to q, nil if the question is to be forwarded.
// name is the question's name in lower case.
func (h *home) answer(now time.Time, q *question, name []byte) *answer {
	h.split.split(name)
	if q.typ == typeANY {
		return refuseAny(q)
	}
	zone, rule := h.zone(name)
	if a := h.hosts.forward(now, q, name, zone); a != nil {
		return a
	}
	if prefix, ok := reverse(name, &h.split); ok {
		return h.reversed(now, q, prefix, name)
	}
	switch rule {
	case ruleLoopback:
		return loopback(q, zone)
	case ruleAbsent:
		return negative(q, rcodeNXDomain, zone, specialTTL)
	case ruleEmpty:
		return negative(q, rcodeOK, zone, specialTTL)
	case ruleLocal:
		return h.local(q, name, zone)
	}
	if h.split.n == 1 && !delegation(q.typ) {
		return negative(q, rcodeNXDomain, name, absentTTL) // a host's short name that nobody here has
	}
	return nil
}

// delegation reports whether a type is asked of top level domains, by
// resolvers and validators; other questions for one label mean a local host.
func delegation(typ uint16) bool {
	return typ == typeNS || typ == typeSOA || typ == typeDS || typ == typeDNSKEY
}

// zone finds the longest special domain that name is in. Without one, the zone
// of a local name is the name itself.
func (h *home) zone(name []byte) (zone []byte, rule int) {
	for n := h.split.n; n > 0; n-- {
		tail := h.split.tail(name, n)
		if rule, ok := h.zones[string(tail)]; ok {
			return tail, rule
		}
	}
	return name, ruleForward
}

// local answers for a domain of the house where the table knows no such host.
func (h *home) local(q *question, name, zone []byte) *answer {
	apex := len(name) == len(zone)
	switch {
	case apex && q.typ == typeDS && string(zone) == homeArpa:
		return nil // RFC 8375 §4: the insecure delegation above is public
	case apex && q.typ == typeSOA:
		b := build(q, rcodeOK)
		b.soa(sectionAnswer, zone, absentTTL)
		return &b.answer
	case apex || h.hosts.inner[string(name)]:
		return negative(q, rcodeOK, zone, absentTTL)
	}
	return negative(q, rcodeNXDomain, zone, absentTTL)
}

var homeArpa = mustName("home.arpa")

// reversed answers for an address or prefix in a reverse zone.
func (h *home) reversed(now time.Time, q *question, p netip.Prefix, name []byte) *answer {
	zone := name
	private := false
	for _, r := range privateReverse {
		if r.Bits() <= p.Bits() && r.Contains(p.Addr()) {
			unit := 8
			if r.Addr().Is6() {
				unit = 4
			}
			zone, private = h.split.tail(name, 2+(r.Bits()+unit-1)/unit), true
		}
	}
	if p.IsSingleIP() {
		if a := h.hosts.pointer(now, q, p.Addr(), zone); a != nil {
			return a
		}
	}
	switch {
	case !private:
		return nil
	case len(zone) == len(name) && !p.IsSingleIP(): // the zone itself exists
		return negative(q, rcodeOK, zone, specialTTL)
	}
	return negative(q, rcodeNXDomain, zone, absentTTL)
}

// loopback answers localhost and names below it.
func loopback(q *question, zone []byte) *answer {
	b := build(q, rcodeOK)
	switch q.typ {
	case typeA:
		b.address(netip.AddrFrom4([4]byte{127, 0, 0, 1}), specialTTL)
	case typeAAAA:
		b.address(netip.IPv6Loopback(), specialTTL)
	default:
		return negative(q, rcodeOK, zone, specialTTL)
	}
	return &b.answer
}
