package lease

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"luatnetd/netif"
)

// timer is one of the machine's deadlines. Of two that are due at the same
// instant the lower one is served first.
type timer int

const (
	tExpire   timer = iota // the lease in use ends
	tCarrier               // the carrier was away too long
	tRebind                // T2
	tRenew                 // T1
	tCollect               // enough offers
	tProbe                 // next ARP probe, or the verdict
	tSend                  // next transmission of the state, or giving up
	tAnnounce              // next gratuitous ARP, or closing the ARP socket
	timers
)

// binding is a lease with what belongs to it.
type binding struct {
	lease      netif.Lease
	id         identity
	mac        netif.MAC // the device's
	gatewayMAC netif.MAC
	extra      map[uint8][]byte
	notes      []string
	// certain says that the times are of this boot.
	certain     bool
	provisional bool
}

// Machine is the client of one uplink. It is not safe for concurrent use.
type Machine struct {
	cfg Config
	rng *rand.Rand

	state State
	since time.Time
	why   string // reason of the last Lost, Refused or wait; for status
	out   []Action
	due   [timers]time.Time // zero: not set
	told  time.Time         // deadline last asked for

	link  LinkUp
	up    bool
	fresh bool // no LinkUp has come yet
	arpOn bool

	// The exchange going on.
	xid       uint32
	id        identity
	began     time.Time // of the search for a lease: secs counts from here
	secs      uint16    // as last sent
	tries     int       // transmissions in this state
	firstSent time.Time
	lastSent  time.Time
	silent    int  // DISCOVER rounds without an offer
	answered  bool // an offer came this round, even if it was refused
	offers    []candidate
	chosen    candidate
	checking  *binding // granted, under ARP probes
	probed    int
	announced int

	held      *binding // in use: published and not withdrawn
	memory    *binding // last granted: asked for again, never used by itself
	won       Form     // client identifier that last won here, "" for none
	broadcast bool     // answers had to be asked for by broadcast

	troubles  int       // NAKs and conflicts in a row
	notBefore time.Time // next DISCOVER
	boundAt   time.Time // when the lease in use began to hold
	refused   string    // reason last told
	claimed   ARP       // last conflict
	defended  time.Time
	saved     Record
	savedAt   time.Time
}

// candidate is an offer with the lease it describes.
type candidate struct {
	reply reply
	binding
}

// New returns a machine in DOWN. remembered is the record of an earlier one,
// nil for none. rng draws transaction ids and jitter: a predictable one lets
// others on the link answer in the server's name.
func New(cfg Config, remembered *Record, rng *rand.Rand) *Machine {
	m := &Machine{cfg: cfg, rng: rng, fresh: true}
	if remembered != nil {
		m.recall(*remembered)
	}
	return m
}

// recall takes over what an earlier machine remembered.
func (m *Machine) recall(r Record) {
	m.saved, m.savedAt = r, r.Stamp
	switch r.Form {
	case FormMAC, FormNone, FormDUID:
		m.won = r.Form
	}
	m.broadcast = r.Broadcast
	if !r.Lease.Addr.IsValid() {
		return
	}
	m.memory = &binding{
		lease: r.Lease, id: identity{form: r.Form, bytes: r.ClientID}, mac: r.MAC, gatewayMAC: r.GatewayMAC,
		certain: r.BootID != "" && r.BootID == m.cfg.BootID,
	}
}

// Status is what an operator may want to know.
type Status struct {
	State    State
	Since    time.Time
	Reason   string       // why there is no lease, "" where there is nothing to say
	Lease    *netif.Lease // in use, nil for none
	ClientID Form         // of the exchange or lease
	Silent   int          // DISCOVERs in a row that nobody answered
	Next     time.Time    // next deadline, zero for none
}

// Status tells the present state.
func (m *Machine) Status() Status {
	s := Status{State: m.state, Since: m.since, Reason: m.why, ClientID: m.id.form, Silent: m.silent, Next: m.next()}
	if m.held != nil {
		l := m.held.lease
		s.Lease, s.ClientID = &l, m.held.id.form
	}
	return s
}

// Step takes one event and returns what to do, in order. now must not go back.
func (m *Machine) Step(now time.Time, ev Event) []Action {
	m.out = nil
	if m.state == Stopped {
		return nil
	}
	m.fire(now) // what was due before the event comes before it
	m.event(now, ev)
	m.fire(now)
	if next := m.next(); !next.Equal(m.told) {
		m.told = next
		m.do(SetTimer{At: next})
	}
	return m.out
}

func (m *Machine) event(now time.Time, ev Event) {
	switch e := ev.(type) {
	case LinkUp:
		m.linkUp(now, e)
	case LinkDown:
		m.linkDown(now, e)
	case Packet:
		m.packet(now, e)
	case ARP:
		m.arp(now, e)
	case Renew:
		m.renewNow(now)
	case Restart:
		m.restart(now, e.Reason)
	case Avoid:
		m.avoid(now, e.Prefixes)
	case Stop:
		m.stop(now)
	case Release:
		m.release(now)
	}
}

// fire serves the deadlines that have come, in their order. A handler may set
// a new one that is due at once; none may do so for ever.
func (m *Machine) fire(now time.Time) {
	const limit = 64
	for range limit {
		first := timers
		for t := range timers {
			at := m.due[t]
			if at.IsZero() || at.After(now) {
				continue
			}
			if first == timers || at.Before(m.due[first]) {
				first = t
			}
		}
		if first == timers {
			return
		}
		m.due[first] = time.Time{}
		m.expired(now, first)
	}
}

func (m *Machine) expired(now time.Time, t timer) {
	switch t {
	case tExpire:
		m.lose(now, "lease expired")
		m.restartSearch(now)
	case tCarrier:
		m.lose(now, "no carrier")
	case tRenew:
		m.renew(now)
	case tRebind:
		m.rebind(now)
	case tCollect:
		m.choose(now)
	case tProbe:
		m.probe(now)
	case tSend:
		m.transmit(now)
	case tAnnounce:
		m.announceMore(now)
	}
}

// next is the earliest deadline, zero for none.
func (m *Machine) next() time.Time {
	var first time.Time
	for _, at := range m.due {
		if !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return first
}

func (m *Machine) do(a Action) { m.out = append(m.out, a) }

func (m *Machine) clear(list ...timer) {
	for _, t := range list {
		m.due[t] = time.Time{}
	}
}

// enter changes the state and opens or closes the packet socket with it.
func (m *Machine) enter(now time.Time, s State) {
	if s.raw() != m.state.raw() {
		if s.raw() {
			m.do(OpenRaw{})
		} else {
			m.do(CloseRaw{})
		}
	}
	m.state, m.since = s, now
	m.tries = 0
	m.clear(tSend, tCollect, tProbe, tRenew, tRebind)
	if s != Selecting {
		m.offers = nil
	}
	if s != Checking {
		m.checking = nil
	}
}

func (m *Machine) openARP() {
	if !m.arpOn && !m.link.MAC.IsZero() {
		m.arpOn = true
		m.do(OpenARP{})
	}
}

func (m *Machine) closeARP() {
	if m.arpOn {
		m.arpOn = false
		m.do(CloseARP{})
	}
}

// newExchange draws a transaction id. Retransmissions keep it.
func (m *Machine) newExchange() { m.xid = max(m.rng.Uint32(), 1) } // 0 means none

// send sends a message of the exchange by broadcast, or to the server that
// gave the lease where dst is set.
func (m *Machine) send(now time.Time, msg message, dst netip.Addr) {
	msg.xid, msg.id, msg.mac = m.xid, m.id, m.link.MAC
	if msg.kind == dhcpv4.MessageTypeRequest || msg.kind == dhcpv4.MessageTypeDiscover {
		msg.broadcast = m.askBroadcast() && !msg.client.IsValid()
		if m.tries == 0 {
			m.firstSent = now
		}
		m.lastSent = now
		m.tries++
	}
	s := Send{Payload: m.cfg.bytes(msg), Broadcast: !dst.IsValid(), Src: msg.client, Dst: dst}
	if s.Broadcast {
		s.Dst = netip.AddrFrom4([4]byte{255, 255, 255, 255})
	}
	if !s.Src.IsValid() {
		s.Src = netip.IPv4Unspecified()
	}
	m.do(s)
}

// askBroadcast reports whether answers must come by broadcast: some drivers
// and access points drop unicast to an address that is not configured yet, and
// without a link address there is nothing to send unicast to.
func (m *Machine) askBroadcast() bool {
	return m.broadcast || m.silent >= silentBroadcast || m.link.MAC.IsZero()
}

// elapsed is the secs field: since the search began.
func (m *Machine) elapsed(now time.Time) uint16 {
	return uint16(min(max(now.Sub(m.began), 0)/time.Second, 0xffff))
}

// jitter is a duration from -d to d.
func (m *Machine) jitter(d time.Duration) time.Duration {
	return time.Duration(m.rng.Int64N(int64(2*d)+1)) - d
}

// backoff is the wait after the n-th transmission, n from 1 (RFC 2131 §4.1).
func (m *Machine) backoff(n int) time.Duration {
	wait := retransmitFirst << min(max(n-1, 0), 4)
	return min(wait, retransmitLast) + m.jitter(retransmitJitter)
}

// save asks for the record to be kept if that is worth a write to flash: what
// it says has changed, or the times in the file would be over before long.
func (m *Machine) save(now time.Time, exact bool) {
	r := Record{BootID: m.cfg.BootID, Stamp: now, MAC: m.link.MAC, Form: m.won, Broadcast: m.broadcast}
	if b := m.memory; b != nil {
		r.Lease, r.MAC, r.GatewayMAC = b.lease, b.mac, b.gatewayMAC
		r.Form, r.ClientID = b.id.form, b.id.bytes
	}
	if m.saved.same(r) {
		old, fresh := m.saved.Lease.Expire, r.Lease.Expire
		soon := fresh.IsZero() != old.IsZero() || !fresh.IsZero() && old.Before(r.Lease.Rebind)
		if !exact && (!soon || now.Sub(m.savedAt) < saveEvery) {
			return
		}
	}
	m.saved, m.savedAt = r, now
	m.do(Save{Record: r})
}

// same reports whether two records differ in their times only.
func (r Record) same(o Record) bool {
	return r.BootID == o.BootID && r.MAC == o.MAC && r.Form == o.Form && r.Broadcast == o.Broadcast &&
		r.GatewayMAC == o.GatewayMAC && slices.Equal(r.ClientID, o.ClientID) && r.Lease.Equal(o.Lease) &&
		r.Lease.ServerID == o.Lease.ServerID && r.Lease.ServerMAC == o.Lease.ServerMAC
}
