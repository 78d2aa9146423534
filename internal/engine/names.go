package engine

import (
	"log/slog"
	"slices"

	"luatnetd/router/dns"
	dnsserve "luatnetd/router/dns/serve"
)

// serveNames keeps the DNS forwarder in step with the decision and the leases.
func (e *Engine) serveNames() {
	var ups []dnsserve.Upstream
	for _, name := range e.decision.Main {
		if u := e.byName(name); u != nil && u.lease != nil {
			ups = append(ups, dnsserve.Upstream{
				Name: name, Device: u.device, Mark: e.marks.Of(u.index), Source: u.lease.Addr.Addr(),
				Servers: dns.Servers(u.lease.DNS, u.cfg.DNS, dns.Mode(u.cfg.DNSMode), u.lease.Gateway),
			})
		}
	}
	e.dns.SetUpstreams(ups)
	if !e.namesStale {
		return
	}
	e.namesStale = false
	var listen []dnsserve.Listen
	var names []dns.Host
	var domains []string
	for _, l := range e.lans {
		if l.down {
			continue
		}
		listen = append(listen, dnsserve.Listen{Device: l.cfg.Device, Addr: l.cfg.Address.Addr(), Upstreams: l.cfg.Upstream})
		names = append(names, l.names()...)
		if d := l.cfg.DHCP.Domain; d != "" && !slices.Contains(domains, d) {
			domains = append(domains, d)
		}
	}
	e.setDomains(domains)
	e.dns.SetListen(listen)
	e.dns.SetNames(names)
}

// setDomains tells the DNS forwarder the LANs' domains when they change: names
// below them are answered here and never leave the house.
func (e *Engine) setDomains(domains []string) {
	if slices.Equal(domains, e.domains) {
		return
	}
	if err := e.dns.SetDomains(domains); err != nil {
		e.record(slog.LevelWarn, "config", "the old LAN domains stay in force: "+err.Error())
		return
	}
	e.domains = domains
}

// names are the LAN's hosts that DNS knows: bound clients with a name.
func (l *lan) names() []dns.Host {
	var list []dns.Host
	if l.server == nil {
		return nil
	}
	for _, i := range l.server.Leases() {
		if i.Hostname != "" && i.State == "bound" {
			list = append(list, dns.Host{Name: i.Hostname, Domain: l.cfg.DHCP.Domain, Addr: i.Addr, Origin: dns.OriginLease})
		}
	}
	return list
}
