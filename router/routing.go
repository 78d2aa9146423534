package router

import (
	"net/netip"
	"slices"
)

// addrs returns the addresses that we add. Those of an external uplink are
// somebody else's.
func (b *builder) addrs() []AddrSpec {
	var list []AddrSpec
	for _, l := range b.lans {
		if l.exists() && l.Addr.IsValid() {
			list = append(list, AddrSpec{l.Device, l.Addr})
		}
	}
	for _, u := range b.ups {
		if !u.alive() || u.External {
			continue
		}
		for _, p := range u.paths() {
			list = append(list, AddrSpec{u.Device, p.addr})
		}
	}
	return list
}

func (l lan) exists() bool { return !l.Down && (l.Bridge || l.Present) }

// routes returns everything but the defaults in main: connected routes first,
// because the next hops of the others are looked up in them.
func (b *builder) routes() []RouteSpec {
	r := routeList{seen: make(map[RouteSpec]bool)}
	for _, l := range b.lans {
		if l.exists() && l.Addr.IsValid() && !l.Addr.IsSingleIP() {
			r.add(connected(l.Device, l.Addr, lanMetric(l.Addr)))
		}
	}
	for _, u := range b.ups {
		if !u.alive() || u.External {
			continue
		}
		for _, p := range u.paths() {
			if !p.addr.IsSingleIP() {
				r.add(connected(u.Device, p.addr, MetricConnected+uint32(u.Index)))
			}
		}
	}
	for _, u := range b.ups {
		if u.alive() {
			b.uplinkRoutes(u, &r)
		}
	}
	for _, l := range b.lans {
		if l.table >= 0 && l.exists() {
			for _, d := range b.defaults(TableLAN+uint32(l.table), b.listed(l)) {
				r.add(d)
			}
		}
	}
	return r.list
}

// uplinkRoutes adds the uplink's own table and, in main, what option 121 gave.
//
// Option 121 routes lead to networks behind this uplink only (a carrier's
// voice or TV servers), so main holds them for as long as the uplink has its
// address, whether or not it is usable as a default: no other uplink could
// reach them. main does not take a route that is as good as a default (it
// would undo the selection) or that lies inside a LAN or another uplink's
// subnet (it would hijack it); those stay in the uplink's own table.
func (b *builder) uplinkRoutes(u uplink, r *routeList) {
	table := TableUplink + uint32(u.Index)
	for _, p := range u.paths() {
		r.add(u.route(table, everything(p.addr), p, p.gateway, tableMetric(p.addr)))
		for _, c := range u.Lease.Routes {
			dst := c.Dst.Masked()
			if !dst.IsValid() || dst.Bits() == 0 || dst.Addr().Is4() != p.addr.Addr().Is4() {
				continue
			}
			gateway := hop(c.Gateway, p.addr)
			if gateway.IsValid() || onLink(c.Gateway) {
				r.add(u.route(table, dst, p, gateway, tableMetric(p.addr)))
				if dst.Bits() >= minClassless && !b.hijacks(u, dst) {
					r.add(u.route(TableMain, dst, p, gateway, MetricConnected+uint32(u.Index)))
				}
			}
		}
	}
}

// onLink reports whether an option 121 gateway says "on-link" (RFC 3442).
func onLink(gateway netip.Addr) bool { return !gateway.IsValid() || gateway.IsUnspecified() }

// minClassless is the shortest option 121 prefix that main takes: 0.0.0.0/1
// and 128.0.0.0/1 together are a default in disguise, 10.0.0.0/8 is not.
const minClassless = 8

// hijacks reports whether dst lies inside the subnet of a LAN or of another
// uplink, where it would win over the connected route.
func (b *builder) hijacks(u uplink, dst netip.Prefix) bool {
	inside := func(p netip.Prefix) bool {
		return p.IsValid() && p.Bits() <= dst.Bits() && p.Contains(dst.Addr())
	}
	if slices.ContainsFunc(b.lans, func(l lan) bool { return inside(l.Addr) }) {
		return true
	}
	return slices.ContainsFunc(b.ups, func(o uplink) bool {
		return o.Index != u.Index && slices.ContainsFunc(o.paths(), func(p path) bool { return inside(p.addr) })
	})
}

// defaults returns the default of each named uplink in a table, best first.
// The metric is the uplink's rank in the configuration, so that the loss of
// one uplink is one deleted route and no other metric moves. An order that is
// not the configuration's ("ctl use") is kept by counting on from the best.
func (b *builder) defaults(table uint32, names []string) []RouteSpec {
	r := routeList{seen: make(map[RouteSpec]bool)}
	next := uint32(MetricMain)
	for i, name := range names {
		u, ok := b.uplink(name)
		if !ok || !u.alive() || slices.Contains(names[:i], name) {
			continue
		}
		metric := max(next, MetricMain+u.rank)
		for _, p := range u.paths() {
			r.add(u.route(table, everything(p.addr), p, p.gateway, metric))
			next = metric + 1
		}
	}
	return r.list
}

// route is a route of the uplink by one of its paths.
func (u uplink) route(table uint32, dst netip.Prefix, p path, gateway netip.Addr, metric uint32) RouteSpec {
	return RouteSpec{
		Table: table, Dst: dst, Gateway: gateway, Device: u.Device, Metric: metric,
		// A link-local next hop needs no route to it.
		OnLink: gateway.IsValid() && !gateway.IsLinkLocalUnicast() && (p.addr.IsSingleIP() || !p.addr.Contains(gateway)),
	}
}

func connected(device string, addr netip.Prefix, metric uint32) RouteSpec {
	return RouteSpec{Table: TableMain, Dst: addr.Masked(), Device: device, Metric: metric, Src: addr.Addr()}
}

// everything is the default destination of the address's family.
func everything(addr netip.Prefix) netip.Prefix {
	if addr.Addr().Is4() {
		return netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	}
	return netip.PrefixFrom(netip.IPv6Unspecified(), 0)
}

func lanMetric(addr netip.Prefix) uint32 {
	if addr.Addr().Is4() {
		return 0
	}
	return MetricLAN6
}

func tableMetric(addr netip.Prefix) uint32 {
	if addr.Addr().Is4() {
		return 0
	}
	return MetricTable6
}

// routeList keeps the first of equal routes: adding one twice is an error.
type routeList struct {
	list []RouteSpec
	seen map[RouteSpec]bool
}

func (r *routeList) add(s RouteSpec) {
	if !r.seen[s] {
		r.seen[s] = true
		r.list = append(r.list, s)
	}
}

// rules returns the policy rules, in the order of their preference. Rules of a
// device that is absent stay: they attach again by name.
func (b *builder) rules() []RuleSpec {
	v4 := b.familyRules(false)
	if !slices.ContainsFunc(b.ups, func(u uplink) bool { return len(u.family(true)) > 0 }) {
		return v4 // without an IPv6 address there is nothing that rules could choose
	}
	return append(v4, b.familyRules(true)...)
}

// family returns the uplink's paths of one family.
func (u uplink) family(ipv6 bool) []path {
	return slices.DeleteFunc(u.paths(), func(p path) bool { return p.addr.Addr().Is6() != ipv6 })
}

func (b *builder) familyRules(ipv6 bool) []RuleSpec {
	list := []RuleSpec{{IPv6: ipv6, Pref: PrefLocalFirst, Table: TableMain, Suppress: 0}}
	rule := func(r RuleSpec) {
		r.IPv6, r.Suppress = ipv6, -1
		list = append(list, r)
	}
	for _, u := range b.ups {
		if u.Device != "" {
			rule(RuleSpec{Pref: PrefOif + uint32(u.Index), Oif: u.Device, Table: TableUplink + uint32(u.Index)})
		}
	}
	for _, u := range b.ups {
		rule(RuleSpec{Pref: PrefMark + uint32(u.Index), Mark: u.mark, Mask: uint32(b.Marks), Table: TableUplink + uint32(u.Index)})
	}
	for _, l := range b.lans {
		if l.table >= 0 && !l.Down {
			rule(RuleSpec{Pref: PrefLAN + uint32(l.table), Iif: l.Device, Table: TableLAN + uint32(l.table)})
		}
	}
	for _, u := range b.ups {
		for _, p := range u.family(ipv6) {
			from := netip.PrefixFrom(p.addr.Addr(), p.addr.Addr().BitLen())
			rule(RuleSpec{Pref: PrefFrom + uint32(u.Index), From: from, Table: TableUplink + uint32(u.Index)})
		}
	}
	return list
}

// listed returns the names of the LAN's usable uplinks, best first, without
// any that is not in its list.
func (b *builder) listed(l lan) []string {
	return slices.DeleteFunc(slices.Clone(l.Usable), func(name string) bool { return !slices.Contains(l.Upstream, name) })
}
