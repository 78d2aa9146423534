package kernel

import (
	"fmt"
	"slices"

	"luatnetd/netif"
	"luatnetd/router"
)

// handPlan is a whole plan for two uplinks and a bridged LAN, written by hand.
func handPlan(m router.Marks) router.Plan {
	p := router.Plan{
		Links: []router.LinkSpec{
			{Name: "br-lan", Bridge: true, Up: true, MTU: 1500}, {Name: "eth1", Master: "br-lan", Up: true, MTU: 1500},
			{Name: "wan1", Up: true, MTU: 1400}, {Name: "wan2", Up: true, MTU: 1500},
		},
		Addrs: []router.AddrSpec{
			{Device: "br-lan", Prefix: prefix("192.168.5.1/24")}, {Device: "wan1", Prefix: prefix("100.64.1.2/24")},
			{Device: "wan2", Prefix: prefix("100.64.2.2/32")}, {Device: "wan1", Prefix: prefix("fd00:1::2/64")},
		},
		Main: []router.RouteSpec{
			{Table: router.TableMain, Dst: prefix("0.0.0.0/0"), Gateway: ip("100.64.1.1"), Device: "wan1", Metric: 10},
			{Table: router.TableMain, Dst: prefix("0.0.0.0/0"), Gateway: ip("100.64.2.1"), Device: "wan2", Metric: 11, OnLink: true},
			{Table: router.TableMain, Dst: prefix("::/0"), Gateway: ip("fd00:1::1"), Device: "wan1", Metric: 10},
		},
		Rules: []router.RuleSpec{
			{Pref: router.PrefLocalFirst, Table: router.TableMain, Suppress: 0},
			{Pref: router.PrefLAN, Table: router.TableLAN, Iif: "br-lan", Suppress: -1},
			{Pref: router.PrefFrom + 1, From: prefix("100.64.1.2/32"), Table: router.TableUplink + 1, Suppress: -1},
			{IPv6: true, Pref: router.PrefLocalFirst, Table: router.TableMain, Suppress: 0},
			{IPv6: true, Pref: router.PrefFrom + 1, From: prefix("fd00:1::2/128"), Table: router.TableUplink + 1, Suppress: -1},
		},
		Routes: []router.RouteSpec{
			{Table: router.TableMain, Dst: prefix("192.168.5.0/24"), Device: "br-lan", Src: ip("192.168.5.1")},
			{Table: router.TableMain, Dst: prefix("100.64.1.0/24"), Device: "wan1", Metric: 7601, Src: ip("100.64.1.2")},
			{Table: router.TableMain, Dst: prefix("fd00:1::/64"), Device: "wan1", Metric: 7601},
			{Table: router.TableUplink + 1, Dst: prefix("0.0.0.0/0"), Gateway: ip("100.64.1.1"), Device: "wan1"},
			{Table: router.TableUplink + 2, Dst: prefix("0.0.0.0/0"), Gateway: ip("100.64.2.1"), Device: "wan2", OnLink: true},
			{Table: router.TableUplink + 1, Dst: prefix("::/0"), Gateway: ip("fd00:1::1"), Device: "wan1", Metric: 1024},
			{Table: router.TableUplink + 1, Dst: prefix("10.8.0.0/16"), Gateway: ip("100.64.1.9"), Device: "wan1"},
			{Table: router.TableLAN, Dst: prefix("0.0.0.0/0"), Gateway: ip("100.64.2.1"), Device: "wan2", Metric: 11, OnLink: true},
		},
		Sysctls: []router.Sysctl{
			{Key: "net/ipv4/conf/%/rp_filter", Device: "wan1", Value: "2"}, {Key: "net/ipv4/conf/%/arp_ignore", Device: "wan1", Value: "1"},
			{Key: "net/ipv4/conf/%/forwarding", Device: "wan1", Value: "1"}, {Key: "net/ipv4/conf/%/forwarding", Device: "br-lan", Value: "1"},
		},
		Table:  ruleset(m),
		Acct:   accounting("wan1", "wan2"),
		Verify: router.Lookup{Target: ip("203.0.113.9"), Device: "wan1"},
	}
	for n := netif.Index(1); n <= 2; n++ {
		dev := fmt.Sprint("wan", n)
		p.Rules = append(p.Rules,
			router.RuleSpec{Pref: router.PrefOif + uint32(n), Oif: dev, Table: router.TableUplink + uint32(n), Suppress: -1},
			router.RuleSpec{Pref: router.PrefMark + uint32(n), Mark: m.Of(n), Mask: uint32(m), Table: router.TableUplink + uint32(n), Suppress: -1})
	}
	return p
}

// testDiffRooms is testDiff for what was read, as the applier asks for it.
func testDiffRooms(h router.Have, p router.Plan, rooms router.Rooms) []router.Op {
	return slices.DeleteFunc(testDiff(h, p), func(op router.Op) bool { return !rooms.Has(roomOf(op)) })
}

// testDiff is a diff good enough to drive the applier: remove what is not
// wanted, add what is missing. The real one lives in router.
func testDiff(h router.Have, p router.Plan) []router.Op {
	var ops []router.Op
	for _, l := range p.Links {
		i := slices.IndexFunc(h.Links, func(x router.LinkSpec) bool { return x.Name == l.Name })
		have := router.LinkSpec{}
		if i >= 0 {
			have = h.Links[i]
		} else if l.Bridge {
			ops = append(ops, router.MakeBridge{Name: l.Name})
		}
		if have.Master != l.Master {
			ops = append(ops, router.SetMaster{Name: l.Name, Master: l.Master})
		}
		if l.MTU != 0 && have.MTU != l.MTU {
			ops = append(ops, router.SetMTU{Name: l.Name, MTU: l.MTU})
		}
		if have.Up != l.Up {
			ops = append(ops, router.SetUp{Name: l.Name, Up: l.Up})
		}
	}
	if h.Table == nil || !identical(*h.Table, wantedID(p.Table)) {
		ops = append(ops, router.ReplaceTable{Table: p.Table})
	}
	if h.Acct == nil || !identical(*h.Acct, wantedID(p.Acct)) {
		ops = append(ops, router.SyncTable{Table: p.Acct, Have: h.Acct})
	}
	ops = append(ops, listOps(h.Rules, p.Rules, func(s router.RuleSpec) router.Op { return router.DelRule{RuleSpec: s} }, func(s router.RuleSpec) router.Op { return router.AddRule{RuleSpec: s} })...)
	ops = append(ops, listOps(h.Addrs, p.Addrs, func(s router.AddrSpec) router.Op { return router.DelAddr{AddrSpec: s} }, func(s router.AddrSpec) router.Op { return router.AddAddr{AddrSpec: s} })...)
	delRoute, addRoute := func(s router.RouteSpec) router.Op { return router.DelRoute{RouteSpec: s} }, func(s router.RouteSpec) router.Op { return router.AddRoute{RouteSpec: s} }
	ops = append(ops, listOps(h.Routes, p.Routes, delRoute, addRoute)...)
	if !p.Hold {
		ops = append(ops, listOps(h.Main, p.Main, delRoute, addRoute)...)
	}
	for _, s := range p.Sysctls {
		if v, ok := h.Sysctls[s.Path()]; !ok || v != s.Value {
			ops = append(ops, router.SetSysctl{Sysctl: s})
		}
	}
	if len(p.Kill) > 0 {
		ops = append(ops, router.Verify{Lookup: p.Verify})
	}
	for _, n := range p.Kill {
		ops = append(ops, router.FlushMark{Uplink: n, Mark: router.DefaultMask.Of(n), Mask: uint32(router.DefaultMask)})
	}
	return ops
}

func listOps[T comparable](have, want []T, del, add func(T) router.Op) (ops []router.Op) {
	for _, x := range have {
		if !slices.Contains(want, x) {
			ops = append(ops, del(x))
		}
	}
	for _, x := range want {
		if !slices.Contains(have, x) {
			ops = append(ops, add(x))
		}
	}
	return ops
}
