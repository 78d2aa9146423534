package netns

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"luatnetd/internal/rawsock"
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
	ports atomic.Uint64 // begun so far
	stop  chan struct{}
	done  sync.WaitGroup

	mu  sync.Mutex // guards err
	err error      // the first frame that could not be sent: its port was not scanned
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
		s.to = unix.SockaddrLinklayer{Protocol: family(s.wan), Ifindex: l.Attrs().Index, Halen: 6}
		copy(s.to.Addr[:], mac)
		s.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		return err
	})
	return s
}

// sendTries is how often a frame is offered while the device's queue is full.
const sendTries = 1000

func (s *scanner) send(packet []byte) {
	var err error
	for range sendTries {
		if err = unix.Sendto(s.fd, packet, 0, &s.to); err != unix.ENOBUFS && err != unix.EAGAIN && err != unix.EINTR {
			break
		}
		runtime.Gosched()
	}
	if err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.err = cmp.Or(s.err, fmt.Errorf("send a frame of the scan: %w", err))
	}
}

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

// trusted are the source ports that careless firewalls let in.
var trusted = []uint16{53, 67, 123}

// round scans every TCP port and, from a random port and from the trusted ones,
// every UDP port of the uplink's address; then the well-known ports of the LAN
// behind it. False: the scanner was stopped.
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
		for _, p := range append([]uint16{uint16(1024 + rand.IntN(64512))}, trusted...) {
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

// during repeats a moment while every port is scanned once, counted from before
// the first, and at least times. A moment is shorter than a sweep: with many of
// them in each sweep no port has a time at which it is always left alone.
func (s *scanner) during(t *testing.T, times int, moment func(i int)) {
	t.Helper()
	want := s.ports.Load() + 1<<16
	began := time.Now()
	n := 0
	for ; n < times || s.ports.Load() < want; n++ {
		if time.Since(began) > sweepLimit {
			t.Fatalf("%d ports are left to scan after %v", want-s.ports.Load(), sweepLimit)
		}
		moment(n)
	}
	t.Logf("%d moments in a sweep of %v", n, time.Since(began).Round(time.Millisecond))
	s.sent(t)
}

// sweepLimit is how long a busy machine may need for all ports.
const sweepLimit = 60 * time.Second

// sent fails the test if a frame could not be sent.
func (s *scanner) sent(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		t.Error(s.err)
	}
}

// whole waits until every port was scanned once since the call.
func (s *scanner) whole(t *testing.T) {
	t.Helper()
	s.during(t, 1, func(int) { time.Sleep(10 * time.Millisecond) })
}
