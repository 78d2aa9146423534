package router

import "net/netip"

var linkLocal6 = netip.MustParsePrefix("fe80::/10")

// MaxShifted is how many ports a forward may hold when it moves them to other
// numbers: that takes one rule a port, because the kernel does not shift a
// range but takes the first free port of it. A forward that keeps its port
// numbers may be of any size.
const MaxShifted = 256

// dnatRules are the port forwards: from the uplinks, and from LAN clients that
// address an uplink's address (hairpin).
func (b *builder) dnatRules() []Rule {
	var rules []Rule
	for _, f := range b.Forwards {
		for _, ports := range f.pieces() {
			rules = append(rules, b.forward(f, ports)...)
		}
	}
	return rules
}

// piece is a part of a forward that one rule can translate.
type piece struct {
	lo, hi uint16
	to     uint16 // first port after translation, 0 keeps the number
}

// pieces returns nothing for a forward that cannot be translated as written:
// an open port that leads elsewhere is worse than a closed one.
func (f Forward) pieces() []piece {
	end, to := max(f.Port, f.PortEnd), f.To.Port()
	size := int(end) - int(f.Port) + 1
	switch {
	case f.Proto != "tcp" && f.Proto != "udp", f.Port == 0, f.PortEnd != 0 && f.PortEnd < f.Port, !f.To.Addr().Is4():
		return nil
	case to == 0 || to == f.Port:
		return []piece{{f.Port, end, 0}}
	case size > MaxShifted || int(to)+size-1 > 65535:
		return nil
	}
	list := make([]piece, size)
	for i := range list {
		list[i] = piece{f.Port + uint16(i), f.Port + uint16(i), to + uint16(i)}
	}
	return list
}

func (b *builder) forward(f Forward, p piece) []Rule {
	match := Port{Proto: f.Proto, Dst: true, Lo: p.lo, Hi: p.hi}
	to := DNAT{Addr: f.To.Addr(), Lo: p.to, Hi: p.to}
	var rules []Rule
	if f.Uplink == "" {
		rules = append(rules, Rule{iifSet(setWAN), v4, match, to})
	}
	for _, u := range b.ups {
		if f.Uplink != "" && f.Uplink != u.Name {
			continue
		}
		if f.Uplink != "" && u.Device != "" {
			rules = append(rules, Rule{iif(u.Device), v4, match, to})
		}
		for _, own := range u.family(false) {
			addr := netip.PrefixFrom(own.addr.Addr(), 32)
			rules = append(rules, Rule{iifSet(setLAN), Addr{Dst: true, Prefix: addr}, match, to})
		}
	}
	return rules
}
