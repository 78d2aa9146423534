package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"luatnetd/client"
	"luatnetd/internal/bind"
)

// Config is one server. Name, Kind, Deliver and Now are required.
type Config struct {
	Name    string
	Kind    client.Kind // client.TCP or client.UDP
	Many    bool        // TCP for many clients
	KickOld bool        // a client too many takes the oldest one's place
	Max     int         // clients of a server for many: 64
	Port    uint16      // 50003
	// BroadcastPort and Heartbeat are for UDP: 50000, 15 s; below 0 for none.
	BroadcastPort uint16
	Heartbeat     time.Duration
	NoGreeting    bool
	NoPrefix      bool          // leaves out "send from <tag>: " before what sources send
	Confirm       time.Duration // how long a client may take to acknowledge: 15 s
	// Deliver takes what a client sent. It may wait: that slows this client.
	Deliver func(client.Received) error
	Now     func() time.Time
	Log     *slog.Logger // nil for none
}

// LuatOS's and our own numbers.
const (
	maxClients     = 64
	confirmTimeout = 15 * time.Second // libnet.tx of the server demos
	keepIdle       = 300 * time.Second
	keepInterval   = 10 * time.Second
	keepCount      = 3
)

func (c Config) withDefaults() Config {
	if c.Max <= 0 {
		c.Max = maxClients
	}
	if !c.Many {
		c.Max = 1
	}
	if c.Port == 0 {
		c.Port = client.ServerPort
	}
	if c.BroadcastPort == 0 {
		c.BroadcastPort = client.BroadcastPort
	}
	if c.Heartbeat == 0 {
		c.Heartbeat = client.ServerPause
	}
	if c.Confirm <= 0 {
		c.Confirm = confirmTimeout
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Log = c.Log.With("server", c.Name)
	return c
}

// Network is where a server listens. The index tells a device from one that
// was made anew under the same name.
type Network struct {
	Device  string
	Index   int
	Address netip.Addr // IPv4, of the device
	Up      bool       // the link is there
}

// usable reports whether a server can be there.
func (n Network) usable() bool { return n.Up && n.Device != "" && n.Address.Is4() }

func (n Network) bind() bind.Bind { return bind.Bind{Device: n.Device, Source: n.Address} }

// Server is one server. It is made by New.
type Server struct {
	cfg   Config
	alert chan struct{} // capacity 1: the network has changed

	mu      sync.Mutex // guards what follows
	network Network
	cancel  context.CancelFunc // ends what runs on the network, nil if nothing does
	clients []*peer            // of TCP, oldest first
	number  uint64             // of the last client; never goes back
	udp     *datagrams         // of UDP, nil while it does not listen
	state   Status
}

// Status is how a server is doing.
type Status struct {
	Listening string    // address, "" if it does not
	Since     time.Time // when it began to listen the last time, zero if it never did
	Err       string    // why not
	Refused   uint64    // clients too many
	In, Out   uint64    // messages received; sent and confirmed
	Failed    uint64    // messages with another result
	Clients   []ClientStatus
}

// ClientStatus is one client; of a UDP server the one that spoke last.
type ClientStatus struct {
	Name  string // "client-3", "" for UDP
	Addr  string
	Since time.Time // connected; for UDP: spoke last
}

// New returns a server that does nothing before Run and SetNetwork.
func New(cfg Config) *Server {
	return &Server{cfg: cfg.withDefaults(), alert: make(chan struct{}, 1), state: Status{Err: "waits for its LAN"}}
}

// SetNetwork says where to listen. It may be called at any time, as often as
// anything may have changed, and never waits. Another network than before ends
// all connections.
func (s *Server) SetNetwork(n Network) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n == s.network {
		return
	}
	s.network = n
	if s.cancel != nil {
		s.cancel()
	}
	select {
	case s.alert <- struct{}{}:
	default: // one notice is enough: the newest network is read then
	}
}

// Run serves until ctx ends. A panic comes out; Run can be called again.
func (s *Server) Run(ctx context.Context) error {
	for pause := firstPause; ctx.Err() == nil; pause = min(2*pause, maxPause) {
		began := time.Now()
		n, changed := s.turn(ctx)
		if changed || time.Since(began) > maxPause {
			pause = firstPause
		}
		if changed {
			continue
		}
		s.wait(ctx, n, pause)
	}
	return nil
}

// turn serves on the network as it is now, until it breaks or changes.
func (s *Server) turn(ctx context.Context) (n Network, changed bool) {
	on, n, cancel := s.enter(ctx)
	err := errPanic
	defer func() {
		cancel()
		s.leave(n, err)
	}()
	err = s.serve(on, n)
	return n, on.Err() != nil
}

// errPanic is what status says until the task is started again.
var errPanic = errors.New("an error of this program; it is started again")

// Pauses between two tries to listen. LuatOS waits 5 s.
const (
	firstPause = 100 * time.Millisecond
	maxPause   = 5 * time.Second
)

// enter takes the network as it is now; the context ends when it changes.
func (s *Server) enter(ctx context.Context) (context.Context, Network, context.CancelFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	on, cancel := context.WithCancel(ctx)
	s.cancel = cancel
	return on, s.network, cancel
}

// leave notes why nothing listens.
func (s *Server) leave(n Network, err error) {
	s.mu.Lock()
	s.cancel = nil
	s.state.Listening, s.state.Err = "", "waits for its LAN"
	if err != nil {
		s.state.Err = err.Error()
	}
	s.mu.Unlock()
	if err != nil {
		s.cfg.Log.Warn("server ended", "device", n.Device, "err", err)
	}
}

// wait returns when the network has changed or, where it was usable, after d.
func (s *Server) wait(ctx context.Context, n Network, d time.Duration) {
	var again <-chan time.Time
	if n.usable() {
		t := time.NewTimer(d)
		defer t.Stop()
		again = t.C
	}
	select {
	case <-ctx.Done():
	case <-s.alert:
	case <-again:
	}
}

func (s *Server) serve(ctx context.Context, n Network) error {
	switch {
	case !n.usable():
		return nil
	case s.cfg.Kind == client.UDP:
		return s.serveUDP(ctx, n)
	}
	return s.serveTCP(ctx, n)
}

func (s *Server) listening(addr string) {
	now := s.cfg.Now() // not under the lock: a panic of it must not keep that
	s.mu.Lock()
	s.state.Listening, s.state.Since, s.state.Err = addr, now, ""
	s.mu.Unlock()
	s.cfg.Log.Info("server listens", "addr", addr)
}

// Status tells how the server is doing.
func (s *Server) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.state
	st.Clients = nil
	for _, c := range s.clients {
		st.Clients = append(st.Clients, ClientStatus{Name: c.name, Addr: c.addr, Since: c.since})
	}
	if s.udp != nil && s.udp.last.IsValid() {
		st.Clients = append(st.Clients, ClientStatus{Addr: s.udp.last.String(), Since: s.udp.spoke})
	}
	return st
}

// Offer gives m to the clients it is for. A server keeps nothing: where nobody
// is connected the one result is that it was not sent, at once.
func (s *Server) Offer(m client.Message, done func(client.Result)) (client.Held, error) {
	once := func(r client.Result) {
		s.mu.Lock()
		if r.OK {
			s.state.Out++
		} else {
			s.state.Failed++
		}
		s.mu.Unlock()
		if done != nil {
			done(r)
		}
	}
	if !s.cfg.NoPrefix {
		m.Data = append([]byte(client.SendPrefix(m.Source)), m.Data...)
	}
	if s.cfg.Kind == client.UDP {
		s.offerUDP(m, once)
	} else {
		s.offerTCP(m, once)
	}
	return client.Memory, nil
}

// received hands on what a client sent.
func (s *Server) received(peer string, data []byte) {
	s.mu.Lock()
	s.state.In++
	s.mu.Unlock()
	r := client.Received{From: s.cfg.Name, Peer: peer, Data: data, At: s.cfg.Now()}
	if err := s.cfg.Deliver(r); err != nil {
		s.cfg.Log.Debug("data of a client not delivered", "client", peer, "err", err)
	}
}

func notSent(format string, args ...any) client.Result {
	return client.Result{Reason: fmt.Sprintf(format, args...)}
}
