package kernel

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"testing"

	"github.com/ti-mo/conntrack"
	"golang.org/x/sys/unix"
)

func apv(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

func TestNudgePacket(t *testing.T) {
	b := nudgePacket(flow{client: apv("192.168.5.100:40000"), server: apv("203.0.113.9:443")}, 0x01020304, 0x05060708)
	// By hand: addresses, ports, ACK only; checksum from an independent sum.
	want := "450000280000000040060000" + "cb007109" + "c0a80564" + "01bb9c40" + "01020304" + "05060708" + "50100400"
	if got := hex.EncodeToString(b[:36]); got != want {
		t.Errorf("packet = %s\nwant     %s", got, want)
	}
	sum := uint32(unix.IPPROTO_TCP) + 20
	for i := 12; i < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	if sum != 0xffff {
		t.Errorf("checksum does not add up: %#x", sum)
	}
}

func TestNudgeable(t *testing.T) {
	out := func() conntrack.Flow {
		f := conntrack.NewFlow(unix.IPPROTO_TCP, conntrack.StatusSrcNAT, netip.MustParseAddr("192.168.5.100"), netip.MustParseAddr("203.0.113.9"), 40000, 443, 60, 0x100)
		f.ProtoInfo.TCP = &conntrack.ProtoInfoTCP{State: tcpEstablished}
		return f
	}
	for _, tt := range []struct {
		name   string
		change func(*conntrack.Flow)
		want   bool
	}{
		{"a client's connection", func(*conntrack.Flow) {}, true},
		{"port forward", func(f *conntrack.Flow) { f.Status = conntrack.StatusDstNAT }, false},
		{"hairpin", func(f *conntrack.Flow) { f.Status |= conntrack.StatusDstNAT }, false},
		{"without NAT", func(f *conntrack.Flow) { f.Status = 0 }, false},
		{"not established", func(f *conntrack.Flow) { f.ProtoInfo.TCP.State = 2 }, false},
		{"UDP", func(f *conntrack.Flow) { f.TupleOrig.Proto.Protocol = unix.IPPROTO_UDP }, false},
		{"IPv6", func(f *conntrack.Flow) { f.TupleOrig.IP.SourceAddress = netip.MustParseAddr("fd00::1") }, false},
		{"no state", func(f *conntrack.Flow) { f.ProtoInfo.TCP = nil }, false},
	} {
		f := out()
		tt.change(&f)
		if got := nudgeable(f); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}
