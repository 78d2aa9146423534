package dns

import (
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Origin says where a local name comes from.
type Origin string

// The origins of local names.
const (
	OriginLease  Origin = "lease"  // a DHCP client told it
	OriginStatic Origin = "static" // the configuration says so
	OriginRouter Origin = "router" // our own name
)

// Host is one local name with one address; a name with several addresses, of
// either family, has several of these.
type Host struct {
	Name   string // "printer": known in Domain and alone; or a full name with dots
	Domain string // the LAN's domain, "" for the first local one
	Addr   netip.Addr
	Origin Origin
	Expire time.Time // boot time at which the name ends; zero: never
}

// hosts is the table of local names: immutable, replaced as a whole.
type hosts struct {
	byName map[string][]hostAddr // lower-case wire name
	byAddr map[netip.Addr][]hostName
	inner  map[string]bool // names that only have names below them (RFC 4592 §2.2.2)
}

type hostAddr struct {
	addr   netip.Addr
	expire time.Time
}

type hostName struct {
	name   string
	expire time.Time
}

// newHosts builds the table. A name that cannot be written on the wire is left
// out and returned in bad: one strange client name must not hide the others.
func newHosts(list []Host, domain string) (t *hosts, bad []string) {
	t = &hosts{byName: map[string][]hostAddr{}, byAddr: map[netip.Addr][]hostName{}, inner: map[string]bool{}}
	for _, h := range list {
		h.Domain = strings.Trim(h.Domain, ".")
		if h.Domain == "" {
			h.Domain = domain
		}
		if !t.add(h) {
			bad = append(bad, h.Name)
		}
	}
	return t, bad
}

func (t *hosts) add(h Host) bool {
	full := strings.TrimSuffix(h.Name, ".")
	short := full
	if !strings.Contains(full, ".") {
		full += "." + h.Domain
	}
	name, err := wireName(full)
	if err != nil || !h.Addr.IsValid() {
		return false
	}
	addr := h.Addr.Unmap().WithZone("")
	t.put(name, addr, h.Expire)
	if short != full {
		if alone, err := wireName(short); err == nil {
			t.put(alone, addr, h.Expire)
		}
	}
	t.byAddr[addr] = append(t.byAddr[addr], hostName{name, h.Expire})
	for rest := name[1+name[0]:]; rest[0] != 0; rest = rest[1+rest[0]:] {
		t.inner[rest] = true
	}
	return true
}

func (t *hosts) put(name string, addr netip.Addr, expire time.Time) {
	same := func(a hostAddr) bool { return a.addr == addr }
	if !slices.ContainsFunc(t.byName[name], same) {
		t.byName[name] = append(t.byName[name], hostAddr{addr, expire})
	}
}

// ttlUntil is the TTL of local data that ends at expire; ok is false when it
// has ended.
func ttlUntil(now, expire time.Time) (ttl uint32, ok bool) {
	if expire.IsZero() {
		return localTTL, true
	}
	left := expire.Sub(now)
	return uint32(min(left/time.Second, localTTL)), left > 0
}

// forward answers q for a local name, nil if the name is not ours.
func (t *hosts) forward(now time.Time, q *question, name, zone []byte) *answer {
	list := t.byName[string(name)]
	if len(list) == 0 {
		return nil
	}
	b := build(q, rcodeOK)
	known := false
	for _, h := range list {
		ttl, ok := ttlUntil(now, h.expire)
		known = known || ok
		if ok && (q.typ == typeA && h.addr.Is4() || q.typ == typeAAAA && h.addr.Is6()) {
			b.address(h.addr, ttl)
		}
	}
	switch {
	case b.counts[sectionAnswer] > 0:
		return &b.answer
	case known: // RFC 2308 §2.2: the name exists, the type does not
		return negative(q, rcodeOK, zone, absentTTL)
	}
	return nil
}

// pointer answers q for the address of a local name, nil if there is none.
func (t *hosts) pointer(now time.Time, q *question, addr netip.Addr, zone []byte) *answer {
	list := t.byAddr[addr.Unmap()]
	if len(list) == 0 {
		return nil
	}
	b := build(q, rcodeOK)
	known := false
	for _, h := range list {
		ttl, ok := ttlUntil(now, h.expire)
		known = known || ok
		if ok && q.typ == typePTR {
			b.record(sectionAnswer, atQuestion, typePTR, ttl, []byte(h.name))
		}
	}
	switch {
	case b.counts[sectionAnswer] > 0:
		return &b.answer
	case known:
		return negative(q, rcodeOK, zone, absentTTL)
	}
	return nil
}
