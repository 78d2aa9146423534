package rawsock

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"luatnetd/netif"
)

func TestUDP4RoundTrip(t *testing.T) {
	src, dst := netip.MustParseAddrPort("0.0.0.0:68"), netip.MustParseAddrPort("255.255.255.255:67")
	for _, payload := range [][]byte{nil, {1}, bytes.Repeat([]byte{0xff}, 301), make([]byte, 1400)} {
		packet := UDP4(src, dst, payload)
		padded := append(bytes.Clone(packet), 0xaa, 0xbb) // Ethernet padding
		gotSrc, gotDst, got, err := ParseUDP4(padded, false)
		if err != nil {
			t.Fatalf("%d bytes: %v", len(payload), err)
		}
		if gotSrc != src || gotDst != dst || !bytes.Equal(got, payload) {
			t.Errorf("%d bytes: got %v %v %x", len(payload), gotSrc, gotDst, got)
		}
	}
}

func TestParseUDP4(t *testing.T) {
	good := UDP4(netip.MustParseAddrPort("192.0.2.1:67"), netip.MustParseAddrPort("192.0.2.2:68"), []byte("offer"))
	change := func(f func(b []byte) []byte) []byte { return f(bytes.Clone(good)) }
	fixIP := func(b []byte) []byte {
		head := b[:int(b[0]&15)*4]
		head[10], head[11] = 0, 0
		s := ^sum(0, head)
		head[10], head[11] = byte(s>>8), byte(s)
		return b
	}
	tests := []struct {
		name    string
		packet  []byte
		partial bool
		ok      bool
		damaged bool
	}{
		{name: "good", packet: good, ok: true},
		{name: "payload damaged", packet: change(func(b []byte) []byte { b[30] ^= 1; return b }), damaged: true},
		{name: "payload damaged, partial", packet: change(func(b []byte) []byte { b[30] ^= 1; return b }), partial: true, ok: true},
		{name: "no checksum", packet: change(func(b []byte) []byte { b[26], b[27] = 0, 0; return b }), ok: true},
		{name: "ip header damaged", packet: change(func(b []byte) []byte { b[8]--; return b }), partial: true, damaged: true},
		{name: "first fragment", packet: change(func(b []byte) []byte { b[6] |= 0x20; return fixIP(b) })},
		{name: "later fragment", packet: change(func(b []byte) []byte { b[7] = 3; return fixIP(b) })},
		{name: "tcp", packet: change(func(b []byte) []byte { b[9] = 6; return fixIP(b) })},
		{name: "ipv6", packet: change(func(b []byte) []byte { b[0] = 0x65; return fixIP(b) })},
		{name: "header length 16", packet: change(func(b []byte) []byte { b[0] = 0x44; return fixIP(b) })},
		{name: "total beyond", packet: change(func(b []byte) []byte { b[3]++; return fixIP(b) })},
		{name: "udp length beyond", packet: change(func(b []byte) []byte { b[25]++; return b })},
		{name: "udp length 7", packet: change(func(b []byte) []byte { b[25] = 7; return b })},
		{name: "ip options", ok: true, packet: change(func(b []byte) []byte {
			b = append(b[:20:20], append([]byte{1, 1, 1, 1}, b[20:]...)...)
			b[0], b[3] = 0x46, b[3]+4
			return fixIP(b)
		})},
		{name: "empty"},
		{name: "cut", packet: good[:24]},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, payload, err := ParseUDP4(tt.packet, tt.partial)
			if (err == nil) != tt.ok || errors.Is(err, ErrChecksum) != tt.damaged {
				t.Fatalf("ParseUDP4 = %q, %v; want ok %v, damaged %v", payload, err, tt.ok, tt.damaged)
			}
		})
	}
}

func TestARPRoundTrip(t *testing.T) {
	mac := netif.MAC{2, 0, 0, 0, 0, 1}
	addr := netip.MustParseAddr("192.0.2.7")
	for _, want := range []ARP{
		ARPProbe(mac, addr), ARPAnnounce(mac, addr),
		{Op: ARPOpReply, SenderMAC: mac, Sender: addr, TargetMAC: netif.MAC{2, 0, 0, 0, 0, 9}, Target: addr.Next()},
	} {
		got, err := ParseARP(append(want.Bytes(), make([]byte, 18)...))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); d != "" {
			t.Errorf("round trip (-want +got):\n%s", d)
		}
	}
	if _, err := ParseARP(make([]byte, 28)); err == nil {
		t.Error("zero bytes: no error")
	}
}

func TestARPClaimedBy(t *testing.T) {
	us, them := netif.MAC{2, 0, 0, 0, 0, 1}, netif.MAC{2, 0, 0, 0, 0, 2}
	addr, other := netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("192.0.2.8")
	tests := []struct {
		name string
		arp  ARP
		want bool
	}{
		{"our own probe", ARPProbe(us, addr), false},
		{"our own announcement", ARPAnnounce(us, addr), false},
		{"their probe", ARPProbe(them, addr), true},
		{"their probe for another", ARPProbe(them, other), false},
		{"their announcement", ARPAnnounce(them, addr), true},
		{"their answer", ARP{Op: ARPOpReply, SenderMAC: them, Sender: addr, TargetMAC: us}, true},
		{"their question for it", ARPRequest(them, other, addr), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.arp.ClaimedBy(us, addr); got != tt.want {
				t.Errorf("ClaimedBy = %v, want %v", got, tt.want)
			}
		})
	}
}

func FuzzParseUDP4(f *testing.F) {
	f.Add(UDP4(netip.MustParseAddrPort("192.0.2.1:67"), netip.MustParseAddrPort("192.0.2.2:68"), []byte("offer")), false)
	f.Add([]byte{0x45}, true)
	f.Fuzz(func(t *testing.T, packet []byte, partial bool) {
		src, dst, payload, err := ParseUDP4(packet, partial)
		if err != nil {
			return
		}
		_, _, again, err := ParseUDP4(UDP4(src, dst, payload), false)
		if err != nil || !bytes.Equal(again, payload) {
			t.Fatalf("built from its parts: %x, %v", again, err)
		}
	})
}

func FuzzParseARP(f *testing.F) {
	f.Add(ARPProbe(netif.MAC{2}, netip.MustParseAddr("192.0.2.1")).Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := ParseARP(b)
		if err == nil && !bytes.Equal(a.Bytes(), b[:arpSize]) {
			t.Fatalf("%+v does not give back %x", a, b[:arpSize])
		}
	})
}
