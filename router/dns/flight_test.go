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

func TestQ24FailuresAreRemembered(t *testing.T) {
	g := newRig(t, Config{}, Upstream{Name: "wan", Servers: []netip.AddrPort{ispA1}})
	fails := func() {
		t.Helper()
		if got := g.send(www); got != nil {
			t.Fatal("answered while it should be asked")
		}
		g.answer(g.ask(), rcode(miekg.RcodeServerFailure))
		g.reply()
	}
	fails()
	if got := g.send(www); got == nil || got.Rcode != miekg.RcodeServerFailure {
		t.Fatalf("asked again at once: %v", got)
	}
	g.wait(time.Second)
	fails()
	g.wait(time.Second)
	if got := g.send(www); got == nil {
		t.Fatal("the second failure is forgotten as soon as the first")
	}
	g.wait(time.Second)
	fails()
	g.m.SetUpstreams(g.now, []Upstream{wanB})
	g.collect()
	if got := g.send(www); got != nil || len(g.asks()) != 1 {
		t.Errorf("a failure outlives the uplink: %v", got)
	}
}

func TestQ25RFC8767Stale(t *testing.T) {
	g := newRig(t, Config{}, wanA)
	g.resolve(www, good)
	g.wait(10 * time.Minute)
	if got := g.send(www); got != nil {
		t.Fatal("answered stale without trying")
	}
	g.wait(1799 * time.Millisecond)
	if r := g.replies(); len(r) != 0 {
		t.Fatal("answered before 1.8 s")
	}
	g.wait(time.Millisecond)
	got := g.reply()
	if outcome(got) != "203.0.113.5" || got.Answer[0].Header().Ttl != 30 || ede(got) != 3 { // Q26
		t.Errorf("answered %v, want the old address with TTL 30 and EDE 3", got)
	}
	// Now known to be failing: at once, without asking, for 30 s.
	g.wait(10 * time.Second)
	g.asks()
	if got := g.send(www); got == nil || ede(got) != 3 || len(g.asks()) != 0 {
		t.Errorf("10 s later: %v, want stale at once", got)
	}
	g.wait(30 * time.Second)
	if got := g.send(www); got != nil || len(g.asks()) == 0 {
		t.Errorf("40 s later: %v, want it asked again", got)
	}
}

func TestQ25StaleEnds(t *testing.T) {
	tests := []struct {
		name string
		wait time.Duration
		more func(*rig)
		want bool
	}{
		{"within a day", 24 * time.Hour, func(*rig) {}, true},
		{"after a day", 24*time.Hour + 101*time.Second, func(*rig) {}, false},
		{"replaced by NXDOMAIN", 200 * time.Second, func(g *rig) { g.resolve(www, rcode(3, authority(soa))) }, false},
		{"replaced by NXDOMAIN for another type", 200 * time.Second, func(g *rig) {
			g.resolve(query("w.example.com.", miekg.TypeTXT), rcode(3, authority(soa)))
		}, false},
		{"replaced by NODATA", 200 * time.Second, func(g *rig) { g.resolve(www, authority(soa)) }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newRig(t, Config{}, wanA)
			g.resolve(www, good)
			g.wait(tt.wait)
			tt.more(g)
			g.wait(time.Second)
			g.m.SetUpstreams(g.now, nil)
			got := g.send(www)
			if has := len(got.Answer) > 0; has != tt.want {
				t.Errorf("answered %v", got)
			}
		})
	}
}

func TestNoUplink(t *testing.T) {
	g := newRig(t, Config{}, wanA)
	g.m.SetHosts([]Host{{Name: "phone", Addr: netip.MustParseAddr("192.168.5.100")}})
	g.resolve(www, good)
	g.m.SetUpstreams(g.now, nil)
	if got := g.send(www); outcome(got) != "203.0.113.5" || ede(got) != 3 {
		t.Errorf("cached name without uplink: %v", got)
	}
	if got := g.send(query("phone.lan.", 1)); outcome(got) != "192.168.5.100" {
		t.Errorf("local name without uplink: %v", got)
	}
	if got := g.send(query("other.example.com.", 1, withEDNS(1232, false))); got.Rcode != miekg.RcodeServerFailure || ede(got) != edeNoNetwork {
		t.Errorf("unknown name without uplink: %v, want SERVFAIL at once", got)
	}
}

func TestD2SwitchAsksAgainAtOnce(t *testing.T) {
	g := newRig(t, Config{}, wanA)
	g.send(www)
	old := g.ask()
	g.wait(100 * time.Millisecond)
	g.m.SetUpstreams(g.now, []Upstream{wanB})
	a := g.ask()
	if a.Server != ispB1 || a.Via.Device != "wwan0" || !slices.Contains(g.out.Cancels, old.ID) {
		t.Fatalf("after the switch: asked %+v, cancelled %v", a, g.out.Cancels)
	}
	if !g.answer(old, records("w.example.com. 100 IN A 203.0.113.99")) || len(g.replies()) != 0 {
		t.Error("an answer of the uplink that is gone was used")
	}
	g.answer(a, good)
	if got := g.reply(); outcome(got) != "203.0.113.5" {
		t.Errorf("answered %v", got)
	}
	if st := g.m.Stats(); st.Waiting != 0 || st.Asks != 0 || st.Reasked != 1 {
		t.Errorf("left over: %+v", st)
	}
}

func TestD2SwitchWithAGap(t *testing.T) {
	g := newRig(t, Config{}, wanA)
	g.send(www)
	g.ask()
	g.m.SetUpstreams(g.now, nil)
	g.wait(time.Second)
	g.m.SetUpstreams(g.now, []Upstream{wanB})
	g.answer(g.ask(), good)
	if got := g.reply(); outcome(got) != "203.0.113.5" {
		t.Errorf("answered %v", got)
	}
	g.send(query("x.example.com.", 1))
	g.ask()
	g.m.SetUpstreams(g.now, nil)
	g.wait(1800 * time.Millisecond)
	if got := g.reply(); got.Rcode != miekg.RcodeServerFailure {
		t.Errorf("no uplink came: %v, want SERVFAIL before 2 s", got)
	}
}

func TestD2LateAnswerOfAnUplinkThatStaysUsable(t *testing.T) {
	g := newRig(t, Config{}, wanB, wanA)
	g.send(www)
	a := g.ask()
	g.m.SetUpstreams(g.now, []Upstream{wanA, wanB}) // failback: wanB still works
	if b := g.asks(); len(b) != 0 {
		t.Errorf("asked again: %v", b)
	}
	g.answer(a, good)
	g.reply()
	g.send(query("x.example.com.", 1))
	if a := g.ask(); a.Server != ispA1 {
		t.Errorf("the next question went to %v", a.Server)
	}
}

func TestD5AnswersBelongToTheirUplink(t *testing.T) {
	g := newRig(t, Config{}, wanA)
	g.resolve(www, good)
	g.resolve(query("nx.example.com.", 1), rcode(3, authority(soa)))
	g.m.SetUpstreams(g.now, []Upstream{wanB})
	got := g.resolve(www, records("w.example.com. 100 IN A 198.51.100.77"))
	if outcome(got) != "198.51.100.77" {
		t.Errorf("answered %v, want what the second uplink says", got)
	}
	g.m.SetUpstreams(g.now, []Upstream{wanA})
	if got := g.send(www); outcome(got) != "203.0.113.5" {
		t.Errorf("back on the first: %v, want its cached answer", got)
	}
	if got := g.send(query("nx.example.com.", 1)); got != nil {
		t.Errorf("a negative answer outlives the switch: %v", got)
	}
}

func TestQ44PrefixOfAnotherUplinkIsNotHandedOut(t *testing.T) {
	g := newRig(t, Config{}, wanA)
	g.resolve(query("ipv4only.arpa.", miekg.TypeAAAA), records("ipv4only.arpa. 100 IN AAAA 2001:db8:64::c000:aa"))
	g.m.SetUpstreams(g.now, nil)
	if got := g.send(query("ipv4only.arpa.", miekg.TypeAAAA)); got.Rcode != miekg.RcodeServerFailure {
		t.Errorf("answered %v", got)
	}
}

func TestLANWithItsOwnUplinks(t *testing.T) {
	g := newRig(t, Config{}, wanA, wanB)
	q := Query{Msg: www, From: client1, To: "lan2", Via: []string{"wan2"}}
	g.sendAs(q)
	if a := g.ask(); a.Server != ispB1 {
		t.Errorf("asked %v, want the LAN's own uplink", a.Server)
	}
	g.m.SetUpstreams(g.now, []Upstream{wanA})
	g.wait(2 * time.Second)
	if got := g.reply(); got.Rcode != miekg.RcodeServerFailure {
		t.Errorf("answered %v through an uplink this LAN may not use", got)
	}
	if a := g.asks(); len(a) != 0 {
		t.Errorf("asked %v", a)
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

func TestSettingTheSameUpstreamsChangesNothing(t *testing.T) {
	g := newRig(t, Config{}, wanA)
	g.send(www)
	a := g.ask()
	same := wanA
	same.Servers = slices.Clone(wanA.Servers)
	g.m.SetUpstreams(g.now, []Upstream{same})
	g.collect()
	if len(g.out.Asks) != 0 || len(g.out.Cancels) != 0 {
		t.Errorf("asked %v, cancelled %v", g.out.Asks, g.out.Cancels)
	}
	g.answer(a, good)
	g.reply()
}

func TestQ49OurselvesAsServer(t *testing.T) {
	g := newRig(t, Config{}, Upstream{Name: "wan", Servers: []netip.AddrPort{netip.MustParseAddrPort("192.168.5.1:53"), ispA1}})
	g.m.SetOwn([]netip.Addr{netip.MustParseAddr("192.168.5.1")})
	g.send(www)
	if a := g.ask(); a.Server != ispA1 {
		t.Errorf("asked %v: ourselves", a.Server)
	}
}

func netipBoot(d time.Duration) time.Time { return time.Unix(0, int64(d)).UTC() }

func TestQ43Rebind(t *testing.T) {
	tests := []struct {
		name, record string
		blocked      bool
	}{
		{"RFC1918 10/8", "A 10.1.2.3", true},
		{"RFC1918 172.16/12", "A 172.31.0.1", true},
		{"beside 172.16/12", "A 172.32.0.1", false},
		{"RFC1918 192.168/16", "A 192.168.1.1", true},
		{"RFC6598 100.64/10", "A 100.64.0.1", true},
		{"link-local", "A 169.254.169.254", true},
		{"loopback", "A 127.0.0.1", true},
		{"0.0.0.0 is a block list's word", "A 0.0.0.0", false},
		{"address of a LAN", "A 203.0.113.1", true},
		{"public", "A 203.0.113.5", false},
		{"RFC4193", "AAAA fd12::1", true},
		{"RFC4291 link-local", "AAAA fe80::1", true},
		{"RFC4291 mapped", "AAAA ::ffff:192.168.1.1", true},
		{"RFC6052 64:ff9b::", "AAAA 64:ff9b::c0a8:101", true},
		{"RFC6052 public", "AAAA 64:ff9b::cb00:7105", false},
		{"public v6", "AAAA 2001:db8::1", false},
		{"RFC9460 ipv4hint", `HTTPS 1 . alpn="h2" ipv4hint=203.0.113.5,192.168.1.1`, true},
		{"RFC9460 ipv6hint", `HTTPS 1 svc.example.com. ipv6hint=fd12::1`, true},
		{"RFC9460 public hints", `HTTPS 1 . ipv4hint=203.0.113.5 ipv6hint=2001:db8::1`, false},
		{"CNAME first", "CNAME v.example.com.", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rr := parse([]string{"w.example.com. 100 IN " + tt.record})[0]
			ask := func(cfg Config, up Upstream) *miekg.Msg {
				g := newRig(t, cfg, up)
				g.m.SetOwn([]netip.Addr{netip.MustParseAddr("203.0.113.1")})
				msg := query("w.example.com.", rr.Header().Rrtype, withEDNS(1232, false))
				got := g.resolve(msg, func(m *miekg.Msg) { m.Answer = []miekg.RR{rr} })
				if again := g.send(msg); len(again.Answer) != len(got.Answer) || ede(again) != ede(got) {
					t.Errorf("from the cache %v, before %v", again, got)
				}
				return got
			}
			got := ask(Config{}, wanA)
			if blocked := len(got.Answer) == 0; blocked != tt.blocked || (ede(got) == edeBlocked) != tt.blocked {
				t.Errorf("answered %v with EDE %d, want blocked %v", got.Answer, ede(got), tt.blocked)
			}
			own := wanA
			own.Domains = []string{"example.com"}
			for _, got := range []*miekg.Msg{ask(Config{AllowPrivate: true}, wanA), ask(Config{PrivateDomains: []string{"Example.com"}}, wanA), ask(Config{}, own)} {
				if len(got.Answer) != 1 {
					t.Errorf("an exception does not hold: %v", got)
				}
			}
		})
	}
}
