package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// firewall checks [firewall] except for its allow list.
func (c *checker) firewall(r *rawFirewall) Firewall {
	f := Firewall{
		Mode:     r.Mode.or(defFirewallMode),
		ICMPRate: int(r.ICMPRate.or(defICMPRate)),
		IPv6:     r.IPv6.or(defIPv6),
		// A word that cannot be read asked for something: take the safe side.
		IsolateLANs: r.IsolateLANs.or(r.IsolateLANs.Bad),
	}
	switch {
	case f.Mode == "guest":
		c.wrong(r.Mode.At, "\"own\"", "guest, the mode beside OpenWrt's own firewall (fw4), comes with the OpenWrt work and is refused until then")
	case f.Mode != defFirewallMode:
		c.wrong(r.Mode.At, "\"own\"", didYouMean(f.Mode, []string{defFirewallMode}))
	}
	return f
}

const devPrefix = "dev:"

// allow checks one [[firewall.allow]].
func (c *checker) allow(r *rawAllow) (Allow, bool) {
	before := len(c.found)
	a := Allow{Pos: r.At.pos, Proto: r.Proto.or(defAllowProto), Port: r.Port.V.First, PortEnd: r.Port.V.Last}
	a.From = c.end(r.At, "from", r.From)
	a.To = c.end(r.At, "to", r.To)
	if a.Proto == defAllowProto {
		a.Proto = ""
	}
	if r.Port.At != nil && a.Proto != "tcp" && a.Proto != "udp" {
		c.bad(r.Port.At, "firewall.allow.port", r.Port.At.shown(), "no port without proto = \"tcp\" or \"udp\"", "")
	}
	if r.Src.At != nil {
		a.Src = c.source(r.Src)
	}
	if len(c.found) == before && a.From == a.To && a.From != "" {
		c.wrong(r.To.At, "another place than from", "what stays inside one network does not pass the router")
	}
	if c.cfg.Uplink(a.From) != nil && c.cfg.Uplink(a.To) != nil && a.From != a.To {
		c.wrong(r.To.At, "a LAN, \"router\" or a device that is not ours", "the router does not carry traffic between two uplinks")
	}
	bad := r.From.Bad || r.To.Bad || r.Proto.Bad || r.Port.Bad || r.Src.Bad
	return a, !bad && len(c.found) == before
}

// end checks one end of an allow entry.
func (c *checker) end(at *node, key string, v val[string]) string {
	want := "the name of an uplink or LAN, or \"dev:NAME\" for a device that is not ours"
	if key == "to" {
		want = "\"router\", " + want
	}
	dev, isDev := strings.CutPrefix(v.V, devPrefix)
	switch {
	case v.absent():
		c.missing(at, key, want, "")
	case v.At == nil:
	case isDev && (!validDevice(dev) || notADevice(dev) != ""):
		c.wrong(v.At, wantDevice+" after dev:", notADevice(dev))
	case isDev:
		if owner := c.ownerOf(dev); owner != "" {
			c.wrong(v.At, "a device that is not ours", "it belongs to "+owner+": write that name")
		}
	case key == "to" && v.V == reservedName, c.known(v.V):
	default:
		c.wrong(v.At, want, c.endHint(key, v.V))
	}
	return v.V
}

func (c *checker) endHint(key, s string) string {
	if s == reservedName {
		return "the router itself may always send"
	}
	names := slices.Concat(c.uplinkNames(), c.lanNames())
	if key == "to" {
		names = append(names, reservedName)
	}
	if h := didYouMean(s, names); h != "" {
		return h
	}
	if validDevice(s) {
		return "if it is a device that luatnetd does not manage write " + quote(devPrefix+s)
	}
	return ""
}

// source reads the senders an allow entry is for: a subnet or one address.
func (c *checker) source(v val[string]) netip.Prefix {
	text := v.V
	if !strings.Contains(text, "/") {
		text += "/32"
	}
	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil || !p.Addr().Is4():
		c.wrong(v.At, `an IPv4 subnet or address such as "203.0.113.0/24"`, prefixHint(text))
	case p != p.Masked():
		c.wrong(v.At, "the address of a subnet", "with this length it is "+quote(p.Masked().String()))
	}
	return p
}

// forward checks one [[port_forward]].
func (c *checker) forward(r *rawForward) (PortForward, bool) {
	before := len(c.found)
	f := PortForward{Pos: r.At.pos, Name: r.Name.V, Proto: r.Proto.V, Uplink: r.Uplink.V, Port: r.Port.V.First, PortEnd: r.Port.V.Last}
	if r.Name.At != nil && !validName(f.Name) {
		c.wrong(r.Name.At, wantName, nameHint(f.Name))
	}
	if r.Proto.absent() {
		c.missing(r.At, "proto", "\"tcp\" or \"udp\"", "for both write two entries")
	}
	if r.Port.absent() {
		c.missing(r.At, "port", "the port that outside hosts ask for", "")
	}
	if r.Uplink.At != nil && f.Uplink != "" && !slices.Contains(c.uplinkNames(), f.Uplink) {
		c.wrong(r.Uplink.At, "the name of an uplink, or \"\" for every one", c.uplinkHint(f.Uplink))
	}
	if r.To.absent() {
		c.missing(r.At, "to", wantTo, "")
	} else if r.To.At != nil {
		f.To = c.to(r)
	}
	bad := r.Name.Bad || r.Proto.Bad || r.Uplink.Bad || r.Port.Bad || r.To.Bad
	return f, !bad && len(c.found) == before
}

const wantTo = `an address in a LAN, with or without a port: "192.168.5.10:80"`

// to reads the target of a forward. Without a port, ports stay as they are.
func (c *checker) to(r *rawForward) netip.AddrPort {
	to, err := netip.ParseAddrPort(r.To.V)
	if err != nil {
		a, err := netip.ParseAddr(r.To.V)
		if err != nil {
			c.wrong(r.To.At, wantTo, addrHint(r.To.V))
			return to
		}
		to = netip.AddrPortFrom(a, r.Port.V.First)
	}
	if !to.Addr().Is4() || r.Port.At != nil && to.Port() == 0 {
		c.wrong(r.To.At, wantTo, "")
		return to
	}
	if p := r.Port.V; p.First != p.Last && to.Port() != p.First {
		c.wrong(r.To.At, "no other port for a range of ports", "write only the address: each port of the range stays what it is")
	}
	c.inLAN(r.To, to.Addr())
	return to
}

// inLAN reports a target that no LAN can have.
func (c *checker) inLAN(v val[string], a netip.Addr) {
	var subnets []string
	for _, l := range c.cfg.LANs {
		switch {
		case !l.Address.IsValid():
			return // reported; anything could be inside
		case l.Address.Addr() == a:
			c.wrong(v.At, "a host in a LAN", a.String()+" is the router itself: open its port with [[firewall.allow]] and to = \"router\"")
			return
		case l.Address.Contains(a):
			if why := spare(l.Address, a); why != "" {
				c.wrong(v.At, "a host in a LAN", why)
			}
			return
		}
		subnets = append(subnets, l.Address.Masked().String())
	}
	where := strings.Join(subnets, " or ")
	if where == "" {
		where = "a LAN, and no [[lan]] is configured"
	}
	c.wrong(v.At, "an address in "+where, "")
}

// forwards checks the port forwards one by one and against each other.
func (c *checker) forwards() {
	for i := range c.raw.Forwards {
		r := &c.raw.Forwards[i]
		f, ok := c.forward(r)
		if !ok {
			continue
		}
		j := slices.IndexFunc(c.cfg.Forwards, func(o PortForward) bool {
			return o.Proto == f.Proto && o.Port <= f.PortEnd && f.Port <= o.PortEnd && (o.Uplink == f.Uplink || o.Uplink == "" || f.Uplink == "")
		})
		if j >= 0 {
			c.wrong(r.Port.At, "a port that is forwarded once", fmt.Sprintf("the port_forward in line %d has it", c.cfg.Forwards[j].Pos.Line))
			continue
		}
		if k := slices.IndexFunc(c.cfg.Forwards, func(o PortForward) bool { return f.Name != "" && o.Name == f.Name }); k >= 0 {
			c.wrong(r.Name.At, "each name once", fmt.Sprintf("the port_forward in line %d has it", c.cfg.Forwards[k].Pos.Line))
			continue
		}
		c.cfg.Forwards = append(c.cfg.Forwards, f)
	}
}
