package lease_test

import (
	"net/netip"
	"testing"
	"time"

	"luatnetd/netif"
	"luatnetd/netif/lease"
)

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
			for _, kind := range []byte{ack, nak} {
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
				if kind == nak && a.server != serverIP {
					if w.m.Status().State != lease.Rebinding || len(w.lost) > 0 || !w.sent[len(w.sent)-1].broadcast {
						t.Errorf("a NAK by another server: state %v, lost %v; want any server asked", w.m.Status().State, w.lost)
					}
					return
				}
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
