package engine

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"luatnetd/client"
	"luatnetd/client/serve"
	"luatnetd/internal/config"
	"luatnetd/netif"
)

// server waits for clients in a LAN.
type server struct {
	cfg config.Server
	*serve.Server
}

func (e *Engine) wantedServers() (list []wanted) {
	for _, c := range e.cfg.Servers {
		c.Pos = config.Position{}
		list = append(list, wanted{task: "server " + c.Name, name: c.Name, cfg: c, make: func(p *part) func(context.Context) error {
			s := &server{cfg: c, Server: serve.New(serve.Config{
				Name: c.Name, Kind: kindOfServer(c), Many: c.Kind == "tcp_multi", KickOld: c.Second == "kick_old", Max: c.MaxClients,
				Port: c.Port, BroadcastPort: c.BroadcastPort, Heartbeat: orNever(c.Heartbeat), NoGreeting: !c.Greeting,
				Deliver: e.clients.hub.Deliver, Now: e.now, Log: e.log,
			})}
			p.server = s
			p.gone = func() { e.clients.hub.SetTarget(c.Name, nil) }
			e.clients.hub.SetTarget(c.Name, s.Server)
			return s.Run
		}})
	}
	return list
}

func kindOfServer(c config.Server) client.Kind {
	if c.Kind == "udp" {
		return client.UDP
	}
	return client.TCP
}

// tellServers says where each server listens: on its LAN's device and address.
func (e *Engine) tellServers() {
	for _, p := range e.clients.parts {
		if p.server == nil {
			continue
		}
		n := serve.Network{}
		for _, l := range e.lans {
			if l.cfg.Name != p.server.cfg.LAN || l.down {
				continue
			}
			link, ok := e.snap.LinkByName(l.cfg.Device)
			n = serve.Network{Device: l.cfg.Device, Index: link.Index, Address: l.cfg.Address.Addr(), Up: ok && link.Carrier && e.hasAddr(link.Index, l.cfg.Address)}
		}
		p.server.SetNetwork(n)
	}
}

// hasAddr reports whether a device has an address now: one that is not there
// yet cannot be listened on.
func (e *Engine) hasAddr(index int, p netip.Prefix) bool {
	return slices.ContainsFunc(e.snap.AddrsOf(index), func(a netif.Addr) bool { return a.Prefix == p })
}

// orNever is a period for a room where 0 stands for its default.
func orNever(d time.Duration) time.Duration {
	if d == 0 {
		return -1
	}
	return d
}
