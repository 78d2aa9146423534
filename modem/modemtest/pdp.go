package modemtest

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// context3 is a PDP context (TS 27.007 §10.1.1).
type context3 struct {
	pdpType, apn string
	auth         int
	user, pass   string
	active       bool
	addr4        netip.Addr
	addr6        netip.Addr
}

// DataState is what the data plane does: the lab makes its veth, its DHCP
// server and its forwarding so.
type DataState struct {
	Up        bool // the bearer is there and tied to the netdev
	Forwards  bool // packets go through
	Carrier   bool // what the netdev's carrier shows
	CID       int
	APN       string
	PDPType   string
	Addr4     netip.Addr
	Addr6     netip.Addr
	DNS       []netip.Addr
	MTU       int
	Lease     netip.Prefix // what DHCP offers
	Gateway   netip.Addr   // and from whom; invalid: there is no server
	DHCP      DHCP
	DHCPDelay time.Duration // of "dhcp-slow"
}

// equal compares without DNS, which comes with the address.
func (d DataState) equal(e DataState) bool {
	d.DNS, e.DNS = nil, nil
	return fmt.Sprint(d) == fmt.Sprint(e)
}

// DHCP is how the module's DHCP server behaves.
type DHCP string

// The behaviours.
const (
	DHCPNone   DHCP = "none"   // there is no server, or it is silent
	DHCPGood   DHCP = "good"   // answers
	DHCPSlow   DHCP = "slow"   // answers DHCPDelay later
	DHCPSubnet DHCP = "subnet" // answers out of another subnet
	DHCPNAK    DHCP = "nak"    // refuses every request
)

// attachLocked gives the default bearer (TS 24.301 §6.4.1).
func (m *Modem) attachLocked() {
	cid := m.pers.Attach
	c := m.contextLocked(cid)
	if m.refusedLocked(c) != 0 {
		return
	}
	m.giveLocked(c)
	m.cgevLocked(fmt.Sprintf("+CGEV: ME PDN ACT %d", cid))
	if m.autodialLocked() {
		m.bound = true
		if cid != m.pers.CID {
			m.giveLocked(m.contextLocked(m.pers.CID))
		}
	}
}

// contextLocked is a context, made if it is new.
func (m *Modem) contextLocked(cid int) *context3 {
	c := m.pdp[cid]
	if c == nil {
		c = &context3{pdpType: "IP"}
		m.pdp[cid] = c
	}
	return c
}

// giveLocked makes a context active with new addresses.
func (m *Modem) giveLocked(c *context3) {
	if c.active {
		return
	}
	c.active = true
	m.addressLocked(c)
}

func (m *Modem) addressLocked(c *context3) {
	m.net.hosts++
	n := m.net.hosts
	c.addr4, c.addr6 = netip.Addr{}, netip.Addr{}
	if c.pdpType != "IPV6" && !m.onLocked("ipv6-only", nil) {
		c.addr4 = netip.AddrFrom4([4]byte{10, 32, byte(140 + n>>8), byte(10 + n)})
	}
	if c.pdpType != "IP" {
		c.addr6 = netip.AddrFrom16([16]byte{0x20, 1, 0x0d, 0xb8, 0x14, 0, byte(n >> 8), byte(n), 14: 0, 15: 1})
	}
}

// detachLocked takes every bearer.
func (m *Modem) detachLocked(why string) {
	any := false
	for _, c := range m.pdp {
		any = any || c.active
		c.active, c.addr4, c.addr6 = false, netip.Addr{}, netip.Addr{}
	}
	m.bound = false
	if any {
		m.cgevLocked(why)
	}
	m.dataLocked()
}

// cgevLocked tells of packet domain events to those who asked (+CGEREP).
func (m *Modem) cgevLocked(text string) {
	m.urcLocked(text, func(l *line) bool { return l.cgerep > 0 })
}

// refusedLocked is the CME error that the network answers to an activation, 0 for none.
func (m *Modem) refusedLocked(c *context3) int {
	switch {
	case !m.registeredLocked():
		return 30
	case m.onLocked("pdp-reject", nil) && !m.apnAllowedLocked(c.apn):
		return m.intLocked("pdp-reject", 0, 133)
	case m.onLocked("pdp-type", nil):
		// ESM 50: IPv4 only, 51: IPv6 only, 52: single address only (TS 24.301 §6.5.1.4)
		switch m.intLocked("pdp-type", 0, 50) {
		case 50:
			return reject(c.pdpType != "IP")
		case 51:
			return reject(c.pdpType != "IPV6")
		default:
			return reject(c.pdpType == "IPV4V6")
		}
	}
	return 0
}

func reject(yes bool) int {
	if yes {
		return 132
	}
	return 0
}

// apnAllowedLocked: "pdp-reject" may name an APN that is let in.
func (m *Modem) apnAllowedLocked(apn string) bool {
	good, ok := m.argLocked("pdp-reject", "apn")
	return ok && strings.EqualFold(good, apn)
}

// activateLocked makes the context active, 0, or says the CME error.
func (m *Modem) activateLocked(cid int) int {
	c := m.contextLocked(cid)
	if code := m.refusedLocked(c); code != 0 {
		return code
	}
	fresh := !c.active
	m.giveLocked(c)
	if fresh {
		m.cgevLocked(fmt.Sprintf("+CGEV: ME PDN ACT %d", cid))
	}
	if cid == m.pers.CID && (m.pers.Dial == DialContext || m.autodialLocked()) {
		m.bound = true
	}
	m.dataLocked()
	return 0
}

func (m *Modem) deactivateLocked(cid int, why string) {
	c := m.pdp[cid]
	if c == nil || !c.active {
		return
	}
	c.active, c.addr4, c.addr6 = false, netip.Addr{}, netip.Addr{}
	m.cgevLocked(fmt.Sprintf(why, cid))
	if cid == m.pers.CID {
		m.bound = false
		m.cureLocked("data", nil)
	}
	m.dataLocked()
}

// Deactivate is the network's own end of the data bearer; quiet says nothing of it.
func (m *Modem) Deactivate(quiet bool) {
	m.lock()
	defer m.unlock()
	c := m.contextLocked(m.pers.CID)
	c.active, c.addr4, c.addr6, m.bound = false, netip.Addr{}, netip.Addr{}, false
	if !quiet {
		m.cgevLocked(fmt.Sprintf("+CGEV: NW PDN DEACT %d", m.pers.CID))
	}
	m.dataLocked()
}

// ChangeAddress gives the data bearer another address, with a +CGEV or silently.
func (m *Modem) ChangeAddress(tell bool) {
	m.lock()
	defer m.unlock()
	m.changeAddressLocked(tell)
}

func (m *Modem) changeAddressLocked(tell bool) {
	c := m.contextLocked(m.pers.CID)
	if !c.active {
		return
	}
	if tell {
		m.cgevLocked(fmt.Sprintf("+CGEV: NW PDN DEACT %d", m.pers.CID))
	}
	m.addressLocked(c)
	if tell {
		m.cgevLocked(fmt.Sprintf("+CGEV: ME PDN ACT %d", m.pers.CID))
	}
	m.dataLocked()
}

// Data is the data plane now.
func (m *Modem) Data() DataState {
	m.lock()
	defer m.unlock()
	return m.dataStateLocked()
}

func (m *Modem) dataStateLocked() DataState {
	comp, _ := m.pers.composition(m.comp)
	c := m.contextLocked(m.pers.CID)
	d := DataState{CID: m.pers.CID, APN: c.apn, PDPType: c.pdpType, DHCP: DHCPNone, MTU: m.net.mtu}
	d.Up = m.running && c.active && m.bound && comp.Net.Driver != ""
	d.Forwards = d.Up && !m.onLocked("data-dead", nil) && m.registeredLocked()
	d.Carrier = d.Up || m.running && (comp.Net.Driver == "rndis_host" || m.onLocked("carrier-stuck", nil))
	if !d.Up {
		if m.running && comp.Gateway != "" && m.onLocked("dhcp-early", nil) {
			d.Gateway, d.Lease, d.DHCP = lease(comp.Gateway)
		}
		return d
	}
	d.Addr4, d.Addr6, d.DNS = c.addr4, c.addr6, m.net.dns
	switch {
	case comp.Bridged && c.addr4.IsValid():
		d.Gateway, d.Lease, d.DHCP = gateway(c.addr4), netip.PrefixFrom(c.addr4, 24), DHCPGood
	case comp.Gateway != "":
		d.Gateway, d.Lease, d.DHCP = lease(comp.Gateway)
	}
	return m.dhcpFaultLocked(d)
}

// lease is the host behind a gateway.
func lease(gw string) (netip.Addr, netip.Prefix, DHCP) {
	a := netip.MustParseAddr(gw)
	return a, netip.PrefixFrom(a.Next(), 24), DHCPGood
}

func (m *Modem) dhcpFaultLocked(d DataState) DataState {
	switch {
	case d.DHCP == DHCPNone:
	case m.onLocked("dhcp-absent", nil):
		d.DHCP = DHCPNone
	case m.onLocked("dhcp-slow", nil):
		d.DHCP, d.DHCPDelay = DHCPSlow, m.durationLocked("dhcp-slow", 8*time.Second)
	case m.onLocked("dhcp-subnet", nil):
		d.Gateway, d.Lease, _ = lease("192.168.77.1")
		d.DHCP = DHCPSubnet
	case m.onLocked("dhcp-nak", nil):
		d.DHCP = DHCPNAK
	}
	return d
}

// dataLocked calls Options.Data where the data plane has changed.
func (m *Modem) dataLocked() {
	m.dropCallsLocked()
	d := m.dataStateLocked()
	if d.equal(m.shown) {
		return
	}
	m.shown = d
	if f := m.opt.Data; f != nil {
		m.pending = append(m.pending, func() { f(d) })
	}
}
