package config

import (
	"fmt"
	"net/netip"
	"slices"
)

// bridgePrefix starts the name of the bridge of a LAN with several ports; with
// it a name must fit into the 15 bytes of a device.
const (
	bridgePrefix   = "br-"
	maxBridgedName = 15 - len(bridgePrefix)
)

const wantLANAddress = `an address with the length of its subnet, /8 to /30, such as "192.168.5.1/24"`

// lan checks one [[lan]] by itself; its address may still be missing.
func (c *checker) lan(r *rawLAN) LAN {
	l := LAN{Pos: r.At.pos, Name: c.name(r.At, r.Name)}
	c.downlink(r, &l)
	if r.Address.At != nil {
		p, ok := c.prefix4(r.Address.At, r.Address.V, wantLANAddress)
		switch {
		case ok && (p.Bits() < 8 || p.Bits() > 30):
			c.wrong(r.Address.At, wantLANAddress, "")
		case ok:
			l.Address = p
		}
	}
	return l
}

// downlink checks the device or ports.
func (c *checker) downlink(r *rawLAN, l *LAN) {
	for _, it := range r.Ports.V {
		switch {
		case !c.device(it.At, it.V):
		case slices.Contains(l.Ports, it.V):
			c.bad(it.At, r.Ports.At.path(), quote(it.V), "each port once", "")
		default:
			l.Ports = append(l.Ports, it.V)
		}
	}
	switch {
	case r.Ports.absent() && r.Device.absent():
		c.missing(r.At, "ports", "ports or device", `write ports = ["eth1"], or device = "br-lan" for a bridge that somebody else made`)
	case r.Ports.At != nil && len(r.Ports.V) == 0 && r.Device.absent():
		c.wrong(r.Ports.At, "at least one port", "")
	case !r.Ports.absent() && !r.Device.absent() && !r.At.leftOut("device") && !r.At.leftOut("ports"):
		n := r.At.child("device") // ParseBoot goes by the ports, if one of them can be used
		if len(l.Ports) == 0 {
			n = r.At.child("ports")
		}
		c.put(n, n, ScopeKey, n.path(), "both ports and device", "one of them", "ports are bridged by luatnetd; a device is used as it is")
	}
	switch {
	case r.Device.At != nil:
		if c.device(r.Device.At, r.Device.V) {
			l.Device = r.Device.V
		}
	case len(l.Ports) == 1:
		l.Device = l.Ports[0]
	case len(l.Ports) > 1:
		l.Device, l.Bridge = bridgePrefix+l.Name, true
		if r.Name.At != nil && len(l.Name) > maxBridgedName {
			c.bad(r.Name.At, "lan.name", quote(l.Name), fmt.Sprintf("at most %d characters with several ports", maxBridgedName),
				"the bridge is called "+bridgePrefix+"NAME, and a device has at most 15")
		}
	}
}

func firstNode(list ...*node) *node {
	for _, n := range list {
		if n != nil {
			return n
		}
	}
	return nil
}

// giveNames names the LANs that have none because ParseBoot left it out.
func (c *checker) giveNames() {
	for i := range c.cfg.LANs {
		l := &c.cfg.LANs[i]
		if l.Name != "" || !c.raw.LANs[i].Name.Bad {
			continue
		}
		for k := i + 1; l.Name == ""; k++ {
			if name := fmt.Sprintf("lan%d", k); c.cfg.LAN(name) == nil && c.cfg.Uplink(name) == nil {
				l.Name = name
			}
		}
		if l.Bridge {
			l.Device = bridgePrefix + l.Name
		}
	}
}

// giveAddresses gives every LAN without address the next free /24: one that
// collides with no address written anywhere in the file.
func (c *checker) giveAddresses() {
	for i := range c.cfg.LANs {
		l, r := &c.cfg.LANs[i], &c.raw.LANs[i]
		if !r.Address.absent() && !r.At.leftOut("address") {
			continue
		}
		if p, ok := freeSubnet(c.cfg); ok {
			l.Address = p
			continue
		}
		c.missing(r.At, "address", wantLANAddress, "no /24 of 192.168.0.0/16 is left to choose by itself")
	}
}

// freeSubnet is the first default subnet that overlaps nothing in cfg.
func freeSubnet(cfg *Config, also ...netip.Prefix) (netip.Prefix, bool) {
	used := slices.Clone(also)
	for _, l := range cfg.LANs {
		used = append(used, l.Address)
	}
	for _, u := range cfg.Uplinks {
		used = append(used, u.Address)
		if u.Gateway.IsValid() {
			used = append(used, netip.PrefixFrom(u.Gateway, u.Gateway.BitLen()))
		}
	}
	for _, p := range defLANs() {
		if !slices.ContainsFunc(used, p.Overlaps) {
			return p, true
		}
	}
	return netip.Prefix{}, false
}
