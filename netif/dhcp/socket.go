package dhcp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"luatnetd/internal/rawsock"
	"luatnetd/netif"
	"luatnetd/netif/lease"
)

const messageMax = 2048 // more than an Ethernet frame and a DHCP message may hold

// received is what a reader passes on.
type received struct {
	event lease.Event
	udp   bool
}

// sockets are the three sockets of a client. Fields are owned by Run; readers
// know their own socket and the channel only.
type sockets struct {
	device  string
	index   int // of the device they are bound to, 0 without device
	out     chan<- received
	broken  chan<- io.Closer // sockets whose reader gave up
	log     *slog.Logger
	readers sync.WaitGroup

	wantRaw, wantARP bool
	raw, arp         *rawsock.Conn
	udp              *net.UDPConn

	retry time.Time // of what could not be opened, zero for nothing
	why   string    // last failure, so that it is told once
}

// setDevice moves to another incarnation of the device; 0 means that it is gone.
func (s *sockets) setDevice(index int, now time.Time) {
	if s.index != index {
		s.closeAll()
		s.index = index
	}
	s.sync(now)
}

// sync opens what is wanted and closes what is not.
func (s *sockets) sync(now time.Time) {
	s.retry = time.Time{}
	if s.index == 0 {
		return
	}
	err := errors.Join(s.syncUDP(), s.syncPacket(&s.raw, s.wantRaw, s.openRaw), s.syncPacket(&s.arp, s.wantARP, s.openARP))
	if err == nil {
		s.why = ""
		return
	}
	s.retry = now.Add(reopenAfter)
	if s.why != err.Error() {
		s.why = err.Error()
		s.log.Warn("dhcp socket cannot be opened, trying again", "err", err)
	}
}

func (s *sockets) syncPacket(slot **rawsock.Conn, want bool, open func() (*rawsock.Conn, error)) error {
	if want && *slot == nil {
		conn, err := open()
		if err != nil {
			return err
		}
		*slot = conn
	}
	if !want && *slot != nil {
		_ = (*slot).Close()
		*slot = nil
	}
	return nil
}

func (s *sockets) openRaw() (*rawsock.Conn, error) {
	conn, err := rawsock.Open(s.device, rawsock.IPv4, rawsock.DHCPClientFilter())
	if err != nil {
		return nil, err
	}
	s.readers.Go(func() { s.read(conn, dhcpPacket) })
	return conn, nil
}

func (s *sockets) openARP() (*rawsock.Conn, error) {
	conn, err := rawsock.Open(s.device, rawsock.ARPv4, rawsock.ARPFilter())
	if err != nil {
		return nil, err
	}
	s.readers.Go(func() { s.read(conn, arpPacket) })
	return conn, nil
}

// syncUDP opens the socket on port 68. It is bound to the device, not to the
// leased address: a NAK comes by broadcast (RFC 2131 §4.1), and a socket with
// an address hears none. Its source address is set per message.
func (s *sockets) syncUDP() error {
	if s.udp != nil {
		return nil
	}
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var opErr error
		err := c.Control(func(fd uintptr) {
			opErr = errors.Join(
				unix.SetsockoptString(int(fd), unix.SOL_SOCKET, unix.SO_BINDTODEVICE, s.device),
				// The address may be a moment away, or taken off by somebody else.
				unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_FREEBIND, 1),
			)
		})
		return errors.Join(err, opErr)
	}}
	conn, err := lc.ListenPacket(context.Background(), "udp4", fmt.Sprintf(":%d", rawsock.DHCPClientPort))
	if err != nil {
		return fmt.Errorf("port %d on %s: %w", rawsock.DHCPClientPort, s.device, err)
	}
	udp := conn.(*net.UDPConn)
	s.udp = udp
	s.readers.Go(func() { s.readUDP(udp) })
	return nil
}

// drop closes a socket whose reader gave up; sync opens another one.
func (s *sockets) drop(c io.Closer, now time.Time) {
	_ = c.Close()
	switch c {
	case io.Closer(s.raw):
		s.raw = nil
	case io.Closer(s.arp):
		s.arp = nil
	case io.Closer(s.udp):
		s.udp = nil
	default:
		return
	}
	s.retry = now.Add(reopenAfter)
}

func (s *sockets) closeAll() {
	if s.raw != nil {
		_ = s.raw.Close()
	}
	if s.arp != nil {
		_ = s.arp.Close()
	}
	if s.udp != nil {
		_ = s.udp.Close()
	}
	s.raw, s.arp, s.udp = nil, nil, nil
}

// close closes everything and waits for the readers, who may be waiting to
// hand over a packet.
func (s *sockets) close() {
	s.closeAll()
	s.readers.Wait()
}

func (s *sockets) send(a lease.Send) error {
	dst := netip.AddrPortFrom(a.Dst, rawsock.DHCPServerPort)
	if a.Broadcast {
		if s.raw == nil {
			return fmt.Errorf("send on %s: no packet socket", s.device)
		}
		src := netip.AddrPortFrom(a.Src, rawsock.DHCPClientPort)
		return s.raw.Send(rawsock.Broadcast, rawsock.IPv4, rawsock.UDP4(src, dst, a.Payload))
	}
	if s.udp == nil {
		return fmt.Errorf("send to %v on %s: no socket on port %d", a.Dst, s.device, rawsock.DHCPClientPort)
	}
	source := unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: a.Src.As4()})
	if _, _, err := s.udp.WriteMsgUDPAddrPort(a.Payload, source, dst); err != nil {
		return fmt.Errorf("send from %v to %v on %s: %w", a.Src, a.Dst, s.device, err)
	}
	return nil
}

func (s *sockets) sendARP(a lease.Action) error {
	if s.arp == nil {
		return fmt.Errorf("send ARP on %s: no packet socket", s.device)
	}
	mac, to := s.arp.MAC(), rawsock.Broadcast
	var packet rawsock.ARP
	switch a := a.(type) {
	case lease.Probe:
		packet = rawsock.ARPProbe(mac, a.Addr)
	case lease.Announce:
		packet = rawsock.ARPAnnounce(mac, a.Addr)
	case lease.AskGateway:
		packet = rawsock.ARPRequest(mac, a.From, a.Gateway)
		if !a.MAC.IsZero() {
			to = a.MAC
		}
	}
	return s.arp.Send(to, rawsock.ARPv4, packet.Bytes())
}

// pass hands a packet over, or drops it where Run is busy.
func (s *sockets) pass(r received) {
	select {
	case s.out <- r:
	default:
	}
}

// giveUp tells Run that a socket has no reader any more. The channel holds
// more of them than there are sockets.
func (s *sockets) giveUp(c io.Closer, err error) {
	s.log.Warn("dhcp socket is broken, opening another", "err", err)
	select {
	case s.broken <- c:
	default:
	}
}

// read reads until the socket is closed. A device that goes down says
// so once and the socket works again when it comes back.
func (s *sockets) read(conn *rawsock.Conn, parse func([]byte, netif.MAC, bool) (lease.Event, bool)) {
	buf := make([]byte, messageMax)
	for {
		n, src, partial, err := conn.Recv(buf, time.Time{})
		switch {
		case errors.Is(err, os.ErrClosed):
			return
		case errors.Is(err, unix.ENETDOWN):
			continue
		case err != nil:
			s.giveUp(conn, err)
			return
		}
		if ev, ok := parse(buf[:n], src, partial); ok {
			s.pass(received{event: ev})
		}
	}
}

func dhcpPacket(b []byte, src netif.MAC, partial bool) (lease.Event, bool) {
	_, dst, payload, err := rawsock.ParseUDP4(b, partial)
	if err != nil || dst.Port() != rawsock.DHCPClientPort {
		return nil, false
	}
	return lease.Packet{Payload: slices.Clone(payload), From: src}, true
}

func arpPacket(b []byte, _ netif.MAC, _ bool) (lease.Event, bool) {
	a, err := rawsock.ParseARP(b)
	if err != nil {
		return nil, false
	}
	return lease.ARP{Request: a.Op == rawsock.ARPOpRequest, SenderMAC: a.SenderMAC, Sender: a.Sender, Target: a.Target}, true
}

func (s *sockets) readUDP(conn *net.UDPConn) {
	buf := make([]byte, messageMax)
	for {
		n, _, err := conn.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if errors.Is(err, unix.ENETDOWN) {
			continue
		}
		if err != nil {
			s.giveUp(conn, err)
			return
		}
		s.pass(received{event: lease.Packet{Payload: slices.Clone(buf[:n])}, udp: true})
	}
}
