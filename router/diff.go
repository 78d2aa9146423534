package router

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"luatnetd/internal/order"
	"luatnetd/netif"
)

// Diff returns the operations that make the kernel equal to the plan. Every
// prefix of the list is safe to stop at:
//
//   - forwarding is taken from devices that left the plan before the table that
//     guards them is replaced, and given to others after everything else;
//   - what is new is added before what is old is removed, so main never lacks a
//     default that it had and still should have;
//   - flows are killed last, after main was changed and the FIB has confirmed it.
//
// A switch is one message: an uplink that traffic may no longer use loses its
// default in main, and nothing else differs.
func Diff(have Have, plan Plan) []Op { return DiffRooms(have, plan, AllRooms) }

// DiffRooms is Diff for some of the plan's rooms. The others need not have
// been read; have.Devices should be, see there.
func DiffRooms(have Have, plan Plan, rooms Rooms) []Op {
	d := &diff{have: have, plan: plan, rooms: rooms}
	for _, l := range plan.Links {
		if l.Bridge && rooms.Has(RoomLinks) {
			d.bridges = append(d.bridges, l.Name)
		}
	}
	d.forwardingOff()
	d.tables()
	d.linksUp()
	d.addrsAndConnected()
	d.rulesAndRoutes()
	switched := d.main()
	d.sysctls()
	d.removeOld()
	d.linksDown()
	d.forwardingOn()
	d.kill(switched)
	return d.ops
}

type diff struct {
	have    Have
	plan    Plan
	rooms   Rooms
	bridges []string // of the plan
	ops     []Op
}

func (d *diff) add(op Op) { d.ops = append(d.ops, op) }

// exists reports whether a device is there, or will be once d.ops have run.
func (d *diff) exists(device string) bool {
	return d.have.Devices == nil || slices.Contains(d.have.Devices, device) || slices.Contains(d.bridges, device)
}

// forwardingOff gives devices that left the plan their old forwarding back
// when that was off. Behind the new table nobody guards them.
func (d *diff) forwardingOff() {
	d.restore(func(path, original string) bool { return isForwarding(path) && original == "0" })
}

func isForwarding(path string) bool { return strings.HasSuffix(path, "/forwarding") }

// restore puts back the original values, chosen by which, of files that are
// not in the plan.
func (d *diff) restore(which func(path, original string) bool) {
	if !d.rooms.Has(RoomSysctls) {
		return
	}
	planned := make(map[string]bool)
	for _, s := range d.plan.Sysctls {
		planned[s.Path()] = true
	}
	for _, path := range slices.Sorted(maps.Keys(d.have.Original)) {
		original := d.have.Original[path]
		now, exists := d.have.Sysctls[path]
		if exists && !planned[path] && now != original && which(path, original) {
			d.add(SetSysctl{Sysctl{Key: path, Value: original}})
		}
	}
}

func (d *diff) tables() {
	if d.rooms.Has(RoomTable) && d.have.Table.Differs(d.plan.Table.Identity()) != "" {
		d.add(ReplaceTable{d.plan.Table})
	}
	if d.rooms.Has(RoomAcct) && d.have.Acct.DiffersUnordered(d.plan.Acct.Identity()) != "" {
		d.add(SyncTable{d.plan.Acct, d.have.Acct})
	}
}

// linksUp makes bridges, sets MTUs, joins ports and brings devices up.
func (d *diff) linksUp() {
	if !d.rooms.Has(RoomLinks) {
		return
	}
	for _, l := range d.plan.Links {
		if l.Bridge && d.have.Devices != nil && !slices.Contains(d.have.Devices, l.Name) {
			d.add(MakeBridge{l.Name})
		}
	}
	for _, l := range d.plan.Links {
		if !d.exists(l.Name) {
			continue
		}
		have := d.link(l.Name)
		if mtu := cmp.Or(l.MTU, d.have.MTUs[l.Name]); mtu != 0 && mtu != have.MTU {
			d.add(SetMTU{l.Name, mtu})
		}
		if have.Master != l.Master && (l.Master != "" || d.ours(have.Master)) {
			d.add(SetMaster{l.Name, l.Master})
		}
		if l.Up && !have.Up {
			d.add(SetUp{l.Name, true})
		}
	}
}

func (d *diff) link(name string) LinkSpec {
	for _, l := range d.have.Links {
		if l.Name == name {
			return l
		}
	}
	return LinkSpec{}
}

// ours reports whether we may take ports out of that bridge.
func (d *diff) ours(bridge string) bool {
	return slices.Contains(d.bridges, bridge) || slices.Contains(d.have.Made, bridge)
}

// linksDown brings down what the operator closed, gives devices that left the
// plan their MTU back, and removes bridges of ours that are no longer in it.
func (d *diff) linksDown() {
	if !d.rooms.Has(RoomLinks) {
		return
	}
	for _, l := range d.plan.Links {
		if !l.Up && d.link(l.Name).Up {
			d.add(SetUp{l.Name, false})
		}
	}
	planned := func(name string) bool {
		return slices.ContainsFunc(d.plan.Links, func(l LinkSpec) bool { return l.Name == name })
	}
	for _, name := range slices.Sorted(maps.Keys(d.have.MTUs)) {
		if !planned(name) {
			d.add(SetMTU{name, d.have.MTUs[name]})
		}
	}
	for _, name := range d.have.Made {
		if !planned(name) && slices.Contains(d.have.Devices, name) {
			d.add(DelLink{name})
		}
	}
}

// addrsAndConnected adds addresses and the routes that next hops are looked
// up in. A route of a new address that differs from an old one in its source
// only is appended behind it, and takes over when that is removed.
func (d *diff) addrsAndConnected() {
	if d.rooms.Has(RoomAddrs) {
		for _, a := range missing(d.plan.Addrs, d.have.Addrs) {
			if d.exists(a.Device) {
				d.add(AddAddr{a})
			}
		}
	}
	d.addRoutes(RouteSpec.connected)
}

// connected reports whether the route needs no next hop.
func (r RouteSpec) connected() bool { return r.Table == TableMain && !r.Gateway.IsValid() }

func (d *diff) addRoutes(which func(RouteSpec) bool) {
	if !d.rooms.Has(RoomRoutes) {
		return
	}
	for _, r := range missing(d.plan.Routes, d.have.Routes) {
		if which(r) && d.exists(r.Device) {
			d.add(AddRoute{r})
		}
	}
}

func (d *diff) rulesAndRoutes() {
	if d.rooms.Has(RoomRules) {
		for _, r := range missing(d.plan.Rules, d.have.Rules) {
			d.add(AddRule{r})
		}
	}
	d.addRoutes(func(r RouteSpec) bool { return !r.connected() })
}

// main changes the defaults in main, additions first, and reports whether
// anything changed. The first to go are those of devices that may no longer
// be used: that is the switch; a route that only gets another metric waits.
func (d *diff) main() bool {
	if !d.rooms.Has(RoomMain) || d.plan.Hold {
		return false
	}
	before := len(d.ops)
	for _, r := range missing(d.plan.Main, d.have.Main) {
		if d.exists(r.Device) {
			d.add(AddRoute{r})
		}
	}
	old := missing(d.have.Main, d.plan.Main)
	for _, dead := range []bool{true, false} {
		for _, r := range old {
			stays := slices.ContainsFunc(d.plan.Main, func(w RouteSpec) bool { return w.Device == r.Device && w.Dst == r.Dst })
			if stays != dead {
				d.add(DelRoute{r})
			}
		}
	}
	return len(d.ops) > before
}

// sysctls writes everything but forwarding. A file that does not exist is
// left out, except below a bridge that is made by this very list.
func (d *diff) sysctls() {
	d.setSysctls(func(s Sysctl) bool { return s.Key != sysctlForward })
	d.restore(func(path, original string) bool { return !isForwarding(path) || original != "0" })
}

func (d *diff) forwardingOn() {
	d.setSysctls(func(s Sysctl) bool { return s.Key == sysctlForward })
}

func (d *diff) setSysctls(which func(Sysctl) bool) {
	if !d.rooms.Has(RoomSysctls) {
		return
	}
	for _, s := range d.plan.Sysctls {
		value, exists := d.have.Sysctls[s.Path()]
		made := slices.Contains(d.bridges, s.Device) && d.have.Devices != nil && !slices.Contains(d.have.Devices, s.Device)
		if which(s) && value != s.Value && (exists || made) {
			d.add(SetSysctl{s})
		}
	}
}

// removeOld removes what the plan does not hold: rules, routes by next hops,
// connected routes, addresses. The last address of a device takes all routes
// of the device with it, so it comes after them.
func (d *diff) removeOld() {
	if d.rooms.Has(RoomRules) {
		for _, r := range lastFirst(missing(d.have.Rules, d.plan.Rules)) {
			d.add(DelRule{r})
		}
	}
	if d.rooms.Has(RoomRoutes) {
		old := missing(d.have.Routes, d.plan.Routes)
		for _, connected := range []bool{false, true} {
			for _, r := range old {
				if r.connected() == connected {
					d.add(DelRoute{r})
				}
			}
		}
	}
	if d.rooms.Has(RoomAddrs) {
		for _, a := range missing(d.have.Addrs, d.plan.Addrs) {
			d.add(DelAddr{a})
		}
	}
}

// lastFirst returns the rules from the highest preference down, whatever order
// they were read in: the one that keeps the LAN local is the last to go.
func lastFirst(rules []RuleSpec) []RuleSpec {
	rules = slices.Clone(rules)
	order.Stable(rules, func(a, b RuleSpec) int { return int(b.Pref) - int(a.Pref) })
	return rules
}

// kill flushes flows: of uplinks that were renumbered or left the
// configuration, whose translations are void, and, once the FIB confirms the
// switch, of those that the plan newly wants killed.
func (d *diff) kill(switched bool) {
	if d.rooms.Has(RoomRules) {
		for _, o := range d.void() {
			d.add(o)
		}
	}
	var fresh []netif.Index
	if d.rooms.Has(RoomKill) && !d.plan.Hold {
		fresh = missing(d.plan.Kill, d.have.Killed)
	}
	if d.plan.Verify.Target.IsValid() && (switched || len(fresh) > 0) {
		d.add(Verify{d.plan.Verify})
	}
	for _, n := range fresh {
		if mark, ok := d.plan.mark(n); ok {
			d.add(FlushMark{Uplink: n, Mark: mark.Mark, Mask: mark.Mask})
		}
	}
}

// void returns a flush for each uplink of which a from-rule was replaced by
// another, or whose mark rule is gone.
func (d *diff) void() []FlushMark {
	var list []FlushMark
	for _, r := range d.have.Rules {
		n := netif.Index(r.Pref - PrefMark)
		if r.IPv6 || r.Mask == 0 || !n.Valid() || r.Pref != PrefMark+uint32(n) {
			continue
		}
		was, is := fromOf(d.have.Rules, n), fromOf(d.plan.Rules, n)
		renumbered := was.IsValid() && is.IsValid() && was != is
		if renumbered || !slices.Contains(d.plan.Rules, r) {
			list = append(list, FlushMark{Uplink: n, Mark: r.Mark, Mask: r.Mask})
		}
	}
	return list
}

// fromOf returns the IPv4 source of uplink n's from-rule.
func fromOf(rules []RuleSpec, n netif.Index) (from netip.Prefix) {
	for _, r := range rules {
		if !r.IPv6 && r.Pref == PrefFrom+uint32(n) {
			return r.From
		}
	}
	return netip.Prefix{}
}

// mark returns the rule that holds the mark of uplink n.
func (p Plan) mark(n netif.Index) (RuleSpec, bool) {
	i := slices.IndexFunc(p.Rules, func(r RuleSpec) bool { return r.Pref == PrefMark+uint32(n) && r.Mask != 0 })
	if i < 0 {
		return RuleSpec{}, false
	}
	return p.Rules[i], true
}

// missing returns what of want is not in have, in the order of want.
func missing[T comparable](want, have []T) []T {
	held := make(map[T]bool, len(have))
	for _, h := range have {
		held[h] = true
	}
	var list []T
	for _, w := range want {
		if !held[w] {
			list = append(list, w)
		}
	}
	return list
}
