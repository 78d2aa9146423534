package router_test

import (
	"strings"
	"testing"

	"luatnetd/netif"
	"luatnetd/router"
)

// running is a kernel on which a plan of in has been applied.
func running(t *testing.T, in router.Input) *kernel {
	t.Helper()
	k := newKernel("eth0", "usb0", "wwan0", "eth1", "eth2", "eth3", "docker0")
	for _, u := range in.Uplinks {
		if u.External {
			k.devices[u.Device].up = true
			k.devices[u.Device].foreign = append(k.devices[u.Device].foreign, u.Lease.Addr)
		}
	}
	if _, err := k.turn(router.Build(in), nil); err != nil {
		t.Fatalf("start: %v", err)
	}
	k.flushed = nil
	return k
}

func listing(ops []router.Op) string {
	var b strings.Builder
	for _, op := range ops {
		b.WriteString(op.String() + "\n")
	}
	return b.String()
}

// TestOrders holds the orders of operation, each as a golden list.
func TestOrders(t *testing.T) {
	onlyWAN2 := func(in *router.Input) { in.Main, in.Kill = []string{"wan2"}, []string{"wan"} }
	standby := func(in *router.Input) { in.Main = []string{"wan2"} }
	tests := []struct {
		name          string
		before, after router.Input
		world         func(*kernel) // what happens outside before the turn
	}{
		{name: "carrier-loss", before: twoUplinks(), after: change(twoUplinks(), onlyWAN2)},
		{name: "carrier-loss-no-other", before: change(twoUplinks(), func(in *router.Input) { in.Main = []string{"wan"} }),
			after: change(twoUplinks(), func(in *router.Input) { in.Main, in.HoldMain = nil, true })},
		{name: "silent-death", before: twoUplinks(), after: change(twoUplinks(), onlyWAN2)},
		{name: "silent-death-cold-backup", before: change(twoUplinks(), func(in *router.Input) { in.Main = []string{"wan"} }),
			after: change(twoUplinks(), onlyWAN2)},
		{name: "failback", before: change(twoUplinks(), onlyWAN2), after: twoUplinks()},
		{name: "failback-then-flush", before: change(twoUplinks(), standby),
			after: change(twoUplinks(), func(in *router.Input) { in.Main, in.Kill = []string{"wan"}, []string{"wan2"} })},
		{name: "address-change", before: twoUplinks(),
			after: change(twoUplinks(), func(in *router.Input) {
				in.Uplinks[0].Lease = wired("wan", 1, "eth0", "100.64.9.9/24", "100.64.9.1").Lease
			})},
		{name: "address-change-same-subnet", before: twoUplinks(),
			after: change(twoUplinks(), func(in *router.Input) {
				in.Uplinks[0].Lease = wired("wan", 1, "eth0", "100.64.1.77/24", "100.64.1.1").Lease
			})},
		{name: "device-gone", before: twoUplinks(), world: func(k *kernel) { k.unplug("eth0") },
			after: change(twoUplinks(), func(in *router.Input) { onlyWAN2(in); in.Uplinks[0].Present = false })},
		{name: "device-back", before: change(twoUplinks(), func(in *router.Input) { standby(in); in.Uplinks[0].Present = false }),
			after: change(twoUplinks(), standby)},
		{name: "lease-lost", before: twoUplinks(),
			after: change(twoUplinks(), func(in *router.Input) { onlyWAN2(in); in.Uplinks[0].Lease = netif.Lease{} })},
		{name: "closed-by-operator", before: twoUplinks(),
			after: change(twoUplinks(), func(in *router.Input) { onlyWAN2(in); in.Uplinks[0].Down = true })},
		{name: "use-other", before: twoUplinks(),
			after: change(twoUplinks(), func(in *router.Input) { in.Main = []string{"wan2", "wan"} })},
		{name: "uplink-removed", before: twoUplinks(), after: oneUplink()},
		{name: "lan-list-uplink-dead", before: withList(),
			after: change(withList(), func(in *router.Input) { in.Main, in.LANs[1].Usable, in.Kill = []string{"wan"}, nil, []string{"wan2"} })},
		{name: "lan-removed", before: change(twoUplinks(), func(in *router.Input) { in.LANs = append(in.LANs, office()) }), after: twoUplinks()},
		{name: "renewal", before: twoUplinks(),
			after: change(twoUplinks(), func(in *router.Input) { in.Uplinks[0].Lease.Expire = netif.Boot(1e9) })},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := running(t, tt.before)
			if tt.world != nil {
				tt.world(k)
			}
			ops, err := k.turn(router.Build(tt.after), nil)
			if err != nil {
				t.Error(err)
			}
			golden(t, "ops/"+tt.name+".txt", listing(ops))
			if again := listing(router.Diff(k.have(router.Build(tt.after)), router.Build(tt.after))); again != "" {
				t.Errorf("a second turn has more to do:\n%s", again)
			}
		})
	}
}

func TestStartFromNothing(t *testing.T) {
	for name, input := range inputs {
		t.Run(name, func(t *testing.T) {
			k := newKernel("eth0", "usb0", "wwan0", "eth1", "eth2", "eth3", "eth4.30")
			for _, u := range input().Uplinks {
				if u.External {
					k.devices[u.Device].up, k.devices[u.Device].foreign = true, append(k.devices[u.Device].foreign, u.Lease.Addr)
				}
			}
			ops, err := k.turn(router.Build(input()), func(router.Op) error { return nil })
			if err != nil {
				t.Fatal(err)
			}
			golden(t, "start/"+name+".txt", listing(ops))
		})
	}
}

// A fresh process finds what a crashed one left and has nothing to do.
func TestAdopt(t *testing.T) {
	for name, input := range inputs {
		k := newKernel("eth0", "usb0", "wwan0", "eth1", "eth2", "eth3", "eth4.30")
		for _, u := range input().Uplinks {
			if u.External {
				k.devices[u.Device].up, k.devices[u.Device].foreign = true, append(k.devices[u.Device].foreign, u.Lease.Addr)
			}
		}
		if _, err := k.turn(router.Build(input()), nil); err != nil {
			t.Fatal(err)
		}
		k.killed, k.made, k.original = nil, nil, nil // the memory of the process is gone
		if ops := router.Diff(k.have(router.Build(input())), router.Build(input())); len(ops) != 0 {
			t.Errorf("%s: adopting an equal kernel does\n%s", name, listing(ops))
		}
	}
}

func TestStopClean(t *testing.T) {
	in := twoUplinks()
	in.LANs = append(in.LANs, office())
	k := newKernel("eth0", "usb0", "eth1", "eth2", "eth3")
	k.sysctls["net/ipv4/conf/eth0/rp_filter"] = "1"
	k.sysctls["net/ipv4/conf/eth0/forwarding"] = "1" // it forwarded before us
	if _, err := k.turn(router.Build(in), nil); err != nil {
		t.Fatal(err)
	}
	ops := router.Clean(k.have(router.Build(in)))
	golden(t, "ops/stop-clean.txt", listing(ops))
	first := router.CleanForwarding(k.have(router.Build(in)))
	if len(first) < 2 || listing(first) != listing(ops[:len(first)]) || strings.Contains(listing(ops[len(first):]), "forwarding = 0") {
		t.Errorf("forwarding is not what a clean stop ends first:\n%s", listing(first))
	}
	for i, op := range ops {
		if err := k.apply(op); err != nil {
			t.Errorf("op %d, %s: %v", i, op, err)
		}
	}
	left := k.have(router.Build(in))
	if len(left.Addrs)+len(left.Routes)+len(left.Main)+len(left.Rules) != 0 || left.Table != nil || left.Acct != nil {
		t.Errorf("stop left %+v", left)
	}
	if k.devices["br-lan"] != nil {
		t.Error("stop left our bridge")
	}
	for path, want := range k.original {
		if got, ok := k.sysctl(path); ok && got != want {
			t.Errorf("%s = %s after stop, want %s as before us", path, got, want)
		}
	}
}
