package dns

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	miekg "github.com/miekg/dns"
)

var (
	www  = query("w.example.com.", 1, withEDNS(1232, false))
	good = records("w.example.com. 100 IN A 203.0.113.5")
)

func servers(asks []Ask) []netip.AddrPort {
	var list []netip.AddrPort
	for _, a := range asks {
		list = append(list, a.Server)
	}
	return list
}

func TestD3HedgeToTheSecondServer(t *testing.T) {
	g := newRig(t, Config{}, wanA)
	g.send(www)
	first := g.ask()
	if first.Server != ispA1 || first.Via.Device != "eth0" || first.Via.Mark != 0x100 || first.Via.Source != wanA.Source {
		t.Errorf("asked %+v first, want %v through eth0", first, ispA1)
	}
	g.wait(299 * time.Millisecond)
	if a := g.asks(); len(a) != 0 {
		t.Errorf("asked %v before 300 ms", a)
	}
	g.wait(time.Millisecond)
	second := g.ask()
	if second.Server != ispA2 {
		t.Errorf("asked %v second, want %v", second.Server, ispA2)
	}
	g.answer(second, good)
	if got := g.reply(); outcome(got) != "203.0.113.5" {
		t.Errorf("answered %v", got)
	}
	if g.answer(first, good); len(g.replies()) != 0 {
		t.Error("the slower server's answer was sent too")
	}
}

func TestD3HedgeFollowsTheRoundTrip(t *testing.T) {
	tests := []struct{ rtt, hedge time.Duration }{
		{time.Millisecond, 50 * time.Millisecond},
		{80 * time.Millisecond, 160 * time.Millisecond},
		{290 * time.Millisecond, 300 * time.Millisecond},
	}
	for _, tt := range tests {
		g := newRig(t, Config{}, wanA)
		g.send(www)
		a := g.ask()
		g.wait(tt.rtt)
		g.answer(a, good)
		g.send(query("x.example.com.", 1))
		g.ask()
		g.wait(tt.hedge - time.Millisecond)
		if a := g.asks(); len(a) != 0 {
			t.Errorf("rtt %v: hedged before %v", tt.rtt, tt.hedge)
		}
		g.wait(time.Millisecond)
		if a := g.asks(); len(a) != 1 {
			t.Errorf("rtt %v: no hedge after %v", tt.rtt, tt.hedge)
		}
	}
}

func TestDNS02DeadServerIsSkippedAndTriedAgain(t *testing.T) {
	g := newRig(t, Config{}, wanA)
	ask := func(i int) (delay time.Duration, asked []netip.AddrPort) {
		start := g.now
		name := fmt.Sprintf("n%d.example.com.", i)
		g.send(query(name, 1))
		for len(g.out.Replies) == 0 {
			asks := g.asks()
			asked = append(asked, servers(asks)...)
			for _, a := range asks {
				if a.Server == ispA2 {
					g.wait(20 * time.Millisecond)
					g.answer(a, records(name+" 100 IN A 203.0.113.5"))
				}
			}
			if len(g.out.Replies) == 0 {
				g.wait(10 * time.Millisecond)
			}
		}
		g.replies()
		return g.now.Sub(start), asked
	}
	for i := range 3 {
		if d, _ := ask(i); d > 350*time.Millisecond {
			t.Errorf("question %d took %v with a dead first server", i, d)
		}
		g.wait(time.Second) // the dead one's time is up
	}
	if st := g.m.Stats().Servers; st[0].Good || !st[1].Good || st[0].Timeouts != 3 {
		t.Fatalf("servers after three timeouts: %+v", st)
	}
	d, asked := ask(3)
	if d > 25*time.Millisecond || asked[0] != ispA2 {
		t.Errorf("a known dead server costs %v, asked %v", d, asked)
	}
	g.wait(2 * time.Second)
	g.send(query("probe.example.com.", 1))
	var probe Ask
	for _, a := range g.asks() {
		if a.Server == ispA1 {
			probe = a
		}
	}
	if probe.ID == 0 {
		t.Fatal("the dead server is never tried again")
	}
	g.answer(probe, records("probe.example.com. 1 IN A 203.0.113.5"))
	if st := g.m.Stats().Servers; !st[0].Good {
		t.Errorf("the server is not good again after an answer: %+v", st)
	}
}

func TestProbesBackOff(t *testing.T) {
	s := &server{}
	now := netipBoot(0)
	for range badAfter {
		s.missed(now)
	}
	var tries []time.Duration
	for sec := range 300 {
		if s.probe(now.Add(time.Duration(sec) * time.Second)) {
			tries = append(tries, time.Duration(sec)*time.Second)
		}
	}
	want := []time.Duration{1, 3, 7, 15, 31, 63, 123, 183, 243}
	for i := range want {
		want[i] *= time.Second
	}
	if !slices.Equal(tries, want) {
		t.Errorf("a dead server is tried at %v, want %v", tries, want)
	}
}

func TestD3RefusalsMoveOn(t *testing.T) {
	for _, code := range []int{miekg.RcodeServerFailure, miekg.RcodeRefused} {
		g := newRig(t, Config{}, wanA)
		g.send(www)
		g.answer(g.ask(), rcode(code))
		second := g.ask()
		if second.Server != ispA2 || len(g.replies()) != 0 {
			t.Fatalf("after %s: asked %v", miekg.RcodeToString[code], second.Server)
		}
		g.answer(second, rcode(code))
		if got := g.reply(); got.Rcode != miekg.RcodeServerFailure || ede(got) != edeNoServer {
			t.Errorf("all say %s: answered %v", miekg.RcodeToString[code], got)
		}
	}
}

func TestServerThatRefusesWhatOthersKnowIsBad(t *testing.T) {
	g := newRig(t, Config{}, wanA)
	for i := range 3 {
		name := fmt.Sprintf("n%d.example.com.", i)
		g.send(query(name, 1))
		g.answer(g.ask(), rcode(miekg.RcodeRefused))
		g.answer(g.ask(), records(name+" 100 IN A 203.0.113.5"))
	}
	g.send(query("n4.example.com.", 1))
	if a := g.ask(); a.Server != ispA2 {
		t.Errorf("asked %v first, which refuses everything", a.Server)
	}
}

func TestBrokenNameBlamesNoServer(t *testing.T) {
	g := newRig(t, Config{}, wanA)
	for i := range 5 {
		g.send(query(fmt.Sprintf("n%d.example.com.", i), 1))
		g.answer(g.ask(), rcode(miekg.RcodeServerFailure))
		g.answer(g.ask(), rcode(miekg.RcodeServerFailure))
	}
	for _, s := range g.m.Stats().Servers {
		if !s.Good {
			t.Errorf("%v is called bad for names that are broken everywhere", s.Server)
		}
	}
}

func TestQ28OneFlightForTheSameQuestion(t *testing.T) {
	g := newRig(t, Config{}, wanA)
	for i := range 50 {
		q := query("W.example.com.", 1, func(m *miekg.Msg) { m.Id = uint16(i) })
		g.sendAs(Query{Msg: q, From: client1, To: 1})
		g.sendAs(Query{Msg: q, From: client1, To: 1}) // an impatient client
	}
	g.answer(g.ask(), good)
	ids := map[uint16]bool{}
	for _, r := range g.replies() {
		ids[r.Id] = true
		if outcome(r) != "203.0.113.5" || r.Question[0].Name != "W.example.com." {
			t.Errorf("answered %v", r)
		}
	}
	if len(ids) != 50 {
		t.Errorf("%d of 50 questions were answered", len(ids))
	}
}

func TestQ27WrongAnswersDoNotEndTheWait(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(*miekg.Msg)
	}{
		{"RFC5452-9.1 id", func(m *miekg.Msg) { m.Id++ }},
		{"RFC5452-9.1 name", func(m *miekg.Msg) { m.Question[0].Name = "v.example.com." }},
		{"RFC5452-9.1 type", func(m *miekg.Msg) { m.Question[0].Qtype = miekg.TypeAAAA }},
		{"RFC5452-9.1 class", func(m *miekg.Msg) { m.Question[0].Qclass = 3 }},
		{"a query", func(m *miekg.Msg) { m.Response = false }},
		{"another opcode", func(m *miekg.Msg) { m.Opcode = miekg.OpcodeNotify }},
		{"no question, no error", func(m *miekg.Msg) { m.Question = nil }},
		{"two questions", func(m *miekg.Msg) { m.Question = append(m.Question, m.Question[0]) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newRig(t, Config{}, wanA)
			g.send(www)
			a := g.ask()
			over := g.answer(a, func(m *miekg.Msg) {
				records("w.example.com. 100 IN A 203.0.113.66")(m)
				tt.spoil(m)
			})
			if over || len(g.replies()) != 0 || g.m.Stats().Spoofed != 1 {
				t.Error("the forged answer was used or ended the wait")
			}
			g.answerRaw(a, []byte{1, 2, 3})
			g.answer(a, good)
			if got := g.reply(); outcome(got) != "203.0.113.5" {
				t.Errorf("answered %v", got)
			}
		})
	}
}

func TestD18GarbageMovesOn(t *testing.T) {
	g := newRig(t, Config{}, wanA)
	g.send(www)
	a := g.ask()
	b := append([]byte(nil), a.Msg...)
	put16(b, 2, flagQR)
	put16(b, 6, 7) // seven answers that are not there
	g.answerRaw(a, b)
	if a := g.ask(); a.Server != ispA2 {
		t.Errorf("asked %v after garbage", a.Server)
	}
	if n := g.m.Stats().Garbage; n != 1 {
		t.Errorf("%d counted as garbage", n)
	}
}

func TestQ48RFC7766TruncatedAnswerByTCP(t *testing.T) {
	g := newRig(t, Config{}, wanA)
	g.send(www)
	g.answer(g.ask(), func(m *miekg.Msg) { good(m); m.Truncated = true })
	a := g.ask()
	if !a.TCP || a.Server != ispA1 || a.Via.Name != "wan" || len(g.replies()) != 0 {
		t.Fatalf("after TC: asked %+v", a)
	}
	g.m.Failed(g.now, a.ID)
	b := g.ask()
	if b.TCP || b.Server != ispA2 {
		t.Fatalf("after a refused TCP connection: asked %+v", b)
	}
	g.answer(b, func(m *miekg.Msg) { m.Truncated = true })
	g.answer(g.ask(), good)
	if got := g.reply(); got.Truncated || outcome(got) != "203.0.113.5" {
		t.Errorf("answered %v", got)
	}
}

func TestQ12ServerWithoutEDNS(t *testing.T) {
	for _, code := range []int{miekg.RcodeFormatError, miekg.RcodeNotImplemented} {
		g := newRig(t, Config{}, wanA)
		g.send(www)
		a := g.ask()
		b := append([]byte(nil), a.Msg[:12]...) // a header only, as old servers do
		put16(b, 2, flagQR|uint16(code))
		for _, off := range []int{4, 6, 8, 10} {
			put16(b, off, 0)
		}
		g.answerRaw(a, b)
		again := g.ask()
		if again.Server != ispA1 || read(t, again.Msg).IsEdns0() != nil {
			t.Fatalf("asked %+v, want the same server without EDNS", again)
		}
		g.answer(again, good)
		g.reply()
		g.send(query("x.example.com.", 1))
		next := g.ask()
		if read(t, next.Msg).IsEdns0() != nil {
			t.Error("not remembered")
		}
		g.answer(next, records("x.example.com. 100 IN A 203.0.113.5"))
		g.wait(time.Hour)
		g.send(query("y.example.com.", 1))
		if read(t, g.ask().Msg).IsEdns0() == nil {
			t.Error("remembered for ever")
		}
	}
}

func TestQ12ServerThatDropsEDNS(t *testing.T) {
	g := newRig(t, Config{}, Upstream{Name: "wan", Servers: []netip.AddrPort{ispA1}})
	for i := range 3 {
		g.send(query(fmt.Sprintf("n%d.example.com.", i), 1))
		plain := func() bool {
			for _, a := range g.asks() {
				if read(t, a.Msg).IsEdns0() == nil {
					g.answer(a, records(fmt.Sprintf("n%d.example.com. 100 IN A 203.0.113.5", i)))
					return true
				}
			}
			return false
		}
		waited := time.Duration(0)
		for ; !plain(); waited += 100 * time.Millisecond {
			if waited > 3*time.Second {
				t.Fatal("never asked without EDNS")
			}
			g.wait(100 * time.Millisecond)
		}
		g.reply()
		if i == 2 && waited > 0 {
			t.Errorf("the third question still waited %v", waited)
		}
		g.wait(5 * time.Second)
	}
}

func TestUnreachableServers(t *testing.T) {
	g := newRig(t, Config{}, wanA)
	g.send(www)
	g.m.Failed(g.now, g.ask().ID)
	g.m.Failed(g.now, g.ask().ID) // the second at once
	g.collect()
	if r := g.replies(); len(r) != 0 {
		t.Fatal("gave up before a switch could help")
	}
	g.wait(time.Second)
	for _, a := range g.asks() {
		g.m.Failed(g.now, a.ID)
	}
	g.collect()
	g.wait(time.Second)
	if got := g.reply(); got.Rcode != miekg.RcodeServerFailure {
		t.Errorf("answered %v", got)
	}
}

func TestSilentServers(t *testing.T) {
	g := newRig(t, Config{}, wanA)
	g.send(www)
	g.wait(4499 * time.Millisecond)
	if r := g.replies(); len(r) != 0 {
		t.Fatal("gave up early: a slow link may still answer")
	}
	g.wait(time.Millisecond)
	if got := g.reply(); got.Rcode != miekg.RcodeServerFailure {
		t.Errorf("answered %v", got)
	}
	g.wait(5 * time.Second)
	if st := g.m.Stats(); st.Waiting != 0 || st.Asks != 0 || len(g.m.timers) != 0 || len(g.m.clients) != 0 {
		t.Errorf("left over: %+v, %d timers", st, len(g.m.timers))
	}
}

func TestQ50Flood(t *testing.T) {
	g := newRig(t, Config{MaxOutstanding: 200, MaxPerClient: 50}, wanA)
	g.resolve(www, good)
	refused := 0
	for i := range 10000 {
		q := query(fmt.Sprintf("n%d.example.com.", i), 1)
		if got := g.sendAs(Query{Msg: q, From: client1, To: 1}); got != nil {
			refused++
		}
	}
	if st := g.m.Stats(); st.Waiting != 50 || refused != 9950 {
		t.Errorf("%d wait and %d were refused, want 50 and 9,950", st.Waiting, refused)
	}
	if got := g.sendAs(Query{Msg: www, From: client1, To: 1}); outcome(got) != "203.0.113.5" {
		t.Errorf("the cache is closed to the flooding client: %v", got)
	}
	if got := g.sendAs(Query{Msg: query("other.example.com.", 1), From: client2, To: 1}); got != nil {
		t.Errorf("another client got %v, want its question asked", got)
	}
	g.wait(10 * time.Second)
	if st := g.m.Stats(); st.Waiting != 0 || st.Asks != 0 {
		t.Errorf("left over: %+v", st)
	}
}

func TestAsksAreBounded(t *testing.T) {
	g := newRig(t, Config{MaxOutstanding: 100, MaxPerClient: 100}, wanA)
	for i := range 1000 {
		g.send(query(fmt.Sprintf("n%d.example.com.", i), 1))
		g.wait(10 * time.Millisecond)
		if n := g.m.Stats().Asks; n > 300 {
			t.Fatalf("%d open sockets for 100 questions", n)
		}
	}
}

func netipBoot(d time.Duration) time.Time { return time.Unix(0, int64(d)).UTC() }
