package netns

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"luatnetd/internal/lab"
)

// scanner6Addr is the attacker's address on the uplink: any neighbour can speak
// IPv6 to us, whatever the provider offers.
const scanner6Addr = "fe80::166"

// From a neighbour on the uplink, over IPv6: a scan of every TCP and UDP port,
// also from the port of DHCPv6 servers, gets no answer but neighbour discovery
// (RFC 4861), while the daemon runs and after kill -9. RTR-15.
func TestScanOverIPv6GetsNoAnswer(t *testing.T) {
	t.Parallel()
	lab.Run(t, func(t *testing.T) {
		b := newBox(t, 1)
		b.ISPs[0].MustRun(t, "ip", "addr", "add", scanner6Addr+"/64", "dev", "down0", "nodad")
		wan := b.linkLocal("wan1")
		talk := filteredTap(t, b.ISPs[0].NS, "down0", ipv6, nil, func(p packet) bool {
			return to(scanner6Addr)(p) && !discovery(p)
		})
		s := b.newScanner(wan)
		s.sweep6(1024)
		talk.arrives(1000) // the control: without the daemon the kernel answers
		time.Sleep(100 * time.Millisecond)
		talk.forget()

		b.write(static)
		b.start()
		b.active(20*time.Second, "wan", "wan1")
		s.sweep6(1<<16 - 1)
		s.sent(t)
		talk.nothing("answers over IPv6")
		b.findsUs(wan)
		b.stop(syscall.SIGKILL)
		talk.forget() // the answer to a ping
		s.sweep6(1<<16 - 1)
		s.sent(t)
		talk.nothing("answers over IPv6 after kill -9")
		b.findsUs(wan)
	})
}

// discovery matches what a neighbour needs to reach us (RFC 4861 §4.3, §4.4).
func discovery(p packet) bool {
	kind := p.sport >> 8
	return p.proto == unix.IPPROTO_ICMPV6 && (kind == 135 || kind == 136)
}

// sweep6 scans the ports from 1 to last: TCP, and UDP from a random port, from
// that of DNS and from that of DHCPv6 servers.
func (s *scanner) sweep6(last int) {
	src := netip.MustParseAddr(scanner6Addr)
	for port := 1; port <= last; port++ {
		dst := netip.AddrPortFrom(s.wan, uint16(port))
		s.send(tcpPacket(netip.AddrPortFrom(src, 40000), dst, flagSYN))
		for _, p := range []uint16{uint16(1024 + rand.IntN(64512)), 53, 547} {
			s.send(udp6Packet(netip.AddrPortFrom(src, p), dst, "scan"))
		}
	}
}

// linkLocal waits for the link-local address that the kernel gives a device.
func (b *box) linkLocal(device string) (addr string) {
	b.t.Helper()
	b.eventually(5*time.Second, device+" has a link-local address", func() error {
		out := b.Gateway.MustRun(b.t, "ip", "-6", "-brief", "addr", "show", "dev", device, "scope", "link", "-tentative")
		for f := range strings.FieldsSeq(out) {
			if p, err := netip.ParsePrefix(f); err == nil {
				addr = p.Addr().String()
				return nil
			}
		}
		return fmt.Errorf("it has %q", out)
	})
	return addr
}

// findsUs fails the test if a neighbour cannot find the address any more, or
// its ping is not answered.
func (b *box) findsUs(addr string) {
	b.t.Helper()
	b.ISPs[0].MustRun(b.t, "ip", "-6", "neigh", "flush", "dev", "down0")
	b.eventually(3*time.Second, "a ping over IPv6 is answered", func() error {
		_, err := b.ISPs[0].Run(b.t.Context(), "ping", "-6", "-c1", "-W1", "-I", scanner6Addr+"%down0", addr+"%down0")
		return err
	})
}
