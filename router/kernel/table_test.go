package kernel

import (
	"fmt"

	"luatnetd/netif"
	"luatnetd/router"
)

// ruleset is a whole table for uplinks wan1, wan2 and LAN lan0, written here
// by hand with every kind of statement, under any mask.
func ruleset(m router.Marks) router.Table {
	mask := uint32(m)
	base := func(typ, hook string, prio int) *router.Hook {
		return &router.Hook{Type: typ, Hook: hook, Priority: prio}
	}
	in := func(set string) router.IfName { return router.IfName{Set: set} }
	out := func(set string) router.IfName { return router.IfName{Set: set, Out: true} }
	syn := router.TCPFlags{Mask: router.FlagSYN | router.FlagRST, Value: router.FlagSYN}
	accept, drop := router.Verdict{Kind: "accept"}, router.Verdict{Kind: "drop"}
	t := router.Table{
		Name: router.TableName,
		Sets: []router.Set{
			{Name: "s_wan", Type: router.TypeIfName, Elements: []string{`"wan1"`, `"wan2"`}},
			{Name: "s_lan", Type: router.TypeIfName, Elements: []string{`"lan0"`}},
			{Name: "s_stale", Type: router.TypeIfNameMark, Elements: []string{
				fmt.Sprintf(`"wan1" . %#08x`, m.Of(2)), fmt.Sprintf(`"wan2" . %#08x`, m.Of(1))}},
		},
	}
	chain := func(name string, h *router.Hook, rules ...router.Rule) {
		t.Chains = append(t.Chains, router.Chain{Name: name, Hook: h, Rules: rules})
	}
	chain("c_raw", base("filter", "output", -300),
		router.Rule{router.Mark{Mask: mask, Value: m.Untracked()}, router.NoTrack{}})
	var pre, snat, mss []router.Rule
	mss = append(mss, router.Rule{out("s_wan"), syn, router.MSS{}}, router.Rule{in("s_wan"), syn, router.MSS{}},
		router.Rule{router.IfName{Name: "wan2"}, router.NFProto("ipv4"), syn, router.MSS{Size: 1360}},
		router.Rule{router.IfName{Name: "wan2"}, router.NFProto("ipv6"), syn, router.MSS{Size: 1340}})
	snat = append(snat, router.Rule{in("s_lan"), out("s_lan"), router.CtDNAT{}, router.Masquerade{}})
	for n := netif.Index(1); n <= 2; n++ {
		dev := fmt.Sprint("wan", n)
		pre = append(pre, router.Rule{router.IfName{Name: dev}, router.StateNew, router.Mark{Ct: true, Set: true, Mask: mask, Value: m.Of(n)}},
			router.Rule{in("s_lan"), router.Mark{Ct: true, Mask: mask, Value: m.Of(n)}, router.Mark{Set: true, Mask: mask, Value: m.Of(n)}})
		snat = append(snat, router.Rule{router.IfName{Name: dev, Out: true}, router.Mark{Ct: true, Set: true, Mask: mask, Value: m.Of(n)}},
			router.Rule{router.IfName{Name: dev, Out: true}, router.NFProto("ipv4"), router.Masquerade{}})
	}
	chain("c_pre", base("filter", "prerouting", -150), pre...)
	chain("c_mss", base("filter", "forward", -150), mss...)
	tcp := func(lo, hi uint16) router.Port { return router.Port{Proto: "tcp", Dst: true, Lo: lo, Hi: hi} }
	chain("c_dnat", base("nat", "prerouting", -100),
		router.Rule{in("s_wan"), tcp(8080, 8080), router.DNAT{Addr: ip("192.168.5.10"), Lo: 80, Hi: 80}},
		router.Rule{router.IfName{Name: "wan1"}, router.Port{Proto: "udp", Dst: true, Lo: 5000, Hi: 5010}, router.DNAT{Addr: ip("192.168.5.10"), Lo: 6000, Hi: 6010}},
		router.Rule{in("s_lan"), router.Addr{Dst: true, Prefix: prefix("100.64.1.2/32")}, tcp(8080, 8080), router.DNAT{Addr: ip("192.168.5.10"), Lo: 80, Hi: 80}},
		router.Rule{in("s_wan"), tcp(22, 22), router.DNAT{Addr: ip("192.168.5.11")}},
		router.Rule{in("s_wan"), router.NFProto("ipv6"), tcp(8443, 8443), router.DNAT{Addr: ip("fd00:1::10"), Lo: 443, Hi: 443}})
	chain("c_snat", base("nat", "postrouting", 100), snat...)
	chain("c_in_wan", nil,
		router.Rule{router.ICMPType{Types: []uint8{0, 3, 11, 12}}, accept},
		router.Rule{router.StateEstablished | router.StateRelated, accept},
		router.Rule{router.StateInvalid, drop},
		router.Rule{router.Port{Proto: "udp", Lo: 67, Hi: 67}, router.Port{Proto: "udp", Dst: true, Lo: 68, Hi: 68}, accept},
		router.Rule{router.ICMPType{Types: []uint8{8}}, router.Limit{PerSecond: 10}, accept},
		router.Rule{router.ICMPType{V6: true, Types: []uint8{134, 135, 136}}, router.HopLimit255{}, accept},
		router.Rule{router.Addr{Prefix: prefix("fe80::/10")}, router.ICMPType{V6: true, Types: []uint8{130, 131, 132, 143}}, accept},
		router.Rule{router.Addr{Prefix: prefix("198.51.100.0/24")}, tcp(22, 22), accept},
		router.Rule{router.Addr{Prefix: prefix("198.51.100.128/25")}, tcp(8000, 9000), accept},
		router.Rule{router.Addr{Prefix: prefix("2001:db8::/48")}, router.L4Proto("icmp"), accept},
		router.Rule{router.Addr{Prefix: prefix("2001:db8::1/128")}, router.L4Proto("ipv6-icmp"), accept},
		router.Rule{router.L4Proto("udp"), router.Reject{With: "port"}},
		router.Rule{router.IfName{Name: "vpn0", Not: true}, router.Reject{With: "admin"}},
		router.Rule{router.IfName{Set: "s_lan", Not: true, Out: true}, router.Reject{With: "net"}},
		router.Rule{drop})
	chain("c_est", nil,
		router.Rule{router.L4Proto("tcp"), router.Stale{Set: "s_stale", Mask: mask}, router.Reject{With: "tcp reset"}},
		router.Rule{accept})
	chain("c_out", nil,
		router.Rule{router.StateEstablished, router.Verdict{Kind: "goto", Chain: "c_est"}},
		router.Rule{router.StateRelated, accept}, router.Rule{router.StateInvalid, drop},
		router.Rule{router.TCPFlags{Mask: router.FlagSYN | router.FlagRST}, router.Reject{With: "tcp reset"}},
		router.Rule{accept})
	chain("c_from_wan", nil, router.Rule{router.StateEstablished | router.StateRelated, accept},
		router.Rule{router.StateInvalid, drop}, router.Rule{out("s_lan"), router.CtDNAT{}, accept}, router.Rule{drop})
	chain("c_from_lan", nil, router.Rule{out("s_wan"), router.Verdict{Kind: "goto", Chain: "c_out"}},
		router.Rule{router.StateEstablished | router.StateRelated, accept}, router.Rule{drop})
	chain("c_in", base("filter", "input", 0), router.Rule{in("s_wan"), router.Verdict{Kind: "jump", Chain: "c_in_wan"}})
	chain("c_fwd", base("filter", "forward", 0),
		router.Rule{in("s_lan"), router.Verdict{Kind: "jump", Chain: "c_from_lan"}},
		router.Rule{in("s_wan"), router.Verdict{Kind: "jump", Chain: "c_from_wan"}},
		router.Rule{out("s_lan"), router.StateEstablished | router.StateRelated, accept}, router.Rule{out("s_lan"), drop})
	return t
}

// accounting is the second table, for the named uplinks.
func accounting(uplinks ...string) router.Table {
	t := router.Table{Name: router.AcctName, Sets: []router.Set{{Name: "s_lan", Type: router.TypeIfName, Elements: []string{`"lan0"`}}}}
	c := router.Chain{Name: "c_acct", Hook: &router.Hook{Type: "filter", Hook: "forward", Priority: -10}}
	for _, u := range uplinks {
		up, down := "n_"+u+"_up", "n_"+u+"_down"
		t.Counters = append(t.Counters, up, down)
		lan, dev := router.IfName{Set: "s_lan"}, router.IfName{Name: u, Out: true}
		c.Rules = append(c.Rules,
			router.Rule{lan, dev, router.StateEstablished, router.Counter{Name: up}},
			router.Rule{lan, dev, router.TCPFlags{Mask: router.FlagSYN | router.FlagACK, Value: router.FlagSYN}, router.Counter{Name: up}},
			router.Rule{router.IfName{Name: u}, router.Counter{Name: down}})
	}
	t.Chains = []router.Chain{c}
	return t
}
