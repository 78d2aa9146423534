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
