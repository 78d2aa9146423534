package dhcpsrv

import (
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"luatnetd/netif"
)

// FuzzHandle feeds packets to a table that has leases and offers: it never
// fails, its replies parse and fit, and the table stays consistent.
func FuzzHandle(f *testing.F) {
	for _, k := range []dhcpv4.MessageType{1, 3, 4, 7, 8} {
		for _, c := range []string{"", "192.168.5.101"} {
			f.Add(message(f, mac(1), k, c, raw(50, 192, 168, 5, 101), raw(55, 1, 3, 6), raw(61, 1, 2, 3)).ToBytes(), uint16(30))
		}
	}
	over := message(f, mac(1), 1, "", raw(52, 3), raw(57, 2, 64), raw(81, 4, 0, 0, 1, 'x')).ToBytes()
	f.Add(over, uint16(0))
	f.Fuzz(func(t *testing.T, payload []byte, wait uint16) {
		cfg := small(4)
		cfg.Trust82 = true
		cfg.Hosts = []Host{{Name: "h", MACs: []netif.MAC{mac(1), mac(2)}, Address: ip("192.168.5.101")}}
		r := newRig(t, cfg)
		r.must(mac(2))
		r.must(mac(3))
		r.discover(mac(4))
		for range 3 {
			for _, reply := range r.raw(Packet{Payload: payload, IPSrc: ip("192.168.5.77")}) {
				if len(reply.Payload) < 300 || len(reply.Payload) > 1472 {
					t.Fatalf("reply of %d bytes", len(reply.Payload))
				}
				p, err := dhcpv4.FromBytes(reply.Payload)
				if err != nil {
					t.Fatalf("reply does not parse: %v", err)
				}
				if a := addr(p.YourIPAddr); a.IsValid() && !a.IsUnspecified() && !r.table.rules.usable(a) {
					t.Fatalf("handed out %v", a)
				}
			}
			r.check()
			r.after(time.Duration(wait) * time.Second)
		}
		r.restart(cfg, "boot-2", t0)
		r.check()
	})
}

// FuzzRecord: no record makes Restore fail, and what it accepts it writes
// again the same.
func FuzzRecord(f *testing.F) {
	r := newRig(f, config())
	r.must(mac(1), raw(61, 1, 2, 3), raw(12, 'x'))
	f.Add(byte(1), r.log[0].Payload)
	f.Add(byte(2), r.log[0].Payload)
	f.Add(byte(9), []byte{1})
	f.Fuzz(func(t *testing.T, kind byte, payload []byte) {
		if s, err := decodeRecord(payload); err == nil {
			again, err := decodeRecord(s.encode())
			if err != nil || again != s {
				t.Fatalf("%+v became %+v, %v", s, again, err)
			}
		}
		r := newRig(t, config())
		r.log = []Record{{kind, payload}, {kind, payload}}
		r.restart(config(), "boot-1", t0)
		r.check()
		r.after(time.Hour)
		r.check()
	})
}

// BenchmarkExchange is DISCOVER and REQUEST of a known client: two packets in,
// two out.
func BenchmarkExchange(b *testing.B) {
	table := New(config(), "boot-1")
	discover := message(b, mac(1), 1, "", raw(55, 1, 3, 6, 15, 28, 51)).ToBytes()
	request := message(b, mac(1), 3, "192.168.5.150", raw(55, 1, 3, 6, 15, 28, 51)).ToBytes()
	table.Handle(t0, Packet{Payload: request}) // adopted
	now := t0
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(time.Second) // below the rate limit
		table.Handle(now, Packet{Payload: discover})
		table.Handle(now, Packet{Payload: request})
	}
}
