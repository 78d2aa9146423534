package dhcpsrv

import (
	"encoding/binary"
	"math/rand"
	"net/netip"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"luatnetd/netif"
)

func seconds32(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }

func granted(p *dhcpv4.DHCPv4) uint32 { return binary.BigEndian.Uint32(p.Options[51]) }

func TestN01_LeaseTime(t *testing.T) {
	for _, tt := range []struct {
		host      time.Duration
		asked     uint32
		want      uint32
		noRenewal bool
	}{
		{0, 1, 120, false}, {0, 60, 120, false}, {0, 1800, 1800, false}, {0, 7776000, 3600, false}, {0, infiniteSeconds, 3600, false},
		{Infinite, 1, infiniteSeconds, true}, {Infinite, infiniteSeconds, infiniteSeconds, true}, {2 * time.Hour, 60, 7200, false},
	} {
		cfg := config()
		if tt.host > 0 {
			cfg.Hosts = []Host{{MACs: []netif.MAC{mac(1)}, Address: ip("192.168.5.10"), Lease: tt.host}}
		}
		r := newRig(t, cfg)
		offer := r.discover(mac(1), raw(51, seconds32(tt.asked)...))
		if got := granted(offer); got != tt.want {
			t.Errorf("host %v, asked %d: %d, want %d", tt.host, tt.asked, got, tt.want)
		}
		if _, ok := offer.Options[58]; ok == tt.noRenewal {
			t.Errorf("host %v: option 58 present: %v", tt.host, ok)
		}
	}
	// A known client that asks for nothing gets the default again.
	r := newRig(t, config())
	a := r.must(mac(1), raw(51, seconds32(300)...))
	if ack := r.request(mac(1), a.String()); granted(ack) != 3600 {
		t.Errorf("renewal without wish: %d", granted(ack))
	}
	// A lease without end survives a year and a restart.
	cfg := config()
	cfg.Hosts = []Host{{MACs: []netif.MAC{mac(1)}, Address: ip("192.168.5.10"), Lease: Infinite}}
	r = newRig(t, cfg)
	r.must(mac(1))
	r.after(365 * 24 * time.Hour)
	r.restart(cfg, "boot-2", netif.Boot(time.Minute))
	if l := r.lease(ip("192.168.5.10")); l.ExpiresIn != Infinite || l.State != "bound" || !l.Static {
		t.Errorf("lease without end: %+v", l)
	}
}

// TestS54_EarlyRenewal: in the first quarter the recorded lease is given again,
// shortened; later a new one, with one write.
func TestS54_EarlyRenewal(t *testing.T) {
	r := newRig(t, config())
	a := r.must(mac(1))
	for _, tt := range []struct {
		after  time.Duration
		want   uint32
		writes int
	}{{10 * time.Minute, 3000, 0}, {4 * time.Minute, 2760, 0}, {time.Minute + time.Second, 3600, 1}, {time.Minute, 3540, 0}, {50 * time.Minute, 3600, 1}} {
		r.after(tt.after)
		before := len(r.log)
		ack := r.request(mac(1), a.String())
		if granted(ack) != tt.want || len(r.log)-before != tt.writes {
			t.Fatalf("after %v: %d s with %d writes, want %d with %d", tt.after, granted(ack), len(r.log)-before, tt.want, tt.writes)
		}
		if left := r.lease(a).ExpiresIn; left < time.Duration(granted(ack))*time.Second {
			t.Fatalf("we keep it for %v, the client for %d s", left, granted(ack))
		}
		if r.lastEvent().Kind != "renewed" {
			t.Fatalf("event %+v", r.lastEvent())
		}
	}
	// An offer made seconds before the ACK does not lengthen what was recorded.
	offer := r.discover(mac(1))
	r.after(10 * time.Second)
	ack := r.request(mac(1), "", raw(50, offer.YourIPAddr.To4()...), server("192.168.5.1"))
	if left := r.lease(a).ExpiresIn; left < time.Duration(granted(ack))*time.Second {
		t.Errorf("we keep it for %v, the client for %d s", left, granted(ack))
	}
}

func TestS52_OfferHoldAndStarvation(t *testing.T) {
	r := newRig(t, small(5))
	for i := range 20 {
		r.discover(mac(1000 + i))
	}
	if !r.acquire(mac(1)).IsValid() {
		t.Error("20 fake clients keep a real one out")
	}
	if n := r.table.Stats().Offered; n > 5 {
		t.Errorf("%d offers in a pool of 5", n)
	}
	r.after(offerHold)
	if n := r.table.Stats().Offered; n != 0 {
		t.Errorf("%d offers after %v", n, offerHold)
	}
	// A full pool is silent, and a RELEASE makes room at once.
	for i := range 4 {
		r.must(mac(2 + i))
	}
	r.expect("full", r.discover(mac(50)), "silence", "")
	r.send(message(t, mac(1), releaseMsg, r.table.byKey[macKey(mac(1))].addr.String()))
	r.must(mac(50))
}

// TestFlood: 2,000 random sources per second do not keep clients out (§4.5).
func TestS53_Flood(t *testing.T) {
	r := newRig(t, config())
	rnd := rand.New(rand.NewSource(1))
	served := 0
	for i := range 90 {
		for range 20 {
			r.table.Handle(r.now, Packet{Payload: message(t, mac(rnd.Intn(1<<24)), discoverMsg, "").ToBytes()})
			r.now = r.now.Add(500 * time.Microsecond)
		}
		replies := r.table.Handle(r.now, Packet{Payload: message(t, netif.MAC{2, 0, 0, 0, 0, byte(i)}, discoverMsg, "").ToBytes()}).Replies
		if len(replies) == 0 {
			replies = r.table.Tick(r.now.Add(probeWait)).Replies
		}
		for _, reply := range replies {
			offer, _ := dhcpv4.FromBytes(reply.Payload)
			if offer.ClientHWAddr[5] != byte(i) || offer.ClientHWAddr[0] != 2 {
				continue
			}
			ack := r.request(netif.MAC{2, 0, 0, 0, 0, byte(i)}, "", raw(50, offer.YourIPAddr.To4()...), server("192.168.5.1"))
			if kind(ack) == "ACK" {
				served++
			}
		}
	}
	if served < 88 {
		t.Errorf("%d of 90 clients served beside a flood", served)
	}
	if n := len(r.table.limit.now) + len(r.table.limit.old); n > 2*limitMACs {
		t.Errorf("the limiter remembers %d sources", n)
	}
}

func TestS53_RateLimitPerSource(t *testing.T) {
	r := newRig(t, config())
	p := Packet{Payload: message(t, mac(1), discoverMsg, "").ToBytes(), Src: mac(9)}
	for range 1000 {
		r.table.Handle(r.now, p)
	}
	if got := r.table.Stats().Counters["discover"]; got != limitBurst {
		t.Errorf("%d of 1000 at once pass, want %v", got, limitBurst)
	}
	r.after(probeWait)
	if !r.acquire(mac(2)).IsValid() {
		t.Error("another client is shut out too")
	}
	r.now = r.now.Add(time.Second)
	r.table.Handle(r.now, p)
	if got := r.table.Stats().Counters["rate"]; got != 1000-limitBurst {
		t.Errorf("%d dropped in all, want none of them after a second", got)
	}
}

// TestDHCP02: 300 random MACs, one after another, never exhaust the pool of
// 101, in one boot or with a restart in between (N20, S24).
func TestDHCP02_N20_RandomMACsNeverExhaust(t *testing.T) {
	for _, reboots := range []bool{false, true} {
		cfg := config()
		cfg.Lease = 12 * time.Hour
		r := newRig(t, cfg)
		for i := range 300 {
			m := mac(i)
			m[0] = 2 // locally administered
			if a := r.acquire(m); !a.IsValid() {
				t.Fatalf("reboots %v: client %d got nothing: %+v", reboots, i, r.table.Stats())
			}
			switch {
			case reboots && i%20 == 19:
				r.restart(cfg, "boot-"+string(rune('a'+i/20)), netif.Boot(time.Minute))
			default:
				r.after(time.Hour)
			}
			r.check()
		}
	}
}

func TestN20_ThousandMACsThrough25(t *testing.T) {
	cfg := config()
	cfg.PoolStart, cfg.PoolEnd = ip("192.168.5.2"), ip("192.168.5.126")
	r := newRig(t, cfg)
	for i := range 1000 {
		m := mac(i)
		m[0] = 2
		r.must(m)
		r.after(time.Minute)
		r.check()
	}
}

func TestS24_OldestExpiredIsReused(t *testing.T) {
	r := newRig(t, small(4))
	var addrs []netip.Addr
	for i := range 4 {
		addrs = append(addrs, r.must(mac(i)))
		r.after(time.Minute)
	}
	r.after(2 * time.Hour)
	r.must(mac(0)) // back again: not the least recently used any more
	if a := r.must(mac(10)); a != addrs[1] {
		t.Errorf("reused %v, want %v, the oldest", a, addrs[1])
	}
	r.must(mac(11))
	r.must(mac(12))
	r.expect("all are in use", r.discover(mac(13)), "silence", "")
}

func TestS24_ShortLeasesForRandomMACs(t *testing.T) {
	cfg := small(4)
	cfg.Lease = 12 * time.Hour
	r := newRig(t, cfg)
	random := netif.MAC{2, 1, 1, 1, 1, 1}
	if got := granted(r.discover(random)); got != 12*3600 {
		t.Errorf("empty pool: %d s", got)
	}
	for i := range 3 {
		r.must(mac(i))
	}
	if got := granted(r.discover(random)); got != 3*3600 {
		t.Errorf("crowded pool: %d s, want a quarter", got)
	}
	if got := granted(r.discover(mac(9))); kind(r.discover(mac(9))) != "silence" && got != 12*3600 {
		t.Errorf("a real MAC gets %d s", got)
	}
}

// TestS57: nothing but the boot clock counts, so there is nothing to jump; and
// records of one boot are exact, of another give what remained again.
func TestS57_Restart(t *testing.T) {
	r := newRig(t, config())
	a := r.must(mac(1), raw(12, []byte("pad")...))
	r.after(20 * time.Minute)
	b := r.must(mac(2), raw(61, 1, 2, 3))
	r.send(message(t, mac(2), releaseMsg, b.String(), raw(61, 1, 2, 3)))
	r.now = r.now.Add(10 * time.Minute)
	if got := r.restart(config(), "boot-1", r.now); got.Leases != 2 || got.Skipped != 0 || got.Reboot {
		t.Fatalf("Restored %+v", got)
	}
	if l := r.lease(a); l.ExpiresIn.Round(time.Second) != 30*time.Minute || l.Hostname != "pad" || l.MAC != mac(1) || l.State != "bound" {
		t.Errorf("same boot: %+v", l)
	}
	if l := r.lease(b); l.State != "released" || l.ClientID != "010203" {
		t.Errorf("released one: %+v", l)
	}
	// The clock begins again: the machine was off for an unknown time.
	if got := r.restart(config(), "boot-2", netif.Boot(time.Second)); !got.Reboot {
		t.Fatalf("Restored %+v", got)
	}
	if l := r.lease(a); l.ExpiresIn.Round(time.Second) != 30*time.Minute {
		t.Errorf("other boot: %+v, want what remained", l)
	}
	// DHCP-03: INIT-REBOOT after the restart.
	r.expect("init-reboot", r.request(mac(1), "", raw(50, a.AsSlice()...)), "ACK", a.String())
	r.expect("taken", r.request(mac(3), "", raw(50, a.AsSlice()...)), "NAK", "")
	if again := r.must(mac(2), raw(61, 1, 2, 3)); again != b {
		t.Errorf("the released client got %v, had %v", again, b)
	}
	// Same boot, but down for longer than the lease.
	r.restart(config(), "boot-2", r.now.Add(3*time.Hour))
	if l := r.lease(a); l.State != "expired" || l.ExpiresIn != 0 {
		t.Errorf("after the end: %+v", l)
	}
}

// TestS56_LogReplayAtEveryPrefix: kill -9 at any moment. Whatever prefix of the
// records is left, no two clients hold one address, and what was acknowledged
// in the prefix is known.
func TestS56_LogReplayAtEveryPrefix(t *testing.T) {
	r := newRig(t, small(20))
	rnd := rand.New(rand.NewSource(7))
	type ackAt struct {
		client int
		a      netip.Addr
		n      int
	}
	var acks []ackAt
	for range 400 {
		i := rnd.Intn(30)
		switch b := r.table.byKey[macKey(mac(i))]; {
		case b != nil && b.state == bound && rnd.Intn(4) == 0:
			r.send(message(t, mac(i), releaseMsg, b.addr.String()))
		case b != nil && b.state == bound && rnd.Intn(10) == 0:
			r.send(message(t, mac(i), declineMsg, "", raw(50, b.addr.AsSlice()...)))
		default:
			if a := r.acquire(mac(i)); a.IsValid() {
				acks = append(acks, ackAt{i, a, len(r.log)})
			}
		}
		r.after(time.Duration(rnd.Intn(300)) * time.Second)
		r.check()
	}
	log := r.log
	for n := range len(log) + 1 {
		r.log = log[:n:n]
		r.restart(small(20), "boot-1", r.now)
		r.check()
		last := map[netip.Addr]Record{}
		for _, rec := range log[:n] {
			s, err := decodeRecord(rec.Payload)
			if err != nil {
				t.Fatal(err)
			}
			last[s.addr] = rec
		}
		for _, a := range acks {
			if a.n != n {
				continue
			}
			if b := r.table.byAddr[a.a]; b == nil || b.key != macKey(mac(a.client)) {
				t.Fatalf("prefix %d: client %d was acknowledged %v, the log says %+v", n, a.client, a.a, b)
			}
		}
	}
}

func TestS56_RecordsThatMakeNoSense(t *testing.T) {
	r := newRig(t, config())
	r.must(mac(1))
	good := r.log[0]
	other := config()
	other.LAN, other.PoolStart = "guest", ip("192.168.5.100")
	guest := New(other, "boot-1")
	guest.byAddr[ip("192.168.5.110")] = &binding{addr: ip("192.168.5.110"), state: bound, key: "ixx"}
	foreign := guest.Records(t0)[0]
	outside := New(Config{LAN: "lan", Address: netip.MustParsePrefix("10.0.0.1/24")}, "boot-1")
	outside.byAddr[ip("10.0.0.9")] = &binding{addr: ip("10.0.0.9"), state: bound, key: "ixx"}
	newer := append([]byte{recordVersion + 1}, good.Payload[1:]...)
	longer := append(append([]byte(nil), good.Payload...), 1, 2, 3)
	log := []Record{
		{1, nil}, {1, good.Payload[:20]}, foreign, outside.Records(t0)[0], {1, newer}, {17, good.Payload}, {1, longer},
	}
	for i := range good.Payload { // cut at every byte
		log = append(log, Record{1, good.Payload[:i]})
	}
	table := New(config(), "boot-1")
	got := table.Restore(t0, log)
	if got.Leases != 1 || got.Skipped != 6+len(good.Payload) {
		t.Errorf("%+v, want 1 lease and %d skipped", got, 6+len(good.Payload))
	}
}

func TestS58_ConfigChange(t *testing.T) {
	cfg := config()
	r := newRig(t, cfg)
	in, out := r.must(mac(1), want("192.168.5.110")), r.must(mac(2), want("192.168.5.190"))
	r.discover(mac(3))
	cfg.PoolEnd = ip("192.168.5.150")
	r.take(r.table.Update(r.now, cfg))
	if n := r.table.Stats().Offered; n != 0 {
		t.Errorf("%d offers survive a change", n)
	}
	if r.lease(out).State != "bound" {
		t.Error("a lease outside of the new pool was dropped at once")
	}
	r.expect("inside", r.request(mac(1), in.String()), "ACK", in.String())
	r.expect("outside", r.request(mac(2), out.String()), "NAK", "")
	if a := r.must(mac(2)); !r.table.rules.pool.has(a) {
		t.Errorf("after the NAK: %v", a)
	}
	cfg.Address, cfg.PoolStart, cfg.PoolEnd = netip.MustParsePrefix("192.168.9.1/24"), ip("192.168.9.100"), ip("192.168.9.200")
	r.take(r.table.Update(r.now, cfg))
	if n := len(r.table.Leases(r.now)); n != 0 {
		t.Errorf("%d leases of the old subnet", n)
	}
	r.expect("renewal in the old subnet", r.request(mac(1), in.String()), "NAK", "")
	if got := r.restart(cfg, "boot-1", r.now); got.Leases != 0 {
		t.Errorf("the log still has %d leases", got.Leases)
	}
}

// TestS58_N34: a reservation is put onto an address that another client holds,
// moved, and removed.
func TestS58_N34_ReservationWhileLeased(t *testing.T) {
	cfg := config()
	r := newRig(t, cfg)
	held := r.must(mac(1), want("192.168.5.120"))
	old := r.must(mac(2), want("192.168.5.130"))
	cfg.Hosts = []Host{{Name: "printer", MACs: []netif.MAC{mac(2)}, Address: held}}
	r.take(r.table.Update(r.now, cfg))
	r.expect("reserved, but held: keeps its address", r.request(mac(2), old.String()), "ACK", old.String())
	if !r.lease(old).Pending {
		t.Error("the waiting reservation is not shown")
	}
	r.expect("the holder is told to go", r.request(mac(1), "", raw(50, held.AsSlice()...)), "NAK", "")
	if a := r.must(mac(1)); a == held {
		t.Fatal("the holder got the reserved address back")
	}
	r.expect("now it moves", r.request(mac(2), old.String()), "NAK", "")
	if a := r.must(mac(2)); a != held || !r.lease(a).Static || r.lease(a).Hostname != "printer" {
		t.Fatalf("reserved client got %v: %+v", a, r.lease(a))
	}
	cfg.Hosts[0].Address = ip("192.168.5.10") // moved, out of the pool
	r.take(r.table.Update(r.now, cfg))
	r.expect("moved", r.request(mac(2), held.String()), "NAK", "")
	if a := r.must(mac(2)); a != ip("192.168.5.10") {
		t.Fatalf("moved to %v", a)
	}
	cfg.Hosts = nil
	r.take(r.table.Update(r.now, cfg))
	if r.lease(ip("192.168.5.10")).State != "bound" {
		t.Error("removed: not kept to its expiry")
	}
	r.expect("removed", r.request(mac(2), "192.168.5.10"), "NAK", "")
}

func TestN32_HostOutsideThePool(t *testing.T) {
	cfg := config()
	cfg.Hosts = []Host{{Name: "nas", MACs: []netif.MAC{mac(1)}, Address: ip("192.168.5.10")}}
	r := newRig(t, cfg)
	r.expect("discover", r.discover(mac(1), want("192.168.5.150")), "OFFER", "192.168.5.10")
	r.expect("select", r.request(mac(1), "", want("192.168.5.10"), server("192.168.5.1")), "ACK", "192.168.5.10")
	r.expect("init-reboot", r.request(mac(1), "", want("192.168.5.10")), "ACK", "192.168.5.10")
	r.expect("renew", r.request(mac(1), "192.168.5.10"), "ACK", "192.168.5.10")
	r.expect("a stranger", r.request(mac(2), "", want("192.168.5.10")), "NAK", "")
	if v := r.request(mac(1), "192.168.5.10", raw(55, 12)).Options[12]; string(v) != "nas" {
		t.Errorf("option 12 = %q", v)
	}
	fresh := newRig(t, cfg) // after the loss of the log
	fresh.expect("init-reboot, unknown", fresh.request(mac(1), "", want("192.168.5.10")), "ACK", "192.168.5.10")
}

func TestS22_N31_ReservationFollowsTheMAC(t *testing.T) {
	cfg := config()
	cfg.Hosts = []Host{{MACs: []netif.MAC{mac(1)}, Address: ip("192.168.5.150")}}
	r := newRig(t, cfg)
	for _, id := range [][]byte{nil, {1, 0, 0x1c, 0x42, 0, 0, 1}, {0xff, 1, 2, 3, 4, 0, 1, 0, 1}} {
		var opts []option
		if id != nil {
			opts = append(opts, raw(61, id...))
		}
		if a := r.must(mac(1), opts...); a != ip("192.168.5.150") {
			t.Errorf("identifier %x: %v", id, a)
		}
	}
	r.expect("nobody else", r.request(mac(2), "", want("192.168.5.150")), "NAK", "")
	if a := r.must(mac(2), want("192.168.5.150")); a == ip("192.168.5.150") {
		t.Error("option 50 takes a reserved address")
	}
}

func TestN33_HostWithTwoMACs(t *testing.T) {
	cfg := config()
	fixed := ip("192.168.5.20")
	cfg.Hosts = []Host{{Name: "laptop", MACs: []netif.MAC{mac(1), mac(2)}, Address: fixed}}
	r := newRig(t, cfg)
	if a := r.must(mac(1)); a != fixed {
		t.Fatalf("first card: %v", a)
	}
	r.busy[fixed] = mac(1)
	second := r.must(mac(2))
	if second == fixed || !r.table.rules.pool.has(second) {
		t.Fatalf("second card while the first answers: %v, want one of the pool", second)
	}
	if !r.lease(second).Pending || r.lease(fixed).State != "bound" || r.lease(fixed).MAC != mac(1) {
		t.Errorf("leases: %+v, %+v", r.lease(second), r.lease(fixed))
	}
	r.send(message(t, mac(2), releaseMsg, second.String()))
	delete(r.busy, fixed) // the first one was unplugged
	if a := r.must(mac(2)); a != fixed || r.lease(fixed).MAC != mac(2) {
		t.Errorf("second card after the first is gone: %v, %+v", a, r.lease(fixed))
	}
	r.expect("the first one comes back", r.request(mac(1), "", raw(50, fixed.AsSlice()...)), "NAK", "")
	r.check()
}

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

// TestUnconfirmed: leases of a boot before may be reclaimed when the pool is
// full, but only where nobody answers, and their owner comes first.
func TestUnconfirmedLeasesAfterReboot(t *testing.T) {
	cfg := small(2)
	r := newRig(t, cfg)
	a, b := r.must(mac(1)), r.must(mac(2))
	r.restart(cfg, "boot-2", netif.Boot(time.Minute))
	r.busy[a], r.busy[b] = mac(1), mac(2)
	r.expect("both answer", r.discover(mac(3)), "silence", "")
	if r.lease(a).State != "bound" || r.lease(b).State != "bound" {
		t.Fatalf("live leases were given up: %+v %+v", r.lease(a), r.lease(b))
	}
	r.restart(cfg, "boot-3", netif.Boot(time.Minute))
	delete(r.busy, b)
	r.expect("one is silent", r.discover(mac(3)), "OFFER", b.String())
	r.expect("its owner renews in time", r.request(mac(2), b.String()), "ACK", b.String())
	r.expect("so the offer is void", r.request(mac(3), "", raw(50, b.AsSlice()...), server("192.168.5.1")), "NAK", "")
	r.check()
	r.expect("confirmed in this boot", r.discover(mac(4)), "silence", "")
}

func TestS59_NeverHandedOut(t *testing.T) {
	cfg := config()
	cfg.PoolStart, cfg.PoolEnd = ip("192.168.5.0"), ip("192.168.5.255")
	cfg.Also, cfg.Reserved = []netip.Addr{ip("192.168.5.2")}, []netip.Addr{ip("192.168.5.3")}
	r := newRig(t, cfg)
	got := map[netip.Addr]bool{}
	for i := 0; ; i++ {
		a := r.acquire(mac(i))
		if !a.IsValid() {
			break
		}
		got[a] = true
	}
	if len(got) != 251 || r.table.Stats().Pool != 251 {
		t.Errorf("%d addresses of a /24, capacity %d, want 251", len(got), r.table.Stats().Pool)
	}
	for _, a := range []string{"192.168.5.0", "192.168.5.1", "192.168.5.2", "192.168.5.3", "192.168.5.255"} {
		if got[ip(a)] {
			t.Errorf("%s was handed out", a)
		}
	}
}

// TestDHCP06: two LANs are two tables; nothing of one is visible in the other.
func TestDHCP06_LANsAreIndependent(t *testing.T) {
	guest := config()
	guest.LAN, guest.Address = "guest", netip.MustParsePrefix("192.168.6.1/24")
	guest.PoolStart, guest.PoolEnd = ip("192.168.6.100"), ip("192.168.6.200")
	one, two := newRig(t, config()), newRig(t, guest)
	one.must(mac(1))
	if n := len(two.table.Leases(t0)); n != 0 {
		t.Errorf("%d leases in the other LAN", n)
	}
	if a := two.must(mac(1)); !guest.Address.Contains(a) {
		t.Errorf("guest address %v", a)
	}
}

func TestExpiredEventAndNext(t *testing.T) {
	r := newRig(t, config())
	a := r.must(mac(1))
	if next := r.table.Next(); !next.Equal(r.now.Add(time.Hour)) {
		t.Fatalf("Next in %v, want one hour", next.Sub(r.now))
	}
	r.after(time.Hour)
	if e := r.lastEvent(); e.Kind != "expired" || e.Addr != a || e.MAC != mac(1) {
		t.Errorf("event %+v", e)
	}
	if next := r.table.Next(); !next.IsZero() {
		t.Errorf("Next %v, want nothing to do", next)
	}
}

// check is the invariant of the table, written without its helpers.
func (r *rig) check() {
	r.t.Helper()
	keys := map[string]netip.Addr{}
	for a, b := range r.table.byAddr {
		if b.addr != a {
			r.t.Fatalf("binding of %v is filed under %v", b.addr, a)
		}
		if b.key == "" && b.state != quarantined {
			r.t.Fatalf("%v has no owner", a)
		}
		if b.key != "" {
			if other, ok := keys[b.key]; ok {
				r.t.Fatalf("one client holds %v and %v", other, a)
			}
			keys[b.key] = a
			if r.table.byKey[b.key] != b {
				r.t.Fatalf("the owner of %v leads elsewhere", a)
			}
		}
		if (b.idle != nil) != (b.state == expired || b.state == released) {
			r.t.Fatalf("%v: state %d, idle %v", a, b.state, b.idle != nil)
		}
	}
	if len(keys) != len(r.table.byKey) || r.table.offers.Len() != len(r.table.offerOf) || len(r.table.offerOf) != len(r.table.offerTo) {
		r.t.Fatalf("indexes differ: %d/%d owners, %d/%d/%d offers", len(keys), len(r.table.byKey),
			r.table.offers.Len(), len(r.table.offerOf), len(r.table.offerTo))
	}
	p := &r.table.rules.pool
	for i := range p.size {
		a := address(p.first + uint32(i))
		taken := p.taken[i/64]&(1<<(i%64)) != 0
		if busy := r.table.byAddr[a] != nil || r.table.offerOf[a] != nil; taken != busy {
			r.t.Fatalf("%v: taken %v, in the table %v", a, taken, busy)
		}
	}
}
