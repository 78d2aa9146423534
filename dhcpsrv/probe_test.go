package dhcpsrv

import (
	"net/netip"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

func TestS50_N07_N08_Conflict(t *testing.T) {
	r := newRig(t, config())
	wanted := ip("192.168.5.150")
	r.busy[wanted] = mac(66)
	offer := r.discover(mac(1), raw(50, wanted.AsSlice()...))
	r.expect("in use", offer, "OFFER", "")
	if addr(offer.YourIPAddr) == wanted || r.lease(wanted).State != "quarantined" {
		t.Errorf("offered %v, state %q", offer.YourIPAddr, r.lease(wanted).State)
	}
	found := false
	for _, e := range r.event {
		found = found || e.Kind == "conflict" && e.Addr == wanted && e.MAC == mac(66)
	}
	if !found {
		t.Errorf("no conflict event: %+v", r.event)
	}
	for _, tt := range []struct {
		name string
		arp  ARP
		hit  bool
	}{
		{"N08 answer of the client itself", ARP{Sender: mac(2), SenderIP: ip("192.168.5.151")}, false},
		{"answer for another address", ARP{Sender: mac(66), SenderIP: ip("192.168.5.160")}, false},
		{"question for it by a neighbour", ARP{Sender: mac(66), SenderIP: ip("192.168.5.160"), TargetIP: ip("192.168.5.151")}, false},
		{"N07 probe by another host", ARP{Sender: mac(66), SenderIP: netip.IPv4Unspecified(), TargetIP: ip("192.168.5.151")}, true},
	} {
		r := newRig(t, config())
		out := r.table.Handle(r.now, Packet{Payload: message(t, mac(2), discoverMsg, "", want("192.168.5.151")).ToBytes()})
		if len(out.Probes) != 1 || len(out.Replies) != 0 {
			t.Fatalf("%s: %+v, want one probe and no reply yet", tt.name, out)
		}
		if next := r.table.Next(); !next.Equal(r.now.Add(probeWait)) {
			t.Fatalf("%s: Next %v", tt.name, next.Sub(r.now))
		}
		out = r.table.Heard(r.now.Add(time.Millisecond), tt.arp)
		if got := len(out.Probes) == 1; got != tt.hit {
			t.Errorf("%s: another address was tried: %v", tt.name, got)
		}
	}
}

func TestS50_KnownAddressesAreNotProbed(t *testing.T) {
	r := newRig(t, config())
	r.must(mac(1))
	for _, wait := range []time.Duration{time.Minute, 2 * time.Hour} {
		r.after(wait)
		out := r.table.Handle(r.now, Packet{Payload: message(t, mac(1), discoverMsg, "").ToBytes()})
		if len(out.Probes) != 0 || len(out.Replies) != 1 {
			t.Errorf("after %v: %d probes, %d replies", wait, len(out.Probes), len(out.Replies))
		}
	}
}

func TestS51_ProbesAreCapped(t *testing.T) {
	r := newRig(t, config())
	probes, replies := 0, 0
	for i := range 90 {
		out := r.table.Handle(r.now, Packet{Payload: message(t, mac(i), discoverMsg, "").ToBytes()})
		probes, replies = probes+len(out.Probes), replies+len(out.Replies)
	}
	if probes != maxProbes || replies != 90-maxProbes {
		t.Errorf("%d probes and %d offers at once, want %d and %d", probes, replies, maxProbes, 90-maxProbes)
	}
	out := r.table.Tick(r.now.Add(probeWait))
	if len(out.Replies) != maxProbes {
		t.Errorf("%d offers after the wait", len(out.Replies))
	}
	// A repeated DISCOVER while a probe runs is answered once, with its own xid.
	r = newRig(t, config())
	p := message(t, mac(1), discoverMsg, "")
	r.table.Handle(r.now, Packet{Payload: p.ToBytes()})
	p.TransactionID = dhcpv4.TransactionID{9, 9, 9, 9}
	if out := r.table.Handle(r.now, Packet{Payload: p.ToBytes()}); len(out.Replies)+len(out.Probes) != 0 {
		t.Errorf("repeated DISCOVER: %+v", out)
	}
	out = r.table.Tick(r.now.Add(probeWait))
	if offer, _ := dhcpv4.FromBytes(out.Replies[0].Payload); len(out.Replies) != 1 || offer.TransactionID != p.TransactionID {
		t.Errorf("%d offers, xid %v", len(out.Replies), offer.TransactionID)
	}
}
