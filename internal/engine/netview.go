package engine

import (
	"net/netip"
	"reflect"

	"luatnetd/client/conn"
	"luatnetd/client/sock"
	"luatnetd/internal/bind"
	"luatnetd/internal/host"
	"luatnetd/router/dns"
)

// systemUplink is the way out where no uplink is configured: the routes that
// somebody else has made.
const systemUplink = "system"

// connect tells connections what uplinks there are, when that has changed.
func (e *Engine) connect() {
	n := conn.Network{Active: e.decision.Active, Routes: map[string]sock.Route{}, Usable: map[string]bool{}}
	if len(e.cfg.Uplinks) == 0 {
		n.Active = systemUplink
		n.Usable[systemUplink] = true
		n.Routes[systemUplink] = sock.Route{Uplink: systemUplink, DNS: host.Nameservers()}
	}
	for _, u := range e.uplinks {
		if u.lease == nil || u.device == "" {
			continue
		}
		servers := dns.Servers(u.lease.DNS, u.cfg.DNS, dns.Mode(u.cfg.DNSMode), u.lease.Gateway)
		n.Routes[u.cfg.Name] = sock.Route{
			Uplink: u.cfg.Name, DNS: append([]netip.AddrPort{}, servers...),
			Bind: bind.Bind{Device: u.device, Mark: e.marks.Of(u.index), Source: u.lease.Addr.Addr()},
		}
	}
	for _, name := range e.decision.Main {
		n.Usable[name] = true
	}
	if _, ok := n.Routes[n.Active]; !ok {
		n.Active = ""
	}
	if reflect.DeepEqual(n, e.clients.network) {
		return
	}
	e.clients.network = n
	next := *e.clients.view.Load()
	next.network = n
	e.clients.view.Store(&next)
	e.clients.tell()
	if next.clock != nil && n.Active != "" {
		next.clock.Kick()
	}
}

// tell hands the network to every connection.
func (c *clients) tell() {
	for _, p := range c.parts {
		if p.conn == nil {
			continue
		}
		if k, _ := p.conn.parts(); k != nil {
			k.SetNetwork(c.network)
		}
	}
}
