package serve

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"time"

	"luatnetd/client"
)

// datagrams is a UDP server that listens. Fields are guarded by Server.mu.
type datagrams struct {
	conn    *net.UDPConn
	last    netip.AddrPort // who spoke last
	spoke   time.Time
	silence client.Silence
}

// maxDatagram is what an IPv4 datagram can hold.
const maxDatagram = 65535

// serveUDP receives until ctx ends or the socket breaks.
func (s *Server) serveUDP(ctx context.Context, n Network) error {
	pc, err := n.bind().ListenPacketOn(ctx, "udp4", s.cfg.Port)
	if err != nil {
		return err
	}
	conn := pc.(*net.UDPConn)
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	u := &datagrams{conn: conn, silence: client.Silence{Every: max(s.cfg.Heartbeat, 0)}}
	s.setUDP(u)
	defer s.setUDP(nil)
	s.listening(conn.LocalAddr().String())
	s.touch(u)
	if !s.cfg.NoGreeting {
		s.broadcast(u, client.GreetingUDP)
	}
	buf := make([]byte, maxDatagram)
	for {
		_ = conn.SetReadDeadline(s.due(u))
		size, from, err := conn.ReadFromUDPAddrPort(buf)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			if due := s.due(u); !due.IsZero() && !time.Now().Before(due) {
				s.broadcast(u, client.Heartbeat)
			}
		case err != nil:
			return err
		default:
			from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
			s.heard(u, from)
			s.received(from.String(), append([]byte(nil), buf[:size]...))
		}
	}
}

func (s *Server) setUDP(u *datagrams) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.udp = u
}

func (s *Server) due(u *datagrams) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return u.silence.Due()
}

func (s *Server) heard(u *datagrams, from netip.AddrPort) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u.last, u.spoke = from, s.cfg.Now()
	u.silence.Traffic(time.Now())
}

// touch notes traffic.
func (s *Server) touch(u *datagrams) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u.silence.Traffic(time.Now())
}

// broadcast says something to the whole LAN. It stays there: the socket is
// bound to the device.
func (s *Server) broadcast(u *datagrams, text string) {
	s.touch(u) // also if it fails: no heartbeat in a loop
	to := netip.AddrPortFrom(netip.AddrFrom4([4]byte{255, 255, 255, 255}), s.cfg.BroadcastPort)
	if _, err := u.conn.WriteToUDPAddrPort([]byte(text), to); err != nil {
		s.cfg.Log.Debug("broadcast not sent", "text", text, "err", err)
	}
}

// offerUDP sends to the address m names, or to who spoke last.
func (s *Server) offerUDP(m client.Message, done func(client.Result)) {
	s.mu.Lock()
	u := s.udp
	var to netip.AddrPort
	if u != nil {
		to = u.last
	}
	s.mu.Unlock()
	if m.To != "" {
		var err error
		if to, err = netip.ParseAddrPort(m.To); err != nil {
			done(notSent("%q is no client of a UDP server: give an address and a port", m.To))
			return
		}
	}
	switch {
	case u == nil:
		done(notSent("the server does not listen"))
		return
	case !to.IsValid():
		done(notSent("no client has spoken yet"))
		return
	}
	if _, err := u.conn.WriteToUDPAddrPort(m.Data, to); err != nil {
		done(notSent("send to %s: %v", to, err))
		return
	}
	s.touch(u)
	done(client.Result{OK: true})
}
