package dns

import (
	"fmt"
	"net/netip"
	"slices"
	"sort"
	"time"
)

// Defaults of Config.
const (
	defaultCacheBytes     = 4 << 20
	defaultMaxOutstanding = 1000
	defaultMaxPerClient   = 100
	asksPerQuestion       = 2 // open asks, and flights, in total per MaxOutstanding
)

// Config is what a Machine needs to know from the start.
type Config struct {
	ID             func() uint16 // random query ids; an attacker must not guess them
	Domains        []string      // domains of the LANs beside lan and home.arpa; the first is added to short names
	CacheBytes     int           // 0: 4 MiB
	MaxOutstanding int           // questions waiting for servers, 0: 1,000
	MaxPerClient   int           // of which one client may have, 0: 100
	AllowPrivate   bool          // no rebind protection
	AllowLoopback  bool          // 127.0.0.0/8 in public answers (DNS block lists)
	PrivateDomains []string      // domains that may answer with private addresses
}

// Query is a client's message.
type Query struct {
	Msg  []byte
	From netip.AddrPort
	TCP  bool
	Via  []string // uplinks that this client's LAN may use; empty: whichever is first
	To   any      // handed back in Reply; comparable
}

// Reply is a message for a client whose Query could not be answered at once.
type Reply struct {
	To   any
	From netip.AddrPort // of the Query
	Msg  []byte
}

// Ask is a question for a server. The outcome is told by Answer or Failed.
type Ask struct {
	ID     uint64
	Via    Upstream
	Server netip.AddrPort
	TCP    bool
	Msg    []byte
}

// Output is what the machine wants done.
type Output struct {
	Replies []Reply
	Asks    []Ask
	Cancels []uint64 // asks whose sockets may be closed; nothing need be told
}

// Machine is the forwarder's state. It must not be used by two goroutines at
// the same time. Every method may leave work that Take hands over.
type Machine struct {
	cfg   Config
	home  *home
	hosts []Host
	guard guard
	cache *cache

	uplinks []*uplink
	scopes  map[string]uint16 // by uplink name, from 1; 0 is "no uplink"

	flights   map[string]*flight
	asks      map[uint64]*ask
	timers    timers
	clients   map[netip.Addr]int // waiting questions
	waiting   int
	lastAsk   uint64
	lastSeq   uint64
	key, name []byte // scratch
	out       Output
	stats     Stats
}

// New returns a machine without uplinks or local names.
func New(cfg Config) (*Machine, error) {
	if cfg.CacheBytes == 0 {
		cfg.CacheBytes = defaultCacheBytes
	}
	if cfg.MaxOutstanding == 0 {
		cfg.MaxOutstanding = defaultMaxOutstanding
	}
	if cfg.MaxPerClient == 0 {
		cfg.MaxPerClient = defaultMaxPerClient
	}
	m := &Machine{
		cfg: cfg, cache: newCache(cfg.CacheBytes),
		guard:   guard{off: cfg.AllowPrivate, allowLoopback: cfg.AllowLoopback, exempt: map[string]bool{}},
		scopes:  map[string]uint16{},
		flights: map[string]*flight{}, asks: map[uint64]*ask{}, clients: map[netip.Addr]int{},
	}
	for _, d := range cfg.PrivateDomains {
		w, err := wireName(d)
		if err != nil {
			return nil, fmt.Errorf("domain with private addresses: %w", err)
		}
		m.guard.exempt[w] = true
	}
	if err := m.SetDomains(cfg.Domains); err != nil {
		return nil, err
	}
	return m, nil
}

// Take returns what is to be done since the last Take.
func (m *Machine) Take() Output {
	out := m.out
	m.out = Output{}
	return out
}

// Next is when Tick has something to do; zero: nothing is waited for.
func (m *Machine) Next() time.Time {
	if len(m.timers) == 0 {
		return time.Time{}
	}
	return m.timers[0].at
}

// Tick does what is due.
func (m *Machine) Tick(now time.Time) {
	for len(m.timers) > 0 && !now.Before(m.timers[0].at) {
		t := m.timers[0]
		if t.ask != nil {
			m.askTimeout(now, t.ask)
			continue
		}
		m.step(now, t.flight)
	}
}

// SetDomains replaces the domains of the LANs. On an error nothing changes.
func (m *Machine) SetDomains(domains []string) error {
	h, err := newHome(domains)
	if err != nil {
		return fmt.Errorf("local domain: %w", err)
	}
	m.home, m.cfg.Domains = h, slices.Clone(domains)
	m.SetHosts(m.hosts)
	return nil
}

// SetHosts replaces the local names. The names that cannot be served are
// returned; the others are in force.
func (m *Machine) SetHosts(list []Host) (bad []string) {
	m.hosts = slices.Clone(list)
	domain := "lan"
	if len(m.cfg.Domains) > 0 {
		domain = m.cfg.Domains[0]
	}
	m.home.hosts, bad = newHosts(list, domain)
	return bad
}

// SetOwn tells the addresses of the LANs: a server with one of them is
// ourselves, and a public name with one of them an attack.
func (m *Machine) SetOwn(own []netip.Addr) {
	m.guard.own = slices.Clone(own)
	for _, u := range m.uplinks {
		u.adopt(u.spec, m.guard.own)
	}
}

// SetUpstreams replaces the usable uplinks, the one to be used first. Open
// questions of an uplink that is gone, or whose address or device changed, are
// asked again on the new one at once. Negative answers and failures are
// forgotten with any change, since the next uplink may know better.
func (m *Machine) SetUpstreams(now time.Time, list []Upstream) {
	if slices.EqualFunc(m.uplinks, list, func(u *uplink, b Upstream) bool { return u.spec.equal(&b) }) {
		return
	}
	old := m.uplinks
	m.uplinks = nil
	for _, spec := range list {
		i := slices.IndexFunc(old, func(u *uplink) bool { return u.spec.route() == spec.route() })
		u := &uplink{scope: m.scope(spec.Name)}
		if i >= 0 {
			u = old[i]
		}
		u.adopt(spec, m.guard.own)
		m.uplinks = append(m.uplinks, u)
	}
	m.cache.epoch++
	m.stats.Switches++
	m.reask(now)
}

// scope returns the number that stands for an uplink's name in cache keys.
func (m *Machine) scope(name string) uint16 {
	if m.scopes[name] == 0 {
		m.scopes[name] = uint16(len(m.scopes) + 1)
	}
	return m.scopes[name]
}

// reask moves the questions of uplinks that are gone, oldest first.
func (m *Machine) reask(now time.Time) {
	var lost []*flight
	for _, f := range m.flights {
		if !slices.Contains(m.uplinks, f.up) {
			lost = append(lost, f)
		}
	}
	sort.Slice(lost, func(i, j int) bool { return lost[i].seq < lost[j].seq })
	for _, f := range lost {
		m.abandon(f)
	}
	for _, f := range lost {
		for _, w := range f.waiters {
			m.depart(w)
			m.submit(now, w)
		}
	}
}

// via returns the uplink for a client whose LAN may use those names.
func (m *Machine) via(names []string) *uplink {
	for _, u := range m.uplinks {
		if len(u.servers) > 0 && (len(names) == 0 || slices.Contains(names, u.spec.Name)) {
			return u
		}
	}
	return nil
}
