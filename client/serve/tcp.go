package serve

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"

	"luatnetd/client"
	"luatnetd/internal/task"
)

// serveTCP listens until ctx ends or the listener breaks. It returns when the
// last client has ended.
func (s *Server) serveTCP(ctx context.Context, n Network) error {
	l, err := n.bind().Listen(ctx, "tcp4", s.cfg.Port)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	defer l.Close()
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	s.listening(l.Addr().String())
	for {
		conn, err := l.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if p := s.admit(conn.(*net.TCPConn)); p != nil {
			wg.Go(func() { s.attend(ctx, p) })
		}
	}
}

// admit takes a client or closes its connection. The oldest may have to go.
func (s *Server) admit(conn *net.TCPConn) *peer {
	s.mu.Lock()
	defer s.mu.Unlock()
	accept, kick := client.Admission{Max: s.cfg.Max, KickOld: s.cfg.KickOld}.Decide(len(s.clients))
	if !accept {
		s.state.Refused++
		s.cfg.Log.Warn("client refused: no place", "addr", conn.RemoteAddr(), "places", s.cfg.Max)
		_ = conn.Close() // a FIN: "end", not "broken"
		return nil
	}
	if kick {
		s.clients[0].close(errors.New("a newer client took its place"))
		s.clients = s.clients[1:]
	}
	s.number++
	p := newPeer(client.ClientName(s.number), conn, s.cfg.Confirm, s.cfg.Now())
	s.clients = append(s.clients, p)
	return p
}

// attend serves one client until it ends, and only that one.
func (s *Server) attend(ctx context.Context, p *peer) {
	defer context.AfterFunc(ctx, func() { p.close(errors.New("the server ends")) })()
	s.cfg.Log.Info("client connected", "client", p.name, "addr", p.addr)
	if !s.cfg.NoGreeting {
		_ = p.put(job{data: []byte(client.Greeting(s.cfg.Many, p.name)), done: func(client.Result) {}})
	}
	var wg sync.WaitGroup
	wg.Go(func() { p.close(task.Guard(ctx, p.write)) })
	if err := task.Guard(ctx, func(context.Context) error { return p.read(s.received) }); err != nil {
		p.close(err)
	}
	s.forget(p) // its place is free, even if the last words are on their way
	p.end()
	wg.Wait()
	s.cfg.Log.Info("client gone", "client", p.name, "err", p.why())
}

func (s *Server) forget(p *peer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.clients, p); i >= 0 {
		s.clients = slices.Delete(s.clients, i, i+1)
	}
}

// offerTCP queues m for its clients. With several, one that has it is enough.
func (s *Server) offerTCP(m client.Message, done func(client.Result)) {
	s.mu.Lock()
	var to []*peer
	for _, c := range s.clients {
		if m.To == "" || m.To == c.name || m.To == c.addr {
			to = append(to, c)
		}
	}
	s.mu.Unlock()
	switch {
	case len(to) > 0:
	case m.To != "":
		done(notSent("no client %s is connected", m.To))
	default:
		done(notSent("nobody is connected"))
	}
	v := &vote{open: len(to), done: done}
	for _, c := range to {
		if err := c.put(job{data: m.Data, done: v.add}); err != nil {
			v.add(notSent("%s: %v", c.name, err))
		}
	}
}

// vote makes one result of several: sent, if any client has it.
type vote struct {
	done func(client.Result)

	mu     sync.Mutex // guards what follows
	open   int
	ok     bool
	reason string
}

func (v *vote) add(r client.Result) {
	v.mu.Lock()
	v.open--
	v.ok = v.ok || r.OK
	if v.reason == "" {
		v.reason = r.Reason
	}
	last := v.open == 0
	result := client.Result{OK: v.ok}
	if !v.ok {
		result.Reason = v.reason
	}
	v.mu.Unlock()
	if last {
		v.done(result)
	}
}
