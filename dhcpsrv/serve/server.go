package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"luatnetd/dhcpsrv"
	"luatnetd/internal/store"
)

// Config is one LAN's DHCP server.
type Config struct {
	dhcpsrv.Config        // LAN, Address, pool, hosts, options
	Device         string // the LAN's device; need not exist yet
	// StateFile is the lease log; its directory exists. "" keeps leases in
	// memory only.
	StateFile string
	BootID    string           // /proc/sys/kernel/random/boot_id
	Now       func() time.Time // CLOCK_BOOTTIME as netif.Boot counts it
	Log       *slog.Logger     // nil for none
}

// eventCap is how many events wait for a reader; then the oldest is dropped.
const eventCap = 64

// Server is the DHCP server of one LAN. It is made by New.
type Server struct {
	log    *slog.Logger
	now    func() time.Time
	file   string
	events chan dhcpsrv.Event
	change chan struct{} // capacity 1: there is a new configuration

	mu    sync.Mutex // guards what follows
	cfg   Config     // as last set
	table *dhcpsrv.Table
	state Status // without Stats
}

// Status is how the server is doing.
type Status struct {
	Listening bool  // the sockets are open
	Socket    error // why not, nil while listening
	Store     error // why leases are not kept on disk, nil when they are
	Lost      int   // events that nobody read in time
	Restored  int   // leases found at the last start
	Bad       int   // damaged or unknown records found then
	Stats     dhcpsrv.Stats
}

// New returns a server that does nothing before Run.
func New(cfg Config) *Server {
	log := cfg.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Server{
		log: log.With("lan", cfg.LAN), now: cfg.Now, file: cfg.StateFile,
		events: make(chan dhcpsrv.Event, eventCap), change: make(chan struct{}, 1),
		cfg: cfg, table: dhcpsrv.New(cfg.Config, cfg.BootID),
		state: Status{Socket: errors.New("not started")},
	}
}

// Run serves until ctx ends. It returns an error only when another instance
// uses the state file: two servers on one LAN would hand out one address twice.
// Everything else (no device, no disk, no address) is waited for or done
// without. A Server runs once.
func (s *Server) Run(ctx context.Context) error {
	var lock *store.Lock
	if s.file != "" {
		var err error
		lock, err = store.Acquire(s.file + ".lock")
		if errors.Is(err, store.ErrLocked) {
			return fmt.Errorf("dhcp server of lan %q: %w", s.config().LAN, err)
		}
		// Without a place for a lock file the port still keeps a second
		// instance away: it is bound without SO_REUSEADDR.
	}
	defer func() { _ = lock.Release() }()
	l := newLoop(s)
	l.run(ctx)
	return nil
}

// Update sets another configuration; leases are kept. The state file, the boot
// id, the clock and the log stay those of New. It never waits.
func (s *Server) Update(cfg Config) {
	s.mu.Lock()
	s.cfg = cfg
	s.mu.Unlock()
	select {
	case s.change <- struct{}{}:
	default: // one notice is enough, the newest configuration is read then
	}
}

func (s *Server) config() Config {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cfg
}

// Leases lists the clients of the LAN, by address.
func (s *Server) Leases() []dhcpsrv.LeaseInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.table.Leases(s.now())
}

// Status tells how the server is doing.
func (s *Server) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.state
	st.Stats = s.table.Stats()
	return st
}

// Events is what happened to leases: a channel of 64. Who does not read in
// time loses the oldest; Status counts them. It is never closed.
func (s *Server) Events() <-chan dhcpsrv.Event { return s.events }

// emit publishes events without ever waiting.
func (s *Server) emit(list []dhcpsrv.Event) {
	for _, e := range list {
		s.log.Info("lease "+e.Kind, "mac", e.MAC.String(), "addr", e.Addr, "host", e.Hostname, "reason", e.Reason)
		for sent := false; !sent; {
			select {
			case s.events <- e:
				sent = true
			default:
				select {
				case <-s.events:
					s.mu.Lock()
					s.state.Lost++
					s.mu.Unlock()
				default: // a reader was faster
				}
			}
		}
	}
}

// set changes the status.
func (s *Server) set(f func(*Status)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.state)
}
