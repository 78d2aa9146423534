package router_test

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"luatnetd/netif"
	"luatnetd/router"
)

// kernel is a tiny model of the kernel. It refuses what the kernel refuses
// (adding twice, deleting what is not there, routes over devices that are down
// or to next hops that nothing leads to) and does on its own what the kernel
// does: addresses and links take routes with them. TestPacketsFollowPlan
// runs the same operations against both.
type kernel struct {
	devices  map[string]*device
	made     []string
	addrs    []router.AddrSpec
	routes   []router.RouteSpec // in the order of insertion
	rules    []router.RuleSpec
	sysctls  map[string]string // only what was written; everything else has its default
	original map[string]string
	mtus     map[string]int // device → bytes before our first write
	tables   map[string]router.Table
	killed   []netif.Index
	flushed  []netif.Index
}

type device struct {
	up      bool
	master  string
	mtu     int
	bridge  bool
	foreign []netip.Prefix // addresses of others, with their connected routes
}

func newKernel(devices ...string) *kernel {
	k := &kernel{
		devices: map[string]*device{}, sysctls: map[string]string{}, original: map[string]string{}, mtus: map[string]int{},
		tables: map[string]router.Table{},
	}
	for _, d := range devices {
		k.devices[d] = &device{mtu: 1500}
	}
	return k
}

// have is what router/kernel would read for a plan.
func (k *kernel) have(plan router.Plan) router.Have {
	h := router.Have{
		Addrs: slices.Clone(k.addrs), Rules: slices.Clone(k.rules), Killed: slices.Clone(k.killed),
		Made: slices.Clone(k.made), Sysctls: map[string]string{}, Original: map[string]string{}, Devices: []string{},
	}
	for name := range k.devices {
		h.Devices = append(h.Devices, name)
	}
	slices.Sort(h.Devices)
	for _, l := range plan.Links {
		if d, ok := k.devices[l.Name]; ok {
			h.Links = append(h.Links, router.LinkSpec{Name: l.Name, Bridge: d.bridge, Master: d.master, Up: d.up, MTU: d.mtu})
		}
	}
	for _, r := range k.routes {
		if r.Table == router.TableMain && r.Dst.Bits() == 0 {
			h.Main = append(h.Main, r)
		} else {
			h.Routes = append(h.Routes, r)
		}
	}
	for _, s := range plan.Sysctls {
		if value, ok := k.sysctl(s.Path()); ok {
			h.Sysctls[s.Path()] = value
		}
	}
	for path, value := range k.original {
		h.Original[path] = value
		if now, ok := k.sysctl(path); ok {
			h.Sysctls[path] = now
		}
	}
	h.MTUs = maps.Clone(k.mtus)
	h.Table, h.Acct = k.identity(router.TableName), k.identity(router.AcctName)
	return h
}

// setMTU remembers the MTU of before, as the real kernel room does.
func (k *kernel) setMTU(name string, d *device, mtu int) {
	if original, ok := k.mtus[name]; !ok {
		k.mtus[name] = d.mtu
	} else if original == mtu {
		delete(k.mtus, name)
	}
	d.mtu = mtu
}

func (k *kernel) identity(table string) *router.Identity {
	t, ok := k.tables[table]
	if !ok {
		return nil
	}
	id := t.Identity()
	return &id
}

func (k *kernel) sysctl(path string) (string, bool) {
	parts := strings.Split(path, "/")
	if _, ok := k.devices[parts[3]]; !ok {
		return "", false
	}
	if value, ok := k.sysctls[path]; ok {
		return value, true
	}
	if strings.HasSuffix(path, "evict_nocarrier") {
		return "1", true
	}
	return "0", true
}

// turn applies a plan as the applier does and calls check after each op.
func (k *kernel) turn(plan router.Plan, check func(router.Op) error) ([]router.Op, error) {
	ops := router.Diff(k.have(plan), plan)
	for i, op := range ops {
		if err := k.apply(op); err != nil {
			return ops, fmt.Errorf("op %d, %s: %w", i, op, err)
		}
		if check != nil {
			if err := check(op); err != nil {
				return ops, fmt.Errorf("after op %d, %s: %w", i, op, err)
			}
		}
	}
	k.killed = plan.Kill
	return ops, nil
}

var (
	errExists  = errors.New("exists")
	errMissing = errors.New("no such thing")
	errDown    = errors.New("network is down")
)

func (k *kernel) apply(op router.Op) error {
	switch o := op.(type) {
	case router.MakeBridge:
		if k.devices[o.Name] != nil {
			return errExists
		}
		k.devices[o.Name] = &device{mtu: 1500, bridge: true}
		k.made = append(k.made, o.Name)
	case router.DelLink:
		return k.delLink(o.Name)
	case router.SetMaster, router.SetUp, router.SetMTU:
		return k.link(op)
	case router.AddAddr:
		if k.devices[o.Device] == nil {
			return errMissing
		}
		return add(&k.addrs, o.AddrSpec)
	case router.DelAddr:
		return k.delAddr(o.AddrSpec)
	case router.AddRoute:
		return k.addRoute(o.RouteSpec)
	case router.DelRoute:
		return del(&k.routes, o.RouteSpec)
	case router.AddRule:
		return add(&k.rules, o.RuleSpec)
	case router.DelRule:
		return del(&k.rules, o.RuleSpec)
	default:
		return k.other(op)
	}
	return nil
}

func (k *kernel) other(op router.Op) error {
	switch o := op.(type) {
	case router.SetSysctl:
		was, ok := k.sysctl(o.Path())
		if !ok {
			return errMissing
		}
		if _, ok := k.original[o.Path()]; !ok {
			k.original[o.Path()] = was
		}
		k.sysctls[o.Path()] = o.Value
	case router.ReplaceTable:
		k.tables[o.Table.Name] = o.Table
	case router.SyncTable:
		if have := k.identity(o.Table.Name); (have == nil) != (o.Have == nil) {
			return fmt.Errorf("sync from a table that is not there: %w", errMissing)
		}
		k.tables[o.Table.Name] = o.Table
	case router.DelTable:
		if _, ok := k.tables[o.Name]; !ok {
			return errMissing
		}
		delete(k.tables, o.Name)
	case router.Verify:
		if got := k.lookup(o.Target); got != o.Device {
			return fmt.Errorf("look-up of %s answers %q", o.Target, got)
		}
	case router.FlushMark:
		if o.Mark == 0 || o.Mark&^o.Mask != 0 {
			return fmt.Errorf("mark %#x/%#x matches other flows", o.Mark, o.Mask)
		}
		k.flushed = append(k.flushed, o.Uplink)
	default:
		return fmt.Errorf("op %T is not modelled", op)
	}
	return nil
}

func (k *kernel) link(op router.Op) error {
	var name string
	var f func(*device)
	switch o := op.(type) {
	case router.SetMaster:
		if o.Master != "" && (k.devices[o.Master] == nil || !k.devices[o.Master].bridge) {
			return errMissing
		}
		name, f = o.Name, func(d *device) { d.master = o.Master }
	case router.SetMTU:
		name, f = o.Name, func(d *device) { k.setMTU(o.Name, d, o.MTU) }
	case router.SetUp:
		name, f = o.Name, func(d *device) {
			d.up = o.Up
			if !o.Up {
				k.routes = slices.DeleteFunc(k.routes, func(r router.RouteSpec) bool { return r.Device == o.Name })
			}
		}
	}
	if k.devices[name] == nil {
		return errMissing
	}
	f(k.devices[name])
	return nil
}

func (k *kernel) delLink(name string) error {
	if k.devices[name] == nil {
		return errMissing
	}
	if !slices.Contains(k.made, name) {
		return fmt.Errorf("%s is not ours to remove", name)
	}
	k.made = slices.DeleteFunc(k.made, func(m string) bool { return m == name })
	k.unplug(name)
	return nil
}

// unplug removes a device and all that hangs on it. Rules stay.
func (k *kernel) unplug(name string) {
	delete(k.devices, name)
	delete(k.mtus, name)
	for _, d := range k.devices {
		if d.master == name {
			d.master = ""
		}
	}
	k.addrs = slices.DeleteFunc(k.addrs, func(a router.AddrSpec) bool { return a.Device == name })
	k.routes = slices.DeleteFunc(k.routes, func(r router.RouteSpec) bool { return r.Device == name })
	for path := range k.sysctls {
		if strings.Split(path, "/")[3] == name {
			delete(k.sysctls, path)
		}
	}
}

// delAddr knows two things that inet_del_ifa does: an address takes the later
// ones of its subnet along unless promote_secondaries is set, and the last one
// takes every route of the device.
func (k *kernel) delAddr(a router.AddrSpec) error {
	if !slices.Contains(k.addrs, a) {
		return errMissing
	}
	first := slices.IndexFunc(k.addrs, func(o router.AddrSpec) bool { return o.Device == a.Device && o.Prefix.Masked() == a.Prefix.Masked() })
	promote := k.sysctls["net/ipv4/conf/"+a.Device+"/promote_secondaries"] == "1"
	secondaries := k.addrs[first] == a && !promote && a.Prefix.Addr().Is4()
	gone := func(o router.AddrSpec) bool {
		return o == a || secondaries && o.Device == a.Device && o.Prefix.Masked() == a.Prefix.Masked()
	}
	removed := slices.Clone(k.addrs)
	k.addrs = slices.DeleteFunc(k.addrs, gone)
	k.routes = slices.DeleteFunc(k.routes, func(r router.RouteSpec) bool {
		return slices.ContainsFunc(removed, func(o router.AddrSpec) bool { return gone(o) && r.Src == o.Prefix.Addr() && r.Device == o.Device })
	})
	left := slices.ContainsFunc(k.addrs, func(o router.AddrSpec) bool { return o.Device == a.Device && o.Prefix.Addr().Is4() })
	if a.Prefix.Addr().Is4() && !left && len(k.devices[a.Device].foreign) == 0 {
		k.routes = slices.DeleteFunc(k.routes, func(r router.RouteSpec) bool { return r.Device == a.Device && r.Dst.Addr().Is4() })
	}
	return nil
}

func (k *kernel) addRoute(r router.RouteSpec) error {
	d := k.devices[r.Device]
	switch {
	case d == nil:
		return errMissing
	case !d.up:
		return errDown
	case r.Gateway.IsValid() && !r.OnLink && !r.Gateway.IsLinkLocalUnicast() && !k.reaches(r):
		return fmt.Errorf("next hop %s has invalid gateway", r.Gateway)
	}
	return add(&k.routes, r)
}

// reaches reports whether a connected route of the device leads to the next hop.
func (k *kernel) reaches(r router.RouteSpec) bool {
	if slices.ContainsFunc(k.devices[r.Device].foreign, func(p netip.Prefix) bool { return p.Contains(r.Gateway) }) {
		return true
	}
	return slices.ContainsFunc(k.routes, func(c router.RouteSpec) bool {
		return c.Table == router.TableMain && c.Device == r.Device && !c.Gateway.IsValid() && c.Dst.Contains(r.Gateway)
	})
}

// lookup is what "ip route get" without mark and device answers: rule 7600
// first, which takes no default, then main.
func (k *kernel) lookup(target netip.Addr) string {
	best := router.RouteSpec{Dst: netip.PrefixFrom(target, -1)}
	found := ""
	for _, r := range k.routes {
		if r.Table != router.TableMain || !r.Dst.Contains(target) {
			continue
		}
		if r.Dst.Bits() > best.Dst.Bits() || r.Dst.Bits() == best.Dst.Bits() && r.Metric < best.Metric {
			best, found = r, r.Device
		}
	}
	return found
}

func add[T comparable](list *[]T, v T) error {
	if slices.Contains(*list, v) {
		return errExists
	}
	*list = append(*list, v)
	return nil
}

func del[T comparable](list *[]T, v T) error {
	i := slices.Index(*list, v)
	if i < 0 {
		return errMissing
	}
	*list = slices.Delete(*list, i, i+1)
	return nil
}
