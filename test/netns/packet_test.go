package netns

import (
	wire "encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Flags of a TCP header (RFC 9293 §3.1).
const (
	flagSYN = 0x02
	flagACK = 0x10
)

// EtherTypes in network order.
const (
	ipv4 = 0x0008
	ipv6 = 0xdd86
)

// family is what carries packets to an address.
func family(a netip.Addr) uint16 {
	if a.Is6() {
		return ipv6
	}
	return ipv4
}

// tcpPacket is a bare TCP segment.
func tcpPacket(src, dst netip.AddrPort, flags byte) []byte {
	p, h := ipPacket(src.Addr(), dst.Addr(), unix.IPPROTO_TCP, 20)
	wire.BigEndian.PutUint16(h[0:], src.Port())
	wire.BigEndian.PutUint16(h[2:], dst.Port())
	wire.BigEndian.PutUint32(h[4:], 1)
	h[12], h[13] = 5<<4, flags
	wire.BigEndian.PutUint16(h[14:], 1024)
	wire.BigEndian.PutUint16(h[16:], ^onesSum(append(pseudo(src.Addr(), dst.Addr(), unix.IPPROTO_TCP, 20), h...)))
	return p
}

// udp6Packet is a datagram in IPv6 (RFC 8200 §8.1: its checksum is required).
func udp6Packet(src, dst netip.AddrPort, payload string) []byte {
	p, h := ipPacket(src.Addr(), dst.Addr(), unix.IPPROTO_UDP, 8+len(payload))
	wire.BigEndian.PutUint16(h[0:], src.Port())
	wire.BigEndian.PutUint16(h[2:], dst.Port())
	wire.BigEndian.PutUint16(h[4:], uint16(len(h)))
	copy(h[8:], payload)
	padded := append(pseudo(src.Addr(), dst.Addr(), unix.IPPROTO_UDP, len(h)), h...)
	if len(h)%2 == 1 {
		padded = append(padded, 0)
	}
	wire.BigEndian.PutUint16(h[6:], ^onesSum(padded))
	return p
}

// echoPacket is a ping.
func echoPacket(src, dst netip.Addr, seq uint16) []byte {
	p, h := ipPacket(src, dst, unix.IPPROTO_ICMP, 8)
	h[0] = 8
	wire.BigEndian.PutUint16(h[6:], seq)
	wire.BigEndian.PutUint16(h[2:], ^onesSum(h))
	return p
}

// ipPacket is a packet with room for size bytes, which are its second result.
func ipPacket(src, dst netip.Addr, proto byte, size int) (packet, body []byte) {
	if src.Is6() {
		p := make([]byte, 40+size)
		p[0], p[6], p[7] = 0x60, proto, 64
		wire.BigEndian.PutUint16(p[4:], uint16(size))
		copy(p[8:], src.AsSlice())
		copy(p[24:], dst.AsSlice())
		return p, p[40:]
	}
	p := make([]byte, 20+size)
	p[0], p[8], p[9] = 0x45, 64, proto
	wire.BigEndian.PutUint16(p[2:], uint16(len(p)))
	copy(p[12:], src.AsSlice())
	copy(p[16:], dst.AsSlice())
	wire.BigEndian.PutUint16(p[10:], ^onesSum(p[:20]))
	return p, p[20:]
}

// pseudo is the pseudo-header of a checksum. The fields of IPv6 are wider than
// those of IPv4 (RFC 8200 §8.1, RFC 9293 §3.1); the sum is the same.
func pseudo(src, dst netip.Addr, proto byte, size int) []byte {
	b := append(src.AsSlice(), dst.AsSlice()...)
	return append(b, 0, proto, byte(size>>8), byte(size))
}

// onesSum is the sum of RFC 1071.
func onesSum(b []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(b[i])<<8 | uint32(b[i+1])
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return uint16(sum)
}
