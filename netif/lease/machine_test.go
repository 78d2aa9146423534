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
