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
