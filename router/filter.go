package router

// ICMP types by number (RFC 792, RFC 4443, RFC 4861, RFC 2710, RFC 3810).
var (
	// Answers to probes and errors of flows: before "invalid", because a flush
	// must not eat a probe's answer.
	icmpAnswers = ICMPType{Types: []uint8{0, 3, 11, 12}}
	icmpEcho    = ICMPType{Types: []uint8{8}}

	icmp6Answers = ICMPType{V6: true, Types: []uint8{1, 2, 3, 4, 129}} // 2: packet too big
	icmp6Echo    = ICMPType{V6: true, Types: []uint8{128}}
	icmp6ND      = ICMPType{V6: true, Types: []uint8{134, 135, 136}}
	icmp6MLD     = ICMPType{V6: true, Types: []uint8{130, 131, 132, 143}}
)

// inWANRules judge what an uplink sends to the router itself. DHCP needs no
// rule: a renewal is a flow of ours, and everything else comes by a packet
// socket, before any rule. One for port 68 would let a scan find out, by "port
// unreachable", that the daemon is not running; one for 546 (DHCPv6, which we do
// not ask) likewise. Who runs a DHCPv6 client of his own puts it on the allow
// list: its answers come from another address than it asked.
func (b *builder) inWANRules() []Rule {
	rules := []Rule{{icmpAnswers, accept}}
	if !b.Firewall.IPv6Pass {
		// Without these an IPv6 uplink dies. ND and MLD are untracked.
		rules = append(rules,
			Rule{icmp6Answers, accept},
			Rule{icmp6ND, HopLimit255{}, accept},
			Rule{Addr{Prefix: linkLocal6}, icmp6MLD, accept},
			Rule{icmp6Echo, gotoTo(chainEcho)})
	}
	rules = append(rules,
		// Before "established": a flow of echoes is established after its first
		// answer and would be answered without limit.
		Rule{icmpEcho, gotoTo(chainEcho)},
		Rule{StateEstablished | StateRelated, accept},
		Rule{StateInvalid, drop})
	for _, a := range b.allowed(atUplink, atRouter) {
		if a.Proto != "icmp" {
			rules = append(rules, a.rule()...)
		}
	}
	return append(rules, Rule{drop})
}

// echoRules answer pings from uplinks: whom the allow list names always,
// everybody else a few a second.
func (b *builder) echoRules() []Rule {
	var rules []Rule
	for _, a := range b.allowed(atUplink, atRouter) {
		if a.Proto == "icmp" || a.Proto == "" {
			rules = append(rules, a.rule()...)
		}
	}
	if b.Firewall.ICMPRate > 0 {
		rules = append(rules, Rule{Limit{PerSecond: b.Firewall.ICMPRate}, accept})
	}
	return append(rules, Rule{drop})
}

// forwardRules judge what passes through. Traffic between devices that are not
// ours falls off the end and is not judged.
func (b *builder) forwardRules() []Rule {
	var rules []Rule
	if !b.Firewall.IPv6Pass {
		rules = append(rules, Rule{v6, jump(chainForward6)})
	}
	rules = append(rules,
		Rule{iifSet(setLAN), jump(chainFromLAN)},
		Rule{iifSet(setWAN), jump(chainFromWAN)},
		Rule{oifSet(setLAN), StateEstablished | StateRelated, accept})
	for _, a := range b.allowed(atForeign, atLAN) {
		rules = append(rules, a.rule()...)
	}
	return append(rules, Rule{oifSet(setLAN), drop})
}

// forward6Rules let nothing of ours be forwarded in IPv6. A refusal beats a
// timeout: hosts fall back to IPv4 at once.
func (b *builder) forward6Rules() []Rule {
	return append(b.insideRules(), Rule{iifSet(setLAN), refuse}, Rule{oifSet(setLAN), drop})
}

// insideRules accept what stays inside a LAN. Where br_netfilter is loaded (by
// a container engine, say), frames that the bridge carries between two ports
// come through these chains too.
func (b *builder) insideRules() []Rule {
	var rules []Rule
	for _, l := range b.lans {
		rules = append(rules, Rule{iif(l.Device), oif(l.Device), accept})
	}
	return rules
}

// fromWANRules judge what an uplink sends through the router: answers, and
// what somebody translated on purpose, be it our port forward or a container's.
// Everything else is dropped, towards foreign devices too: it is our
// forwarding sysctl that would let it pass.
func (b *builder) fromWANRules() []Rule {
	rules := []Rule{
		{StateEstablished | StateRelated, accept},
		{StateInvalid, drop},
		{CtDNAT{}, accept},
	}
	for _, a := range b.allowed(atUplink, atUplink|atLAN|atForeign) {
		rules = append(rules, a.rule()...)
	}
	return append(rules, Rule{drop})
}

// fromLANRules judge what a LAN sends through the router.
func (b *builder) fromLANRules() []Rule {
	var rules []Rule
	for _, l := range b.lans {
		if len(l.Upstream) > 0 {
			rules = append(rules, Rule{iif(l.Device), oifSet(setWAN), gotoTo(chainOnly + l.id(b))})
		}
	}
	rules = append(rules,
		Rule{oifSet(setWAN), gotoTo(chainOut)},
		Rule{StateEstablished | StateRelated, accept},
		Rule{oifSet(setLAN), CtDNAT{}, accept}) // hairpin
	for _, a := range b.allowed(atLAN, atLAN|atForeign) {
		rules = append(rules, a.rule()...)
	}
	if !b.Firewall.IsolateLANs {
		rules = append(rules, Rule{oifSet(setLAN), accept})
	} else {
		rules = append(rules, b.insideRules()...)
	}
	return append(rules, Rule{drop})
}

// outRules judge what a LAN sends to an uplink.
func outRules() []Rule {
	return []Rule{
		{StateEstablished, gotoTo(chainEst)},
		{StateRelated, accept},
		{StateInvalid, drop}, // a FIN of a flushed flow ends here
		// Data of a flushed or unknown flow: fail fast. Only towards uplinks, or
		// triangular routing inside the LAN would be reset.
		{TCPFlags{Mask: FlagSYN | FlagRST}, reset},
		{accept},
	}
}
