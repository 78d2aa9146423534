package dhcpsrv

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"luatnetd/netif"
)

// The tests build requests and read replies with the library's own encoder and
// decoder; the server does not use these for its replies.

var (
	ours1 = netip.MustParseAddr("192.168.5.1")
	t0    = netif.Boot(time.Hour)
)

func ip(s string) netip.Addr { return netip.MustParseAddr(s) }

func mac(n int) netif.MAC { return netif.MAC{0x00, 0x1c, 0x42, byte(n >> 16), byte(n >> 8), byte(n)} }

func config() Config {
	return Config{
		LAN: "lan", Address: netip.MustParsePrefix("192.168.5.1/24"),
		PoolStart: ip("192.168.5.100"), PoolEnd: ip("192.168.5.200"), Lease: time.Hour, Domain: "lan",
	}
}

// small is a pool of n addresses from .100 on.
func small(n int) Config {
	c := config()
	c.PoolEnd = address(number(c.PoolStart) + uint32(n) - 1)
	return c
}

type option = dhcpv4.Option

func raw(code uint8, v ...byte) option { return dhcpv4.OptGeneric(dhcpv4.GenericOptionCode(code), v) }

func want(a string) option   { return raw(50, ip(a).AsSlice()...) }
func server(a string) option { return raw(54, ip(a).AsSlice()...) }

// message makes a request. ciaddr is "" for none.
func message(t testing.TB, m netif.MAC, kind dhcpv4.MessageType, ciaddr string, opts ...option) *dhcpv4.DHCPv4 {
	t.Helper()
	p, err := dhcpv4.New(dhcpv4.WithHwAddr(m.HardwareAddr()), dhcpv4.WithTransactionID(dhcpv4.TransactionID{1, 2, 3, m[5]}))
	if err != nil {
		t.Fatal(err)
	}
	if kind != 0 {
		p.UpdateOption(dhcpv4.OptMessageType(kind))
	}
	if ciaddr != "" {
		p.ClientIPAddr = net.ParseIP(ciaddr).To4()
	}
	for _, o := range opts {
		p.UpdateOption(o)
	}
	return p
}

// rig is a table, a clock that only the test moves, and all outputs so far.
type rig struct {
	t     testing.TB
	table *Table
	now   time.Time
	log   []Record
	event []Event
	// busy answers probes for these addresses.
	busy map[netip.Addr]netif.MAC
}

func newRig(t testing.TB, cfg Config) *rig {
	return &rig{t: t, table: New(cfg, "boot-1"), now: t0, busy: map[netip.Addr]netif.MAC{}}
}

// take carries out an output: probes are answered or waited for, records kept.
func (r *rig) take(out Output) []Reply {
	r.log = append(r.log, out.Records...)
	r.event = append(r.event, out.Events...)
	replies := out.Replies
	for _, a := range out.Probes {
		if m, ok := r.busy[a]; ok {
			replies = append(replies, r.take(r.table.Heard(r.now, ARP{Sender: m, SenderIP: a, TargetIP: ours1}))...)
		}
	}
	if r.table.Probing() && len(replies) == 0 {
		r.now = r.now.Add(probeWait)
		replies = append(replies, r.take(r.table.Tick(r.now))...)
	}
	return replies
}

func (r *rig) raw(in Packet) []Reply { r.t.Helper(); return r.take(r.table.Handle(r.now, in)) }

// send handles a message and returns the reply, nil for silence.
func (r *rig) send(p *dhcpv4.DHCPv4) *dhcpv4.DHCPv4 {
	r.t.Helper()
	reply, _ := r.sendFull(p)
	return reply
}

func (r *rig) sendFull(p *dhcpv4.DHCPv4) (*dhcpv4.DHCPv4, Reply) {
	r.t.Helper()
	replies := r.raw(Packet{Payload: p.ToBytes(), IPSrc: netip.IPv4Unspecified()})
	if len(replies) == 0 {
		return nil, Reply{}
	}
	if len(replies) > 1 {
		r.t.Fatalf("%d replies to one message", len(replies))
	}
	back, err := dhcpv4.FromBytes(replies[0].Payload)
	if err != nil {
		r.t.Fatalf("reply does not parse: %v", err)
	}
	return back, replies[0]
}

func (r *rig) discover(m netif.MAC, opts ...option) *dhcpv4.DHCPv4 {
	r.t.Helper()
	return r.send(message(r.t, m, dhcpv4.MessageTypeDiscover, "", opts...))
}

func (r *rig) request(m netif.MAC, ciaddr string, opts ...option) *dhcpv4.DHCPv4 {
	r.t.Helper()
	return r.send(message(r.t, m, dhcpv4.MessageTypeRequest, ciaddr, opts...))
}

// acquire runs DISCOVER and REQUEST; the zero Addr means no lease.
func (r *rig) acquire(m netif.MAC, opts ...option) netip.Addr {
	r.t.Helper()
	offer := r.discover(m, opts...)
	if kind(offer) != "OFFER" {
		return netip.Addr{}
	}
	ack := r.request(m, "", append(opts, raw(50, offer.YourIPAddr.To4()...), server(r.table.rules.self.String()))...)
	if kind(ack) != "ACK" {
		return netip.Addr{}
	}
	if !ack.YourIPAddr.Equal(offer.YourIPAddr) {
		r.t.Fatalf("offered %v, acknowledged %v", offer.YourIPAddr, ack.YourIPAddr)
	}
	return addr(ack.YourIPAddr)
}

func (r *rig) must(m netif.MAC, opts ...option) netip.Addr {
	r.t.Helper()
	a := r.acquire(m, opts...)
	if !a.IsValid() {
		r.t.Fatalf("%v got no lease", m)
	}
	return a
}

func (r *rig) after(d time.Duration) { r.now = r.now.Add(d); r.take(r.table.Tick(r.now)) }

// restart is a new table from the log, in the same boot or another one, after
// the time has gone on by d (or begun again).
func (r *rig) restart(cfg Config, boot string, now time.Time) Restored {
	r.table, r.now = New(cfg, boot), now
	got := r.table.Restore(now, r.log)
	r.log = r.table.Records(now)
	return got
}

func (r *rig) lease(a netip.Addr) LeaseInfo {
	for _, l := range r.table.Leases(r.now) {
		if l.Addr == a {
			return l
		}
	}
	return LeaseInfo{}
}

func (r *rig) lastEvent() Event {
	if len(r.event) == 0 {
		return Event{}
	}
	return r.event[len(r.event)-1]
}

func addr(i net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(i.To4())
	return a
}

func kind(p *dhcpv4.DHCPv4) string {
	if p == nil {
		return "silence"
	}
	return p.MessageType().String()
}

func (r *rig) expect(what string, got *dhcpv4.DHCPv4, kindWant, addrWant string) {
	r.t.Helper()
	if kind(got) != kindWant {
		r.t.Fatalf("%s: got %s, want %s", what, kind(got), kindWant)
	}
	if got != nil && addrWant != "" && !got.YourIPAddr.Equal(net.ParseIP(addrWant)) {
		r.t.Fatalf("%s: got address %v, want %s", what, got.YourIPAddr, addrWant)
	}
}
