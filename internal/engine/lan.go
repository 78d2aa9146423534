package engine

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"

	"luatnetd/dhcpsrv"
	"luatnetd/dhcpsrv/serve"
	"luatnetd/internal/config"
	"luatnetd/internal/host"
	"luatnetd/router"
	"luatnetd/router/dns"
	dnsserve "luatnetd/router/dns/serve"
)

// lan is one downstream network and its services.
type lan struct {
	cfg     config.LAN
	down    bool
	server  *serve.Server // nil while DHCP is off or the LAN is down
	stopper context.CancelFunc
}

// lanEvent is what a LAN's DHCP server says.
type lanEvent struct {
	lan string
	dhcpsrv.Event
}

// startLAN starts the services of a LAN, or stops them while it is down.
func (e *Engine) startLAN(l *lan) {
	l.down = e.override.downLANs[l.cfg.Name]
	switch {
	case l.down || !l.cfg.DHCP.Enabled:
		l.stop()
	case l.server != nil:
		l.server.Update(e.dhcpConfig(l))
	default:
		l.server = serve.New(e.dhcpConfig(l))
		ctx, cancel := context.WithCancel(e.ctx)
		l.stopper = cancel
		name, server := l.cfg.Name, l.server
		e.tasks.Go(ctx, "dhcpsrv "+name, server.Run)
		e.tasks.Go(ctx, "dhcpsrv events "+name, func(ctx context.Context) error {
			for {
				select {
				case <-ctx.Done():
					return nil
				case ev := <-server.Events():
					if !e.post(ctx, lanEvent{lan: name, Event: ev}) {
						return nil
					}
				}
			}
		})
	}
}

// stop ends the LAN's services.
func (l *lan) stop() {
	if l.stopper != nil {
		l.stopper()
	}
	l.server, l.stopper = nil, nil
}

func (e *Engine) dhcpConfig(l *lan) serve.Config {
	d := l.cfg.DHCP
	c := serve.Config{
		Config: dhcpsrv.Config{
			LAN: l.cfg.Name, Address: l.cfg.Address, PoolStart: d.PoolStart, PoolEnd: d.PoolEnd,
			Lease: d.Lease, DNS: d.DNS, Domain: d.Domain, Hostname: hostname(""),
		},
		Device: l.cfg.Device, Now: e.now, BootID: host.BootID(), Log: e.log,
		StateFile: filepath.Join(e.stateDir, "leases-"+l.cfg.Name),
	}
	for _, h := range d.Hosts {
		c.Hosts = append(c.Hosts, dhcpsrv.Host{Name: h.Name, MACs: h.MACs, Address: h.Address, Lease: h.Lease})
	}
	for _, o := range d.Options {
		c.Options = append(c.Options, dhcpsrv.Option{Code: o.Code, Value: o.Value})
	}
	return c
}

// lanChanged takes what a DHCP server says.
func (e *Engine) lanChanged(ev lanEvent) {
	e.record(slog.LevelInfo, "lease", fmt.Sprintf("%s: %s %s %s", ev.lan, ev.Addr, ev.Kind, ev.Hostname),
		"lan", ev.lan, "address", ev.Addr, "mac", ev.MAC, "kind", ev.Kind)
	e.namesStale = true
}

func (e *Engine) lanForRouter(l *lan) router.LAN {
	r := router.LAN{
		Name: l.cfg.Name, Device: l.cfg.Device, Bridge: l.cfg.Bridge, Down: l.down, Addr: l.cfg.Address, Upstream: l.cfg.Upstream,
	}
	if l.cfg.Bridge {
		r.Ports = l.cfg.Ports
	}
	_, r.Present = e.snap.LinkByName(l.cfg.Device)
	for _, name := range l.cfg.Upstream { // best first, whatever the order of the uplinks
		if slices.Contains(e.decision.Main, name) {
			r.Usable = append(r.Usable, name)
		}
	}
	return r
}

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
