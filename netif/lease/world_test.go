package lease_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sort"
	"testing"
	"time"

	"luatnetd/netif"
	"luatnetd/netif/lease"
)

// DHCP message types, written down again: the oracle shares no code with the
// client or its codec.
const (
	discover = 1
	offer    = 2
	request  = 3
	decline  = 4
	ack      = 5
	nak      = 6
	release  = 7
)

var (
	ourMAC    = netif.MAC{2, 0, 0, 0, 0, 1}
	serverMAC = netif.MAC{2, 0, 0, 0, 0, 0xfe}
	serverIP  = netip.MustParseAddr("192.0.2.1")
	firstAddr = netip.MustParseAddr("192.0.2.50")
	start     = netif.Boot(100 * time.Second)
)

// seen is one message of the client, read by hand.
type seen struct {
	at        time.Time
	kind      byte
	xid       uint32
	secs      uint16
	flags     uint16
	ciaddr    netip.Addr
	options   map[byte][]byte
	broadcast bool // how it was sent
	src, dst  netip.Addr
	len       int
}

func (s seen) addr(code byte) netip.Addr {
	if b, ok := s.options[code]; ok && len(b) == 4 {
		return netip.AddrFrom4([4]byte(b))
	}
	return netip.Addr{}
}

func (s seen) String() string {
	names := []string{"?", "DISCOVER", "OFFER", "REQUEST", "DECLINE", "ACK", "NAK", "RELEASE"}
	how := "unicast"
	if s.broadcast {
		how = "broadcast"
	}
	text := fmt.Sprintf("%s %s", names[min(int(s.kind), 7)], how)
	if s.ciaddr != netip.IPv4Unspecified() {
		text += " ciaddr"
	}
	for _, code := range []byte{50, 54} {
		if _, ok := s.options[code]; ok {
			text += fmt.Sprintf(" %d", code)
		}
	}
	return text
}

func readMessage(t testing.TB, s lease.Send) seen {
	t.Helper()
	b := s.Payload
	if len(b) < 300 || b[0] != 1 || b[1] != 1 || binary.BigEndian.Uint32(b[236:]) != 0x63825363 {
		t.Fatalf("not a BOOTP request of at least 300 bytes: %x", b)
	}
	m := seen{
		xid: binary.BigEndian.Uint32(b[4:]), secs: binary.BigEndian.Uint16(b[8:]), flags: binary.BigEndian.Uint16(b[10:]),
		ciaddr: netip.AddrFrom4([4]byte(b[12:16])), options: map[byte][]byte{},
		broadcast: s.Broadcast, src: s.Src, dst: s.Dst, len: len(b),
	}
	for rest := b[240:]; len(rest) > 0 && rest[0] != 255; {
		if rest[0] == 0 {
			rest = rest[1:]
			continue
		}
		n := int(rest[1])
		m.options[rest[0]] = rest[2 : 2+n]
		rest = rest[2+n:]
	}
	m.kind = m.options[53][0]
	return m
}

// answer builds a server's message.
type answer struct {
	kind    byte
	xid     uint32
	chaddr  netif.MAC
	yiaddr  netip.Addr
	server  netip.Addr
	options map[byte][]byte
}

func four(a netip.Addr) []byte {
	if !a.Is4() {
		return []byte{0, 0, 0, 0}
	}
	b := a.As4()
	return b[:]
}

func u32(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }

func (a answer) bytes() []byte {
	b := make([]byte, 240, 400)
	b[0], b[1], b[2] = 2, 1, 6
	binary.BigEndian.PutUint32(b[4:], a.xid)
	copy(b[16:], four(a.yiaddr))
	copy(b[28:], a.chaddr[:])
	binary.BigEndian.PutUint32(b[236:], 0x63825363)
	put := func(code byte, v []byte) {
		b = append(b, code, byte(len(v)))
		b = append(b, v...)
	}
	put(53, []byte{a.kind})
	if a.server.IsValid() {
		put(54, four(a.server))
	}
	codes := make([]int, 0, len(a.options))
	for c := range a.options {
		codes = append(codes, int(c))
	}
	sort.Ints(codes)
	for _, c := range codes {
		put(byte(c), a.options[byte(c)])
	}
	return append(b, 255)
}

// server is a DHCP server with one address for us.
type server struct {
	id       netip.Addr
	mac      netif.MAC
	addr     netip.Addr // what it gives
	seconds  uint32     // lease
	options  map[byte][]byte
	silent   bool
	nakAll   bool                       // every REQUEST
	only     func(seen) bool            // answers these messages only
	delay    time.Duration              // of its answers
	loss     float64                    // of its answers
	granted  time.Time                  // end of the lease it believes in
	confirms func(addr netip.Addr) bool // INIT-REBOOT and renewals, default: addr == s.addr
}

func newServer() *server {
	return &server{id: serverIP, mac: serverMAC, addr: firstAddr, seconds: 3600, delay: 5 * time.Millisecond}
}

func (s *server) reply(kind byte, m seen) answer {
	a := answer{kind: kind, xid: m.xid, chaddr: ourMAC, server: s.id}
	if kind != nak {
		a.yiaddr = s.addr
		a.options = map[byte][]byte{1: {255, 255, 255, 0}, 3: four(s.id), 6: four(s.id), 51: u32(s.seconds)}
		for c, v := range s.options {
			a.options[c] = v
		}
	}
	return a
}

// serve decides by RFC 2131 §4.3.2, table 4.
func (s *server) serve(now time.Time, m seen) (answer, bool) {
	if s.silent || s.only != nil && !s.only(m) {
		return answer{}, false
	}
	switch m.kind {
	case discover:
		return s.reply(offer, m), true
	case request:
		asked := m.addr(50)
		switch {
		case m.addr(54).IsValid() && m.addr(54) != s.id:
			return answer{}, false
		case !asked.IsValid():
			asked = m.ciaddr
		}
		if !m.broadcast && m.dst != s.id {
			return answer{}, false
		}
		ok := asked == s.addr
		if s.confirms != nil {
			ok = s.confirms(asked)
		}
		if s.nakAll || !ok {
			return s.reply(nak, m), true
		}
		s.granted = now.Add(time.Duration(s.seconds) * time.Second)
		return s.reply(ack, m), true
	}
	return answer{}, false
}

// world runs a machine against servers on a virtual clock and checks at every
// step what must always hold.
type world struct {
	t       testing.TB
	m       *lease.Machine
	now     time.Time
	timer   time.Time
	servers []*server
	rng     *rand.Rand

	pending []delivery
	raw     bool
	arp     bool
	held    *netif.Lease
	heldID  []byte
	lossOut float64 // of the client's messages

	sent    []seen
	log     []lease.Action
	records []lease.Record
	lost    []string
	bound   []lease.BoundTo
	// onARP answers probes and gateway questions.
	onARP func(lease.Action) *lease.ARP
}

type delivery struct {
	at time.Time
	ev lease.Event
}

func newWorld(t testing.TB, cfg lease.Config, rec *lease.Record, servers ...*server) *world {
	if cfg.BootID == "" {
		cfg.BootID = "boot-1"
	}
	return &world{
		t: t, m: lease.New(cfg, rec, rand.New(rand.NewPCG(1, 2))), now: start, servers: servers,
		rng: rand.New(rand.NewPCG(3, 4)),
	}
}

func up() lease.LinkUp { return lease.LinkUp{MAC: ourMAC, MTU: 1500} }

func (w *world) step(ev lease.Event) {
	w.t.Helper()
	for _, a := range w.m.Step(w.now, ev) {
		w.log = append(w.log, a)
		w.act(a)
	}
	w.invariants()
}

func (w *world) act(a lease.Action) {
	w.t.Helper()
	switch a := a.(type) {
	case lease.OpenRaw:
		if w.raw {
			w.t.Fatalf("%v: packet socket opened twice", w.at())
		}
		w.raw = true
	case lease.CloseRaw:
		if !w.raw {
			w.t.Fatalf("%v: packet socket closed twice", w.at())
		}
		w.raw = false
	case lease.OpenARP:
		if w.arp {
			w.t.Fatalf("%v: ARP socket opened twice", w.at())
		}
		w.arp = true
	case lease.CloseARP:
		if !w.arp {
			w.t.Fatalf("%v: ARP socket closed twice", w.at())
		}
		w.arp = false
	case lease.SetTimer:
		if !a.At.IsZero() && !a.At.After(w.now) {
			w.t.Fatalf("%v: timer set %v into the past: the loop spins", w.at(), w.now.Sub(a.At))
		}
		w.timer = a.At
	case lease.Send:
		w.message(a)
	case lease.BoundTo:
		w.boundTo(a)
	case lease.Lost:
		if w.held == nil {
			w.t.Fatalf("%v: Lost %q without a lease", w.at(), a.Reason)
		}
		w.held = nil
		w.lost = append(w.lost, a.Reason)
	case lease.Save:
		w.records = append(w.records, a.Record)
	case lease.Probe, lease.AskGateway, lease.Announce:
		if !w.arp {
			w.t.Fatalf("%v: %T without an ARP socket", w.at(), a)
		}
		if w.onARP != nil {
			if e := w.onARP(a); e != nil {
				w.later(time.Millisecond, *e)
			}
		}
	}
}

func (w *world) boundTo(a lease.BoundTo) {
	w.t.Helper()
	if w.held != nil && w.held.Addr.Addr() != a.Lease.Addr.Addr() {
		w.t.Fatalf("%v: from %v to %v without Lost", w.at(), w.held.Addr, a.Lease.Addr)
	}
	if a.Renewed != (w.held != nil && w.held.Equal(a.Lease)) {
		w.t.Fatalf("%v: Renewed %v for %+v after %+v", w.at(), a.Renewed, a.Lease, w.held)
	}
	l := a.Lease
	if !l.Expire.IsZero() && (!l.Renew.Before(l.Rebind) || !l.Rebind.Before(l.Expire)) {
		w.t.Fatalf("%v: times out of order in %+v", w.at(), l)
	}
	if w.held == nil {
		w.heldID = nil
		if n := len(w.sent); n > 0 {
			w.heldID = append([]byte{}, w.sent[n-1].options[61]...)
		}
	}
	w.held = &l
	w.bound = append(w.bound, a)
}

func (w *world) message(s lease.Send) {
	w.t.Helper()
	m := readMessage(w.t, s)
	m.at = w.now
	w.sent = append(w.sent, m)
	if s.Broadcast && !w.raw {
		w.t.Fatalf("%v: %v without a packet socket", w.at(), m)
	}
	if !s.Broadcast && (w.held == nil || s.Src != w.held.Addr.Addr()) {
		w.t.Fatalf("%v: %v from %v, which is not ours", w.at(), m, s.Src)
	}
	if w.held != nil && w.heldID == nil {
		w.heldID = append([]byte{}, m.options[61]...) // of an adopted lease
	}
	if w.held != nil && !bytes.Equal(m.options[61], w.heldID) {
		w.t.Fatalf("%v: client id %x, lease won with %x", w.at(), m.options[61], w.heldID)
	}
	if n := len(w.sent); n > 12 && w.now.Sub(w.sent[n-13].at) < 8*time.Second {
		w.t.Fatalf("%v: 13 messages in %v", w.at(), w.now.Sub(w.sent[n-13].at))
	}
	if w.rng.Float64() < w.lossOut {
		return
	}
	for _, srv := range w.servers {
		if a, ok := srv.serve(w.now, m); ok && w.rng.Float64() >= srv.loss {
			w.later(srv.delay, lease.Packet{Payload: a.bytes(), From: srv.mac})
		}
	}
}

func (w *world) later(d time.Duration, ev lease.Event) {
	w.pending = append(w.pending, delivery{w.now.Add(d), ev})
}

func (w *world) invariants() {
	w.t.Helper()
	st := w.m.Status()
	if quiet := st.State == lease.Down || st.State == lease.Bound || st.State == lease.Stopped; w.raw == quiet {
		w.t.Fatalf("%v: packet socket open %v in %v", w.at(), w.raw, st.State)
	}
	if w.arp && w.held == nil && st.State != lease.Rebooting && st.State != lease.Checking {
		w.t.Fatalf("%v: ARP socket left open in %v", w.at(), st.State)
	}
	if (st.Lease == nil) != (w.held == nil) {
		w.t.Fatalf("%v: status and actions disagree about the lease", w.at())
	}
	adopted := st.State == lease.Stopped || st.State == lease.Down || st.State == lease.InitReboot || st.State == lease.Rebooting // from a file that may be old
	if w.held != nil && !w.held.Expire.IsZero() && !w.now.Before(w.held.Expire) && !adopted {
		w.t.Fatalf("%v: lease used %v after its end", w.at(), w.now.Sub(w.held.Expire))
	}
	if w.held == nil && st.State >= lease.Bound && st.State < lease.Stopped {
		w.t.Fatalf("%v: %v without a lease", w.at(), st.State)
	}
	if st.State != lease.Down && st.State != lease.Stopped && w.timer.IsZero() && (w.held == nil || !w.held.Expire.IsZero()) {
		w.t.Fatalf("%v: nothing will ever happen in %v", w.at(), st.State)
	}
}

func (w *world) at() string { return w.now.Sub(start).String() }

// run lets d pass.
func (w *world) run(d time.Duration) {
	w.t.Helper()
	end := w.now.Add(d)
	for w.one(end) {
	}
}

// one serves what comes next, if that is not after end.
func (w *world) one(end time.Time) bool {
	w.t.Helper()
	next, ev := w.timer, lease.Event(lease.Timer{})
	i := -1
	for j, p := range w.pending {
		if next.IsZero() || p.at.Before(next) {
			next, ev, i = p.at, p.ev, j
		}
	}
	if next.IsZero() || next.After(end) {
		w.now = end
		return false
	}
	if i >= 0 {
		w.pending = slices.Delete(w.pending, i, i+1)
	}
	w.now = next
	w.step(ev)
	return true
}

// until runs until the machine is in the state.
func (w *world) until(s lease.State, limit time.Duration) {
	w.t.Helper()
	for end := w.now.Add(limit); w.m.Status().State != s; {
		if !w.one(end) {
			w.t.Fatalf("%v: still %v, want %v; sent %v", w.at(), w.m.Status().State, s, w.sent)
		}
	}
}

func (w *world) wantSent(want ...string) {
	w.t.Helper()
	var got []string
	for _, s := range w.sent {
		got = append(got, s.String())
	}
	if !slices.Equal(got, want) {
		w.t.Errorf("sent\n %q\nwant\n %q", got, want)
	}
}

// online is a world with a lease in use.
func online(t testing.TB, cfg lease.Config, servers ...*server) *world {
	t.Helper()
	w := newWorld(t, cfg, nil, servers...)
	w.step(up())
	w.until(lease.Bound, 10*time.Second)
	w.run(5 * time.Second) // announcements are over
	w.sent, w.log = nil, nil
	return w
}
