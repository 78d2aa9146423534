package lease_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"luatnetd/netif"
	"luatnetd/netif/lease"
)

func TestFirstLease(t *testing.T) {
	w := newWorld(t, lease.Config{Hostname: "gw"}, nil, newServer())
	w.step(up())
	w.until(lease.Bound, 2*time.Second)
	w.wantSent("DISCOVER broadcast", "REQUEST broadcast 50 54")
	if took := w.now.Sub(start); took > time.Second {
		t.Errorf("took %v", took)
	}
	d, r := w.sent[0], w.sent[1]
	if d.xid != r.xid || d.secs != r.secs || d.flags != 0 || d.src != netip.IPv4Unspecified() {
		t.Errorf("DISCOVER %+v, REQUEST %+v", d, r)
	}
	if string(r.options[12]) != "gw" || string(r.options[61]) != "\x01\x02\x00\x00\x00\x00\x01" {
		t.Errorf("options %v", r.options)
	}
	got := w.bound[0]
	want := netif.Lease{
		Addr: netip.MustParsePrefix("192.0.2.50/24"), Gateway: serverIP, ServerID: serverIP, ServerMAC: serverMAC,
		DNS: []netip.AddrPort{netip.AddrPortFrom(serverIP, 53)},
	}
	if !got.Lease.Equal(want) || got.Lease.ServerID != serverIP || got.Lease.ServerMAC != serverMAC || got.Renewed {
		t.Errorf("bound to %+v, want %+v", got, want)
	}
	if n := count[lease.Probe](w); n != 3 {
		t.Errorf("%d ARP probes, want 3", n)
	}
	w.run(5 * time.Second)
	if n := count[lease.Announce](w); n != 2 || w.arp {
		t.Errorf("%d announcements, ARP socket open %v; want 2, closed", n, w.arp)
	}
	if len(w.records) != 1 {
		t.Errorf("%d records written, want 1", len(w.records))
	}
}

func count[T lease.Action](w *world) int {
	n := 0
	for _, a := range w.log {
		if _, ok := a.(T); ok {
			n++
		}
	}
	return n
}

// RFC 2131 §4.1: 4, 8, 16, 32, 64 s, each ±1 s; one transaction id per
// exchange; secs counts; the broadcast flag after two silent rounds.
func TestRetransmission(t *testing.T) {
	w := newWorld(t, lease.Config{ClientID: lease.ClientID{Form: lease.FormMAC}}, nil)
	w.step(up())
	w.run(10 * time.Minute)
	want := []time.Duration{4, 8, 16, 32, 64, 64, 64}
	for i, s := range want {
		gap := w.sent[i+1].at.Sub(w.sent[i].at)
		if (gap - s*time.Second).Abs() > time.Second {
			t.Errorf("gap %d is %v, want %d s ± 1 s", i, gap, s)
		}
	}
	jitter := map[time.Duration]bool{}
	for i, s := range w.sent {
		if s.kind != discover || s.xid != w.sent[0].xid {
			t.Errorf("message %d: %v xid %08x", i, s, s.xid)
		}
		if secs := uint16(s.at.Sub(start) / time.Second); s.secs != secs {
			t.Errorf("message %d: secs %d, want %d", i, s.secs, secs)
		}
		if want := i >= 2; (s.flags == 0x8000) != want {
			t.Errorf("message %d: flags %04x, want broadcast %v", i, s.flags, want)
		}
		if i > 5 {
			jitter[s.at.Sub(w.sent[i-1].at)] = true
		}
	}
	if len(jitter) < 2 {
		t.Error("no jitter")
	}
}

func TestClientIDAlternatesAndStays(t *testing.T) {
	form := func(s seen) string {
		switch id := s.options[61]; {
		case len(id) == 0:
			return "none"
		case id[0] == 1:
			return "mac"
		case id[0] == 255:
			return "duid"
		}
		return "?"
	}
	w := newWorld(t, lease.Config{}, nil)
	w.step(up())
	w.run(8 * time.Minute)
	var got []string
	for _, s := range w.sent[:8] {
		got = append(got, form(s))
	}
	if d := cmp.Diff([]string{"mac", "mac", "mac", "none", "duid", "mac", "none", "duid"}, got); d != "" {
		t.Errorf("forms without memory (-want +got):\n%s", d)
	}
	if w.sent[2].xid == w.sent[3].xid {
		t.Error("another client id within one exchange")
	}

	srv := newServer()
	srv.only = func(s seen) bool { return form(s) == "none" }
	w = newWorld(t, lease.Config{}, nil, srv)
	w.step(up())
	w.until(lease.Bound, 2*time.Minute)
	w.run(6 * time.Hour) // renewals with the same form, checked by the world
	if len(w.lost) != 0 || len(w.bound) < 10 {
		t.Fatalf("lost %v, bound %d times", w.lost, len(w.bound))
	}

	rec := w.records[len(w.records)-1]
	w2 := newWorld(t, lease.Config{BootID: "boot-2"}, &rec)
	w2.step(up())
	w2.run(15 * time.Minute)
	got = nil
	for _, s := range w2.sent {
		if s.kind == discover {
			got = append(got, form(s))
		}
	}
	want := []string{"none", "none", "none", "none", "none", "none", "mac", "none", "duid", "none", "mac", "none"}
	if d := cmp.Diff(want, got[:len(want)]); d != "" {
		t.Errorf("forms where none won before (-want +got):\n%s", d)
	}
}

func TestClientIDPolicies(t *testing.T) {
	tests := []struct {
		text string
		want string
		bad  bool
	}{
		{text: "mac", want: "\x01\x02\x00\x00\x00\x00\x01"},
		{text: "duid", want: "\xff\x00\x00\x00\x01\x00\x03\x00\x01\x02\x00\x00\x00\x00\x01"},
		{text: "none"},
		{text: "00:61:62", want: "\x00ab"},
		{text: "006162", want: "\x00ab"},
		{text: "xyz", bad: true},
		{text: "01", bad: true},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			id, err := lease.ParseClientID(tt.text)
			if (err != nil) != tt.bad {
				t.Fatalf("ParseClientID: %v", err)
			}
			if tt.bad {
				return
			}
			w := newWorld(t, lease.Config{ClientID: id}, nil)
			w.step(up())
			w.run(5 * time.Minute)
			for _, s := range w.sent {
				if string(s.options[61]) != tt.want {
					t.Fatalf("client id %q, want %q", s.options[61], tt.want)
				}
			}
		})
	}
}

func TestRenewByUnicast(t *testing.T) {
	srv := newServer()
	w := online(t, lease.Config{}, srv)
	before := *w.held
	w.run(40 * time.Minute)
	w.wantSent("REQUEST unicast ciaddr")
	r := w.sent[0]
	if r.src != firstAddr || r.dst != serverIP || r.ciaddr != firstAddr || r.flags != 0 {
		t.Errorf("renewal %+v", r)
	}
	if at := r.at.Sub(before.Renew).Abs(); at > time.Millisecond {
		t.Errorf("renewed %v away from T1", at)
	}
	if len(w.lost) != 0 || !w.bound[len(w.bound)-1].Renewed || !w.held.Expire.After(before.Expire) {
		t.Errorf("lost %v, bound %+v", w.lost, w.bound)
	}
}

// RFC 2131 §4.4.5: half of the time left, not below a minute; then any server;
// then the end.
func TestSilentServerFromBoundOn(t *testing.T) {
	srv := newServer()
	srv.seconds = 86400
	w := online(t, lease.Config{}, srv)
	l := *w.held
	srv.silent = true
	w.run(l.Expire.Sub(w.now) + time.Second)
	if d := cmp.Diff([]string{"lease expired"}, w.lost); d != "" {
		t.Fatalf("lost (-want +got):\n%s", d)
	}
	var unicast, broadcast []seen
	for _, s := range w.sent {
		if s.kind != request {
			continue
		}
		if _, ok := s.options[50]; ok {
			t.Errorf("option 50 in a renewal at %v", s.at)
		}
		if _, ok := s.options[54]; ok {
			t.Errorf("option 54 in a renewal at %v", s.at)
		}
		if s.broadcast {
			broadcast = append(broadcast, s)
		} else {
			unicast = append(unicast, s)
		}
	}
	check := func(name string, list []seen, from, until time.Time) {
		if len(list) < 5 || list[0].at.Sub(from).Abs() > time.Millisecond || !list[len(list)-1].at.Before(until) {
			t.Fatalf("%s: %d messages, first %v after its time", name, len(list), list[0].at.Sub(from))
		}
		for i, s := range list[1:] {
			want := max(until.Sub(list[i].at)/2, time.Minute)
			if gap := s.at.Sub(list[i].at); gap != want {
				t.Errorf("%s: gap %d is %v, want %v", name, i, gap, want)
			}
		}
	}
	check("renewing", unicast, l.Renew, l.Rebind)
	check("rebinding", broadcast, l.Rebind, l.Expire)
	last := w.sent[len(w.sent)-1]
	if last.kind != discover || last.at.Sub(l.Expire) > time.Millisecond || last.addr(50) != firstAddr {
		t.Errorf("after the end: %v at %v with 50 = %v; want DISCOVER at once for the old address", last, last.at.Sub(l.Expire), last.addr(50))
	}
}

func TestRebindTakesAnotherServer(t *testing.T) {
	first, second := newServer(), newServer()
	second.id, second.mac, second.silent = netip.MustParseAddr("192.0.2.2"), netif.MAC{2, 0, 0, 0, 0, 0xfd}, true
	w := online(t, lease.Config{}, first, second)
	first.silent, second.silent = true, false
	w.run(55 * time.Minute)
	if len(w.lost) != 0 || w.held.ServerID != second.id {
		t.Errorf("lost %v, server %v; want the second one", w.lost, w.held.ServerID)
	}
}

func TestNAK(t *testing.T) {
	tests := []struct {
		name  string
		from  time.Duration // when the server begins to refuse
		limit time.Duration
		lost  bool
		do    func(w *world, s *server)
	}{
		{name: "renewing", lost: true, do: func(w *world, s *server) {
			s.addr = firstAddr.Next()
			w.run(35 * time.Minute)
		}},
		{name: "rebinding by another server", lost: true, do: func(w *world, s *server) {
			s.only = func(m seen) bool { return m.broadcast }
			s.addr, s.id = firstAddr.Next(), serverIP.Next()
			w.run(55 * time.Minute)
		}},
		{name: "rebooting", lost: true, do: func(w *world, s *server) {
			s.addr = firstAddr.Next()
			w.step(lease.LinkDown{})
			w.run(500 * time.Millisecond)
			w.step(up())
			w.run(5 * time.Second)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := newServer()
			w := online(t, lease.Config{}, srv)
			tt.do(w, srv)
			if d := cmp.Diff([]string{"refused by the server"}, w.lost); d != "" {
				t.Errorf("lost (-want +got):\n%s", d)
			}
			if w.held == nil || w.held.Addr.Addr() != firstAddr.Next() {
				t.Fatalf("new lease %+v, want %v", w.held, firstAddr.Next())
			}
			i := slices.IndexFunc(w.sent, func(s seen) bool { return s.kind == discover })
			if i < 1 || w.sent[i].at.Sub(w.sent[i-1].at) > 10*time.Millisecond {
				t.Error("the first DISCOVER after a NAK waited")
			}
			if w.sent[i].addr(50).IsValid() {
				t.Error("asked again for the refused address")
			}
		})
	}
}

func TestNAKLoopIsSlow(t *testing.T) {
	srv := newServer()
	srv.nakAll = true
	w := newWorld(t, lease.Config{}, nil, srv)
	w.step(up())
	w.run(time.Hour)
	var discovers []time.Time
	for _, s := range w.sent {
		if s.kind == discover {
			discovers = append(discovers, s.at)
		}
	}
	if n := len(discovers); n < 10 || n > 25 {
		t.Errorf("%d DISCOVERs in an hour of refusals", n)
	}
	for i := 2; i < len(discovers); i++ {
		if gap := discovers[i].Sub(discovers[i-1]); gap < 10*time.Second {
			t.Errorf("gap %d is %v, want at least 10 s", i, gap)
		}
	}
	srv.nakAll = false
	w.run(6 * time.Minute)
	if w.held == nil {
		t.Error("no lease after the server came to its senses")
	}
}

// Nothing that does not answer our own question may move the machine.
func TestForeignMessagesIgnored(t *testing.T) {
	type edits struct {
		answer func(*answer)
		packet func(*lease.Packet)
	}
	tests := []struct {
		name string
		edit edits
	}{
		{"another transaction", edits{answer: func(a *answer) { a.xid++ }}},
		{"another chaddr", edits{answer: func(a *answer) { a.chaddr[5]++ }}},
		{"another server", edits{answer: func(a *answer) { a.server = serverIP.Next() }}},
		{"another client id", edits{answer: func(a *answer) { a.options = map[byte][]byte{61: {1, 2, 3}} }}},
		{"from our LAN", edits{packet: func(p *lease.Packet) { p.From = netif.MAC{2, 0, 0, 0, 0, 0x77} }}},
		{"from ourselves", edits{packet: func(p *lease.Packet) { p.From = ourMAC }}},
		{"a request", edits{packet: func(p *lease.Packet) { p.Payload[0] = 1 }}},
		{"no cookie", edits{packet: func(p *lease.Packet) { p.Payload[236] = 0 }}},
		{"cut", edits{packet: func(p *lease.Packet) { p.Payload = p.Payload[:239] }}},
		{"hlen 17", edits{packet: func(p *lease.Packet) { p.Payload[2] = 17 }}},
		{"option beyond the end", edits{packet: func(p *lease.Packet) {
			p.Payload = append(p.Payload[:len(p.Payload)-1], 1, 200, 1)
		}}},
	}
	cfg := lease.Config{Ours: []netif.MAC{{2, 0, 0, 0, 0, 0x77}}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := newServer()
			w := online(t, cfg, srv)
			srv.silent = true
			w.until(lease.Renewing, time.Hour)
			for _, kind := range []byte{nak, ack} {
				a := answer{kind: kind, xid: w.sent[len(w.sent)-1].xid, chaddr: ourMAC, server: serverIP}
				if kind == ack {
					a.yiaddr = firstAddr.Next()
				}
				if tt.edit.answer != nil {
					tt.edit.answer(&a)
				}
				p := lease.Packet{Payload: a.bytes()}
				if tt.edit.packet != nil {
					tt.edit.packet(&p)
				}
				w.step(p)
				if w.m.Status().State != lease.Renewing || len(w.lost) > 0 {
					t.Errorf("message %d moved the machine to %v, lost %v", kind, w.m.Status().State, w.lost)
				}
			}
		})
	}
	t.Run("control", func(t *testing.T) {
		srv := newServer()
		w := online(t, cfg, srv)
		srv.silent = true
		w.until(lease.Renewing, time.Hour)
		w.step(lease.Packet{Payload: answer{kind: nak, xid: w.sent[len(w.sent)-1].xid, chaddr: ourMAC, server: serverIP}.bytes()})
		if len(w.lost) != 1 {
			t.Error("the good NAK was ignored too: the cases above prove nothing")
		}
	})
}

func TestChoiceOfOffers(t *testing.T) {
	mk := func(last byte, seconds uint32, addr string) *server {
		s := newServer()
		s.id, s.mac[5], s.seconds, s.addr = netip.AddrFrom4([4]byte{192, 0, 2, last}), 0xf0+last, seconds, netip.MustParseAddr(addr)
		return s
	}
	remembered := func(t *testing.T, srv *server) *lease.Record {
		w := newWorld(t, lease.Config{}, nil, srv)
		w.step(up())
		w.until(lease.Bound, 5*time.Second)
		return &w.records[0]
	}
	tests := []struct {
		name     string
		first    *server // answers first
		second   *server // 100 ms later
		remember *server
		want     string
	}{
		{name: "first of equals", first: mk(1, 3600, "192.0.2.50"), second: mk(2, 3600, "192.0.2.60"), want: "192.0.2.50"},
		{name: "modem's stopgap loses", first: mk(1, 20, "192.168.100.10"), second: mk(2, 3600, "198.51.100.7"), want: "198.51.100.7"},
		{name: "stopgap alone is taken", first: mk(1, 20, "192.168.100.10"), want: "192.168.100.10"},
		{name: "short but public", first: mk(1, 20, "198.51.100.7"), second: mk(2, 3600, "192.0.2.60"), want: "198.51.100.7"},
		{name: "remembered server and address", first: mk(1, 3600, "192.0.2.50"), second: mk(2, 3600, "192.0.2.60"),
			remember: mk(2, 3600, "192.0.2.60"), want: "192.0.2.60"},
		{name: "remembered address, new server", first: mk(1, 3600, "192.0.2.50"), second: mk(2, 3600, "192.0.2.60"),
			remember: mk(3, 3600, "192.0.2.60"), want: "192.0.2.60"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var rec *lease.Record
			if tt.remember != nil {
				rec = remembered(t, tt.remember)
			}
			servers := []*server{tt.first}
			if tt.second != nil {
				tt.second.delay = 100 * time.Millisecond
				servers = append(servers, tt.second)
			}
			for _, s := range servers { // silent to INIT-REBOOT: the choice is what is tested
				s.only = func(m seen) bool { return m.kind == discover || m.addr(54).IsValid() }
			}
			w := newWorld(t, lease.Config{BootID: "boot-2"}, rec, servers...)
			w.step(up())
			w.until(lease.Bound, 20*time.Second)
			if got := w.held.Addr.Addr().String(); got != tt.want {
				t.Errorf("took %v, want %v", got, tt.want)
			}
		})
	}
}

func TestStopgapIsReplaced(t *testing.T) {
	modem, isp := newServer(), newServer()
	modem.addr, modem.id, modem.seconds = netip.MustParseAddr("192.168.100.10"), netip.MustParseAddr("192.168.100.1"), 30
	isp.addr, isp.delay, isp.silent = netip.MustParseAddr("198.51.100.7"), 150*time.Millisecond, true
	w := online(t, lease.Config{}, modem, isp)
	if !w.bound[0].Provisional {
		t.Error("not marked as provisional")
	}
	isp.silent = false
	w.run(30 * time.Second)
	if w.held == nil || w.held.Addr.Addr() != isp.addr {
		t.Errorf("lease %+v, want the provider's", w.held)
	}
}

func TestOverlapIsRefused(t *testing.T) {
	srv := newServer()
	w := newWorld(t, lease.Config{Avoid: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/24")}}, nil, srv)
	w.step(up())
	w.run(5 * time.Minute)
	if w.held != nil || count[lease.Refused](w) != 1 {
		t.Fatalf("lease %v, %d refusals told; want none, one", w.held, count[lease.Refused](w))
	}
	if got := w.m.Status().Reason; got != "offered 192.0.2.50/24 overlaps the LAN 192.0.2.0/24" {
		t.Errorf("reason %q", got)
	}
	w.step(lease.Avoid{})
	w.run(5 * time.Second)
	if w.held == nil {
		t.Fatal("no lease after the LAN moved away")
	}
	w.step(lease.Avoid{Prefixes: []netip.Prefix{netip.MustParsePrefix("192.0.0.0/16")}})
	if w.held != nil || len(w.lost) != 1 {
		t.Errorf("lease %v, lost %v; want it given up when a LAN takes the subnet", w.held, w.lost)
	}
}

func TestConflictIsDeclined(t *testing.T) {
	srv := newServer()
	thief := netif.MAC{2, 0, 0, 0, 0, 0x55}
	w := newWorld(t, lease.Config{}, nil, srv)
	w.onARP = func(a lease.Action) *lease.ARP {
		if p, ok := a.(lease.Probe); ok && p.Addr == firstAddr {
			return &lease.ARP{SenderMAC: thief, Sender: firstAddr, Target: firstAddr}
		}
		return nil
	}
	w.step(up())
	w.run(time.Second)
	w.wantSent("DISCOVER broadcast", "REQUEST broadcast 50 54", "DECLINE broadcast 50 54")
	declined := w.now
	if len(w.bound) != 0 {
		t.Fatal("a taken address was used")
	}
	if got := w.m.Status().Reason; got != "192.0.2.50 is used by 02:00:00:00:00:55" {
		t.Errorf("reason %q", got)
	}
	srv.addr = netip.MustParseAddr("192.0.2.51")
	w.until(lease.Bound, 30*time.Second)
	if w.held.Addr.Addr() != srv.addr {
		t.Errorf("bound to %v", w.held.Addr)
	}
	d := w.sent[3]
	if d.kind != discover || d.at.Sub(declined) < 8*time.Second || d.addr(50).IsValid() {
		t.Errorf("after DECLINE: %v after %v; want a DISCOVER for any address after 10 s", d, d.at.Sub(declined))
	}
}

// A router that answers for every address must not keep the uplink down.
func TestProxyARPIsNoConflict(t *testing.T) {
	for _, by := range []netif.MAC{serverMAC, {2, 0, 0, 0, 0, 0x66}} {
		srv := newServer()
		w := newWorld(t, lease.Config{}, nil, srv)
		w.onARP = func(a lease.Action) *lease.ARP {
			if p, ok := a.(lease.Probe); ok {
				srv.addr = srv.addr.Next()
				return &lease.ARP{SenderMAC: by, Sender: p.Addr}
			}
			return nil
		}
		w.step(up())
		w.run(time.Second)
		if by == serverMAC && w.held == nil {
			t.Error("the server's own proxy ARP was taken for a conflict")
		}
		w.run(29 * time.Second)
		if w.held == nil {
			t.Errorf("proxy %v: no lease", by)
		}
	}
}

func TestDefend(t *testing.T) {
	w := online(t, lease.Config{Defend: true}, newServer())
	if !w.arp {
		t.Fatal("ARP socket closed: nothing to defend with")
	}
	claim := lease.ARP{SenderMAC: netif.MAC{2, 0, 0, 0, 0, 0x55}, Sender: firstAddr, Request: true, Target: firstAddr}
	w.step(claim)
	if count[lease.Announce](w) != 1 || w.held == nil {
		t.Fatal("first claim: want one announcement and the lease kept")
	}
	w.run(20 * time.Second)
	w.step(claim)
	if count[lease.Announce](w) != 2 || w.held == nil {
		t.Fatal("claim after 20 s: want it defended again")
	}
	w.run(3 * time.Second)
	w.step(claim)
	if w.held != nil {
		t.Fatal("second claim within 10 s: want the lease given up")
	}
	w.wantSent("DECLINE broadcast 50 54")
}

// The clock of a lease that was given up must not disturb the next search.
func TestOldLeaseIsOver(t *testing.T) {
	srv := newServer()
	srv.seconds = 120
	w := online(t, lease.Config{}, srv)
	srv.silent = true
	w.step(lease.Restart{Reason: "test"})
	w.run(10 * time.Minute)
	for i, want := range []time.Duration{4, 8, 16, 32, 64, 64} {
		if gap := w.sent[i+1].at.Sub(w.sent[i].at); (gap - want*time.Second).Abs() > time.Second {
			t.Errorf("gap %d is %v, want %d s", i, gap, want)
		}
	}
}
