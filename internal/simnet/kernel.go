package simnet

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"luatnetd/router"
)

// Errors of the kernel, as far as anybody looks at them.
var (
	ErrExists    = errors.New("file exists")
	ErrNoDevice  = errors.New("no such device")
	ErrNotFound  = errors.New("no such process")
	ErrDown      = errors.New("network is down")
	ErrWrongPath = errors.New("the lookup answers another device")
)

// Device is a network device of the model.
type Device struct {
	Up      bool // administratively
	Carrier bool
	// IgnoreLinkdown is the sysctl ignore_routes_with_linkdown.
	IgnoreLinkdown bool
}

// Flow is an entry of connection tracking.
type Flow struct {
	Mark uint32
	Name string
}

// Kernel is a model of what the kernel knows: devices, addresses, routes,
// rules, and marks of flows. Apply refuses what the kernel refuses. The zero
// Kernel has nothing and is ready.
type Kernel struct {
	Devices map[string]*Device
	Addrs   []router.AddrSpec
	Routes  []router.RouteSpec // in the order of their insertion
	Rules   []router.RuleSpec  // by preference
	Flows   []Flow
	// Refuse, if set, may make an operation fail with its error.
	Refuse func(router.Op) error
	// Applied, if set, sees every operation that succeeded.
	Applied func(router.Op)
}

// AddDevice makes a device appear.
func (k *Kernel) AddDevice(name string, d Device) {
	if k.Devices == nil {
		k.Devices = map[string]*Device{}
	}
	k.Devices[name] = &d
}

// RemoveDevice makes a device vanish, and with it its addresses and routes.
// Rules stay.
func (k *Kernel) RemoveDevice(name string) {
	delete(k.Devices, name)
	k.Addrs = slices.DeleteFunc(k.Addrs, func(a router.AddrSpec) bool { return a.Device == name })
	k.dropRoutes(func(r router.RouteSpec) bool { return r.Device == name })
}

func (k *Kernel) dropRoutes(which func(router.RouteSpec) bool) {
	k.Routes = slices.DeleteFunc(k.Routes, which)
}

// Apply executes an operation as the kernel would.
func (k *Kernel) Apply(op router.Op) error {
	if k.Refuse != nil {
		if err := k.Refuse(op); err != nil {
			return fmt.Errorf("%s: %w", op, err)
		}
	}
	if err := k.apply(op); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	if k.Applied != nil {
		k.Applied(op)
	}
	return nil
}

func (k *Kernel) apply(op router.Op) error {
	switch op := op.(type) {
	case router.SetUp:
		return k.setUp(op.Name, op.Up)
	case router.AddAddr:
		if k.Devices[op.Device] == nil {
			return ErrNoDevice
		}
		return add(&k.Addrs, op.AddrSpec)
	case router.DelAddr:
		return k.delAddr(op.AddrSpec)
	case router.AddRoute:
		return k.addRoute(op.RouteSpec)
	case router.DelRoute:
		return del(&k.Routes, op.RouteSpec)
	case router.AddRule:
		return k.addRule(op.RuleSpec)
	case router.DelRule:
		return del(&k.Rules, op.RuleSpec)
	case router.FlushMark:
		k.Flows = slices.DeleteFunc(k.Flows, func(f Flow) bool { return f.Mark&op.Mask == op.Mark })
		return nil
	case router.Verify:
		if dev, _ := k.Lookup(Packet{Dst: op.Target}); dev != op.Device {
			return fmt.Errorf("%w: %q", ErrWrongPath, dev)
		}
		return nil
	}
	return fmt.Errorf("simnet has no model of %T", op)
}

func add[T comparable](list *[]T, x T) error {
	if slices.Contains(*list, x) {
		return ErrExists
	}
	*list = append(*list, x)
	return nil
}

func del[T comparable](list *[]T, x T) error {
	i := slices.Index(*list, x)
	if i < 0 {
		return ErrNotFound
	}
	*list = slices.Delete(*list, i, i+1)
	return nil
}

func (k *Kernel) setUp(name string, up bool) error {
	d := k.Devices[name]
	if d == nil {
		return ErrNoDevice
	}
	if d.Up = up; !up {
		k.dropRoutes(func(r router.RouteSpec) bool { return r.Device == name })
	}
	return nil
}

// delAddr takes the routes along whose preferred source the address is
// (fib_sync_down_addr).
func (k *Kernel) delAddr(a router.AddrSpec) error {
	if err := del(&k.Addrs, a); err != nil {
		return err
	}
	k.dropRoutes(func(r router.RouteSpec) bool { return r.Src == a.Prefix.Addr() && r.Device == a.Device })
	return nil
}

func (k *Kernel) addRoute(r router.RouteSpec) error {
	switch d := k.Devices[r.Device]; {
	case d == nil:
		return ErrNoDevice
	case !d.Up:
		return ErrDown
	case r.Src.IsValid() && !slices.ContainsFunc(k.Addrs, func(a router.AddrSpec) bool { return a.Prefix.Addr() == r.Src }):
		return fmt.Errorf("invalid prefsrc address %s", r.Src)
	}
	if err := add(&k.Routes, r); err != nil && !errors.Is(err, ErrExists) {
		return err
	}
	return nil // appending an equal route is no error, see router.AddRoute
}

// Packet is what a look-up asks for. A zero Oif and Src are unset.
type Packet struct {
	Dst  netip.Addr
	Src  netip.Addr
	Mark uint32
	Iif  string
	Oif  string
}

// Lookup returns the device by which the packet leaves, false for "net
// unreachable".
func (k *Kernel) Lookup(p Packet) (device string, ok bool) {
	for _, r := range k.Rules {
		if r.IPv6 == p.Dst.Is4() || !matches(r, p) {
			continue
		}
		route, found := k.inTable(r.Table, p)
		if found && (r.Suppress < 0 || route.Dst.Bits() > r.Suppress) {
			return route.Device, true
		}
	}
	route, found := k.inTable(router.TableMain, p) // the kernel's own rule 32766
	return route.Device, found
}

// addRule keeps the rules in the order of their preference; of equal ones the
// older is first.
func (k *Kernel) addRule(r router.RuleSpec) error {
	if err := add(&k.Rules, r); err != nil {
		return err
	}
	slices.SortStableFunc(k.Rules, func(a, b router.RuleSpec) int { return cmp.Compare(a.Pref, b.Pref) })
	return nil
}

func matches(r router.RuleSpec, p Packet) bool {
	return (!r.From.IsValid() || p.Src.IsValid() && r.From.Contains(p.Src)) &&
		p.Mark&r.Mask == r.Mark && (r.Oif == "" || r.Oif == p.Oif) && (r.Iif == "" || r.Iif == p.Iif)
}

// inTable is the look-up in one table: longest prefix, then lowest metric, then
// age, among routes whose device can send.
func (k *Kernel) inTable(table uint32, p Packet) (best router.RouteSpec, found bool) {
	at := -1
	for i := range k.Routes {
		r := &k.Routes[i]
		if r.Table != table || !r.Dst.Contains(p.Dst) || p.Oif != "" && r.Device != p.Oif || !k.sends(r.Device) {
			continue
		}
		if at < 0 || better(r, &k.Routes[at]) {
			at = i
		}
	}
	if at < 0 {
		return router.RouteSpec{}, false
	}
	return k.Routes[at], true
}

func better(a, b *router.RouteSpec) bool {
	return a.Dst.Bits() > b.Dst.Bits() || a.Dst.Bits() == b.Dst.Bits() && a.Metric < b.Metric
}

// sends reports whether routes over the device are alive.
func (k *Kernel) sends(name string) bool {
	d := k.Devices[name]
	return d != nil && d.Up && (d.Carrier || !d.IgnoreLinkdown)
}

// Defaults returns the IPv4 defaults in a table.
func (k *Kernel) Defaults(table uint32) []router.RouteSpec {
	var list []router.RouteSpec
	for _, r := range k.Routes {
		if r.Table == table && r.Dst.Bits() == 0 && r.Dst.Addr().Is4() {
			list = append(list, r)
		}
	}
	return list
}
