package config

import (
	"fmt"
	"slices"
)

// maxOwnUpstream is how many LANs may have an upstream list of their own:
// each has a routing table (router.MaxLANs; a test compares).
const maxOwnUpstream = 29

// cross checks entries against each other. LANs come first: where an uplink
// and a LAN want the same thing, the LAN keeps it, for it must never fail.
func (c *checker) cross() {
	c.names()
	c.clientNames()
	c.giveNames()
	c.devices()
	c.giveAddresses()
	c.subnets()
	if n := len(c.raw.Uplinks); n > maxUplinks {
		for i := maxUplinks; i < n; i++ {
			c.bad(c.raw.Uplinks[i].At, "uplink", fmt.Sprintf("uplink number %d", i+1), fmt.Sprintf("at most %d uplinks", maxUplinks), "")
		}
	}
}

// claims remembers who had something first.
type claims map[string]string

// take reports whether key was free, and who has it.
func (m claims) take(key, who string) (string, bool) {
	if owner, taken := m[key]; taken {
		return owner, false
	}
	m[key] = who
	return who, true
}

func where(kind, name string, pos Position) string {
	if name == "" {
		return fmt.Sprintf("the %s in line %d", kind, pos.Line)
	}
	return fmt.Sprintf("%s %q in line %d", kind, name, pos.Line)
}

func (l *LAN) where() string    { return where("lan", l.Name, l.Pos) }
func (u *Uplink) where() string { return where("uplink", u.Name, u.Pos) }

func (c *checker) names() {
	names := claims{}
	claim := func(v val[string], name, who string) {
		if name == "" {
			return
		}
		if owner, ok := names.take(name, who); !ok {
			c.wrong(v.At, "each name once", owner+" has it: uplinks and LANs share their names")
		}
	}
	for i := range c.cfg.LANs {
		claim(c.raw.LANs[i].Name, c.cfg.LANs[i].Name, c.cfg.LANs[i].where())
	}
	for i := range c.cfg.Uplinks {
		claim(c.raw.Uplinks[i].Name, c.cfg.Uplinks[i].Name, c.cfg.Uplinks[i].where())
	}
}

const wantFreeDevice = "a device that nobody else uses"

func (c *checker) devices() {
	devices := claims{}
	for i := range c.cfg.LANs {
		l, r := &c.cfg.LANs[i], &c.raw.LANs[i]
		seen := map[string]bool{}
		for _, it := range r.Ports.V {
			if !slices.Contains(l.Ports, it.V) || seen[it.V] {
				continue // reported
			}
			seen[it.V] = true
			if owner, ok := devices.take(it.V, l.where()); !ok {
				c.bad(it.At, "lan.ports", quote(it.V), wantFreeDevice, owner+" has it")
			}
		}
		if l.Device == "" || len(l.Ports) == 1 || l.Bridge && l.Name == "" {
			continue
		}
		if owner, ok := devices.take(l.Device, l.where()); !ok && l.Bridge {
			c.wrong(firstNode(r.Name.At, r.At), "a name whose bridge "+quote(l.Device)+" nobody else uses", owner+" has it")
		} else if !ok {
			c.wrong(r.Device.At, wantFreeDevice, owner+" has it")
		}
	}
	for i := range c.cfg.Uplinks {
		u, r := &c.cfg.Uplinks[i], &c.raw.Uplinks[i]
		if u.Device != "" {
			if owner, ok := devices.take(u.Device, u.where()); !ok {
				c.wrong(r.Device.At, wantFreeDevice, owner+" has it")
			}
		}
		if !u.Match.IsZero() {
			if owner, ok := devices.take(fmt.Sprint("match ", u.Match), u.where()); !ok {
				c.bad(r.Match.At, "uplink.match", "a match", wantFreeDevice, owner+" has the same match")
			}
		}
	}
}

// subnets reports overlaps of LANs with each other and with fixed uplinks.
// Two uplinks may share a subnet: each has its own table.
func (c *checker) subnets() {
	for i := range c.cfg.LANs {
		l, r := &c.cfg.LANs[i], &c.raw.LANs[i]
		for j := range i {
			if o := &c.cfg.LANs[j]; o.Address.Overlaps(l.Address) {
				c.bad(firstNode(r.Address.At, r.At), "lan.address", quote(l.Address.String()), "a subnet that overlaps no other",
					o.where()+" has "+o.Address.Masked().String()+c.freeHint())
				break
			}
		}
	}
	for i := range c.cfg.Uplinks {
		u, r := &c.cfg.Uplinks[i], &c.raw.Uplinks[i]
		for j := range c.cfg.LANs {
			if l := &c.cfg.LANs[j]; l.Address.Overlaps(u.Address) {
				c.bad(firstNode(r.Address.At, r.At), "uplink.address", quote(u.Address.String()), "a subnet that overlaps no LAN",
					l.where()+" has "+l.Address.Masked().String()+": give the LAN another address"+c.freeHint())
				break
			}
		}
	}
}

// freeHint offers a subnet that is free.
func (c *checker) freeHint() string {
	if p, ok := freeSubnet(c.cfg); ok {
		return "; " + quote(p.String()) + " is free"
	}
	return ""
}

// refs checks what leans on other entries.
func (c *checker) refs() {
	own := 0
	for i := range c.cfg.LANs {
		c.upstream(&c.raw.LANs[i], &c.cfg.LANs[i])
		c.dhcp(&c.raw.LANs[i].DHCP, &c.cfg.LANs[i])
		if len(c.cfg.LANs[i].Upstream) == 0 {
			continue
		}
		if own++; own > maxOwnUpstream {
			c.wrong(c.raw.LANs[i].Upstream.At, fmt.Sprintf("at most %d LANs with an upstream of their own", maxOwnUpstream), "leave it empty to follow failover")
		}
	}
	c.forwards()
	c.clientRefs()
	for i := range c.raw.Firewall.Allow {
		if a, ok := c.allow(&c.raw.Firewall.Allow[i]); ok {
			c.cfg.Firewall.Allow = append(c.cfg.Firewall.Allow, a)
		}
	}
}

// upstream checks the uplinks that a LAN is tied to. A name that names no
// uplink stays in the list at boot: the LAN then rejects, and does not leak
// out of an uplink that it must not use.
func (c *checker) upstream(r *rawLAN, l *LAN) {
	for _, it := range r.Upstream.V {
		switch {
		case slices.Contains(l.Upstream, it.V):
			c.bad(it.At, "lan.upstream", quote(it.V), "each uplink once", "")
			continue
		case !slices.Contains(c.uplinkNames(), it.V) && !it.At.forgiven:
			c.slip(it.At, ScopeName, quote(it.V), "the name of an uplink", c.uplinkHint(it.V))
		}
		l.Upstream = append(l.Upstream, it.V)
	}
}

// uplinkNames are the names as written, also those of entries with problems:
// who refers to one is not wrong, too.
func (c *checker) uplinkNames() []string {
	var list []string
	for i := range c.raw.Uplinks {
		if v := c.raw.Uplinks[i].Name; v.At != nil {
			list = append(list, v.V)
		}
	}
	return list
}

func (c *checker) lanNames() []string {
	var list []string
	for i := range c.cfg.LANs {
		list = append(list, c.cfg.LANs[i].Name)
		if v := c.raw.LANs[i].Name; v.At != nil {
			list = append(list, v.V)
		}
	}
	return list
}

func (c *checker) uplinkHint(name string) string {
	names := c.uplinkNames()
	if h := didYouMean(name, names); h != "" {
		return h
	}
	if len(names) == 0 {
		return "no [[uplink]] is configured"
	}
	return "the uplinks are " + oneOf(names)
}

// known reports whether name is an uplink or LAN.
func (c *checker) known(name string) bool {
	return name != "" && (slices.Contains(c.uplinkNames(), name) || slices.Contains(c.lanNames(), name))
}

// ownerOf says whose device it is, "" if it is not ours.
func (c *checker) ownerOf(device string) string {
	for i := range c.cfg.LANs {
		if l := &c.cfg.LANs[i]; l.Device == device || slices.Contains(l.Ports, device) {
			return l.where()
		}
	}
	for i := range c.cfg.Uplinks {
		if u := &c.cfg.Uplinks[i]; u.Device == device {
			return u.where()
		}
	}
	return ""
}
