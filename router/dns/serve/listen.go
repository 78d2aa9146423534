package serve

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"luatnetd/router/dns"
)

// How often listeners are looked after.
const (
	retryEvery = 500 * time.Millisecond // a device or address is missing
	checkEvery = 2 * time.Second        // a device may have been made anew
	maxQuery   = 4096                   // bytes of a client's message; none needs more
)

// place is what makes a listener a different one.
type place struct {
	device string
	addr   netip.Addr
}

// listener answers on one address of one LAN.
type listener struct {
	s     *Server
	place place
	index uint32 // of the device when the sockets were bound to it
	udp   *net.UDPConn
	tcp   *net.TCPListener
	via   atomic.Pointer[[]string]
	dead  atomic.Bool
	tasks sync.WaitGroup
}

// manage keeps the open listeners equal to the wanted ones.
func (s *Server) manage(ctx context.Context) {
	defer s.tasks.Done()
	open := map[place]*listener{}
	defer func() {
		for _, l := range open {
			l.close()
		}
	}()
	timer := time.NewTimer(checkEvery)
	defer timer.Stop()
	for {
		timer.Reset(s.reconcile(ctx, open))
		select {
		case <-ctx.Done():
			return
		case <-s.relist:
		case <-timer.C:
		}
	}
}

// reconcile opens what is wanted and missing, closes the rest, and returns
// after what time to look again.
func (s *Server) reconcile(ctx context.Context, open map[place]*listener) time.Duration {
	s.mu.Lock()
	wanted, before := s.listens, s.states
	s.mu.Unlock()
	keep := map[place]bool{}
	for _, w := range wanted {
		keep[place{w.Device, w.Addr}] = true
	}
	for p, l := range open {
		// A device made anew has another index, and sockets stay bound to the old one.
		if !keep[p] || l.dead.Load() || l.index != ifindex(p.device) {
			l.close()
			delete(open, p)
		}
	}
	again := checkEvery
	var states []ListenStats
	for _, w := range wanted {
		err := s.ensure(ctx, open, w)
		if err != nil {
			again = retryEvery
		}
		s.report(w, err, before)
		states = append(states, ListenStats{Listen: w, Err: err})
	}
	s.mu.Lock()
	s.states = states
	s.mu.Unlock()
	return again
}

// ensure opens w unless it is open.
func (s *Server) ensure(ctx context.Context, open map[place]*listener, w Listen) error {
	p := place{w.Device, w.Addr}
	l := open[p]
	if l == nil {
		l = &listener{s: s, place: p, index: ifindex(w.Device)}
		var err error
		if l.udp, l.tcp, err = sockets(ctx, w, s.cfg.Port); err != nil {
			return err
		}
		open[p] = l
		l.via.Store(&w.Upstreams)
		l.tasks.Add(2)
		go l.datagrams()
		go l.accept()
	}
	via := slices.Clone(w.Upstreams)
	l.via.Store(&via)
	return nil
}

// report logs a listener's change of state.
func (s *Server) report(w Listen, err error, before []ListenStats) {
	known, old := false, error(nil)
	for _, b := range before {
		if b.Device == w.Device && b.Addr == w.Addr {
			known, old = true, b.Err
		}
	}
	switch {
	case err == nil && (!known || old != nil):
		s.log.Info("answering dns", "device", w.Device, "address", w.Addr)
	case err != nil && (!known || old == nil):
		s.log.Warn("waiting to answer dns", "device", w.Device, "address", w.Addr, "error", err, "hint", hint(err))
	}
}

// hint says what a person can do about a listening error.
func hint(err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "another DNS server uses this address; stop it, or keep it off this device"
	case errors.Is(err, syscall.ENODEV), errors.Is(err, syscall.EADDRNOTAVAIL):
		return "nothing to do: it starts when the device and its address are there"
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return "port 53 needs CAP_NET_BIND_SERVICE"
	}
	return ""
}

// close ends the listener's goroutines and waits for them.
func (l *listener) close() {
	_ = l.udp.Close()
	_ = l.tcp.Close()
	l.tasks.Wait()
}

// ended marks the listener as broken unless it was closed by us.
func (l *listener) ended(err error) {
	if !errors.Is(err, net.ErrClosed) {
		l.s.log.Warn("dns listener broke", "device", l.place.device, "error", err)
		l.dead.Store(true)
		notify(l.s.relist)
	}
}

// datagrams answers what comes by UDP.
func (l *listener) datagrams() {
	defer l.tasks.Done()
	msg, out := make([]byte, maxQuery), make([]byte, 0, maxQuery)
	for {
		n, from, err := l.udp.ReadFromUDPAddrPort(msg)
		if err != nil {
			l.ended(err)
			return
		}
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		if answer := l.s.query(dns.Query{Msg: msg[:n], From: from, Via: *l.via.Load(), To: l}, out[:0]); len(answer) > 0 {
			l.reply(from, answer)
		}
	}
}

// reply sends an answer from the address that was asked. A client that cannot
// be reached asks again.
func (l *listener) reply(to netip.AddrPort, msg []byte) {
	if _, err := l.udp.WriteToUDPAddrPort(msg, to); err != nil && !errors.Is(err, net.ErrClosed) {
		l.s.log.Debug("answer not sent", "client", to, "error", err)
	}
}
