package dns

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	miekg "github.com/miekg/dns"

	"luatnetd/netif"
)

// The tests write and read messages with github.com/miekg/dns, which shares no
// code with ours.

var (
	client1 = netip.MustParseAddrPort("192.168.5.100:4000")
	client2 = netip.MustParseAddrPort("192.168.5.101:4000")
	ispA1   = netip.MustParseAddrPort("192.0.2.1:53")
	ispA2   = netip.MustParseAddrPort("192.0.2.2:53")
	ispB1   = netip.MustParseAddrPort("198.51.100.1:53")
	wanA    = Upstream{Name: "wan", Device: "eth0", Mark: 0x100, Source: netip.MustParseAddr("192.0.2.9"), Servers: []netip.AddrPort{ispA1, ispA2}}
	wanB    = Upstream{Name: "wan2", Device: "wwan0", Mark: 0x200, Servers: []netip.AddrPort{ispB1}}
)

// rig drives one machine by hand.
type rig struct {
	t   *testing.T
	m   *Machine
	now time.Time
	out Output // not yet looked at
}

func newRig(t *testing.T, cfg Config, ups ...Upstream) *rig {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	cfg.ID = func() uint16 { return uint16(r.Uint32()) }
	m, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	g := &rig{t: t, m: m, now: netif.Boot(time.Hour)}
	m.SetUpstreams(g.now, ups)
	return g
}

// collect adds what the machine wants to g.out.
func (g *rig) collect() {
	o := g.m.Take()
	g.out.Asks = append(g.out.Asks, o.Asks...)
	g.out.Replies = append(g.out.Replies, o.Replies...)
	g.out.Cancels = append(g.out.Cancels, o.Cancels...)
}

// wait lets time pass, stopping at each instant the machine asked for.
func (g *rig) wait(d time.Duration) {
	g.t.Helper()
	end := g.now.Add(d)
	for range 10000 {
		next := g.m.Next()
		if next.IsZero() || next.After(end) {
			g.now = end
			return
		}
		if next.After(g.now) {
			g.now = next
		}
		g.m.Tick(g.now)
		g.collect()
	}
	g.t.Fatal("the machine never stops asking for the same instant")
}

// query builds a client's message.
func query(name string, typ uint16, change ...func(*miekg.Msg)) []byte {
	q := new(miekg.Msg)
	q.SetQuestion(name, typ)
	q.Id = 4711
	for _, f := range change {
		f(q)
	}
	b, err := q.Pack()
	if err != nil {
		panic(err)
	}
	return b
}

func withEDNS(size uint16, do bool) func(*miekg.Msg) {
	return func(m *miekg.Msg) { m.SetEdns0(size, do) }
}

func read(t *testing.T, b []byte) *miekg.Msg {
	t.Helper()
	if b == nil {
		return nil
	}
	m := new(miekg.Msg)
	if err := m.Unpack(b); err != nil {
		t.Fatalf("our message %x: %v", b, err)
	}
	return m
}

// send hands a client's message over and returns the answer there is at once.
func (g *rig) send(msg []byte) *miekg.Msg {
	g.t.Helper()
	return g.sendAs(Query{Msg: msg, From: client1, To: "lan"})
}

func (g *rig) sendAs(q Query) *miekg.Msg {
	g.t.Helper()
	b := g.m.Query(g.now, q, nil)
	g.collect()
	return read(g.t, b)
}

// asks returns and forgets the questions to servers since the last call.
func (g *rig) asks() []Ask {
	g.collect()
	a := g.out.Asks
	g.out.Asks = nil
	return a
}

// ask returns the single question to a server since the last call.
func (g *rig) ask() Ask {
	g.t.Helper()
	a := g.asks()
	if len(a) != 1 {
		g.t.Fatalf("asked %d servers, want 1: %v", len(a), a)
	}
	return a[0]
}

// answer answers an ask; change may spoil the answer.
func (g *rig) answer(a Ask, change func(*miekg.Msg)) (over bool) {
	g.t.Helper()
	q := read(g.t, a.Msg)
	r := new(miekg.Msg)
	r.SetReply(q)
	r.RecursionAvailable = true
	if o := q.IsEdns0(); o != nil {
		r.SetEdns0(1232, o.Do())
	}
	change(r)
	r.Compress = true
	b, err := r.Pack()
	if err != nil {
		g.t.Fatal(err)
	}
	return g.answerRaw(a, b)
}

func (g *rig) answerRaw(a Ask, b []byte) bool {
	over := g.m.Answer(g.now, a.ID, b)
	g.collect()
	return over
}

// reply returns the single late answer to a client since the last call.
func (g *rig) reply() *miekg.Msg {
	g.t.Helper()
	r := g.replies()
	if len(r) != 1 {
		g.t.Fatalf("%d clients were answered, want 1", len(r))
	}
	return r[0]
}

func (g *rig) replies() []*miekg.Msg {
	g.t.Helper()
	var list []*miekg.Msg
	for _, r := range g.out.Replies {
		list = append(list, read(g.t, r.Msg))
	}
	g.out.Replies = nil
	return list
}

// records returns a change that adds records in zone file form.
func records(lines ...string) func(*miekg.Msg) {
	return func(m *miekg.Msg) { m.Answer = append(m.Answer, parse(lines)...) }
}

func authority(lines ...string) func(*miekg.Msg) {
	return func(m *miekg.Msg) { m.Ns = append(m.Ns, parse(lines)...) }
}

func rcode(code int, more ...func(*miekg.Msg)) func(*miekg.Msg) {
	return func(m *miekg.Msg) {
		m.Rcode = code
		for _, f := range more {
			f(m)
		}
	}
}

func parse(lines []string) []miekg.RR {
	var list []miekg.RR
	for _, l := range lines {
		rr, err := miekg.NewRR(l)
		if err != nil {
			panic(err)
		}
		list = append(list, rr)
	}
	return list
}

// resolve asks a name, answers it and returns what the client got.
func (g *rig) resolve(msg []byte, change func(*miekg.Msg)) *miekg.Msg {
	g.t.Helper()
	if m := g.send(msg); m != nil {
		g.t.Fatalf("answered without asking: %v", m)
	}
	g.answer(g.ask(), change)
	return g.reply()
}

func texts(rrs []miekg.RR) []string {
	var list []string
	for _, r := range rrs {
		if r.Header().Rrtype != miekg.TypeOPT {
			list = append(list, r.String())
		}
	}
	return list
}

func ede(m *miekg.Msg) int {
	if o := m.IsEdns0(); o != nil {
		for _, e := range o.Option {
			if e, ok := e.(*miekg.EDNS0_EDE); ok {
				return int(e.InfoCode)
			}
		}
	}
	return -1
}
