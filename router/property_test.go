package router_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"luatnetd/netif"
	"luatnetd/router"
)

// The pools are small, so that inputs collide: one subnet on two uplinks, an
// address that moves, a device that changes hands.
var (
	devicePool  = []string{"eth0", "usb0", "wwan0", "eth3", ""}
	addressPool = []string{"192.0.2.10/24", "192.0.2.11/24", "192.0.2.10/24", "100.64.1.2/30", "203.0.113.7/32", "100.64.2.2/31"}
	gatewayPool = []string{"192.0.2.1", "100.64.1.1", "198.51.100.1", "100.64.2.3", ""}
)

func drawInput(t *rapid.T, k *kernel) router.Input {
	in := router.Input{
		HoldMain: rapid.IntRange(0, 5).Draw(t, "hold") == 0,
		Verify:   addr("223.5.5.5"),
		Firewall: router.Firewall{ICMPRate: 10, IsolateLANs: rapid.Bool().Draw(t, "isolate"), IPv6Pass: rapid.Bool().Draw(t, "pass")},
	}
	names := rapid.Permutation([]string{"a", "b", "c"}).Draw(t, "order")
	for _, name := range names[:rapid.IntRange(0, 3).Draw(t, "uplinks")] {
		u := router.Uplink{Name: name, Index: netif.Index(name[0] - 'a' + 1)}
		u.Device = rapid.SampledFrom(devicePool).Draw(t, "device")
		u.Present = k.devices[u.Device] != nil
		u.Down = rapid.IntRange(0, 5).Draw(t, "down") == 0
		u.External = rapid.IntRange(0, 4).Draw(t, "external") == 0
		u.MTU = rapid.SampledFrom([]int{0, 1400}).Draw(t, "mtu")
		u.Lease = drawLease(t)
		in.Uplinks = append(in.Uplinks, u)
		in.Main = append(in.Main, name)
	}
	in.Main = rapid.Permutation(in.Main).Draw(t, "main")
	in.Main = in.Main[:rapid.IntRange(0, len(in.Main)).Draw(t, "usable")]
	in.Kill = slices.Clone(names)
	in.LANs = drawLANs(t, k, in.Main)
	return in
}

// evolve is what usually happens from one turn to the next: one thing.
func evolve(t *rapid.T, k *kernel, in router.Input) router.Input {
	in.Uplinks, in.Main = slices.Clone(in.Uplinks), slices.Clone(in.Main)
	for i := range in.Uplinks {
		in.Uplinks[i].Present = k.devices[in.Uplinks[i].Device] != nil
	}
	if len(in.Uplinks) == 0 {
		return in
	}
	u := &in.Uplinks[rapid.IntRange(0, len(in.Uplinks)-1).Draw(t, "which")]
	switch rapid.IntRange(0, 4).Draw(t, "what") {
	case 0:
		u.Lease = drawLease(t)
	case 1:
		u.Lease.Addr6, u.Lease.Gateway6 = netip.Prefix{}, netip.Addr{}
	case 2:
		in.HoldMain = !in.HoldMain
	case 3:
		in.Main = slices.DeleteFunc(in.Main, func(name string) bool { return name == u.Name })
	case 4:
		if !slices.Contains(in.Main, u.Name) {
			in.Main = append(in.Main, u.Name)
		}
	}
	return in
}

func drawLease(t *rapid.T) (l netif.Lease) {
	if rapid.IntRange(0, 4).Draw(t, "lease") == 0 {
		return l
	}
	l.Addr = prefix(rapid.SampledFrom(addressPool).Draw(t, "address"))
	if g := rapid.SampledFrom(gatewayPool).Draw(t, "gateway"); g != "" {
		l.Gateway = addr(g)
	}
	if rapid.Bool().Draw(t, "classless") {
		l.Routes = []netif.ClasslessRoute{{Dst: prefix("10.0.0.0/8"), Gateway: l.Gateway}, {Dst: prefix("0.0.0.0/1"), Gateway: l.Gateway}}
	}
	if rapid.Bool().Draw(t, "ipv6") {
		l.Addr6, l.Gateway6 = prefix("2001:db8::2/64"), addr("fe80::1")
	}
	return l
}

func drawLANs(t *rapid.T, k *kernel, usable []string) []router.LAN {
	l := home()
	l.Ports = rapid.SampledFrom([][]string{{"eth1", "eth2"}, {"eth1"}, {}}).Draw(t, "ports")
	l.Down = rapid.IntRange(0, 5).Draw(t, "lan down") == 0
	l.Addr = prefix(rapid.SampledFrom([]string{"192.168.5.1/24", "192.168.5.254/24", "192.168.7.1/24"}).Draw(t, "lan address"))
	o := office()
	o.Present = k.devices[o.Device] != nil
	o.Upstream = rapid.SampledFrom([][]string{nil, {"a"}, {"b", "a"}}).Draw(t, "upstream")
	o.Usable = usable
	all := []router.LAN{l, o}
	return all[:rapid.IntRange(0, 2).Draw(t, "lans")]
}

// world is what others do between two turns: devices come and go, somebody
// deletes what is ours, external devices are configured by their owners.
func world(t *rapid.T, k *kernel) {
	for _, d := range []string{"eth0", "usb0", "wwan0", "eth3", "eth1"} {
		switch rapid.IntRange(0, 9).Draw(t, "device "+d) {
		case 0:
			if k.devices[d] != nil {
				k.unplug(d)
			}
		case 1:
			if k.devices[d] == nil {
				k.devices[d] = &device{mtu: 1500}
			}
		case 2:
			if k.devices[d] != nil {
				_ = k.apply(router.SetUp{Name: d})
			}
		}
	}
	vandalise(t, "address", &k.addrs)
	vandalise(t, "route", &k.routes)
	vandalise(t, "rule", &k.rules)
	if rapid.IntRange(0, 9).Draw(t, "nft") == 0 {
		delete(k.tables, router.TableName)
	}
}

func vandalise[T any](t *rapid.T, what string, list *[]T) {
	if len(*list) > 0 && rapid.IntRange(0, 3).Draw(t, "delete "+what) == 0 {
		i := rapid.IntRange(0, len(*list)-1).Draw(t, what)
		*list = slices.Delete(*list, i, i+1)
	}
}

// own configures the devices of external uplinks, as their owners do.
func own(k *kernel, in router.Input) {
	for _, u := range in.Uplinks {
		if d := k.devices[u.Device]; u.External && d != nil {
			d.up = true
			if u.Lease.Addr.IsValid() {
				d.foreign = append(d.foreign, u.Lease.Addr)
			}
		}
	}
}

func TestTurnsConverge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := newKernel("eth0", "usb0", "wwan0", "eth1", "eth2", "eth3")
		var in router.Input
		for turn := range rapid.IntRange(1, 5).Draw(t, "turns") {
			if turn > 0 && rapid.Bool().Draw(t, "small change") {
				in = evolve(t, k, in)
			} else {
				world(t, k)
				in = drawInput(t, k)
			}
			own(k, in)
			plan := router.Build(in)
			w := newWatch(k, plan)
			ops, err := k.turn(plan, w.check)
			if err != nil {
				t.Fatalf("%v\nof\n%s", err, listing(ops))
			}
			if again := router.Diff(k.have(plan), plan); len(again) != 0 {
				t.Fatalf("after\n%s\nthere is still to do:\n%s", listing(ops), listing(again))
			}
		}
		last := router.Plan{}
		for i, op := range router.Clean(k.have(last)) {
			if err := k.apply(op); err != nil {
				t.Fatalf("clean: op %d, %s: %v", i, op, err)
			}
		}
		if len(k.addrs)+len(k.routes)+len(k.rules)+len(k.tables)+len(k.made)+len(k.mtus) != 0 {
			t.Fatalf("clean leaves %v %v %v %v %v", k.addrs, k.routes, k.rules, k.made, k.mtus)
		}
	})
}

// watch checks after every operation what must hold between two messages.
type watch struct {
	k       *kernel
	plan    router.Plan
	started bool    // main had a default over a wanted device before the turn
	local   [2]bool // IPv4, IPv6: no rule was without the one that keeps the LAN local
}

func newWatch(k *kernel, plan router.Plan) *watch {
	w := &watch{k: k, plan: plan}
	w.local = [2]bool{w.keepsLocal(false), w.keepsLocal(true)}
	w.started = w.online()
	return w
}

// online reports whether main has an IPv4 default over a device of the plan.
func (w *watch) online() bool {
	return slices.ContainsFunc(w.k.have(w.plan).Main, func(r router.RouteSpec) bool {
		return r.Dst.Addr().Is4() && slices.ContainsFunc(w.plan.Main, func(p router.RouteSpec) bool { return p.Device == r.Device && p.Dst == r.Dst })
	})
}

func (w *watch) check(op router.Op) error {
	wanted := slices.ContainsFunc(w.plan.Main, func(p router.RouteSpec) bool { return p.Dst.Addr().Is4() })
	if w.started && wanted && !w.online() {
		return fmt.Errorf("main has no default over a usable uplink: %v", w.k.have(w.plan).Main)
	}
	if w.local[0] && !w.keepsLocal(false) || w.local[1] && !w.keepsLocal(true) {
		return fmt.Errorf("rules of ours without the one that keeps the LAN local: %v", w.k.rules)
	}
	switch o := op.(type) {
	case router.SetSysctl:
		if o.Value == "1" && o.Key == "net/ipv4/conf/%/forwarding" {
			if why := w.k.identity(router.TableName).Differs(w.plan.Table.Identity()); why != "" {
				return fmt.Errorf("forwarding before the firewall: %s", why)
			}
		}
	case router.FlushMark:
		if w.plan.Hold && slices.ContainsFunc(w.plan.Rules, func(r router.RuleSpec) bool { return r.Pref == router.PrefMark+uint32(o.Uplink) }) &&
			slices.Contains(w.plan.Kill, o.Uplink) {
			return fmt.Errorf("a flow is killed while no uplink is usable")
		}
	case router.AddRoute:
		return w.held(o.RouteSpec)
	case router.DelRoute:
		return w.held(o.RouteSpec)
	}
	return nil
}

// keepsLocal reports whether the family has rule 7600, or no rule of ours.
func (w *watch) keepsLocal(ipv6 bool) bool {
	other := func(r router.RuleSpec) bool { return r.IPv6 == ipv6 && r.Pref != router.PrefLocalFirst }
	first := func(r router.RuleSpec) bool { return r.IPv6 == ipv6 && r.Pref == router.PrefLocalFirst }
	return !slices.ContainsFunc(w.k.rules, other) || slices.ContainsFunc(w.k.rules, first)
}

// held refuses operations on main's defaults while main is held.
func (w *watch) held(r router.RouteSpec) error {
	if w.plan.Hold && r.Table == router.TableMain && r.Dst.Bits() == 0 {
		return fmt.Errorf("main is held")
	}
	return nil
}

func TestAssign(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[a-z][0-9]{0,2}`)
		table := map[string]netif.Index{}
		for range rapid.IntRange(1, 8).Draw(t, "reloads") {
			names := rapid.SliceOfNDistinct(name, 0, 70, rapid.ID).Draw(t, "names")
			got, changed := router.Assign(table, names)
			again, _ := router.Assign(table, names)
			if fmt.Sprint(got) != fmt.Sprint(again) {
				t.Fatal("two answers to one question")
			}
			used := map[netif.Index]string{}
			for n, i := range got {
				if other, ok := used[i]; ok || !i.Valid() {
					t.Fatalf("index %d of %q is invalid or also of %q", i, n, other)
				}
				used[i] = n
			}
			with := 0
			for _, n := range names {
				if _, ok := got[n]; ok {
					with++
				}
				if old, ok := table[n]; ok && got[n] != old {
					t.Fatalf("%q had %d, now %d", n, old, got[n])
				}
			}
			if want := min(len(names), int(netif.MaxIndex)); with != want {
				t.Fatalf("%d of %d names have an index, want %d", with, len(names), want)
			}
			if changed != (fmt.Sprint(got) != fmt.Sprint(table)) {
				t.Fatalf("changed = %v from %v to %v", changed, table, got)
			}
			table = got
		}
	})
}
