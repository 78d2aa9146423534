package lease_test

import (
	"net/netip"
	"testing"
	"time"

	"luatnetd/netif"
	"luatnetd/netif/lease"
)

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
