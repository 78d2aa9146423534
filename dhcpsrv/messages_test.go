package dhcpsrv

import (
	"bytes"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv4"

	"luatnetd/netif"
)

const (
	discoverMsg = dhcpv4.MessageTypeDiscover
	requestMsg  = dhcpv4.MessageTypeRequest
	releaseMsg  = dhcpv4.MessageTypeRelease
	declineMsg  = dhcpv4.MessageTypeDecline
	informMsg   = dhcpv4.MessageTypeInform
)

func TestS01_OfferEchoesAndCarries(t *testing.T) {
	r := newRig(t, config())
	p := message(t, mac(1), discoverMsg, "", raw(55, 1, 3, 6, 51, 54), raw(57, 2, 64), raw(50, 192, 168, 5, 150))
	p.Flags, p.NumSeconds, p.HopCount = 0x7fff, 7, 3 // N02, N10
	offer, how := r.sendFull(p)
	r.expect("discover", offer, "OFFER", "192.168.5.150")
	if offer.TransactionID != p.TransactionID || !bytes.Equal(offer.ClientHWAddr, p.ClientHWAddr) || offer.Flags != 0x7fff ||
		offer.HopCount != 0 || offer.NumSeconds != 0 || !offer.ClientIPAddr.Equal(net.IPv4zero) || offer.OpCode != dhcpv4.OpcodeBootReply {
		t.Errorf("header of the offer: %s", offer.Summary())
	}
	if offer.ServerHostName != "" || offer.BootFileName != "" || !offer.ServerIPAddr.Equal(net.IPv4zero) {
		t.Errorf("boot fields are not empty: %s", offer.Summary())
	}
	for _, code := range []uint8{50, 55, 57} {
		if _, ok := offer.Options[code]; ok {
			t.Errorf("option %d in a reply", code)
		}
	}
	for code, v := range map[uint8][]byte{
		1: {255, 255, 255, 0}, 3: {192, 168, 5, 1}, 6: {192, 168, 5, 1}, 51: {0, 0, 14, 16}, 54: {192, 168, 5, 1},
	} {
		if !bytes.Equal(offer.Options[code], v) {
			t.Errorf("option %d = %v, want %v", code, offer.Options[code], v)
		}
	}
	if len(how.Payload) < 300 { // S34
		t.Errorf("reply of %d bytes", len(how.Payload))
	}
	if how.Wait {
		t.Error("an OFFER waits for the log")
	}
}

func TestS02_AddressChoice(t *testing.T) {
	r := newRig(t, config())
	a := r.must(mac(1), want("192.168.5.120"))
	if a != ip("192.168.5.120") {
		t.Fatalf("option 50 not honoured: %v", a)
	}
	r.expect("current binding before option 50", r.discover(mac(1), want("192.168.5.121")), "OFFER", "192.168.5.120")
	r.after(2 * time.Hour)
	r.expect("expired binding before option 50", r.discover(mac(1), want("192.168.5.121")), "OFFER", "192.168.5.120")
	for _, bad := range []string{"192.168.5.1", "192.168.5.0", "192.168.5.255", "192.168.5.99", "10.0.0.1", "169.254.1.1"} {
		offer := r.discover(mac(2), want(bad))
		if got := addr(offer.YourIPAddr); !r.table.rules.pool.has(got) {
			t.Errorf("asked for %s: offered %v", bad, got)
		}
	}
	// Same client, same address, though every record of it is lost.
	first := r.must(mac(3))
	fresh := newRig(t, config())
	if again := fresh.must(mac(3)); again != first {
		t.Errorf("hash placement: %v, then %v", first, again)
	}
}

func TestS03_OffersAreStableAndDistinct(t *testing.T) {
	r := newRig(t, small(50))
	seen := map[netip.Addr]int{}
	for i := range 50 {
		a := addr(r.discover(mac(i)).YourIPAddr)
		if b := addr(r.discover(mac(i)).YourIPAddr); b != a {
			t.Fatalf("client %d: offered %v, then %v", i, a, b)
		}
		if other, ok := seen[a]; ok {
			t.Fatalf("clients %d and %d were offered %v", other, i, a)
		}
		seen[a] = i
	}
}

func TestS04_RequestIsRepeatable(t *testing.T) {
	r := newRig(t, config())
	offer := r.discover(mac(1))
	opts := []option{raw(50, offer.YourIPAddr.To4()...), server("192.168.5.1")}
	first, how := r.sendFull(message(t, mac(1), requestMsg, "", opts...))
	r.expect("request", first, "ACK", offer.YourIPAddr.String())
	if !how.Wait { // S55
		t.Error("the ACK does not wait for the log")
	}
	if diff := cmp.Diff(map[uint8][]byte(offer.Options), map[uint8][]byte(first.Options), cmp.FilterPath(func(p cmp.Path) bool {
		return p.Last().String() == "[0x35]"
	}, cmp.Ignore())); diff != "" {
		t.Errorf("parameters of offer and ACK differ (-offer +ack):\n%s", diff)
	}
	written := len(r.log)
	r.expect("repeated request", r.request(mac(1), "", opts...), "ACK", offer.YourIPAddr.String())
	if len(r.log) != written {
		t.Error("the repetition was written")
	}
}

func TestS05_AnotherServerWasChosen(t *testing.T) {
	r := newRig(t, small(1))
	offer := r.discover(mac(1))
	r.expect("other server", r.request(mac(1), "", raw(50, offer.YourIPAddr.To4()...), server("192.168.5.2")), "silence", "")
	r.expect("the offer was dropped", r.discover(mac(2)), "OFFER", offer.YourIPAddr.String())
}

func TestS06_NotWhatWasOffered(t *testing.T) {
	r := newRig(t, config())
	r.discover(mac(1))
	r.expect("another free address", r.request(mac(1), "", want("192.168.5.199"), server("192.168.5.1")), "NAK", "0.0.0.0")
	r.must(mac(2), want("192.168.5.150"))
	r.expect("a leased address", r.request(mac(3), "", want("192.168.5.150"), server("192.168.5.1")), "NAK", "0.0.0.0")
	r.expect("other than the leased one", r.request(mac(2), "", want("192.168.5.151"), server("192.168.5.1")), "NAK", "0.0.0.0")
}

func TestN35_OfferOutlived(t *testing.T) {
	r := newRig(t, small(1))
	r.discover(mac(1))
	r.after(31 * time.Second)
	r.expect("address still free", r.request(mac(1), "", want("192.168.5.100"), server("192.168.5.1")), "ACK", "192.168.5.100")
	r = newRig(t, small(1))
	r.discover(mac(1))
	r.after(31 * time.Second)
	r.must(mac(2))
	r.expect("address taken", r.request(mac(1), "", want("192.168.5.100"), server("192.168.5.1")), "NAK", "")
}

// TestClientStates: S7, S8, S9, N04, N09 — INIT-REBOOT, RENEWING and REBINDING
// of known and unknown clients, right and wrong addresses.
func TestS07_S08_S09_ClientStates(t *testing.T) {
	for _, tt := range []struct {
		name   string
		client int
		ciaddr string
		opts   []option
		want   string
	}{
		{"init-reboot, right", 1, "", []option{want("192.168.5.150")}, "ACK"},
		{"init-reboot, wrong address of the pool", 1, "", []option{want("192.168.5.151")}, "NAK"},
		{"init-reboot, wrong network", 1, "", []option{want("10.1.2.3")}, "NAK"},
		{"init-reboot, link-local (N09)", 9, "", []option{want("169.254.7.7")}, "NAK"},
		{"init-reboot, unknown, free: adopted", 9, "", []option{want("192.168.5.160")}, "ACK"},
		{"init-reboot, unknown, taken", 9, "", []option{want("192.168.5.150")}, "NAK"},
		{"init-reboot, outside of the pool", 9, "", []option{want("192.168.5.20")}, "NAK"},
		{"init-reboot, our own address", 9, "", []option{want("192.168.5.1")}, "NAK"},
		{"init-reboot, network address", 9, "", []option{want("192.168.5.0")}, "NAK"},
		{"renewing, right", 1, "192.168.5.150", nil, "ACK"},
		{"renewing, unknown, free: adopted", 9, "192.168.5.160", nil, "ACK"},
		{"renewing, unknown, taken", 9, "192.168.5.150", nil, "NAK"},
		{"rebinding, other network", 1, "192.168.4.150", nil, "NAK"},
		{"ciaddr and our server id, right (N04)", 1, "192.168.5.150", []option{server("192.168.5.1")}, "ACK"},
		{"ciaddr and option 50, right (N04)", 1, "192.168.5.150", []option{want("192.168.5.150")}, "ACK"},
		{"ciaddr and our server id, wrong (N04)", 1, "192.168.5.151", []option{server("192.168.5.1")}, "NAK"},
		{"neither address (malformed)", 1, "", nil, "silence"},
		{"server id without address (malformed)", 1, "", []option{server("192.168.5.1")}, "silence"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, config())
			r.must(mac(1), want("192.168.5.150"))
			reply, how := r.sendFull(message(t, mac(tt.client), requestMsg, tt.ciaddr, tt.opts...))
			r.expect(tt.name, reply, tt.want, "")
			if tt.want == "ACK" && tt.ciaddr != "" && (!how.Routed || how.To != ip(tt.ciaddr)) {
				t.Errorf("ACK of a renewal goes to %v routed %v, want ciaddr", how.To, how.Routed)
			}
			if tt.want == "NAK" && (how.MAC != linkBroadcast || how.To != ipBroadcast || how.Routed) {
				t.Errorf("NAK goes to %v %v, want broadcast", how.MAC, how.To)
			}
		})
	}
}

func TestS10_NakHoldsNothingElse(t *testing.T) {
	r := newRig(t, config())
	id := raw(61, 1, 2, 3, 4)
	nak := r.request(mac(1), "10.0.0.9", id, raw(55, 1, 3, 6))
	r.expect("wrong network", nak, "NAK", "0.0.0.0")
	if !nak.ClientIPAddr.Equal(net.IPv4zero) || !bytes.Equal(nak.Options[61], []byte{1, 2, 3, 4}) {
		t.Errorf("ciaddr %v, option 61 %v", nak.ClientIPAddr, nak.Options[61])
	}
	for code := range nak.Options {
		if code != 53 && code != 54 && code != 56 && code != 61 {
			t.Errorf("option %d in a NAK", code)
		}
	}
}

func TestS11_Decline(t *testing.T) {
	r := newRig(t, small(2))
	a := r.must(mac(1))
	r.must(mac(2))
	decline := func(m netif.MAC, a netip.Addr, srv string) {
		r.expect("decline", r.send(message(t, m, declineMsg, "", raw(50, a.AsSlice()...), server(srv))), "silence", "")
	}
	decline(mac(2), a, "192.168.5.1")
	decline(mac(3), a, "192.168.5.1")
	decline(mac(1), a, "192.168.5.9")
	if got := r.lease(a).State; got != "bound" {
		t.Fatalf("declined by a stranger: %s, want bound", got)
	}
	decline(mac(1), a, "192.168.5.1")
	if got := r.lease(a).State; got != "quarantined" || r.lastEvent().Kind != "declined" || r.lastEvent().MAC != mac(1) {
		t.Fatalf("state %s, event %+v", got, r.lastEvent())
	}
	r.expect("adoption of it", r.request(mac(4), "", raw(50, a.AsSlice()...)), "NAK", "")
	// The pool is empty now: the quarantine is lifted early, after a probe.
	offer := r.discover(mac(5))
	r.expect("pool empty", offer, "OFFER", a.String())
	r.busy[a] = mac(77)
	r.after(offerHold)
	r.expect("but it answers", r.discover(mac(6)), "silence", "")
	delete(r.busy, a)
	r.after(quarantine + time.Second)
	if got := r.lease(a).State; got != "" {
		t.Errorf("after the quarantine: %q", got)
	}
}

func TestS12_N06_Release(t *testing.T) {
	r := newRig(t, config())
	a := r.must(mac(1))
	for _, tt := range []struct {
		name string
		msg  *dhcpv4.DHCPv4
		want string
	}{
		{"other client", message(t, mac(2), releaseMsg, a.String(), server("192.168.5.1")), "bound"},
		{"other server", message(t, mac(1), releaseMsg, a.String(), server("192.168.5.9")), "bound"},
		{"wrong ciaddr", message(t, mac(1), releaseMsg, "192.168.5.199", server("192.168.5.1")), "bound"},
		{"its holder", message(t, mac(1), releaseMsg, a.String(), server("192.168.5.1")), "released"},
	} {
		r.expect(tt.name, r.send(tt.msg), "silence", "")
		if got := r.lease(a).State; got != tt.want {
			t.Fatalf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
	if a2 := r.must(mac(1)); a2 != a {
		t.Errorf("after release: %v, had %v", a2, a)
	}
	relayed := message(t, mac(1), releaseMsg, a.String())
	relayed.GatewayIPAddr = net.IPv4(192, 168, 5, 9).To4()
	r.send(relayed)
	if got := r.lease(a).State; got != "bound" {
		t.Errorf("released through a relay: %s", got)
	}
}

func TestS13_N05_Inform(t *testing.T) {
	r := newRig(t, config())
	ack, how := r.sendFull(message(t, mac(1), informMsg, "192.168.5.20", raw(55, 1, 3, 51, 58)))
	r.expect("inform", ack, "ACK", "0.0.0.0")
	for _, code := range []uint8{51, 58, 59} {
		if _, ok := ack.Options[code]; ok {
			t.Errorf("option %d in the answer to INFORM", code)
		}
	}
	if !how.Routed || how.To != ip("192.168.5.20") || how.Wait || len(r.table.Leases(r.now)) != 0 {
		t.Errorf("reply %+v, leases %v", how, r.table.Leases(r.now))
	}
	r.expect("from elsewhere", r.send(message(t, mac(1), informMsg, "10.0.0.1")), "silence", "")
	noCiaddr := message(t, mac(1), informMsg, "").ToBytes()
	if got := r.raw(Packet{Payload: noCiaddr, IPSrc: ip("192.168.5.21")}); len(got) != 1 || got[0].To != ip("192.168.5.21") {
		t.Errorf("ciaddr 0: %+v", got)
	}
	if got := r.raw(Packet{Payload: noCiaddr, IPSrc: netip.IPv4Unspecified()}); len(got) != 0 {
		t.Errorf("no address at all: %+v", got)
	}
	b := message(t, mac(1), informMsg, "")
	b.SetBroadcast()
	if got := r.raw(Packet{Payload: b.ToBytes(), IPSrc: ip("192.168.5.21")}); len(got) != 1 || got[0].To != ipBroadcast {
		t.Errorf("broadcast flag: %+v", got)
	}
}

// TestSilence: S14, S16, S38 (no relay support), S39, N28, N29 and broken packets.
func TestS14_S16_S39_N28_N29_Silence(t *testing.T) {
	edit := func(f func(p *dhcpv4.DHCPv4)) []byte {
		p := message(t, mac(1), discoverMsg, "")
		f(p)
		return p.ToBytes()
	}
	for _, tt := range []struct {
		name    string
		payload []byte
		reason  string
	}{
		{"S14 op 2", edit(func(p *dhcpv4.DHCPv4) { p.OpCode = 2 }), "malformed"},
		{"S14 OFFER", edit(func(p *dhcpv4.DHCPv4) { p.UpdateOption(raw(53, 2)) }), "unexpected kind"},
		{"N28 LEASEQUERY", edit(func(p *dhcpv4.DHCPv4) { p.UpdateOption(raw(53, 10)) }), "unexpected kind"},
		{"N28 255", edit(func(p *dhcpv4.DHCPv4) { p.UpdateOption(raw(53, 255)) }), "unexpected kind"},
		{"S16 BOOTP", edit(func(p *dhcpv4.DHCPv4) { p.DeleteOption(dhcpv4.OptionDHCPMessageType) }), "bootp"},
		{"N29 length 2", edit(func(p *dhcpv4.DHCPv4) { p.UpdateOption(raw(53, 1, 1)) }), "bootp"},
		{"N29 value 0", edit(func(p *dhcpv4.DHCPv4) { p.UpdateOption(raw(53, 0)) }), "bootp"},
		{"relay", edit(func(p *dhcpv4.DHCPv4) { p.GatewayIPAddr = net.IPv4(10, 0, 0, 1).To4() }), "relayed"},
		{"S39 option 82", edit(func(p *dhcpv4.DHCPv4) { p.UpdateOption(raw(82, 1, 1, 1)) }), "option 82 without relay"},
		{"zero MAC", edit(func(p *dhcpv4.DHCPv4) { p.ClientHWAddr = make([]byte, 6) }), "no identity"},
		{"broadcast MAC", edit(func(p *dhcpv4.DHCPv4) { p.ClientHWAddr = bytes.Repeat([]byte{255}, 6) }), "no identity"},
		{"no cookie", edit(func(*dhcpv4.DHCPv4) {})[:236], "malformed"},
		{"empty", nil, "malformed"},
		{"too long", make([]byte, 1501), "malformed"},
		{"S30 length past the end", append(edit(func(*dhcpv4.DHCPv4) {})[:240], 53, 1, 1, 12, 40, 'x'), "malformed"},
		{"S30 no length", append(edit(func(*dhcpv4.DHCPv4) {})[:240], 53, 1, 1, 12), "malformed"},
	} {
		r := newRig(t, config())
		if got := r.raw(Packet{Payload: tt.payload}); len(got) != 0 {
			t.Errorf("%s: %d replies", tt.name, len(got))
		}
		if n := r.table.Stats().Counters[tt.reason]; n != 1 {
			t.Errorf("%s: counters %v, want %q", tt.name, r.table.Stats().Counters, tt.reason)
		}
	}
}

func TestS20_S21_S23_N30_N31_Identity(t *testing.T) {
	r := newRig(t, config())
	pxe := r.must(mac(1))
	system := r.must(mac(1), raw(61, 0xff, 1, 2, 3, 4, 5, 6))
	if pxe == system {
		t.Error("two identifiers of one MAC share a dynamic address")
	}
	if again := r.must(mac(2), raw(61, 0xff, 1, 2, 3, 4, 5, 6)); again != system {
		t.Errorf("the identifier moved to another card: %v, had %v", again, system)
	}
	if a := r.must(mac(1), raw(61, 0)); a != pxe {
		t.Errorf("identifier of one byte: %v, want that of the MAC, %v", a, pxe)
	}
	offer := r.discover(mac(3), raw(61, 9, 9, 9))
	if !bytes.Equal(offer.Options[61], []byte{9, 9, 9}) {
		t.Errorf("S21: option 61 = %v", offer.Options[61])
	}
	long := bytes.Repeat([]byte{7}, 300)
	offer = r.discover(mac(4), raw(61, long...), raw(57, 5, 220))
	if !bytes.Equal(offer.Options[61], long) {
		t.Errorf("joined identifier of 300 bytes: echoed %d bytes", len(offer.Options[61]))
	}
}

func TestS37_OddHardware(t *testing.T) {
	r := newRig(t, config())
	for hlen := range 256 {
		p := message(t, mac(1), discoverMsg, "", raw(61, 1, 2, 3, byte(hlen), 4)).ToBytes()
		p[2] = byte(hlen)
		r.table.limit = limiter{}
		got := r.raw(Packet{Payload: p})
		if len(got) != 1 || (got[0].MAC == linkBroadcast) != (hlen != 6) {
			t.Fatalf("hlen %d: %+v", hlen, got)
		}
	}
	p := message(t, mac(1), discoverMsg, "")
	p.HWType = 32 // InfiniBand
	reply, how := r.sendFull(p)
	r.expect("htype 32", reply, "OFFER", "")
	if how.MAC != linkBroadcast {
		t.Errorf("reply to a foreign link type goes to %v", how.MAC)
	}
}

func TestS35_S36_Destination(t *testing.T) {
	r := newRig(t, config())
	p := message(t, mac(1), discoverMsg, "")
	offer, how := r.sendFull(p)
	if how.MAC != mac(1) || how.To != addr(offer.YourIPAddr) || how.Routed {
		t.Errorf("B=0: %v %v routed %v, want unicast to the client", how.MAC, how.To, how.Routed)
	}
	p.SetBroadcast()
	offer, how = r.sendFull(p)
	if how.MAC != linkBroadcast || how.To != ipBroadcast || !offer.IsBroadcast() {
		t.Errorf("B=1: %v %v flag %v, want broadcast", how.MAC, how.To, offer.IsBroadcast())
	}
}

func TestN03_AnyOfOurAddresses(t *testing.T) {
	cfg := config()
	cfg.Also = []netip.Addr{ip("192.168.5.100")}
	r := newRig(t, cfg)
	offer := r.discover(mac(1), want("192.168.5.100"))
	if addr(offer.YourIPAddr) == ip("192.168.5.100") {
		t.Fatal("our second address was offered")
	}
	r.expect("server id is our second address",
		r.request(mac(1), "", raw(50, offer.YourIPAddr.To4()...), server("192.168.5.100")), "ACK", "")
}

// TestS03_OfferKeepsOthersAway: an address on offer is neither offered to, nor
// adopted by, nor granted to somebody else.
func TestS03_OfferKeepsOthersAway(t *testing.T) {
	r := newRig(t, config())
	r.discover(mac(1), want("192.168.5.150"))
	r.expect("init-reboot", r.request(mac(2), "", want("192.168.5.150")), "NAK", "")
	r.expect("selecting", r.request(mac(3), "", want("192.168.5.150"), server("192.168.5.1")), "NAK", "")
	if a := r.must(mac(4), want("192.168.5.150")); a == ip("192.168.5.150") {
		t.Error("offered twice")
	}
	r.expect("its client", r.request(mac(1), "", want("192.168.5.150"), server("192.168.5.1")), "ACK", "192.168.5.150")
}
