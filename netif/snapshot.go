package netif

import (
	"net/netip"
	"slices"
	"time"
)

// Boot returns the instant d after boot, the form in which pure code gets time.
func Boot(d time.Duration) time.Time { return time.Unix(0, int64(d)).UTC() }

// Link is a network device as rtnetlink describes it.
type Link struct {
	Index   int    // ifindex; a device that comes back has another one
	Name    string // at most 15 bytes
	Kind    string // "", "veth", "bridge", … (IFLA_INFO_KIND)
	MAC     MAC    // zero for devices without Ethernet address
	MTU     int    // bytes
	AdminUp bool   // IFF_UP
	Carrier bool   // IFF_LOWER_UP and operational: may carry traffic
	Master  int    // ifindex of the bridge it is a port of, 0 for none
	Address string // raw link-layer address in hex where it is not 48 bits
}

// Addr is an address on a link.
type Addr struct {
	Link   int // ifindex
	Prefix netip.Prefix
	Proto  uint8 // IFA_PROTO, 0 where the kernel does not know it
}

// Route is a unicast or error route. Dst is 0.0.0.0/0 or ::/0 for a default.
type Route struct {
	Table    uint32
	Dst      netip.Prefix
	Gateway  netip.Addr // zero: on-link
	Link     int        // ifindex, 0 for error routes
	Metric   uint32
	Protocol uint8
	Type     uint8 // RTN_UNICAST, RTN_UNREACHABLE, …
	LinkDown bool  // RTNH_F_LINKDOWN
}

// Rule is a policy routing rule, with the fields that we use.
type Rule struct {
	IPv6     bool
	Pref     uint32
	Protocol uint8
	Table    uint32
	Mark     uint32
	Mask     uint32
	OifName  string
	Src      netip.Prefix
	Suppress int // suppress_prefixlength, -1 for none
}

// Snapshot is everything the kernel said about links, addresses and the
// default routes at one moment. It is immutable: who gets one may keep it.
type Snapshot struct {
	Links  []Link // sorted by Index
	Addrs  []Addr
	Routes []Route // defaults of every table and every route of ours
	Rules  []Rule
	// Facts are what the links can be matched by, sorted by name. A link that
	// has just appeared may be missing until the next snapshot.
	Facts []DeviceFacts
	// Foreign counts deletions of routes, rules and addresses that carry our
	// protocol number since the sensor started: those that the kernel reported
	// for a sender which the sensor was not told to be us. A sensor that was
	// told nothing counts our own deletions too, and the reader must know what
	// it did itself. A higher count asks for a re-read, it proves nothing: what
	// goes with a link that went down is often not reported at all.
	Foreign uint64
}

// LinkByName returns the link called name.
func (s *Snapshot) LinkByName(name string) (Link, bool) {
	if s == nil {
		return Link{}, false
	}
	i := slices.IndexFunc(s.Links, func(l Link) bool { return l.Name == name })
	if i < 0 {
		return Link{}, false
	}
	return s.Links[i], true
}

// LinkByIndex returns the link with that ifindex.
func (s *Snapshot) LinkByIndex(index int) (Link, bool) {
	if s == nil {
		return Link{}, false
	}
	i := slices.IndexFunc(s.Links, func(l Link) bool { return l.Index == index })
	if i < 0 {
		return Link{}, false
	}
	return s.Links[i], true
}

// AddrsOf returns the addresses on the link with that ifindex, in kernel order.
func (s *Snapshot) AddrsOf(index int) []Addr {
	var list []Addr
	for _, a := range s.Addrs {
		if a.Link == index {
			list = append(list, a)
		}
	}
	return list
}
