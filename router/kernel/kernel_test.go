package kernel

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"luatnetd/internal/lab"
	"luatnetd/router"
)

// asPlanned compares what was read with the plan, in any order within a room.
func asPlanned(t *testing.T, p router.Plan, h router.Have) {
	t.Helper()
	unordered(t, "links", p.Links, h.Links)
	unordered(t, "addresses", p.Addrs, h.Addrs)
	unordered(t, "routes", p.Routes, h.Routes)
	unordered(t, "main", p.Main, h.Main)
	unordered(t, "rules", p.Rules, h.Rules)
	for _, s := range p.Sysctls {
		if h.Sysctls[s.Path()] != s.Value {
			t.Errorf("sysctl %s = %q, want %q", s.Path(), h.Sysctls[s.Path()], s.Value)
		}
	}
	if h.Table == nil || !identical(*h.Table, wantedID(p.Table)) || h.Acct == nil {
		t.Errorf("nftables not as planned")
	}
}

func unordered[T comparable](t *testing.T, what string, want, got []T) {
	t.Helper()
	text := func(list []T) []string {
		var out []string
		for _, x := range list {
			out = append(out, fmt.Sprintf("%+v", x))
		}
		slices.Sort(out)
		return out
	}
	diff(t, what, text(want), text(got))
}

// dump is everything in the namespace that anybody may have put there.
const dump = `ip -o link show type bridge | cut -d: -f2; ip -o addr | sed 's/valid_lft.*//; s/tentative//'; ip route show table all | sort; ip -6 route show table all | grep -v 'fe80\|ff00\|expires' | sort
	ip rule; ip -6 rule; nft -s list ruleset | tr ',' '\n' | tr -d ' \t{}' | sed 's/elements=//' | sort; cat /proc/sys/net/ipv4/conf/wan1/rp_filter /proc/sys/net/ipv4/conf/wan1/forwarding`

// foreign puts things of others, and things that look like ours, in the box.
const foreign = `ip addr add 100.64.1.77/24 dev wan1 noprefixroute; ip addr add fd00:9::9/64 dev wan2 nodad; ip addr add 100.64.2.77/24 dev wan2 noprefixroute
	ip route add 198.51.100.0/24 dev wan2 scope link; ip route add default via 100.64.1.78 dev wan1 metric 10 proto static onlink
	ip route add default dev wan2 metric 500 table 7601; ip route add 10.9.0.0/16 dev wan1 table 99
	ip rule add pref 7600 lookup main suppress_prefixlength 0; ip rule add pref 7701 oif wan1 lookup 7601 proto 9; ip rule add pref 5000 fwmark 0x1/0x1 lookup 99
	ip -6 rule add pref 7600 lookup main suppress_prefixlength 0; ip -6 rule add pref 7901 from fd00:9::/64 lookup 7601
	ip link add br-foreign type bridge; nft add table inet foreign; nft add chain inet foreign c '{ type filter hook forward priority 0; }'; nft add table ip luatnetd`

func TestRoundTrip(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		b, _ := newBox(t, Config{}, "wan1", "wan2", "eth1")
		b.sh(t, foreign)
		before := b.sh(t, dump)
		p := handPlan(router.DefaultMask)
		ops := testDiff(b.read(t, p), p)
		b.mustApply(t, ops...)
		h := b.read(t, p)
		asPlanned(t, p, h)
		for _, d := range []string{"lo", "wan1", "br-lan", "br-foreign"} {
			if !slices.Contains(h.Devices, d) {
				t.Errorf("devices %v lack %s", h.Devices, d)
			}
		}
		if got := testDiff(h, p); len(got) != 0 {
			t.Errorf("a second turn would do %v", got)
		}
		full := b.sh(t, dump)
		b.mustApply(t, ops...) // everything once more: nothing is an error, nothing is doubled
		diff(t, "after applying twice", lines(full), lines(b.sh(t, dump)))
		if out := b.sh(t, "ip -d link show br-lan"); !strings.Contains(out, "forward_delay 0") || !strings.Contains(out, "stp_state 0") || !strings.Contains(out, "alias luatnetd") {
			t.Errorf("bridge: %s", out)
		}
		if out := b.sh(t, "ip addr show dev br-lan"); !strings.Contains(out, "brd 192.168.5.255") || !strings.Contains(out, "noprefixroute") {
			t.Errorf("address: %s", out)
		}
		b.mustApply(t, undo(p)...)
		b.mustApply(t, undo(p)...) // what is gone is gone
		b.ns.MustDo(t, b.k.RestoreSysctls)
		diff(t, "foreign state after all was taken back", lines(before), lines(b.sh(t, dump)))
		h = b.read(t, p)
		if len(h.Addrs)+len(h.Routes)+len(h.Main)+len(h.Rules) != 0 || h.Table != nil || h.Acct != nil {
			t.Errorf("left of ours: %+v", h)
		}
	})
}

// undo takes a plan back, in an order of its own.
func undo(p router.Plan) (ops []router.Op) {
	for _, r := range slices.Concat(p.Main, p.Routes) {
		ops = append(ops, router.DelRoute{RouteSpec: r})
	}
	for _, r := range p.Rules {
		ops = append(ops, router.DelRule{RuleSpec: r})
	}
	for _, a := range p.Addrs {
		ops = append(ops, router.DelAddr{AddrSpec: a})
	}
	for _, l := range p.Links {
		if l.Bridge {
			ops = append(ops, router.DelLink{Name: l.Name})
		} else if l.MTU != 0 {
			ops = append(ops, router.SetMTU{Name: l.Name, MTU: 1500})
		}
	}
	return append(ops, router.DelTable{Name: p.Table.Name}, router.DelTable{Name: p.Acct.Name})
}

// TestOneFails: whatever op fails, all the others are done, and the next turn
// completes the plan.
func TestOneFails(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		b, _ := newBox(t, Config{}, "wan1", "wan2", "eth1")
		p := handPlan(router.DefaultMask)
		boom := errors.New("boom")
		ops := testDiff(b.read(t, p), p)
		for k := range ops {
			n := 0
			b.k.do = func(op router.Op) error {
				if n++; n == k+1 {
					return boom
				}
				return b.k.execute(op)
			}
			failures := b.apply(ops...)
			if len(failures) == 0 || failures[0].Op.String() != ops[k].String() || !errors.Is(failures[0].Err, boom) {
				t.Fatalf("op %d %s: failures %v", k, ops[k], failures)
			}
			b.k.do = b.k.execute
			b.mustApply(t, testDiff(b.read(t, p), p)...)
			b.mustApply(t, testDiff(b.read(t, p), p)...) // a device that went down took routes along
			asPlanned(t, p, b.read(t, p))
			b.mustApply(t, undo(p)...)
		}
	})
}

func TestForeignIsRefused(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		b, _ := newBox(t, Config{}, "wan1")
		b.sh(t, `ip link add br-docker type bridge; ip link add br-lan type veth peer name peer0; ip addr add 192.0.2.1/24 dev wan1; ip addr add fd00:5::1/64 dev wan1`)
		before := b.sh(t, "ip link; ip addr")
		addr4, addr6 := router.AddrSpec{Device: "wan1", Prefix: prefix("192.0.2.1/24")}, router.AddrSpec{Device: "wan1", Prefix: prefix("fd00:5::1/64")}
		for _, op := range []router.Op{
			router.DelLink{Name: "br-docker"}, router.MakeBridge{Name: "br-lan"},
			router.AddAddr{AddrSpec: addr4}, router.AddAddr{AddrSpec: addr6},
			router.AddAddr{AddrSpec: router.AddrSpec{Device: "wan9", Prefix: addr4.Prefix}},
			router.AddRoute{RouteSpec: router.RouteSpec{Table: 254, Dst: prefix("0.0.0.0/0"), Device: "wan9"}},
			router.AddRoute{RouteSpec: router.RouteSpec{Table: 254, Dst: prefix("0.0.0.0/0"), Device: "wan1", Gateway: ip("fd00::1")}},
			router.AddRule{RuleSpec: router.RuleSpec{IPv6: true, From: prefix("192.0.2.1/32"), Table: 7601, Suppress: -1}},
			router.SetUp{Name: "wan9", Up: true},
			router.FlushMark{Uplink: 0, Mark: 0x100, Mask: 0x3f00}, router.FlushMark{Uplink: 1, Mark: 0x10000, Mask: 0x3f00},
		} {
			if got := b.apply(op); len(got) != 1 || got[0].Err == nil {
				t.Errorf("%s: failures %v, want one", op, got)
			}
		}
		for _, op := range []router.Op{
			router.DelAddr{AddrSpec: addr4}, router.DelAddr{AddrSpec: addr6}, // not ours: nothing to do
			router.DelAddr{AddrSpec: router.AddrSpec{Device: "wan9", Prefix: addr4.Prefix}},
			router.DelLink{Name: "br-none"}, router.MakeBridge{Name: "br-docker"},
			router.SetSysctl{Sysctl: router.Sysctl{Key: "net/ipv4/conf/%/no_such_thing", Device: "wan1", Value: "1"}},
			router.Verify{},
		} {
			b.mustApply(t, op)
		}
		diff(t, "foreign state", before, b.sh(t, "ip link; ip addr"))
	})
}

// RTR-16: nothing is flushed before the kernel uses the new way.
func TestVerifyStopsFlush(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		b, _ := newBox(t, Config{}, "wan1", "wan2", "eth1")
		p := handPlan(router.DefaultMask)
		b.mustApply(t, testDiff(b.read(t, p), p)...)
		verify := func(device string) router.Verify {
			return router.Verify{Lookup: router.Lookup{Target: ip("203.0.113.9"), Device: device}}
		}
		b.mustApply(t, verify("wan1"))
		flush := router.FlushMark{Uplink: 1, Mark: 0x100, Mask: 0x3f00}
		called := 0
		b.k.do = func(op router.Op) error {
			if _, ok := op.(router.FlushMark); ok {
				called++
			}
			return b.k.execute(op)
		}
		got := b.apply(verify("wan2"), flush, router.AddRoute{RouteSpec: p.Main[0]})
		if len(got) != 2 || !errors.Is(got[0].Err, errNotVerified) || !errors.Is(got[1].Err, errNotVerified) || called != 0 {
			t.Errorf("failures %v, %d flushes; want the verify and the flush, none called", got, called)
		}
		b.mustApply(t, verify("wan1"), flush)
		if called != 1 {
			t.Errorf("%d flushes after a good verify, want 1", called)
		}
	})
}

// TestOldKernel: where IFA_PROTO does not come back, the list tells which
// addresses are ours, also to the next process.
func TestOldKernel(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		dir := t.TempDir()
		b, _ := newBox(t, Config{RunDir: dir}, "wan1")
		b.k.noAddrProto = true
		ours := router.AddrSpec{Device: "wan1", Prefix: prefix("192.0.2.1/24")}
		six := router.AddrSpec{Device: "wan1", Prefix: prefix("fd00:5::1/64")}
		b.sh(t, "ip addr add 192.0.2.9/24 dev wan1")
		b.mustApply(t, router.AddAddr{AddrSpec: ours}, router.AddAddr{AddrSpec: six}, router.AddAddr{AddrSpec: ours})
		file := filepath.Join(dir, addrFile)
		written := func() time.Time {
			info, err := os.Stat(file)
			if err != nil {
				t.Fatal(err)
			}
			return info.ModTime()
		}
		at := written()
		unordered(t, "addresses", []router.AddrSpec{ours, six}, b.read(t, router.Plan{}).Addrs)
		if written() != at {
			t.Error("the list was written without a change")
		}
		if err := b.k.Close(); err != nil {
			t.Fatal(err)
		}
		b.open(t, Config{RunDir: dir})
		b.k.noAddrProto = true
		unordered(t, "addresses of the next process", []router.AddrSpec{ours, six}, b.read(t, router.Plan{}).Addrs)
		if got := b.apply(router.AddAddr{AddrSpec: router.AddrSpec{Device: "wan1", Prefix: prefix("192.0.2.9/24")}}); len(got) != 1 {
			t.Errorf("foreign address taken over: %v", got)
		}
		// Removed behind our back and put there by somebody: not ours any more.
		b.sh(t, "ip addr del 192.0.2.1/24 dev wan1")
		unordered(t, "after removal", []router.AddrSpec{six}, b.read(t, router.Plan{}).Addrs)
		b.sh(t, "ip addr add 192.0.2.1/24 dev wan1")
		unordered(t, "after a foreign one", []router.AddrSpec{six}, b.read(t, router.Plan{}).Addrs)
		b.mustApply(t, router.DelAddr{AddrSpec: six}, router.DelAddr{AddrSpec: ours})
		if out := b.sh(t, "ip addr show dev wan1"); strings.Contains(out, "fd00:5::1") || !strings.Contains(out, "192.0.2.1/24") {
			t.Errorf("addresses: %s", out)
		}
		if len(b.k.listed.addrs) != 0 {
			t.Errorf("still listed: %v", b.k.listed.addrs)
		}
	})
}

func TestSysctlsGoBack(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		dir := t.TempDir()
		b, _ := newBox(t, Config{RunDir: dir}, "wan1", "wan2")
		all := "cd /proc/sys/net/ipv4/conf; cat wan1/rp_filter wan1/forwarding wan2/arp_ignore"
		b.sh(t, "cd /proc/sys/net/ipv4/conf; echo 1 > wan1/rp_filter; echo 0 > wan1/forwarding; echo 0 > wan2/arp_ignore")
		set := func(key, device, value string) router.Op {
			return router.SetSysctl{Sysctl: router.Sysctl{Key: "net/ipv4/conf/%/" + key, Device: device, Value: value}}
		}
		b.mustApply(t, set("rp_filter", "wan1", "2"), set("forwarding", "wan1", "1"), set("arp_ignore", "wan2", "1"))
		diff(t, "values", "2\n1\n1\n", b.sh(t, all))
		if err := b.k.Close(); err != nil { // a crash keeps the memory
			t.Fatal(err)
		}
		b.open(t, Config{RunDir: dir})
		b.mustApply(t, set("rp_filter", "wan1", "0"), set("rp_filter", "wan1", "2"))
		want := map[string]string{"net/ipv4/conf/wan1/rp_filter": "1", "net/ipv4/conf/wan1/forwarding": "0", "net/ipv4/conf/wan2/arp_ignore": "0"}
		diff(t, "originals", want, b.k.Originals())
		b.sh(t, "ip link del wan2") // a device that is gone needs nothing back
		b.ns.MustDo(t, b.k.RestoreSysctls)
		diff(t, "values put back", "1\n0\n", b.sh(t, "cd /proc/sys/net/ipv4/conf; cat wan1/rp_filter wan1/forwarding"))
		if _, err := os.Stat(filepath.Join(dir, sysctlFile)); !os.IsNotExist(err) {
			t.Errorf("the file is still there: %v", err)
		}
		b.ns.MustDo(t, b.k.RestoreSysctls)
	})
}

// The MTU of before our first write is remembered over a crash, forgotten once
// it is back, and never taken over to another device of the same name.
func TestMTUOfBefore(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		dir := t.TempDir()
		b, _ := newBox(t, Config{RunDir: dir}, "wan1", "wan2")
		set := func(device string, mtu int) { t.Helper(); b.mustApply(t, router.SetMTU{Name: device, MTU: mtu}) }
		before := func(want map[string]int) {
			t.Helper()
			diff(t, "MTUs of before", want, b.read(t, router.Plan{}).MTUs)
		}
		b.sh(t, "ip link set wan1 mtu 1460")
		before(map[string]int{})
		set("wan1", 1400)
		set("wan1", 1300)
		set("wan2", 1400)
		if err := b.k.Close(); err != nil {
			t.Fatal(err)
		}
		b.open(t, Config{RunDir: dir})
		before(map[string]int{"wan1": 1460, "wan2": 1500})
		b.sh(t, "ip link del wan2")
		before(map[string]int{"wan1": 1460})
		set("wan1", 1460)
		before(map[string]int{})
	})
}

// A value that left the plan is read as long as it is ours to put back, and
// once it is back it is somebody else's again.
func TestSysctlThatLeftThePlan(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		b, _ := newBox(t, Config{RunDir: t.TempDir()}, "wan1")
		const path = "net/ipv4/conf/wan1/forwarding"
		forwarding := func(value string) router.Op {
			return router.SetSysctl{Sysctl: router.Sysctl{Key: "net/ipv4/conf/%/forwarding", Device: "wan1", Value: value}}
		}
		b.sh(t, "echo 0 > /proc/sys/"+path)
		b.mustApply(t, forwarding("1"))
		diff(t, "read without being planned", map[string]string{path: "1"}, b.read(t, router.Plan{}).Sysctls)
		b.mustApply(t, forwarding("0"))
		diff(t, "originals", map[string]string{}, b.k.Originals())
		b.sh(t, "echo 1 > /proc/sys/"+path) // somebody else
		diff(t, "read after somebody else's change", map[string]string{}, b.read(t, router.Plan{}).Sysctls)
	})
}

// TestProcSys checks names only: outside of net a sysctl is the machine's, and
// no namespace of the lab holds it.
func TestProcSys(t *testing.T) {
	for path, ok := range map[string]bool{
		"net/ipv4/conf/wan1/rp_filter": true, "net/ipv4/conf/eth0.5/rp_filter": true,
		"net/../kernel/hostname": false, "kernel/hostname": false, "/net/x": false, "net/./x": false,
		"net//x": false, "net/ipv4/conf/../../../kernel/x": false, "net/": false, "": false, "../proc/x": false,
	} {
		if _, err := procSys(path); (err == nil) != ok {
			t.Errorf("procSys(%q): %v, want allowed %v", path, err, ok)
		}
	}
}

// TestManyForeignRoutes: 20,000 routes of others cost little.
func TestManyForeignRoutes(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		b, _ := newBox(t, Config{}, "wan1", "wan2", "eth1")
		p := handPlan(router.DefaultMask)
		b.mustApply(t, testDiff(b.read(t, p), p)...)
		b.sh(t, `i=0; while [ $i -lt 20000 ]; do echo "route add 10.$((i/256%256)).$((i%256)).0/24 dev wan1 proto static table $((254-i/65536))"; i=$((i+1)); done > /run/routes; ip -batch /run/routes`)
		start := time.Now()
		h := b.read(t, p)
		took := time.Since(start)
		t.Logf("whole read beside 20,000 foreign routes: %v", took)
		if took > time.Second {
			t.Errorf("read took %v, want less than 1 s", took)
		}
		asPlanned(t, p, h)
		b.ns.MustDo(t, func() error {
			start := time.Now()
			_, failed := b.k.read(t.Context(), p, router.RoomMain)
			t.Logf("read of main alone: %v", time.Since(start))
			if len(failed) > 0 {
				return failed[router.RoomMain]
			}
			return nil
		})
	})
}

// TestJoinedRoute: IPv6 joins routes of one metric into one of many hops.
func TestJoinedRoute(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		b, _ := newBox(t, Config{}, "wan1", "wan2")
		b.sh(t, "ip addr add fd00:1::2/64 dev wan1 nodad; ip addr add fd00:2::2/64 dev wan2 nodad")
		want := []router.RouteSpec{
			{Table: 7601, Dst: prefix("::/0"), Gateway: ip("fd00:1::1"), Device: "wan1", Metric: 5},
			{Table: 7601, Dst: prefix("::/0"), Gateway: ip("fd00:2::1"), Device: "wan2", Metric: 5},
		}
		b.mustApply(t, router.AddRoute{RouteSpec: want[0]}, router.AddRoute{RouteSpec: want[1]})
		unordered(t, "routes", want, b.read(t, router.Plan{}).Routes)
		b.mustApply(t, router.DelRoute{RouteSpec: want[0]})
		unordered(t, "routes", want[1:], b.read(t, router.Plan{}).Routes)
	})
}

// TestExactDelete: a delete takes the one route and not its neighbours.
func TestExactDelete(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		b, _ := newBox(t, Config{}, "wan1", "wan2")
		b.sh(t, "ip addr add 100.64.1.2/24 dev wan1; ip addr add 100.64.2.2/24 dev wan2")
		d, g1, g2 := prefix("0.0.0.0/0"), ip("100.64.1.1"), ip("100.64.2.1")
		list := []router.RouteSpec{
			{Table: 254, Dst: d, Gateway: g1, Device: "wan1", Metric: 10}, {Table: 254, Dst: d, Gateway: g1, Device: "wan1", Metric: 11},
			{Table: 254, Dst: d, Gateway: g2, Device: "wan2", Metric: 10}, {Table: 254, Dst: d, Gateway: ip("100.64.1.9"), Device: "wan1", Metric: 10},
			{Table: 254, Dst: d, Device: "wan1", Metric: 10}, {Table: 7601, Dst: d, Gateway: g1, Device: "wan1"},
			{Table: 7602, Dst: d, Gateway: g1, Device: "wan1"},
		}
		b.sh(t, "ip route add default via 100.64.1.1 dev wan1 metric 10; ip route add default dev wan1 metric 10 proto static scope link table 7601")
		foreign := b.sh(t, "ip route show table all | grep default | grep -v 'proto 76 '")
		for i := range list {
			for _, r := range list {
				b.mustApply(t, router.AddRoute{RouteSpec: r})
			}
			b.mustApply(t, router.DelRoute{RouteSpec: list[i]})
			h := b.read(t, router.Plan{})
			unordered(t, "after "+router.DelRoute{RouteSpec: list[i]}.String(), slices.Delete(slices.Clone(list), i, i+1), slices.Concat(h.Main, h.Routes))
			diff(t, "foreign", foreign, b.sh(t, "ip route show table all | grep default | grep -v 'proto 76 '"))
		}
	})
}

// TestRuleBesideEqualOne: an equal rule of another program is neither taken
// for ours nor in the way.
func TestRuleBesideEqualOne(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		b, _ := newBox(t, Config{})
		r := router.RuleSpec{Pref: 7600, Table: 254, Suppress: 0}
		b.sh(t, "ip rule add pref 7600 lookup main suppress_prefixlength 0 proto 9")
		before := b.sh(t, "ip rule")
		b.mustApply(t, router.AddRule{RuleSpec: r}, router.AddRule{RuleSpec: r})
		unordered(t, "rules", []router.RuleSpec{r}, b.read(t, router.Plan{}).Rules)
		b.mustApply(t, router.DelRule{RuleSpec: r}, router.DelRule{RuleSpec: r})
		diff(t, "foreign rules", before, b.sh(t, "ip rule"))
	})
}

func TestLostAnswer(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		b, _ := newBox(t, Config{}, "wan1")
		b.ns.MustDo(t, func() error {
			if _, err := b.k.link("wan1"); err != nil {
				return err
			}
			_ = b.k.rtnl.conn.Close()
			_, err := b.k.link("wan1")
			if err == nil || answered(err) {
				t.Errorf("on a closed socket: %v", err)
			}
			_, err = b.k.link("wan1")
			return err // a new socket
		})
		b.ns.MustDo(t, func() error {
			if _, err := b.k.link("none"); !errors.Is(err, unix.ENODEV) || b.k.rtnl.conn == nil {
				t.Errorf("an answer of ENODEV: %v, socket %v", err, b.k.rtnl.conn)
			}
			return nil
		})
	})
}
