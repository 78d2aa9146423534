package dhcpsrv

import (
	"net/netip"
	"slices"
	"time"

	"luatnetd/netif"
)

// Infinite is a lease that never ends (option 51 = 0xffffffff).
const Infinite = time.Duration(1<<63 - 1)

// DefaultLease is used where a Config names none.
const DefaultLease = 12 * time.Hour

// Config describes one LAN. It is validated by the caller: the pool is inside
// the subnet, hosts are unique. The Table does not trust that with an address
// of its own: it never hands out what would harm the LAN.
type Config struct {
	LAN       string       // name, in records and events
	Address   netip.Prefix // our address there: server id, router, mask
	Also      []netip.Addr // further addresses of ours on this LAN
	PoolStart netip.Addr   // first and last address for dynamic clients; zero: none
	PoolEnd   netip.Addr
	Lease     time.Duration // 0 for DefaultLease
	Hosts     []Host
	DNS       []netip.Addr // option 6; empty: our own address
	Domain    string       // option 15, "" for none
	MTU       int          // option 26 in bytes, 0 for none
	Hostname  string       // the gateway's own name, which no client may take
	Options   []Option     // further ones; they replace ours of the same code
	Reserved  []netip.Addr // never handed out: other routers, VRRP
	// Trust82 accepts option 82 without a relay, as a switch that does DHCP
	// snooping inserts it (RFC 3046 §2.1). Off, such packets are dropped.
	Trust82 bool
}

// Host is a reservation. Its address may be outside of the pool. Of several
// MACs (the cable and the Wi-Fi of a laptop) one has the address at a time.
type Host struct {
	Name    string // "" for none
	MACs    []netif.MAC
	Address netip.Addr
	Lease   time.Duration // 0 for the LAN's, Infinite
}

// Option is one DHCP option as bytes.
type Option struct {
	Code  uint8
	Value []byte
}

// rules is a Config prepared for look-up.
type rules struct {
	Config
	self   netip.Addr
	subnet netip.Prefix
	pool   pool
	byMAC  map[netif.MAC]*Host
	byAddr map[netip.Addr]*Host
	names  map[string]bool // names that belong to hosts or to us
	extra  map[uint8][]byte
}

// ours are the options that the table computes; a configured value of one of
// them would break the protocol and is left out.
var ours = []uint8{0, 1, 50, 51, 52, 53, 54, 55, 57, 58, 59, 61, 81, 82, 255}

func newRules(cfg Config) *rules {
	if cfg.Lease <= 0 {
		cfg.Lease = DefaultLease
	}
	r := &rules{
		Config: cfg, self: cfg.Address.Addr(), subnet: cfg.Address.Masked(),
		byMAC: map[netif.MAC]*Host{}, byAddr: map[netip.Addr]*Host{},
		names: map[string]bool{}, extra: map[uint8][]byte{},
	}
	if name := cleanName(cfg.Hostname); name != "" {
		r.names[name] = true
	}
	r.pool = newPool(cfg.PoolStart, cfg.PoolEnd)
	for i := range cfg.Hosts {
		h := &cfg.Hosts[i]
		if !r.usable(h.Address) || r.byAddr[h.Address] != nil {
			continue // one bad host entry costs that host, not the LAN
		}
		r.byAddr[h.Address] = h
		r.pool.exclude(h.Address)
		if name := cleanName(h.Name); name != "" {
			r.names[name] = true
		}
		for _, mac := range h.MACs {
			r.byMAC[mac] = h
		}
	}
	for a := range r.pool.all() {
		if !r.usable(a) {
			r.pool.exclude(a)
		}
	}
	for _, o := range cfg.Options {
		if !slices.Contains(ours, o.Code) {
			r.extra[o.Code] = o.Value
		}
	}
	return r
}

// usable reports whether a may belong to a client at all (S59).
func (r *rules) usable(a netip.Addr) bool {
	if !a.Is4() || !r.subnet.Contains(a) || r.own(a) || slices.Contains(r.Reserved, a) {
		return false
	}
	if r.subnet.Bits() >= 31 {
		return true // RFC 3021: no network or broadcast address
	}
	return a != r.subnet.Addr() && a != r.broadcast()
}

// own reports whether a is an address of ours on this LAN.
func (r *rules) own(a netip.Addr) bool { return a == r.self || slices.Contains(r.Also, a) }

// broadcast is the subnet's broadcast address.
func (r *rules) broadcast() netip.Addr {
	n := number(r.subnet.Addr())
	return address(n | (1<<(32-r.subnet.Bits()) - 1))
}

// may reports whether the rules allow a client with that MAC to hold a.
func (r *rules) may(a netip.Addr, mac netif.MAC) bool {
	if h := r.byAddr[a]; h != nil {
		return slices.Contains(h.MACs, mac)
	}
	return r.pool.has(a)
}
