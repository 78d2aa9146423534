package config

import (
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"

	"luatnetd/netif"
)

// checker turns raw entries into valid ones.
type checker struct {
	*report
	raw *rawConfig
	cfg *Config
}

// maxUplinks is how many marks there are.
const maxUplinks = int(netif.MaxIndex)

// uplink checks one [[uplink]] by itself.
func (c *checker) uplink(r *rawUplink) Uplink {
	u := Uplink{Pos: r.At.pos, DNSMode: r.DNSMode.or(defDNSMode), MTU: int(r.MTU.or(0))}
	u.Name = c.name(r.At, r.Name)
	u.Adapter = c.adapter(r)
	c.link(r, &u)
	c.address(r, &u)
	c.dhcpKeys(r, &u)
	u.DNS = c.servers(r.DNS)
	u.Metered = r.Metered.or(u.Adapter.Cellular() || r.Metered.Bad) // in doubt it costs money
	u.Check = c.check(&r.Check)
	u.Power = c.power(r.Power)
	c.modem(r, &u)
	if u.Modem != nil && r.Power.At != nil {
		c.wrong(r.Power.At, "no power here beside a modem", "write it in [uplink.modem]: the modem's recovery uses it, too")
	}
	if u.Mode == ModeExternal && r.MTU.At != nil {
		c.wrong(r.MTU.At, "no mtu with address = \"external\"", "somebody else owns the device: set it there")
	}
	return u
}

// name checks the name of an uplink or LAN.
func (c *checker) name(at *node, v val[string]) string {
	switch {
	case v.absent():
		c.missing(at, "name", "a name: "+wantName, "commands, logs and metrics call it by this name")
	case v.At == nil:
	case !validName(v.V):
		c.wrong(v.At, wantName, nameHint(v.V))
	case v.V == reservedName:
		c.wrong(v.At, "another name", "\"router\" is the router itself in [[firewall.allow]]")
	default:
		return v.V
	}
	return ""
}

func (c *checker) adapter(r *rawUplink) netif.Adapter {
	a, ok := netif.ParseAdapter(r.Adapter.or(defAdapter))
	if ok {
		return a
	}
	var names []string
	for _, a := range netif.Adapters() {
		names = append(names, string(a))
	}
	hint := didYouMean(r.Adapter.V, names)
	if f, ok := foreignKeys[r.Adapter.V]; ok {
		hint = f.hint
	}
	c.wrong(r.Adapter.At, oneOf(names), hint)
	return defAdapter
}

// link checks what names the device.
func (c *checker) link(r *rawUplink, u *Uplink) {
	matched := r.At.child("match") != nil
	switch {
	case r.Device.absent() && !matched && u.Adapter == netif.AdapterGP: // its modem brings it
	case r.Device.absent() && !matched:
		c.missing(r.At, "device", "device or match", "write device = \"eth0\"; ip link shows the names")
	case !r.Device.absent() && matched:
		c.bad(r.At.child("match"), "uplink.match", "both device and match", "one of them", "match alone finds a USB device under any name")
	}
	if r.Device.At != nil && c.device(r.Device.At, r.Device.V) {
		u.Device = r.Device.V
	}
	m := &r.Match
	if m.At == nil {
		return
	}
	if m.Path.absent() && m.MAC.absent() && m.Driver.absent() {
		c.bad(m.At, "uplink.match", "an empty match", "path, mac or driver", "udevadm info /sys/class/net/NAME shows ID_PATH and the driver")
	}
	u.Match.Path = c.word(m.Path, 255, "a path as in ID_PATH, such as pci-0000:00:14.0-usb-0:1.2:1.0")
	u.Match.Driver = c.word(m.Driver, 64, "the name of a kernel driver, such as cdc_ether")
	if m.MAC.At != nil {
		u.Match.MAC, _ = c.mac(m.MAC.At, m.MAC.V)
	}
}

// word checks a text of printable characters without blanks.
func (c *checker) word(v val[string], most int, want string) string {
	bad := func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '"' }
	if v.At != nil && (v.V == "" || len(v.V) > most || strings.ContainsFunc(v.V, bad)) {
		c.wrong(v.At, want, "")
		return ""
	}
	return v.V
}

// address decides how the uplink gets its address.
func (c *checker) address(r *rawUplink, u *Uplink) {
	text := r.Address.or(defAddress)
	behind := u.Adapter == netif.AdapterGPGW && r.Address.absent()
	switch {
	case behind && r.Gateway.absent():
		u.Mode, u.Address, u.Gateway = ModeStatic, defGPGWAddress, defGPGWGateway
		return
	case behind:
		u.Mode, u.Address = ModeStatic, defGPGWAddress
	case text == ModeDHCP, text == ModeExternal:
		u.Mode = text
		if r.Gateway.At != nil {
			c.wrong(r.Gateway.At, "no gateway with address = "+quote(text), gatewayHint(text))
		}
		return
	default:
		if !c.static(r, u) {
			return
		}
	}
	c.gateway(r, u)
}

func gatewayHint(mode string) string {
	if mode == ModeDHCP {
		return "the DHCP server gives it; for a fixed address write address = \"192.0.2.10/24\""
	}
	return "it is read from the routes of whoever owns the device"
}

const wantUplinkAddress = `"dhcp", "external" or an address with its length such as "192.0.2.10/24"`

// static reads a written address.
func (c *checker) static(r *rawUplink, u *Uplink) bool {
	n, text := r.Address.At, r.Address.V
	if !strings.ContainsAny(text, "./:") {
		hint := didYouMean(text, []string{ModeDHCP, ModeExternal})
		if text == ModeStatic {
			hint = "write the address itself"
		}
		return c.wrong(n, wantUplinkAddress, hint)
	}
	p, ok := c.prefix4(n, text, wantUplinkAddress)
	if !ok {
		return false
	}
	if u.Adapter.Wireless() || u.Adapter == netif.AdapterGP {
		return c.wrong(n, `"dhcp" or "external" for `+string(u.Adapter),
			"the device must exist and be connected already; who connects it, or its network, gives the address")
	}
	u.Mode, u.Address = ModeStatic, p
	return true
}

// gateway checks the next hop of a static address.
func (c *checker) gateway(r *rawUplink, u *Uplink) {
	if r.Gateway.absent() {
		c.missing(r.At, "gateway", "an IPv4 address in "+u.Address.Masked().String(), "a fixed address needs the next router: gateway = "+quote(example(u.Address)))
	}
	if r.Gateway.At == nil {
		return
	}
	gw, ok := c.addr4(r.Gateway.At, r.Gateway.V)
	if !ok {
		return
	}
	hint := spare(u.Address, gw)
	switch {
	case gw == u.Address.Addr():
		c.wrong(r.Gateway.At, "another address than the uplink's own", "the gateway is the provider's router")
	case hint != "":
		c.wrong(r.Gateway.At, "a host of "+u.Address.Masked().String(), hint)
	case !u.Address.Contains(gw) && u.Address.Bits() < 32:
		c.wrong(r.Gateway.At, "an address in "+u.Address.Masked().String(), "only an address with /32 may have its gateway outside of the subnet")
	default:
		u.Gateway = gw
	}
}

// example is another address of the subnet, for a hint.
func example(p netip.Prefix) string {
	if a := first(p).Next(); a != p.Addr() && p.Contains(a) {
		return a.String()
	}
	if a := p.Addr().Next(); p.Contains(a) {
		return a.String()
	}
	return "192.0.2.1"
}

// dhcpKeys checks what only a DHCP client uses.
func (c *checker) dhcpKeys(r *rawUplink, u *Uplink) {
	for _, v := range []val[string]{r.ClientID, r.Hostname} {
		if v.At != nil && u.Mode != ModeDHCP && u.Mode != "" {
			c.wrong(v.At, `no such key without address = "dhcp"`, "only the DHCP client sends it")
		}
	}
	if u.Mode != ModeDHCP {
		return
	}
	u.ClientID = defClientID
	if r.ClientID.At != nil {
		u.ClientID = c.clientID(r.ClientID)
	}
	if u.Hostname = r.Hostname.V; u.Hostname != "" && !validHostname(u.Hostname) {
		c.wrong(r.Hostname.At, wantHost, "")
	}
}

var clientIDs = []string{"auto", "mac", "duid", "none"}

// clientID reads the word, or bytes in hex with or without colons (RFC 2132
// §9.14: two bytes at least, the first is the type).
func (c *checker) clientID(v val[string]) string {
	if slices.Contains(clientIDs, v.V) {
		return v.V
	}
	id, err := hex.DecodeString(strings.ReplaceAll(strings.TrimPrefix(v.V, "hex:"), ":", ""))
	if err != nil || len(id) < 2 || len(id) > 255 {
		c.wrong(v.At, oneOf(clientIDs)+" or 2 to 255 bytes in hex such as \"01:02:00:5e:10:00:01\"", didYouMean(v.V, clientIDs))
	}
	return hex.EncodeToString(id)
}

// dnsPort is the port of a server written without one.
const dnsPort = 53

// servers reads DNS servers, with or without port.
func (c *checker) servers(v val[[]item]) []netip.AddrPort {
	var list []netip.AddrPort
	for _, it := range v.V {
		s, err := netip.ParseAddrPort(it.V)
		if err != nil {
			var a netip.Addr
			a, err = netip.ParseAddr(it.V)
			s = netip.AddrPortFrom(a, dnsPort)
		}
		switch {
		case err != nil || s.Port() == 0 || s.Addr().IsUnspecified() || s.Addr().IsMulticast():
			c.bad(it.At, v.At.path(), quote(it.V), "an address such as \"223.5.5.5\" or with port \"223.5.5.5:5353\"", addrHint(it.V))
		case slices.Contains(list, s):
			c.bad(it.At, v.At.path(), quote(it.V), "each server once", "")
		default:
			list = append(list, s)
		}
	}
	return list
}
