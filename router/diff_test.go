package router_test

import (
	"strings"
	"testing"

	"luatnetd/netif"
	"luatnetd/router"
)

// A switch needs to read nothing but main.
func TestSwitchOfTwoRooms(t *testing.T) {
	before := router.Build(twoUplinks())
	after := router.Build(change(twoUplinks(), func(in *router.Input) { in.Main, in.Kill = []string{"wan2"}, []string{"wan"} }))
	changed := after.Changed(before)
	if want := router.RoomMain | router.RoomKill; changed != want {
		t.Fatalf("a switch changes %v, want %v", changed, want)
	}
	got := listing(router.DiffRooms(router.Have{Main: before.Main}, after, changed))
	golden(t, "ops/carrier-loss.txt", got)
}

// Every room has a name, and Each meets every room once.
func TestRoomsHaveNames(t *testing.T) {
	if got, want := router.AllRooms.String(), "links,addresses,routes,rules,main,nftables,accounting,sysctls,conntrack"; got != want {
		t.Errorf("all rooms are %q, want %q", got, want)
	}
	var sum router.Rooms
	for _, r := range router.AllRooms.Each() {
		if sum.Has(r) {
			t.Errorf("%v comes twice", r)
		}
		sum |= r
	}
	if sum != router.AllRooms {
		t.Errorf("Each gives %v, want all", sum)
	}
}

func TestChangedNamesTheRoom(t *testing.T) {
	tests := []struct {
		f    func(*router.Input)
		want string
	}{
		{func(in *router.Input) { in.LANs[0].Ports = []string{"eth1"} }, "links"},
		{func(in *router.Input) { in.Uplinks[0].MTU = 1492 }, "links,nftables"},
		{func(in *router.Input) { in.Uplinks[0].Lease.Addr = prefix("100.64.1.3/24") }, "addresses,routes,rules"},
		{func(in *router.Input) { in.Uplinks[0].Lease.Gateway = addr("100.64.1.9") }, "routes,main"},
		{func(in *router.Input) { in.HoldMain = true }, "main,conntrack"},
		{func(in *router.Input) { in.Firewall.ICMPRate = 1 }, "nftables"},
		{func(in *router.Input) { in.NoStaleReset = true }, "nftables"},
		{func(in *router.Input) { in.Uplinks[1].Name = "lte" }, "main,accounting"},
		{func(in *router.Input) { in.Kill = []string{"wan"}; in.Main = []string{"wan2"} }, "main,conntrack"},
		{func(in *router.Input) { in.Uplinks[0].External = true }, "links,addresses,routes,sysctls"},
	}
	for _, tt := range tests {
		if got := router.Build(change(twoUplinks(), tt.f)).Changed(router.Build(twoUplinks())).String(); got != tt.want {
			t.Errorf("Changed = %q, want %q", got, tt.want)
		}
	}
}

// DEV-29: the MTU of a lease (option 26) goes when the lease says it no longer,
// when the lease is lost and when the uplink leaves the configuration; one that
// nobody of us wrote is left alone.
func TestMTUGoesBack(t *testing.T) {
	with := func(mtu int) router.Input {
		return change(twoUplinks(), func(in *router.Input) { in.Uplinks[0].Lease.MTU = mtu })
	}
	for name, after := range map[string]router.Input{
		"other lease":    with(0),
		"lease lost":     change(twoUplinks(), func(in *router.Input) { in.Uplinks[0].Lease = netif.Lease{} }),
		"uplink removed": change(twoUplinks(), func(in *router.Input) { in.Uplinks = in.Uplinks[1:] }),
	} {
		k := running(t, with(1400))
		k.devices["usb0"].mtu = 1430 // somebody else's
		if got := k.devices["eth0"].mtu; got != 1400 {
			t.Fatalf("%s: the lease's MTU is not set: %d", name, got)
		}
		if _, err := k.turn(router.Build(with(1300)), nil); err != nil || k.devices["eth0"].mtu != 1300 {
			t.Fatalf("%s: %v, MTU %d after a lease with 1300", name, err, k.devices["eth0"].mtu)
		}
		if _, err := k.turn(router.Build(after), nil); err != nil {
			t.Fatal(err)
		}
		if got := k.devices["eth0"].mtu; got != 1500 {
			t.Errorf("%s: MTU %d, want the 1500 of before", name, got)
		}
		if got := k.devices["usb0"].mtu; got != 1430 || len(k.mtus) != 0 {
			t.Errorf("%s: the other device has %d, remembered %v", name, got, k.mtus)
		}
	}
}

// A kill is done once: the applier remembers it, and sweeps on its own.
func TestKillOnce(t *testing.T) {
	plan := router.Build(change(twoUplinks(), func(in *router.Input) { in.Main, in.Kill = []string{"wan2"}, []string{"wan"} }))
	k := running(t, twoUplinks())
	for turn, want := range []bool{true, false} {
		ops, err := k.turn(plan, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(listing(ops), "conntrack"); got != want {
			t.Errorf("turn %d flushes: %v, want %v", turn, got, want)
		}
	}
}

// Somebody may have put a device of his own into our bridge, or the plan's
// port into a bridge of his.
func TestForeignPortsAndBridges(t *testing.T) {
	in := twoUplinks()
	k := running(t, in)
	k.devices["docker0"].bridge = true
	k.devices["usb0"].master = "docker0"
	k.devices["wwan0"].master = "br-lan"
	ops, err := k.turn(router.Build(in), nil)
	if err != nil || len(ops) != 0 {
		t.Errorf("ops %v, err %v, want none", ops, err)
	}
	in.Uplinks = append(in.Uplinks, wired("lte", 3, "eth2", "100.64.3.2/24", "100.64.3.1"))
	in.LANs[0].Ports = []string{"eth1"}
	ops, err = k.turn(router.Build(in), nil)
	if err != nil || !strings.Contains(listing(ops), "ip link set eth2 nomaster") {
		t.Errorf("a port that became an uplink stays in our bridge: %v\n%s", err, listing(ops))
	}
}

func TestBridgeThatLeftThePlan(t *testing.T) {
	k := running(t, twoUplinks())
	in := change(twoUplinks(), func(in *router.Input) { in.LANs = nil })
	ops, err := k.turn(router.Build(in), nil)
	if err != nil || !strings.Contains(listing(ops), "ip link del br-lan") {
		t.Errorf("our bridge stays: %v\n%s", err, listing(ops))
	}
	k = running(t, twoUplinks())
	k.made = nil // not known to be ours
	ops, err = k.turn(router.Build(in), nil)
	if err != nil || strings.Contains(listing(ops), "ip link del") {
		t.Errorf("a bridge that we may not have made is removed: %v\n%s", err, listing(ops))
	}
}

// A device that left between planning and applying costs its own entries only.
func TestDeviceLeftMeanwhile(t *testing.T) {
	k := newKernel("eth0", "eth1", "eth2")
	in := twoUplinks()
	ops, err := k.turn(router.Build(in), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := listing(ops); strings.Contains(got, "dev usb0") || !strings.Contains(got, "oif usb0") || !strings.Contains(got, "default via 100.64.1.1 dev eth0 metric 10") {
		t.Errorf("ops:\n%s", got)
	}
}

// Of an external uplink only routes by next hop, rules and sysctls are ours.
func TestExternalIsLeftAlone(t *testing.T) {
	k := running(t, external())
	for _, a := range k.addrs {
		if a.Device == "eth0" {
			t.Errorf("address %s added to an external uplink", a)
		}
	}
	in := external()
	in.Uplinks[0].Down = true
	in.Main = []string{"wan2"}
	ops, err := k.turn(router.Build(in), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := listing(ops); strings.Contains(got, "link set eth0") || strings.Contains(got, "addr del") {
		t.Errorf("closing an external uplink touches its link or address:\n%s", got)
	}
}

func TestOddInputNeverPanics(t *testing.T) {
	for _, in := range []router.Input{
		{Marks: 0xdead, Main: []string{"x"}, Kill: []string{"x"}},
		{Uplinks: make([]router.Uplink, 70), LANs: make([]router.LAN, 70)},
		{LANs: []router.LAN{{Device: "a", Upstream: []string{"x"}, Usable: []string{"y"}}}, Forwards: []router.Forward{{Proto: "tcp", Port: 1}}},
	} {
		plan := router.Build(in)
		_ = router.Diff(router.Have{}, plan)
		_ = router.Clean(router.Have{})
	}
}
