package lease_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"luatnetd/netif"
	"luatnetd/netif/lease"
)

func TestCarrierFlapKeepsTheLease(t *testing.T) {
	w := online(t, lease.Config{}, newServer())
	for range 20 {
		w.step(lease.LinkDown{})
		w.run(500 * time.Millisecond)
		w.step(up())
		w.run(700 * time.Millisecond)
	}
	w.run(10 * time.Second)
	if len(w.lost) != 0 || w.m.Status().State != lease.Bound {
		t.Fatalf("lost %v, state %v", w.lost, w.m.Status().State)
	}
	for _, s := range w.sent {
		if s.String() != "REQUEST broadcast 50" {
			t.Errorf("sent %v, want INIT-REBOOT only", s)
		}
	}
	if len(w.sent) < 10 {
		t.Errorf("%d messages after 20 flaps: the lease was not confirmed", len(w.sent))
	}
	for _, b := range w.bound[1:] {
		if !b.Renewed {
			t.Errorf("bound anew: %+v", b)
		}
	}
}

func TestCarrierAwayWithdraws(t *testing.T) {
	srv := newServer()
	w := online(t, lease.Config{}, srv)
	w.step(lease.LinkDown{})
	w.run(1999 * time.Millisecond)
	if w.held == nil {
		t.Fatal("withdrawn before 2 s")
	}
	w.run(time.Millisecond)
	if w.held != nil || w.lost[0] != "no carrier" {
		t.Fatalf("after 2 s: lease %v, lost %v", w.held, w.lost)
	}
	w.run(3 * time.Second)
	w.step(up())
	w.until(lease.Bound, 2*time.Second)
	w.wantSent("REQUEST broadcast 50")
	if w.sent[0].addr(50) != firstAddr {
		t.Errorf("asked for %v", w.sent[0].addr(50))
	}
}

func TestGatewayRecognised(t *testing.T) {
	srv := newServer()
	gateway := netif.MAC{2, 0, 0, 0, 0, 0x11}
	w := newWorld(t, lease.Config{}, nil, srv)
	w.onARP = func(a lease.Action) *lease.ARP {
		if q, ok := a.(lease.AskGateway); ok && (q.MAC.IsZero() || q.MAC == gateway) {
			return &lease.ARP{SenderMAC: gateway, Sender: q.Gateway, Target: q.From}
		}
		return nil
	}
	w.step(up())
	w.run(10 * time.Second)
	if got := w.records[len(w.records)-1].GatewayMAC; got != gateway {
		t.Fatalf("gateway remembered as %v", got)
	}
	srv.silent = true // only ARP can bring us back
	w.step(lease.LinkDown{})
	w.run(10 * time.Second)
	w.step(up())
	w.run(5 * time.Millisecond)
	if w.held == nil {
		t.Fatal("the old gateway answered, and the lease is not used (RFC 4436)")
	}
	expire := w.held.Expire
	w.run(expire.Sub(w.now) + time.Second)
	if w.held != nil {
		t.Error("an unconfirmed lease was used past its end")
	}

	w.step(lease.LinkDown{})
	w.onARP = nil
	srv.silent = false
	w.run(10 * time.Second)
	w.step(up())
	w.until(lease.Bound, 20*time.Second)
	w.run(5 * time.Second)
	srv.silent = true
	w.onARP = func(a lease.Action) *lease.ARP {
		if q, ok := a.(lease.AskGateway); ok {
			return &lease.ARP{SenderMAC: netif.MAC{2, 9, 9, 9, 9, 9}, Sender: q.Gateway, Target: q.From}
		}
		return nil
	}
	w.step(lease.LinkDown{})
	w.run(10 * time.Second)
	w.step(up())
	w.run(15 * time.Second) // into SELECTING: the ARP socket must be closed by then
	if w.held != nil {
		t.Error("another router with the same address was taken for the old one")
	}
}

func TestRebootSilenceEndsInDiscover(t *testing.T) {
	srv := newServer()
	w := online(t, lease.Config{}, srv)
	srv.only = func(m seen) bool { return m.kind == discover || m.addr(54).IsValid() }
	srv.addr = netip.MustParseAddr("192.0.2.77")
	w.step(lease.LinkDown{})
	w.run(time.Second)
	back := w.now
	w.step(up())
	w.run(9 * time.Second)
	if len(w.lost) != 0 {
		t.Fatal("a lease in use was dropped because nobody confirmed it")
	}
	w.run(5 * time.Second)
	i := slices.IndexFunc(w.sent, func(s seen) bool { return s.kind == discover })
	if i != 2 || w.sent[2].at.Sub(back) > 11*time.Second || w.sent[2].addr(50) != firstAddr {
		t.Fatalf("sent %v; want two REQUESTs, then a DISCOVER with 50 after 10 s", w.sent)
	}
	if w.held == nil || w.held.Addr.Addr() != srv.addr || len(w.lost) != 1 {
		t.Errorf("lease %+v, lost %v; want the other network's", w.held, w.lost)
	}
}

func TestDeviceGoneAndMACChange(t *testing.T) {
	w := online(t, lease.Config{}, newServer())
	w.step(lease.LinkDown{Gone: true})
	if w.held != nil || w.lost[0] != "device gone" {
		t.Fatalf("lost %v", w.lost)
	}
	w.step(up())
	w.until(lease.Bound, 2*time.Second)
	w.run(5 * time.Second)
	w.sent = nil
	other := up()
	other.MAC[5] = 9
	w.step(other)
	w.run(time.Millisecond)
	if w.lost[1] != "hardware address changed" || w.sent[0].kind != discover || w.sent[0].addr(50).IsValid() {
		t.Errorf("lost %v, sent %v; want a fresh start", w.lost, w.sent)
	}
}

func TestRestartOfTheProcess(t *testing.T) {
	present := up()
	present.Addrs = []netip.Prefix{netip.PrefixFrom(firstAddr, 24)}
	tests := []struct {
		name    string
		boot    string
		link    lease.LinkUp
		away    time.Duration
		silent  bool
		held    bool // at once
		after   bool // 15 s later
		request string
	}{
		{name: "address still there", boot: "boot-1", link: present, held: true, after: true, request: "REQUEST broadcast 50"},
		{name: "and the server silent", boot: "boot-1", link: present, silent: true, held: true, after: true, request: "REQUEST broadcast 50"},
		{name: "address gone", boot: "boot-1", link: up(), after: true, request: "REQUEST broadcast 50"},
		{name: "another boot", boot: "boot-2", link: present, after: true, request: "REQUEST broadcast 50"},
		{name: "file a little too old", boot: "boot-1", link: present, away: 65 * time.Minute, held: true, after: true, request: "REQUEST broadcast 50"},
		{name: "and the server silent too", boot: "boot-1", link: present, away: 65 * time.Minute, silent: true, held: true, request: "REQUEST broadcast 50"},
		{name: "long over", boot: "boot-1", link: present, away: 3 * time.Hour, after: true, request: "DISCOVER broadcast 50"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := newServer()
			old := online(t, lease.Config{}, srv)
			rec, err := lease.ParseRecord(old.records[0].Bytes())
			if err != nil {
				t.Fatal(err)
			}
			srv.silent = tt.silent
			w := newWorld(t, lease.Config{BootID: tt.boot}, &rec, srv)
			w.now = old.now.Add(tt.away)
			w.step(tt.link)
			if (w.held != nil) != tt.held {
				t.Errorf("held at once: %v, want %v", w.held != nil, tt.held)
			}
			w.run(15 * time.Second)
			if (w.held != nil) != tt.after {
				t.Errorf("held after 15 s: %v, want %v", w.held != nil, tt.after)
			}
			if got := w.sent[0].String(); got != tt.request {
				t.Errorf("first message %q, want %q", got, tt.request)
			}
		})
	}
}

func TestStopAndRelease(t *testing.T) {
	w := online(t, lease.Config{}, newServer())
	w.run(10 * time.Minute)
	w.step(lease.Stop{})
	if len(w.lost) != 0 || len(w.sent) != 0 {
		t.Errorf("Stop: lost %v, sent %v; want nothing touched", w.lost, w.sent)
	}
	if n := len(w.records); n != 2 || w.records[1].Stamp != w.now {
		t.Errorf("Stop: %d records; want the exact times kept", n)
	}
	if w.step(lease.Timer{}); w.m.Status().State != lease.Stopped {
		t.Error("not stopped")
	}

	w = online(t, lease.Config{}, newServer())
	w.step(lease.Release{})
	w.wantSent("RELEASE unicast ciaddr 54")
	s := w.sent[0]
	if s.src != firstAddr || s.dst != serverIP || s.ciaddr != firstAddr || len(s.options[61]) == 0 {
		t.Errorf("RELEASE %+v", s)
	}
	if len(w.lost) != 1 || w.records[len(w.records)-1].Lease.Addr.IsValid() {
		t.Errorf("Release: lost %v, record %+v", w.lost, w.records[len(w.records)-1])
	}
}

func TestRenewAndRestartByHand(t *testing.T) {
	srv := newServer()
	w := online(t, lease.Config{}, srv)
	w.step(lease.Renew{})
	w.run(time.Second)
	w.wantSent("REQUEST unicast ciaddr")
	if !w.bound[len(w.bound)-1].Renewed {
		t.Error("not renewed")
	}
	srv.addr = firstAddr.Next()
	w.step(lease.Restart{Reason: "modem has another address"})
	w.run(5 * time.Second)
	if w.lost[0] != "modem has another address" || w.held == nil || w.held.Addr.Addr() != srv.addr {
		t.Errorf("lost %v, lease %+v", w.lost, w.held)
	}
	srv.silent = true
	w.step(lease.Restart{})
	w.run(3 * time.Minute)
	w.sent = nil
	w.step(lease.Renew{})
	if len(w.sent) != 1 {
		t.Errorf("%d messages at once, want one: nobody waits 64 s for a command", len(w.sent))
	}
}

func TestInfiniteLease(t *testing.T) {
	srv := newServer()
	srv.seconds = 0xffffffff
	w := online(t, lease.Config{}, srv)
	if !w.held.Expire.IsZero() {
		t.Fatalf("expires %v", w.held.Expire)
	}
	w.run(1000 * 24 * time.Hour)
	if len(w.sent) != 0 || len(w.lost) != 0 {
		t.Errorf("sent %v, lost %v in 1000 days", w.sent, w.lost)
	}
	w.step(lease.Renew{})
	w.run(time.Second)
	if len(w.sent) != 1 || w.m.Status().State != lease.Bound {
		t.Errorf("by hand: sent %v, state %v", w.sent, w.m.Status().State)
	}
}

// A modem in raw IP mode: no chaddr, so option 61 and broadcast answers.
func TestDeviceWithoutLinkAddress(t *testing.T) {
	w := newWorld(t, lease.Config{DUID: []byte("box")}, nil, newServer())
	w.step(lease.LinkUp{MTU: 1500})
	w.until(lease.Bound, 2*time.Second)
	for _, s := range w.sent {
		if s.flags != 0x8000 || string(s.options[61][5:]) != "box" {
			t.Errorf("%v: flags %04x, client id %q", s, s.flags, s.options[61])
		}
	}
	if count[lease.Probe](w)+count[lease.Announce](w)+count[lease.AskGateway](w) != 0 {
		t.Error("ARP on a device without link addresses")
	}
}
