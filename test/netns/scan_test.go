package netns

import (
	wire "encoding/binary"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"luatnetd/internal/lab"
	"luatnetd/internal/rawsock"
)

// Flags of a TCP header (RFC 9293 §3.1).
const (
	flagSYN = 0x02
	flagACK = 0x10
)

// scannerAddr is the address of the attacker beside the provider's router:
// whatever goes to it is an answer to the scan.
const scannerAddr = "100.64.1.166"

// scanner sends frames that nobody asked for to the gateway's first uplink,
// round after round until stopped.
type scanner struct {
	fd    int
	to    unix.SockaddrLinklayer
	wan   netip.Addr
	ports atomic.Uint64 // scanned so far
	stop  chan struct{}
	done  sync.WaitGroup
}

// scan gives the attacker its address and starts the rounds.
func (b *box) scan(wan string) *scanner {
	b.t.Helper()
	b.scannerReady()
	s := b.newScanner(wan)
	s.done.Go(s.run)
	b.t.Cleanup(func() { s.end() })
	return s
}

// scannerReady gives the attacker its address; asking twice is no error.
func (b *box) scannerReady() {
	b.t.Helper()
	if _, err := b.ISPs[0].Run(b.t.Context(), "ip", "addr", "replace", scannerAddr+"/24", "dev", "down0"); err != nil {
		b.t.Fatal(err)
	}
}

func (b *box) newScanner(wan string) *scanner {
	b.t.Helper()
	s := &scanner{wan: netip.MustParseAddr(wan), stop: make(chan struct{})}
	var mac []byte
	b.Gateway.MustDo(b.t, func() error {
		l, err := netlink.LinkByName("wan1")
		if err == nil {
			mac = l.Attrs().HardwareAddr
		}
		return err
	})
	b.ISPs[0].MustDo(b.t, func() (err error) {
		l, err := netlink.LinkByName("down0")
		if err != nil {
			return err
		}
		s.to = unix.SockaddrLinklayer{Protocol: 0x0008, Ifindex: l.Attrs().Index, Halen: 6} // ETH_P_IP in network order
		copy(s.to.Addr[:], mac)
		s.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		return err
	})
	return s
}

func (s *scanner) send(packet []byte) { _ = unix.Sendto(s.fd, packet, 0, &s.to) }

func (s *scanner) run() {
	for s.round() {
	}
}

// end stops the scanner; a second call does nothing.
func (s *scanner) end() {
	select {
	case <-s.stop:
		return
	default:
	}
	close(s.stop)
	s.done.Wait()
	_ = unix.Close(s.fd)
}

// round scans every TCP port and, from three source ports that careless
// firewalls trust, every UDP port of the uplink's address; then the well-known
// ports of the LAN behind it. False: the scanner was stopped.
func (s *scanner) round() bool {
	src := netip.MustParseAddr(scannerAddr)
	lan := []netip.Addr{netip.MustParseAddr("192.168.5.1"), netip.MustParseAddr("192.168.5.50")}
	for port := uint16(1); port != 0; port++ {
		if port%1024 == 0 {
			select {
			case <-s.stop:
				return false
			default:
			}
		}
		from := netip.AddrPortFrom(src, 40000+uint16(s.ports.Add(1)>>16))
		s.send(tcpPacket(from, netip.AddrPortFrom(s.wan, port), flagSYN))
		for _, p := range []uint16{53, 67, 123} {
			s.send(rawsock.UDP4(netip.AddrPortFrom(src, p), netip.AddrPortFrom(s.wan, port), []byte("scan")))
		}
		if port > 1024 {
			continue
		}
		s.send(tcpPacket(from, netip.AddrPortFrom(s.wan, port), flagACK))
		for _, dst := range lan {
			s.send(tcpPacket(from, netip.AddrPortFrom(dst, port), flagSYN))
			s.send(tcpPacket(from, netip.AddrPortFrom(dst, port), flagACK))
			s.send(rawsock.UDP4(netip.AddrPortFrom(src, 53), netip.AddrPortFrom(dst, port), []byte("scan")))
		}
	}
	return true
}

// whole waits until every port was scanned once since the call.
func (s *scanner) whole(t *testing.T) {
	t.Helper()
	want := s.ports.Load() + 1<<16
	if err := lab.Poll(20*time.Second, func() error {
		if n := s.ports.Load(); n < want {
			return fmt.Errorf("%d of %d ports", n, want)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// tcpPacket is a bare TCP segment in IPv4.
func tcpPacket(src, dst netip.AddrPort, flags byte) []byte {
	p := ipPacket(src.Addr(), dst.Addr(), unix.IPPROTO_TCP, 20)
	h := p[20:]
	wire.BigEndian.PutUint16(h[0:], src.Port())
	wire.BigEndian.PutUint16(h[2:], dst.Port())
	wire.BigEndian.PutUint32(h[4:], 1)
	h[12], h[13] = 5<<4, flags
	wire.BigEndian.PutUint16(h[14:], 1024)
	pseudo := append(append([]byte{}, p[12:20]...), 0, unix.IPPROTO_TCP, 0, 20)
	wire.BigEndian.PutUint16(h[16:], ^onesSum(append(pseudo, h...)))
	return p
}

// echoPacket is a ping.
func echoPacket(src, dst netip.Addr, seq uint16) []byte {
	p := ipPacket(src, dst, unix.IPPROTO_ICMP, 8)
	p[20] = 8
	wire.BigEndian.PutUint16(p[26:], seq)
	wire.BigEndian.PutUint16(p[22:], ^onesSum(p[20:]))
	return p
}

func ipPacket(src, dst netip.Addr, proto byte, size int) []byte {
	p := make([]byte, 20+size)
	p[0], p[8], p[9] = 0x45, 64, proto
	wire.BigEndian.PutUint16(p[2:], uint16(len(p)))
	s, d := src.As4(), dst.As4()
	copy(p[12:], s[:])
	copy(p[16:], d[:])
	wire.BigEndian.PutUint16(p[10:], ^onesSum(p[:20]))
	return p
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
