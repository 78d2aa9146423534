package engine

import (
	"cmp"

	"luatnetd/internal/config"
	"luatnetd/internal/host"
	"luatnetd/internal/order"
	"luatnetd/internal/status"
)

// portList is how every serial port stands at this moment.
func (e *Engine) portList() []status.Port {
	list := []status.Port{}
	for name, p := range e.clients.view.Load().ports {
		s := p.Status()
		list = append(list, status.Port{
			Name: name, Device: p.Path(), Open: s.Open, Since: s.Since, Error: s.Err, Notes: s.Notes, Waiting: s.Waiting, In: s.In, Out: s.Out,
			Messages: s.Messages, Refused: s.Refused, Unsent: s.Unsent, GapFrom: s.Gap.From, GapTo: s.Gap.To,
		})
	}
	order.Sort(list, func(a, b status.Port) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// serverList is how every LAN server stands at this moment.
func (e *Engine) serverList() []status.Server {
	list := []status.Server{}
	for _, s := range e.clients.view.Load().servers {
		list = append(list, serverStatus(s.cfg, s))
	}
	order.Sort(list, func(a, b status.Server) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

func serverStatus(c config.Server, s *server) status.Server {
	n := s.Status()
	d := status.Server{
		Name: c.Name, Kind: c.Kind, LAN: c.LAN, Listening: n.Listening, Error: n.Err, Refused: n.Refused, In: n.In, Out: n.Out, Failed: n.Failed,
		Clients: []status.ServerClient{},
	}
	for _, k := range n.Clients {
		d.Clients = append(d.Clients, status.ServerClient{Name: k.Name, Addr: k.Addr, Since: host.Wall(k.Since)})
	}
	return d
}
