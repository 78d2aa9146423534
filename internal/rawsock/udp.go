package rawsock

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
)

const (
	protoUDP  = 17
	ipHeader  = 20
	udpHeader = 8
	ttl       = 64
)

// ErrChecksum means that a packet was damaged on its way.
var ErrChecksum = errors.New("wrong checksum")

// UDP4 returns an IPv4 packet with one UDP datagram in it, checksums filled in.
// Both addresses must be IPv4 and the payload at most 65,507 bytes.
func UDP4(src, dst netip.AddrPort, payload []byte) []byte {
	size := ipHeader + udpHeader + len(payload)
	b := make([]byte, 0, size)
	b = append(b, 0x45, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(size))
	b = append(b, 0, 0, 0, 0, ttl, protoUDP, 0, 0)
	b = appendIPv4(b, src.Addr())
	b = appendIPv4(b, dst.Addr())
	b = binary.BigEndian.AppendUint16(b, src.Port())
	b = binary.BigEndian.AppendUint16(b, dst.Port())
	b = binary.BigEndian.AppendUint16(b, uint16(udpHeader+len(payload)))
	b = append(b, 0, 0)
	b = append(b, payload...)
	binary.BigEndian.PutUint16(b[10:], ^sum(0, b[:ipHeader]))
	check := ^sum(pseudo(b, len(b)-ipHeader), b[ipHeader:])
	if check == 0 {
		check = 0xffff // 0 would mean "not computed" (RFC 768)
	}
	binary.BigEndian.PutUint16(b[ipHeader+6:], check)
	return b
}

// ParseUDP4 reads an IPv4 packet with a UDP datagram. The payload points into
// packet. partialChecksum, as told by Recv, leaves the UDP checksum alone; one
// of zero is always accepted (RFC 768). Bytes after the packet are ignored.
func ParseUDP4(packet []byte, partialChecksum bool) (src, dst netip.AddrPort, payload []byte, err error) {
	datagram, head, err := splitIPv4(packet)
	if err != nil {
		return src, dst, nil, err
	}
	if len(datagram) < udpHeader {
		return src, dst, nil, fmt.Errorf("udp datagram of %d bytes: shorter than its header", len(datagram))
	}
	size := int(binary.BigEndian.Uint16(datagram[4:]))
	if size < udpHeader || size > len(datagram) {
		return src, dst, nil, fmt.Errorf("udp length %d in %d bytes", size, len(datagram))
	}
	datagram = datagram[:size]
	stored := binary.BigEndian.Uint16(datagram[6:])
	if !partialChecksum && stored != 0 && sum(pseudo(head, size), datagram) != 0xffff {
		return src, dst, nil, fmt.Errorf("udp datagram: %w", ErrChecksum)
	}
	src = netip.AddrPortFrom(netip.AddrFrom4([4]byte(head[12:16])), binary.BigEndian.Uint16(datagram))
	dst = netip.AddrPortFrom(netip.AddrFrom4([4]byte(head[16:20])), binary.BigEndian.Uint16(datagram[2:]))
	return src, dst, datagram[udpHeader:], nil
}

// splitIPv4 checks the IPv4 header and returns what follows it, without padding.
func splitIPv4(packet []byte) (body, head []byte, err error) {
	if len(packet) < ipHeader || packet[0]>>4 != 4 {
		return nil, nil, errors.New("not an IPv4 packet")
	}
	headLen := int(packet[0]&0x0f) * 4
	total := int(binary.BigEndian.Uint16(packet[2:]))
	if headLen < ipHeader || total < headLen || total > len(packet) {
		return nil, nil, fmt.Errorf("ipv4 header of %d in %d bytes, %d received", headLen, total, len(packet))
	}
	head = packet[:headLen]
	if sum(0, head) != 0xffff {
		return nil, nil, fmt.Errorf("ipv4 header: %w", ErrChecksum)
	}
	if binary.BigEndian.Uint16(head[6:])&0x3fff != 0 {
		return nil, nil, errors.New("ipv4 fragment")
	}
	if head[9] != protoUDP {
		return nil, nil, fmt.Errorf("ip protocol %d: not udp", head[9])
	}
	return packet[headLen:total], head, nil
}

// pseudo is the sum of the UDP pseudo header for the IPv4 header in b.
func pseudo(b []byte, udpLen int) uint32 {
	return uint32(sum(protoUDP+uint32(udpLen), b[12:20]))
}

// sum is the ones' complement sum of RFC 1071, not inverted.
func sum(start uint32, b []byte) uint16 {
	s := uint64(start)
	for ; len(b) >= 2; b = b[2:] {
		s += uint64(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		s += uint64(b[0]) << 8
	}
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}
