package dhcpsrv

import (
	"math/rand"
	"net/netip"
	"testing"
	"time"

	"luatnetd/netif"
)

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
