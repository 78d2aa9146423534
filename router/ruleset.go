package router

import (
	"fmt"
	"slices"
)

// Chains and sets of inet luatnetd.
const (
	setWAN   = "s_wan"   // every configured uplink device, present or not
	setLAN   = "s_lan"   // every LAN device
	setStale = "s_stale" // device of i with the mark of j, all i ≠ j: a failover changes no rule

	chainInWAN    = "c_in_wan"
	chainForward6 = "c_fwd6"
	chainEcho     = "c_echo"
	chainFromLAN  = "c_from_lan"
	chainFromWAN  = "c_from_wan"
	chainOut      = "c_out"
	chainEst      = "c_est"
	chainSticky   = "c_sticky_" // + position of a LAN with an upstream list
	chainOnly     = "c_only_"   // + the same
)

// Hooks and priorities (linux/netfilter_ipv4.h, enum nf_ip_hook_priorities).
var (
	hookRawOut  = Hook{"filter", "output", -300}
	hookMangle  = Hook{"filter", "prerouting", -150}
	hookMSS     = Hook{"filter", "forward", -150}
	hookDNAT    = Hook{"nat", "prerouting", -100}
	hookSNAT    = Hook{"nat", "postrouting", 100}
	hookGuard   = Hook{"filter", "postrouting", 200} // behind every translation
	hookIn      = Hook{"filter", "input", 0}
	hookForward = Hook{"filter", "forward", 0}
	hookAcct    = Hook{"filter", "forward", -10}
)

// Short words for the statements that most rules are made of.
func iif(name string) Stmt     { return IfName{Name: name} }
func oif(name string) Stmt     { return IfName{Name: name, Out: true} }
func iifSet(name string) Stmt  { return IfName{Set: name} }
func oifSet(name string) Stmt  { return IfName{Set: name, Out: true} }
func jump(chain string) Stmt   { return Verdict{Kind: "jump", Chain: chain} }
func gotoTo(chain string) Stmt { return Verdict{Kind: "goto", Chain: chain} }

var (
	accept  Stmt = Verdict{Kind: "accept"}
	drop    Stmt = Verdict{Kind: "drop"}
	onlySYN Stmt = TCPFlags{Mask: FlagSYN | FlagRST, Value: FlagSYN}
	isTCP   Stmt = L4Proto("tcp")
	v4      Stmt = NFProto("ipv4")
	v6      Stmt = NFProto("ipv6")
	reset   Stmt = Reject{With: "tcp reset"}
	refuse  Stmt = Reject{With: "admin"}
)

// table is inet luatnetd. No verdict map and no object map: replacing a table
// that holds one resets living TCP connections.
func (b *builder) table() Table {
	t := Table{Name: TableName, Sets: b.sets()}
	base := func(name string, hook Hook, rules []Rule) {
		if b.Firewall.IPv6Pass {
			rules = append([]Rule{{v6, accept}}, rules...) // no word on IPv6
		}
		t.Chains = append(t.Chains, Chain{Name: name, Hook: &hook, Rules: rules})
	}
	regular := func(name string, rules []Rule) {
		t.Chains = append(t.Chains, Chain{Name: name, Rules: rules})
	}
	all := uint32(b.Marks)
	// Our nudges: conntrack must not learn a forged segment as a flow.
	base("c_raw", hookRawOut, []Rule{{Mark{Mask: all, Value: b.Marks.Untracked()}, NoTrack{}}})
	base("c_pre", hookMangle, b.markRules())
	base("c_mss", hookMSS, b.mssRules())
	base("c_dnat", hookDNAT, b.dnatRules())
	base("c_snat", hookSNAT, b.snatRules())
	base("c_guard", hookGuard, b.guardRules())
	base("c_in", hookIn, []Rule{{iifSet(setWAN), jump(chainInWAN)}})
	base("c_fwd", hookForward, b.forwardRules())
	if !b.Firewall.IPv6Pass {
		regular(chainForward6, b.forward6Rules())
	}
	regular(chainInWAN, b.inWANRules())
	regular(chainEcho, b.echoRules())
	regular(chainFromWAN, b.fromWANRules())
	regular(chainFromLAN, b.fromLANRules())
	regular(chainOut, outRules())
	regular(chainEst, []Rule{
		// "meta l4proto tcp" first, or UDP waits for the daemon.
		{isTCP, Stale{Set: setStale, Mask: all}, reset},
		{accept},
	})
	for _, l := range b.lans {
		if len(l.Upstream) > 0 {
			regular(chainSticky+l.id(b), b.stickyRules(l))
			regular(chainOnly+l.id(b), b.onlyRules(l))
		}
	}
	return t
}

// id tells the chains of LANs with an upstream list apart. A LAN beyond
// MaxLANs has no table, but its list is enforced all the same.
func (l lan) id(b *builder) string {
	return fmt.Sprint(slices.IndexFunc(b.lans, func(o lan) bool { return o.Device == l.Device }))
}

func (b *builder) sets() []Set {
	stale := []string{}
	for _, u := range b.ups {
		for _, o := range b.ups {
			if u.Device != "" && o.Index != u.Index && !b.NoStaleReset {
				stale = append(stale, fmt.Sprintf("%s . 0x%08x", quote(u.Device), o.mark))
			}
		}
	}
	slices.Sort(stale)
	return []Set{
		{Name: setWAN, Type: TypeIfName, Elements: quoteAll(b.wan)},
		{Name: setLAN, Type: TypeIfName, Elements: quoteAll(b.lanDevices())},
		{Name: setStale, Type: TypeIfNameMark, Elements: stale},
	}
}

func (b *builder) lanDevices() []string {
	var list []string
	for _, l := range b.lans {
		list = append(list, l.Device)
	}
	slices.Sort(list)
	return list
}

func quote(device string) string { return `"` + device + `"` }

func quoteAll(devices []string) []string {
	list := make([]string, len(devices))
	for i, d := range devices {
		list[i] = quote(d)
	}
	return list
}

// markRules write the uplink into new inbound flows, so that these answer by
// the way they came, and into packets of the LANs, so that flows stay where
// they are. One rule per uplink: the form with two registers would erase the
// bits of others and has no field in the library.
func (b *builder) markRules() []Rule {
	var rules []Rule
	for _, u := range b.ups {
		if u.Device != "" {
			rules = append(rules, Rule{iif(u.Device), StateNew, b.set(u, true)})
		}
	}
	for _, l := range b.lans {
		if len(l.Upstream) > 0 {
			rules = append(rules, Rule{iif(l.Device), gotoTo(chainSticky + l.id(b))})
		}
	}
	for _, u := range b.ups {
		rules = append(rules, Rule{iifSet(setLAN), b.is(u), b.set(u, false)})
	}
	return rules
}

// is matches flows of an uplink.
func (b *builder) is(u uplink) Stmt { return Mark{Ct: true, Mask: uint32(b.Marks), Value: u.mark} }

// set writes an uplink's mark into the flow or the packet.
func (b *builder) set(u uplink, ct bool) Stmt {
	return Mark{Ct: ct, Set: true, Mask: uint32(b.Marks), Value: u.mark}
}

// stickyRules are markRules for a LAN with an upstream list: the mark of
// another uplink must not win over the list. Only answers to a port forward go
// back by the uplink that the operator forwarded.
func (b *builder) stickyRules(l lan) []Rule {
	var rules []Rule
	for _, u := range b.ups {
		r := Rule{b.is(u), b.set(u, false)}
		if !slices.Contains(l.Upstream, u.Name) {
			r = append(Rule{CtDNAT{}}, r...)
		}
		rules = append(rules, r)
	}
	return append(rules, Rule{accept})
}

// onlyRules refuse a LAN's traffic towards uplinks that are not in its list:
// when none of its own works, the look-up falls through to main.
func (b *builder) onlyRules(l lan) []Rule {
	var rules []Rule
	for _, u := range b.ups {
		if u.Device != "" && slices.Contains(l.Upstream, u.Name) {
			rules = append(rules, Rule{oif(u.Device), gotoTo(chainOut)})
		}
	}
	return append(rules,
		Rule{CtDNAT{}, gotoTo(chainOut)},
		Rule{isTCP, reset},
		Rule{refuse})
}

// mssRules clamp TCP to the path in both directions. rt mtu looks up the way
// back without mark or device, so by main: where an uplink's path is known to
// be narrower, a fixed value follows. It never raises the option.
func (b *builder) mssRules() []Rule {
	rules := []Rule{
		{oifSet(setWAN), onlySYN, MSS{}},
		{iifSet(setWAN), onlySYN, MSS{}},
	}
	for _, u := range b.ups {
		mtu := u.pathMTU()
		if mtu == 0 || u.Device == "" {
			continue
		}
		for _, dir := range []Stmt{oif(u.Device), iif(u.Device)} {
			rules = append(rules, Rule{v4, dir, onlySYN, MSS{Size: uint16(mtu - 40)}}) // IPv4 20 + TCP 20
			if !b.Firewall.IPv6Pass {
				rules = append(rules, Rule{v6, dir, onlySYN, MSS{Size: uint16(mtu - 60)}}) // IPv6 40 + TCP 20
			}
		}
	}
	return rules
}

// guardRules let no address of a LAN out of an uplink. Translation is decided
// by the first packet of a flow only: a flow that began elsewhere (between a
// LAN and the router, or a VPN) and loses its route falls through to main.
// Mark 0 tells it from one that an uplink was let in with.
func (b *builder) guardRules() []Rule {
	var rules []Rule
	for _, l := range b.lans {
		if l.Addr.IsValid() {
			rules = append(rules, Rule{oifSet(setWAN), Addr{Prefix: l.Addr.Masked()}, Mark{Ct: true, Mask: uint32(b.Marks)}, drop})
		}
	}
	return rules
}

// snatRules see the first packet of a flow only. Masquerade, never snat: the
// kernel then drops a stale entry itself. In an inet table a bare masquerade
// is NAT66 too, so it is said for IPv4.
func (b *builder) snatRules() []Rule {
	rules := []Rule{{iifSet(setLAN), oifSet(setLAN), CtDNAT{}, Masquerade{}}}
	for _, u := range b.ups {
		if u.Device != "" {
			rules = append(rules, Rule{oif(u.Device), b.set(u, true)}, Rule{oif(u.Device), v4, Masquerade{}})
		}
	}
	return rules
}
