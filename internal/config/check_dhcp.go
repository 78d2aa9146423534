package config

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"luatnetd/netif"
)

// maxPool bounds the memory of a lease table.
const maxPool = 1 << 16

// dhcp checks the [lan.dhcp] of a LAN whose address is known, or invalid and
// reported.
func (c *checker) dhcp(r *rawDHCP, l *LAN) {
	d := &l.DHCP
	d.Enabled = r.Enabled.or(true)
	d.Lease = r.Lease.or(defLease)
	if l.Address.IsValid() {
		c.pool(r, l)
	}
	for _, s := range r.DNS.V {
		if a, ok := c.addr4(s.At, s.V); ok {
			d.DNS = append(d.DNS, a)
		}
	}
	d.Domain = strings.ToLower(r.Domain.or(defDomain))
	if r.Domain.At != nil && d.Domain != "" && !validDomain(d.Domain) {
		c.wrong(r.Domain.At, `a domain such as "lan", or "" for none`, "")
	}
	c.hosts(r, l)
	c.options(r, d)
}

// pool checks the pool, or makes the default one.
func (c *checker) pool(r *rawDHCP, l *LAN) {
	lo, hi, at := r.PoolStart, r.PoolEnd, r.At
	if lo.absent() && hi.absent() || lo.Bad || hi.Bad {
		l.DHCP.PoolStart, l.DHCP.PoolEnd = defaultPool(l.Address)
		return
	}
	if lo.absent() || hi.absent() {
		key := "pool_end"
		if lo.absent() {
			key = "pool_start"
		}
		c.missing(at, key, "pool_start and pool_end, or neither", "")
		return
	}
	a, okA := c.inside(lo.At, lo.V, l.Address)
	b, okB := c.inside(hi.At, hi.V, l.Address)
	if !okA || !okB {
		return
	}
	switch {
	case b.Less(a):
		c.wrong(hi.At, "an address from "+a.String()+" upwards", "pool_start is the lower one")
	case !l.Address.Addr().Less(a) && !b.Less(l.Address.Addr()):
		c.wrong(lo.At, "a pool without the router's own address "+l.Address.Addr().String(), "clients would be given the router's address")
	case fromAddr(b)-fromAddr(a) >= maxPool:
		c.wrong(hi.At, fmt.Sprintf("a pool of at most %d addresses", maxPool), "")
	default:
		l.DHCP.PoolStart, l.DHCP.PoolEnd = a, b
	}
}

// inside reads an address of a host of the subnet.
func (c *checker) inside(n *node, text string, p netip.Prefix) (netip.Addr, bool) {
	a, ok := c.addr4(n, text)
	if !ok {
		return a, false
	}
	if hint := spare(p, a); hint != "" || !p.Contains(a) {
		if hint == "" {
			hint = "the LAN's address is " + p.String() + "; without a written address the next free one is taken"
		}
		return a, c.bad(n, n.path(), quote(text), "an address from "+first(p).Next().String()+" to "+last(p).Prev().String(), hint)
	}
	return a, true
}

// defaultPool is .100 to .200 of the /24 that the own address is in, clipped
// to a smaller subnet, and never over the own address.
func defaultPool(p netip.Prefix) (start, end netip.Addr) {
	sub := p
	if p.Bits() < 24 {
		sub = netip.PrefixFrom(p.Addr(), 24)
	}
	base, own := fromAddr(first(sub)), fromAddr(p.Addr())
	lo, hi := base+defPoolFirst, base+defPoolLast
	if low, top := fromAddr(first(p))+1, fromAddr(last(p))-1; lo >= top {
		lo, hi = low, top
	} else {
		hi = min(hi, top)
	}
	if own >= lo && own <= hi { // the larger side
		if hi-own > own-lo {
			lo = own + 1
		} else {
			hi = own - 1
		}
	}
	return toAddr(lo), toAddr(hi)
}

// hosts checks the fixed addresses. An entry that is refused takes nothing
// from the ones after it.
func (c *checker) hosts(r *rawDHCP, l *LAN) {
	seen := map[string]Position{}
	for i := range r.Hosts {
		h, ok := c.host(&r.Hosts[i], l)
		keys := hostKeys(h)
		for _, k := range keys {
			if at, dup := seen[k.name]; dup {
				ok = c.bad(firstNode(k.at(&r.Hosts[i]), r.Hosts[i].At), "lan.dhcp.host."+k.key, quote(k.text), "each "+k.word+" once",
					fmt.Sprintf("the host in line %d has it", at.Line))
			}
		}
		if !ok {
			continue
		}
		for _, k := range keys {
			seen[k.name] = r.Hosts[i].At.pos
		}
		l.DHCP.Hosts = append(l.DHCP.Hosts, h)
	}
}

// hostKey is something that only one host may have.
type hostKey struct {
	name, text, key, word string
	index                 int // of the MAC
}

func (k hostKey) at(r *rawHost) *node {
	switch k.key {
	case "name":
		return r.Name.At
	case "address":
		return r.Address.At
	}
	if k.index < len(r.MAC.V) {
		return r.MAC.V[k.index].At
	}
	return r.MAC.At
}

func hostKeys(h Host) []hostKey {
	var list []hostKey
	if h.Name != "" {
		list = append(list, hostKey{"name " + strings.ToLower(h.Name), h.Name, "name", "name", 0})
	}
	for i, m := range h.MACs {
		if m.IsZero() {
			continue
		}
		list = append(list, hostKey{"mac " + m.String(), m.String(), "mac", "hardware address", i})
	}
	if h.Address.IsValid() {
		list = append(list, hostKey{"address " + h.Address.String(), h.Address.String(), "address", "address", 0})
	}
	return list
}

// host checks one fixed address by itself.
func (c *checker) host(r *rawHost, l *LAN) (Host, bool) {
	before := len(c.found)
	h := Host{Name: r.Name.V, Lease: r.Lease.or(0)}
	if r.Name.At != nil && !validHostname(h.Name) {
		c.wrong(r.Name.At, wantHost, "")
	}
	if r.MAC.absent() || r.MAC.At != nil && r.MAC.At.kind == kindArray && len(r.MAC.At.items) == 0 {
		c.missing(r.At, "mac", wantMAC, "")
	}
	for _, it := range r.MAC.V {
		m, ok := c.mac(it.At, it.V)
		if ok && slices.Contains(h.MACs, m) {
			c.bad(it.At, "lan.dhcp.host.mac", quote(it.V), "each hardware address once", "")
			m = netif.MAC{}
		}
		h.MACs = append(h.MACs, m) // zero where refused, so that positions agree
	}
	switch {
	case r.Address.absent():
		c.missing(r.At, "address", wantAddr4, "")
	case r.Address.At == nil || !l.Address.IsValid():
	default:
		h.Address, _ = c.inside(r.Address.At, r.Address.V, l.Address)
		if h.Address == l.Address.Addr() {
			c.wrong(r.Address.At, "another address than the router's own", "")
		}
	}
	return h, len(c.found) == before && !r.Name.Bad && !r.MAC.Bad && !r.Address.Bad && !r.Lease.Bad
}

// ownOptions are the options that the server makes itself, and where to say so.
var ownOptions = map[int64]string{
	1: "the subnet mask follows the LAN's address", 3: "the router is the LAN's own address",
	6: "write dns = [\"192.168.5.1\"] in [lan.dhcp]", 12: "a host's name is the name in its [[lan.dhcp.host]]",
	15: "write domain = \"lan\" in [lan.dhcp]", 28: "the broadcast address follows the LAN's address",
	50: "only a client sends it", 51: "write lease = \"2h8m\" in [lan.dhcp]", 52: "the server uses it itself",
	53: "the server uses it itself", 54: "the server uses it itself", 55: "only a client sends it", 57: "only a client sends it",
	58: "it follows the lease", 59: "it follows the lease", 61: "only a client sends it", 82: "only a relay sends it",
}

// maxOption is the longest value of one option (RFC 2132 §2).
const maxOption = 255

// options checks the additional options.
func (c *checker) options(r *rawDHCP, d *DHCP) {
	for i := range r.Options {
		o, before := &r.Options[i], len(c.found)
		if o.Code.absent() {
			c.missing(o.At, "code", "a number from 1 to 254", "the numbers are those of RFC 2132")
		}
		if why := ownOptions[o.Code.V]; why != "" && o.Code.At != nil {
			c.wrong(o.Code.At, "an option that the server does not make itself", why)
		} else if o.Code.At != nil && slices.ContainsFunc(d.Options, func(p Option) bool { return int64(p.Code) == o.Code.V }) {
			c.wrong(o.Code.At, "each option once", "")
		}
		value := c.optionValue(o)
		if len(c.found) == before && o.Code.At != nil {
			d.Options = append(d.Options, Option{Code: uint8(o.Code.V), Value: value})
		}
	}
}

// optionValue reads the one of text, ip and hex that is written.
func (c *checker) optionValue(o *rawOption) []byte {
	given := 0
	for _, absent := range []bool{o.Text.absent(), o.IP.absent(), o.Hex.absent()} {
		if !absent {
			given++
		}
	}
	if given != 1 {
		c.bad(o.At, "lan.dhcp.option", []string{"no value", "", "two values", "three values"}[given], "one of text, ip and hex", "")
		return nil
	}
	var value []byte
	var at *node
	want := "1 to 255 bytes"
	switch {
	case o.Text.At != nil:
		at, value = o.Text.At, []byte(o.Text.V)
	case o.IP.At != nil:
		at, want = o.IP.At, "1 to 63 addresses"
		for _, it := range o.IP.V {
			if a, ok := c.addr4(it.At, it.V); ok {
				value = append(value, a.AsSlice()...)
			}
		}
		if len(o.IP.V) > 0 && value == nil {
			return nil
		}
	case o.Hex.At != nil:
		at, want = o.Hex.At, "1 to 255 bytes in hex such as \"0a:ff\""
		value, _ = hex.DecodeString(strings.ReplaceAll(o.Hex.V, ":", ""))
		if hex.EncodeToString(value) != strings.ToLower(strings.ReplaceAll(o.Hex.V, ":", "")) {
			value = nil
		}
	default:
		return nil // reported already
	}
	if len(value) == 0 || len(value) > maxOption {
		c.wrong(at, want, "")
	}
	return value
}
