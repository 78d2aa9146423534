package dns

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	miekg "github.com/miekg/dns"
)

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
