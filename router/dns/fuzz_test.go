package dns

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	miekg "github.com/miekg/dns"

	"luatnetd/netif"
)

// FuzzQuery: whatever a client sends, the machine neither fails nor answers
// with something that a foreign library cannot read.
func FuzzQuery(f *testing.F) {
	f.Add(query("www.example.com.", 1), false)
	f.Add(query("phone.", 28, withEDNS(4096, true)), true)
	f.Add(query("1.5.168.192.in-addr.arpa.", 12), false)
	f.Add([]byte("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\xc0\x0c\x00\x01\x00\x01"), false)
	f.Fuzz(func(t *testing.T, msg []byte, tcp bool) {
		m, err := New(Config{ID: func() uint16 { return 7 }})
		if err != nil {
			t.Fatal(err)
		}
		m.SetUpstreams(netif.Boot(0), []Upstream{wanA})
		got := m.Query(netif.Boot(time.Second), Query{Msg: msg, From: client1, TCP: tcp, To: 1}, nil)
		if got != nil {
			if err := new(miekg.Msg).Unpack(got); err != nil {
				// Names with bytes that the library calls bad are the client's own.
				if q := new(miekg.Msg); q.Unpack(msg) == nil {
					t.Fatalf("our answer %x to %x: %v", got, msg, err)
				}
			}
			if len(got) < headerLen || got[0] != msg[0] || got[1] != msg[1] || got[2]&0x80 == 0 {
				t.Fatalf("our answer %x to %x has another id or is none", got, msg)
			}
		}
		for _, a := range m.Take().Asks {
			if !bytes.Contains(msg, a.Msg[headerLen:len(a.Msg)-11-4]) {
				t.Fatalf("asked %x for %x", a.Msg, msg)
			}
		}
	})
}

// FuzzResponse: whatever a server sends, cached and aged, keeps the client's
// question, stays within the client's size and can be walked to its end.
func FuzzResponse(f *testing.F) {
	ok := new(miekg.Msg)
	ok.SetReply(read2(query("w.example.com.", 1)))
	good(ok)
	authority(soa)(ok)
	ok.SetEdns0(1232, false)
	ok.Compress = true
	b, _ := ok.Pack()
	f.Add(b, uint16(3))
	f.Add(b[:40], uint16(0))
	https := parse([]string{`w.example.com. 100 IN HTTPS 1 . ipv4hint=192.168.1.1`})
	ok.Answer = append(ok.Answer, https...)
	b, _ = ok.Pack()
	f.Add(b, uint16(90))
	f.Fuzz(func(t *testing.T, msg []byte, passed uint16) {
		m, err := New(Config{ID: func() uint16 { return 4711 }})
		if err != nil {
			t.Fatal(err)
		}
		now := netif.Boot(time.Second)
		m.SetUpstreams(now, []Upstream{wanA})
		ask := query("w.example.com.", 1)
		m.Query(now, Query{Msg: ask, From: client1, To: 1}, nil)
		a := m.Take().Asks[0]
		if len(msg) >= headerLen+19 { // keep the fuzzer at what follows the question
			msg = append(append(append([]byte(nil), a.Msg[:2]...), msg[2:headerLen]...), append(append([]byte(nil), a.Msg[headerLen:headerLen+19]...), msg[headerLen+19:]...)...)
		}
		m.Answer(now, a.ID, msg)
		got := [][]byte{m.Query(now.Add(time.Duration(passed)*time.Second), Query{Msg: ask, From: client2, To: 1}, nil)}
		for _, r := range m.Take().Replies {
			got = append(got, r.Msg)
		}
		for _, g := range got {
			if g == nil {
				continue
			}
			if len(g) > 512 || !bytes.Equal(g[headerLen:headerLen+19], ask[headerLen:headerLen+19]) {
				t.Fatalf("answered %x", g)
			}
			if !whole(g, headerLen+19) {
				t.Fatalf("answered %x, which ends early or late", g)
			}
		}
	})
}

// whole reports whether msg holds exactly the records that its header counts.
// Pointers are not followed: a hostile server may point one into a TTL, which
// then changes under it, to nobody's harm but that of who follows it.
func whole(msg []byte, off int) bool {
	for range int(u16(msg, 6)) + int(u16(msg, 8)) + int(u16(msg, 10)) {
		for off < len(msg) && msg[off] != 0 && msg[off] < 0xc0 {
			off += int(msg[off]) + 1
		}
		if off >= len(msg) {
			return false
		}
		if off++; msg[off-1] != 0 {
			off++
		}
		if off+10 > len(msg) {
			return false
		}
		off += 10 + int(u16(msg, off+8))
	}
	return off == len(msg)
}

func read2(b []byte) *miekg.Msg {
	m := new(miekg.Msg)
	if err := m.Unpack(b); err != nil {
		panic(err)
	}
	return m
}

// FuzzMachine drives a machine with seeded events and checks its books.
func FuzzMachine(f *testing.F) {
	for seed := range uint64(8) {
		f.Add(seed, uint16(400))
	}
	f.Fuzz(func(t *testing.T, seed uint64, steps uint16) {
		r := rand.New(rand.NewPCG(seed, 1))
		g := newRig(t, Config{MaxOutstanding: 20, MaxPerClient: 8, CacheBytes: 8 << 10}, wanA, wanB)
		var open []Ask
		sent, answered := 0, 0
		sets := [][]Upstream{{wanA, wanB}, {wanB, wanA}, {wanB}, {wanA}, nil}
		for range steps % 2000 {
			switch r.IntN(8) {
			case 0, 1, 2:
				sent++
				q := query(fmt.Sprintf("n%d.example.com.", r.IntN(30)), 1, func(m *miekg.Msg) { m.Id = uint16(sent) })
				from := client1
				if r.IntN(2) == 0 {
					from = client2
				}
				if g.sendAs(Query{Msg: q, From: from, To: 1}) != nil {
					answered++
				}
			case 3, 4:
				if len(open) > 0 {
					i := r.IntN(len(open))
					a := open[i]
					open = append(open[:i], open[i+1:]...)
					name := read(t, a.Msg).Question[0].Name
					g.answer(a, []func(*miekg.Msg){
						records(name + " 2 IN A 203.0.113.5"), rcode(2), rcode(3, authority(soa)), rcode(1), func(m *miekg.Msg) { m.Truncated = true },
					}[r.IntN(5)])
				}
			case 5:
				if len(open) > 0 {
					g.m.Failed(g.now, open[r.IntN(len(open))].ID)
				}
			case 6:
				g.wait(time.Duration(r.IntN(1500)) * time.Millisecond)
			case 7:
				if r.IntN(4) == 0 {
					g.m.SetUpstreams(g.now, sets[r.IntN(len(sets))])
				}
			}
			open = append(open, g.asks()...)
			answered += len(g.replies())
			checkBooks(t, g.m)
		}
		g.wait(10 * time.Second)
		answered += len(g.replies())
		if answered != sent {
			t.Errorf("%d questions, %d answers", sent, answered)
		}
		if st := g.m.Stats(); st.Waiting != 0 || st.Asks != 0 || len(g.m.flights) != 0 || len(g.m.clients) != 0 || len(g.m.timers) != 0 {
			t.Errorf("left over: %+v", st)
		}
		for _, s := range g.m.uplinks {
			for _, v := range s.servers {
				if v.open != 0 {
					t.Errorf("%v has %d orphans on its book and none open", v.addr, v.open)
				}
			}
		}
	})
}

func checkBooks(t *testing.T, m *Machine) {
	t.Helper()
	waiting, asks := 0, 0
	for _, f := range m.flights {
		waiting += len(f.waiters)
		asks += len(f.asks)
	}
	for _, a := range m.asks {
		if a.flight == nil {
			asks++
		}
	}
	if waiting != m.waiting || asks != len(m.asks) || waiting > 20 || len(m.asks) > 3*20 || m.cache.used > m.cache.limit {
		t.Fatalf("%d wait and %d are booked; %d asks and %d are booked; cache %d", waiting, m.waiting, asks, len(m.asks), m.cache.used)
	}
	for c, n := range m.clients {
		if n > 8 {
			t.Fatalf("%v has %d questions open", c, n)
		}
	}
}
