package router

import (
	"net/netip"
	"slices"

	"luatnetd/internal/order"
	"luatnetd/netif"
)

// Build computes the whole desired state from nothing. It never fails: an
// entry that cannot be used (an index out of range, a device twice, a name
// that nft cannot write, a port range that cannot be translated) is left out
// and the rest stands. Equal inputs give deeply equal plans.
func Build(in Input) Plan {
	b := newBuilder(in)
	p := Plan{
		Links:   b.links(),
		Addrs:   b.addrs(),
		Routes:  b.routes(),
		Rules:   b.rules(),
		Hold:    in.HoldMain,
		Table:   b.table(),
		Acct:    b.acct(),
		Sysctls: b.sysctls(),
	}
	if !p.Hold {
		p.Main = b.defaults(TableMain, in.Main)
		p.Verify = b.lookup(p.Main)
		p.Kill = b.kill(p.Main)
	}
	return p
}

// builder is an Input whose entries have been checked against each other.
type builder struct {
	Input
	ups  []uplink // with a valid index, sorted by it: their order in the file changes no rule
	lans []lan
	wan  []string // every uplink device, also of uplinks without index
}

type uplink struct {
	Uplink
	rank uint32 // position in the configuration
	mark uint32
}

type lan struct {
	LAN
	table int // position among those with an upstream list of their own, -1 for none
}

func newBuilder(in Input) *builder {
	b := &builder{Input: in}
	if b.Marks.Check() != nil {
		b.Marks = DefaultMask
	}
	devices := b.takeLANs()
	b.takeUplinks(devices)
	return b
}

// takeLANs chooses the usable LANs and returns the devices they claim. A LAN
// wins against an uplink with the same device: it never depends on uplinks.
func (b *builder) takeLANs() map[string]bool {
	devices := make(map[string]bool)
	lists := 0
	for _, l := range b.LANs {
		if !nameable(l.Device) || devices[l.Device] {
			continue
		}
		devices[l.Device] = true
		l.Ports = slices.DeleteFunc(slices.Clone(l.Ports), func(port string) bool {
			return !l.Bridge || !nameable(port) || devices[port]
		})
		for _, port := range l.Ports {
			devices[port] = true
		}
		pos := -1
		if len(l.Upstream) > 0 && lists < MaxLANs {
			pos = lists
			lists++
		}
		b.lans = append(b.lans, lan{LAN: l, table: pos})
	}
	return devices
}

func (b *builder) takeUplinks(devices map[string]bool) {
	names, indexes := make(map[string]bool), make(map[netif.Index]bool)
	for rank, u := range b.Uplinks {
		if !nameable(u.Device) || devices[u.Device] {
			u.Device, u.Present = "", false
		} else {
			devices[u.Device] = true
			b.wan = append(b.wan, u.Device)
		}
		if !u.Index.Valid() || indexes[u.Index] || names[u.Name] {
			continue
		}
		names[u.Name], indexes[u.Index] = true, true
		b.ups = append(b.ups, uplink{Uplink: u, rank: uint32(rank), mark: b.Marks.Of(u.Index)})
	}
	slices.Sort(b.wan)
	order.Sort(b.ups, func(x, y uplink) int { return int(x.Index) - int(y.Index) })
}

// nameable reports whether a device name can be written in nft's text, which
// knows no escapes: without that, neither the golden files nor "nft -f" of a
// saved listing mean what the kernel does. '*' at the end is a wildcard there.
// Linux allows all of these, but no distribution makes them.
func nameable(device string) bool {
	if device == "" || len(device) > 15 || device == "." || device == ".." {
		return false
	}
	for _, c := range []byte(device) {
		if c <= ' ' || c > '~' {
			return false
		}
		switch c {
		case '"', '\\', '*', '/', ':', '$', '%':
			return false
		}
	}
	return true
}

func (b *builder) uplink(name string) (uplink, bool) {
	i := slices.IndexFunc(b.ups, func(u uplink) bool { return u.Name == name })
	if i < 0 {
		return uplink{}, false
	}
	return b.ups[i], true
}

// alive reports whether addresses and routes of the uplink can exist.
func (u uplink) alive() bool { return u.Device != "" && u.Present && !u.Down }

// path is one family's way out of an uplink.
type path struct {
	addr    netip.Prefix
	gateway netip.Addr // zero: everything is on-link
}

// paths returns the uplink's address and next hop in each family it has.
func (u uplink) paths() []path {
	if u.Down {
		return nil
	}
	var list []path
	for _, p := range []path{{u.Lease.Addr, u.Lease.Gateway}, {u.Lease.Addr6, u.Lease.Gateway6}} {
		if !p.addr.IsValid() || p.addr.Addr().Is4In6() {
			continue
		}
		p.gateway = hop(p.gateway, p.addr)
		list = append(list, p)
	}
	return list
}

// hop returns a next hop that can be one: of the address's family, neither
// 0.0.0.0 ("on-link" in option 121) nor our own address. Zero otherwise.
func hop(gateway netip.Addr, addr netip.Prefix) netip.Addr {
	gateway = gateway.WithZone("")
	if gateway.Is4() != addr.Addr().Is4() || gateway.IsUnspecified() || gateway == addr.Addr() {
		return netip.Addr{}
	}
	return gateway
}

// lookup is what the FIB must answer once main is as planned.
func (b *builder) lookup(main []RouteSpec) Lookup {
	for _, r := range main {
		if b.Verify.IsValid() && r.Dst.Addr().Is4() == b.Verify.Is4() {
			return Lookup{Target: b.Verify, Device: r.Device}
		}
	}
	return Lookup{}
}

// kill returns the uplinks whose flows are to be destroyed: only while main
// has a default over another uplink that can carry them.
func (b *builder) kill(main []RouteSpec) []netif.Index {
	if len(main) == 0 {
		return nil
	}
	var list []netif.Index
	for _, u := range b.ups {
		if slices.Contains(b.Kill, u.Name) && !slices.Contains(b.Main, u.Name) {
			list = append(list, u.Index)
		}
	}
	return list
}
