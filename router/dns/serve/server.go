package serve

import (
	"context"
	crand "crypto/rand"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"

	"luatnetd/router/dns"
)

// Config is what a Server needs from the start.
type Config struct {
	Now  func() time.Time // boot time, see package netif
	Log  *slog.Logger     // nil: no log
	DNS  dns.Config       // ID is filled in here
	Port uint16           // 0: 53
}

// Listen is an address of a LAN to answer on.
type Listen struct {
	Device    string
	Addr      netip.Addr
	Upstreams []string // uplinks this LAN may use; empty: whichever is first
}

// Upstream is an uplink and its servers, in the order of dns.Servers.
type Upstream = dns.Upstream

// Host is a local name.
type Host = dns.Host

// Server answers the LAN's clients.
type Server struct {
	cfg    Config // DNS.Domains is guarded by mu, the rest never changes
	log    *slog.Logger
	relist chan struct{} // capacity 1: the wanted listeners changed, or one ended
	wake   chan struct{} // capacity 1: the machine's next instant moved forward
	crash  chan error    // capacity 1: the first panic; later ones are the same fault

	mu        sync.Mutex // guards what follows
	machine   *dns.Machine
	running   bool
	ctx       context.Context // of the running Run
	tasks     sync.WaitGroup  // Add only while running
	exchanges map[uint64]*exchange
	armed     time.Time // the instant that Run waits for; zero: none
	conns     map[*conn]struct{}
	listens   []Listen
	upstreams []Upstream
	hosts     []Host
	states    []ListenStats
}

// ListenStats is the state of one listening address.
type ListenStats struct {
	Listen
	Err error // nil: answering; else why not yet
}

// Stats is what the server did and has open.
type Stats struct {
	dns.Stats
	Listeners []ListenStats
	Conns     int // open TCP connections of clients
}

// New returns a server that does nothing until Run.
func New(cfg Config) *Server {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Port == 0 {
		cfg.Port = dns.Port
	}
	return &Server{
		cfg: cfg, log: cfg.Log,
		relist: make(chan struct{}, 1), wake: make(chan struct{}, 1), crash: make(chan error, 1),
	}
}

// Run answers until ctx ends, and then returns nil. An error means that the
// forwarder's state was lost; Run may be called again and starts afresh.
func (s *Server) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := s.start(ctx); err != nil {
		return err
	}
	defer s.stop(cancel)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-s.crash:
			return err
		case <-timer.C:
			s.tick()
		case <-s.wake:
		}
		s.arm(timer)
	}
}

// start makes a machine and hands it what was set before.
func (s *Server) start(ctx context.Context) error {
	id, err := randomIDs()
	if err != nil {
		return err
	}
	s.mu.Lock()
	cfg := s.cfg.DNS
	s.mu.Unlock()
	cfg.ID = id
	m, err := dns.New(cfg)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.settle()
	s.machine, s.running, s.ctx = m, true, ctx
	s.exchanges, s.conns = map[uint64]*exchange{}, map[*conn]struct{}{}
	m.SetOwn(ownAddrs(s.listens))
	s.setHosts()
	m.SetUpstreams(s.cfg.Now(), s.upstreams)
	s.tasks.Add(1)
	go s.manage(ctx)
	return nil
}

// randomIDs returns a source of query ids that cannot be predicted
// (RFC 5452 §9.2): ChaCha8 with a key from the kernel. One lock guards it.
func randomIDs() (func() uint16, error) {
	var seed [32]byte
	if _, err := crand.Read(seed[:]); err != nil {
		return nil, fmt.Errorf("random ids: %w", err)
	}
	r := rand.New(rand.NewChaCha8(seed))
	return func() uint16 { return uint16(r.Uint32()) }, nil
}

// stop ends all goroutines and waits for them.
func (s *Server) stop(cancel context.CancelFunc) {
	s.mu.Lock()
	s.machine, s.running = nil, false
	open, conns := s.exchanges, s.conns
	s.exchanges, s.conns, s.armed, s.states = nil, nil, time.Time{}, nil
	s.mu.Unlock()
	cancel()
	for _, x := range open {
		x.cancel()
	}
	for c := range conns {
		c.close()
	}
	s.tasks.Wait()
}

// arm sets the timer to the machine's next instant.
func (s *Server) arm(timer *time.Timer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.armed = time.Time{}
	if s.machine != nil {
		s.armed = s.machine.Next()
	}
	if s.armed.IsZero() {
		timer.Stop()
		return
	}
	timer.Reset(max(s.armed.Sub(s.cfg.Now()), time.Millisecond))
}

func (s *Server) tick() {
	s.mu.Lock()
	defer s.settle()
	if s.machine != nil {
		s.machine.Tick(s.cfg.Now())
	}
}

// query hands a client's message to the machine and returns the answer that it
// has at once, appended to dst.
func (s *Server) query(in dns.Query, dst []byte) []byte {
	s.mu.Lock()
	defer s.settle()
	if s.machine == nil {
		return nil
	}
	return s.machine.Query(s.cfg.Now(), in, dst)
}

// settle ends every use of the machine: it must be deferred by who locked mu.
// It does what the machine wants done. A panic costs the machine, and so the
// cache and the open questions, but not the daemon.
func (s *Server) settle() {
	if r := recover(); r != nil {
		s.machine = nil
		select {
		case s.crash <- fmt.Errorf("dns forwarder panicked: %v", r):
		default: // Run ends for the first already
		}
	}
	if s.machine == nil {
		s.mu.Unlock()
		return
	}
	out := s.machine.Take()
	begin, end := s.collect(out)
	if next := s.machine.Next(); !next.IsZero() && (s.armed.IsZero() || next.Before(s.armed)) {
		s.armed = next
		notify(s.wake)
	}
	s.mu.Unlock()
	for _, r := range out.Replies {
		r.To.(replier).reply(r.From, r.Msg)
	}
	for _, x := range end {
		x.cancel()
	}
	for _, x := range begin {
		go x.run()
	}
}

// replier is a listener or connection that a client's message came by.
type replier interface {
	reply(to netip.AddrPort, msg []byte)
}

// collect books the exchanges to begin and to end. mu is held.
func (s *Server) collect(out dns.Output) (begin, end []*exchange) {
	for _, a := range out.Asks {
		x := &exchange{s: s, ask: a, ctx: s.ctx}
		s.exchanges[a.ID] = x
		s.tasks.Add(1)
		begin = append(begin, x)
	}
	for _, id := range out.Cancels {
		if x := s.exchanges[id]; x != nil {
			delete(s.exchanges, id)
			end = append(end, x)
		}
	}
	return begin, end
}

func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // already told
	}
}

// SetUpstreams replaces the usable uplinks, the one to be used first. Open
// questions of an uplink that left are asked again at once.
func (s *Server) SetUpstreams(list []Upstream) {
	s.mu.Lock()
	defer s.settle()
	s.upstreams = slices.Clone(list)
	if s.machine != nil {
		s.machine.SetUpstreams(s.cfg.Now(), list)
	}
}

// SetDomains replaces the domains of the LANs. On an error nothing changes.
func (s *Server) SetDomains(domains []string) error {
	s.mu.Lock()
	defer s.settle()
	if s.machine != nil {
		if err := s.machine.SetDomains(domains); err != nil {
			return err
		}
	}
	s.cfg.DNS.Domains = slices.Clone(domains)
	return nil
}

// SetNames replaces the local names.
func (s *Server) SetNames(list []Host) {
	s.mu.Lock()
	defer s.settle()
	s.hosts = slices.Clone(list)
	s.setHosts()
}

// setHosts hands the names to the machine. mu is held.
func (s *Server) setHosts() {
	if s.machine == nil {
		return
	}
	for _, name := range s.machine.SetHosts(s.hosts) {
		s.log.Warn("local name cannot be served", "name", name)
	}
}

// SetListen replaces the addresses to answer on. One whose device or address
// does not exist yet is waited for.
func (s *Server) SetListen(list []Listen) {
	s.mu.Lock()
	defer s.settle()
	s.listens = slices.Clone(list)
	if s.machine != nil {
		s.machine.SetOwn(ownAddrs(list))
	}
	notify(s.relist)
}

func ownAddrs(list []Listen) []netip.Addr {
	var own []netip.Addr
	for _, l := range list {
		own = append(own, l.Addr.Unmap().WithZone(""))
	}
	return own
}

// Stats returns counters and gauges.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Stats{Listeners: slices.Clone(s.states), Conns: len(s.conns)}
	if s.machine != nil {
		st.Stats = s.machine.Stats()
	}
	return st
}
