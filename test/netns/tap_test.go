package netns

import (
	wire "encoding/binary"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"luatnetd/internal/lab"
)

// tap counts the packets of IP that arrive at a device, as the wire carries
// them: before any filter of that machine.
type tap struct {
	t    *testing.T
	fd   int
	want func(packet) bool
	stop chan struct{}
	done sync.WaitGroup

	mu   sync.Mutex // guards seen
	seen map[string]int
}

// packet is what a tap looks at.
type packet struct {
	src, dst     netip.Addr
	proto        byte
	sport, dport uint16 // of TCP and UDP; type and code of ICMP
}

func (p packet) String() string {
	if p.proto == unix.IPPROTO_ICMP || p.proto == unix.IPPROTO_ICMPV6 {
		return fmt.Sprintf("ICMP %d/%d from %s to %s", p.sport>>8, p.sport&0xff, p.src, p.dst)
	}
	return fmt.Sprintf("protocol %d from %s:%d to %s:%d", p.proto, p.src, p.sport, p.dst, p.dport)
}

// to matches what goes to an address.
func to(addr string) func(packet) bool {
	a := netip.MustParseAddr(addr)
	return func(p packet) bool { return p.dst == a }
}

// from matches what comes from an address.
func from(addr string) func(packet) bool {
	a := netip.MustParseAddr(addr)
	return func(p packet) bool { return p.src == a }
}

// newTap listens at the device until the test ends.
func newTap(t *testing.T, ns *lab.NS, device string, want func(packet) bool) *tap {
	t.Helper()
	return filteredTap(t, ns, device, ipv4, nil, want)
}

// strayTap sees what a provider's customer sends with a source that is not
// his. The kernel filters, so it costs nothing where there is none.
func strayTap(t *testing.T, isp *lab.ISP) *tap {
	t.Helper()
	subnet := isp.Subnet.Addr().As4()
	filter, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: 12, Size: 4}, // source
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0, SkipTrue: 3},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xffffff00},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: wire.BigEndian.Uint32(subnet[:]), SkipTrue: 1},
		bpf.RetConstant{Val: 2048},
		bpf.RetConstant{Val: 0},
	})
	if err != nil {
		t.Fatal(err)
	}
	return filteredTap(t, isp.NS, "down0", ipv4, filter, func(packet) bool { return true })
}

func filteredTap(t *testing.T, ns *lab.NS, device string, family uint16, filter []bpf.RawInstruction, want func(packet) bool) *tap {
	t.Helper()
	p := &tap{t: t, want: want, stop: make(chan struct{}), seen: map[string]int{}}
	ns.MustDo(t, func() (err error) {
		l, err := netlink.LinkByName(device)
		if err != nil {
			return err
		}
		if p.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		_ = unix.SetsockoptInt(p.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20) // refused to ordinary users
		if err := unix.SetsockoptInt(p.fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1); err != nil {
			return err
		}
		if err := unix.SetsockoptTimeval(p.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 50000}); err != nil {
			return err
		}
		if len(filter) > 0 {
			prog := make([]unix.SockFilter, len(filter))
			for i, f := range filter {
				prog[i] = unix.SockFilter{Code: f.Op, Jt: f.Jt, Jf: f.Jf, K: f.K}
			}
			if err := unix.SetsockoptSockFprog(p.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}); err != nil {
				return err
			}
		}
		return unix.Bind(p.fd, &unix.SockaddrLinklayer{Protocol: family, Ifindex: l.Attrs().Index})
	})
	p.done.Go(p.run)
	t.Cleanup(func() {
		close(p.stop)
		p.done.Wait()
		_ = unix.Close(p.fd)
	})
	return p
}

func (p *tap) run() {
	buf := make([]byte, 2048)
	for {
		n, _, err := unix.Recvfrom(p.fd, buf, 0)
		if err != nil {
			select {
			case <-p.stop:
				return
			default:
				continue
			}
		}
		if k, ok := parsePacket(buf[:n]); ok && p.want(k) {
			p.mu.Lock()
			p.seen[k.String()]++
			p.mu.Unlock()
		}
	}
}

func parsePacket(b []byte) (p packet, ok bool) {
	if len(b) >= 44 && b[0]>>4 == 6 { // an extension header is a protocol without ports
		p.src, p.dst = netip.AddrFrom16([16]byte(b[8:])), netip.AddrFrom16([16]byte(b[24:]))
		p.proto = b[6]
		p.sport, p.dport = wire.BigEndian.Uint16(b[40:]), wire.BigEndian.Uint16(b[42:])
		return p, true
	}
	if len(b) < 24 || b[0]>>4 != 4 {
		return p, false
	}
	head := int(b[0]&15) * 4
	if len(b) < head+4 {
		return p, false
	}
	p.src, _ = netip.AddrFromSlice(b[12:16])
	p.dst, _ = netip.AddrFromSlice(b[16:20])
	p.proto = b[9]
	p.sport, p.dport = wire.BigEndian.Uint16(b[head:]), wire.BigEndian.Uint16(b[head+2:])
	return p, true
}

// missed is how many packets did not fit into the tap's buffer since the last
// time it was asked.
func (p *tap) missed() uint32 {
	p.t.Helper()
	stats, err := unix.GetsockoptTpacketStats(p.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		p.t.Fatal(err)
	}
	return stats.Drops
}

// count is how many packets were seen.
func (p *tap) count() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, k := range p.seen {
		n += k
	}
	return n
}

// different is how many packets were seen that differ from each other.
func (p *tap) different() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.seen)
}

// arrives waits until at least n packets were seen.
func (p *tap) arrives(n int) {
	p.t.Helper()
	if err := lab.Poll(5*time.Second, func() error {
		if got := p.count(); got < n {
			return fmt.Errorf("%d packets arrived, want at least %d", got, n)
		}
		return nil
	}); err != nil {
		p.t.Error(err)
	}
}

// nothing fails the test if a packet was seen or missed, and forgets it.
func (p *tap) nothing(what string) {
	p.t.Helper()
	n := p.count() + int(p.missed())
	p.mu.Lock()
	defer p.mu.Unlock()
	if n > 0 {
		lines := slices.Sorted(maps.Keys(p.seen))
		p.t.Errorf("%s: %d packets, want none:\n%s", what, n, strings.Join(lines[:min(len(lines), 20)], "\n"))
	}
	clear(p.seen)
}

func (p *tap) forget() {
	p.missed()
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.seen)
}
