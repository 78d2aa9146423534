package probe

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"luatnetd/internal/bind"
)

// ICMP types of RFC 792 and RFC 4443.
const (
	echoRequest4, echoReply4 = 8, 0
	echoRequest6, echoReply6 = 128, 129
)

const (
	icmpHeader = 8
	tokenLen   = 16
	icmpSize   = icmpHeader + tokenLen // small: somebody pays for it on a metered line
)

// echo sends one ICMP echo request and waits for the reply to exactly this one.
func echo(ctx context.Context, b bind.Bind, to netip.Addr, seq uint16) (time.Duration, error) {
	to = zoned(to.Unmap(), b.Device)
	conn, err := dialICMP(ctx, b, to)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	defer limit(ctx, conn)()
	request := newEcho(to.Is6(), seq)
	start := time.Now()
	if _, err := conn.Write(request); err != nil {
		return 0, err
	}
	buf := make([]byte, 1500)
	for {
		n, from, err := conn.ReadFromIP(buf)
		if err != nil {
			return 0, err
		}
		addr, _ := netip.AddrFromSlice(from.IP)
		if addr.Unmap() == to.WithZone("") && answers(request, buf[:n], to.Is6()) {
			return time.Since(start), nil
		}
	}
}

// zoned gives a link-local address the zone that it needs.
func zoned(a netip.Addr, device string) netip.Addr {
	if a.Is6() && a.IsLinkLocalUnicast() && a.Zone() == "" {
		return a.WithZone(device)
	}
	return a
}

// dialICMP opens a raw socket that gets echo replies of one host only.
func dialICMP(ctx context.Context, b bind.Bind, to netip.Addr) (*net.IPConn, error) {
	network := "ip4:icmp"
	if to.Is6() {
		network = "ip6:ipv6-icmp"
	}
	c, err := b.Dialer(0).DialContext(ctx, network, to.String())
	if err != nil {
		return nil, err
	}
	conn, ok := c.(*net.IPConn)
	if !ok {
		_ = c.Close()
		return nil, fmt.Errorf("socket for %s is a %T", network, c)
	}
	raw, err := conn.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) { repliesOnly(int(fd), to.Is6()) })
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// repliesOnly drops all other types in the kernel. Without it a busy host wakes
// the probe for each of its ICMP messages, which answers sorts out as well.
func repliesOnly(fd int, ipv6 bool) {
	if ipv6 {
		var f unix.ICMPv6Filter // a set bit blocks
		for i := range f.Data {
			f.Data[i] = ^uint32(0)
		}
		f.Data[echoReply6/32] &^= 1 << (echoReply6 % 32)
		_ = unix.SetsockoptICMPv6Filter(fd, unix.SOL_ICMPV6, unix.ICMPV6_FILTER, &f)
		return
	}
	keep := ^uint32(1 << echoReply4)
	_ = unix.SetsockoptInt(fd, unix.SOL_RAW, unix.ICMP_FILTER, int(int32(keep)))
}

// newEcho makes an echo request with an identifier and a token of its own.
func newEcho(ipv6 bool, seq uint16) []byte {
	m := make([]byte, icmpSize)
	_, _ = rand.Read(m[4:6])         // never fails
	_, _ = rand.Read(m[icmpHeader:]) // never fails
	m[0] = echoRequest4
	if ipv6 {
		m[0] = echoRequest6
	}
	binary.BigEndian.PutUint16(m[6:], seq)
	if !ipv6 { // the kernel fills in the one of ICMPv6
		binary.BigEndian.PutUint16(m[2:], checksum(m))
	}
	return m
}

// answers reports whether message is the reply to request. The checksum was
// checked by the kernel.
func answers(request, message []byte, ipv6 bool) bool {
	want := byte(echoReply4)
	if ipv6 {
		want = echoReply6
	}
	return len(message) >= icmpHeader && message[0] == want && message[1] == 0 &&
		bytes.Equal(message[4:], request[4:])
}

// checksum is the internet checksum (RFC 1071) of b, whose own field is zero.
func checksum(b []byte) uint16 {
	var sum uint32
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
