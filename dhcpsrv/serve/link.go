package serve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"luatnetd/dhcpsrv"
	"luatnetd/internal/rawsock"
	"luatnetd/netif"
)

// receiveBuffer holds a whole LAN that wakes up at once: the default of
// 208 KiB holds 166 requests, and the clients of the rest wait for 4 s.
const receiveBuffer = 4 << 20 // bytes

// queueCap is how many packets wait between a socket and the loop.
const queueCap = 64

// link is the LAN's device with the sockets on it.
type link struct {
	device  string
	udp     *net.UDPConn
	raw     *rawsock.Conn // sends replies, receives nothing
	arp     *rawsock.Conn
	packets chan packet
	heard   chan dhcpsrv.ARP
	wg      sync.WaitGroup
	done    chan struct{} // closed by close
}

type packet struct {
	payload []byte
	from    netip.Addr
}

// openLink opens the sockets of a device and starts to read them.
func openLink(ctx context.Context, device string) (*link, error) {
	l := &link{
		device: device, packets: make(chan packet, queueCap), heard: make(chan dhcpsrv.ARP, queueCap), done: make(chan struct{}),
	}
	var err error
	if l.udp, err = listen(ctx, device); err == nil {
		if l.raw, err = rawsock.Open(device, 0, nil); err == nil {
			l.arp, err = rawsock.Open(device, rawsock.ARPv4, rawsock.ARPFilter())
		}
	}
	if err != nil {
		l.close()
		return nil, err
	}
	l.wg.Add(2)
	go l.readUDP()
	go l.readARP()
	return l, nil
}

// listen binds port 67 to the device. There is no SO_REUSEADDR: a second
// server must fail, not take a part of the clients.
func listen(ctx context.Context, device string) (*net.UDPConn, error) {
	var optErr error
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		err := c.Control(func(fd uintptr) {
			if optErr = unix.SetsockoptString(int(fd), unix.SOL_SOCKET, unix.SO_BINDTODEVICE, device); optErr != nil {
				return
			}
			if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer) != nil {
				// In a user namespace: as much as the system allows.
				optErr = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer)
			}
		})
		return errors.Join(err, optErr)
	}}
	c, err := lc.ListenPacket(ctx, "udp4", ":67")
	if err != nil {
		return nil, fmt.Errorf("listen on port 67 of %s: %w", device, err)
	}
	return c.(*net.UDPConn), nil
}

func (l *link) close() {
	close(l.done)
	if l.udp != nil {
		_ = l.udp.Close()
	}
	for _, c := range []*rawsock.Conn{l.raw, l.arp} {
		if c != nil {
			_ = c.Close()
		}
	}
	l.wg.Wait()
}

// pause waits after an error of a socket, so that one that fails at once and
// always cannot take the processor. It reports false when the link is closed.
func (l *link) pause() bool {
	select {
	case <-l.done:
		return false
	case <-time.After(100 * time.Millisecond):
		return true
	}
}

// readUDP passes requests on until the link is closed.
func (l *link) readUDP() {
	defer l.wg.Done()
	buf := make([]byte, 2048)
	for {
		n, from, err := l.udp.ReadFromUDPAddrPort(buf)
		if err != nil {
			// An ICMP error of an earlier reply, or the device went down.
			if errors.Is(err, net.ErrClosed) || !l.pause() {
				return
			}
			continue
		}
		p := packet{payload: append([]byte(nil), buf[:n]...), from: from.Addr().Unmap()}
		select {
		case l.packets <- p:
		case <-l.done:
			return
		}
	}
}

// readARP passes on what others say by ARP.
func (l *link) readARP() {
	defer l.wg.Done()
	buf := make([]byte, 128)
	for {
		n, _, _, err := l.arp.Recv(buf, time.Time{})
		if err != nil {
			if errors.Is(err, os.ErrClosed) || !l.pause() {
				return
			}
			continue
		}
		a, err := rawsock.ParseARP(buf[:n])
		if err != nil || a.SenderMAC == l.arp.MAC() {
			continue
		}
		select {
		case l.heard <- dhcpsrv.ARP{Sender: a.SenderMAC, SenderIP: a.Sender, TargetIP: a.Target}:
		case <-l.done:
			return
		}
	}
}

// current reports whether the device is still the one that the sockets are
// bound to. A UDP socket says nothing when its device is removed: it would
// stay deaf for ever on a bridge that was made again.
func (l *link) current() bool {
	var index int
	var mac netif.MAC
	c, err := l.udp.SyscallConn()
	if err == nil {
		err = c.Control(func(fd uintptr) { index, mac = identity(int(fd), l.device) })
	}
	return err == nil && index == l.arp.Index() && mac == l.arp.MAC()
}

// identity is a device's index and hardware address, zero when it is gone.
func identity(fd int, device string) (index int, mac netif.MAC) {
	req, err := unix.NewIfreq(device)
	if err != nil || unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, req) != nil {
		return 0, mac
	}
	index = int(req.Uint32())
	if hw, err := hardware(fd, device); err == nil {
		mac = hw
	}
	return index, mac
}

// send sends a reply from self. What can be sent as a datagram and is refused
// (no neighbour entry to be had, no address on the device yet) goes as a frame.
func (l *link) send(self netip.Addr, r dhcpsrv.Reply) error {
	to := netip.AddrPortFrom(r.To, rawsock.DHCPClientPort)
	if r.Routed {
		info := unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: self.As4()})
		if _, _, err := l.udp.WriteMsgUDPAddrPort(r.Payload, info, to); err == nil || r.MAC.IsZero() {
			return err
		}
	}
	from := netip.AddrPortFrom(self, rawsock.DHCPServerPort)
	return l.raw.Send(r.MAC, rawsock.IPv4, rawsock.UDP4(from, to, r.Payload))
}

// ask sends an ARP probe (RFC 5227 §2.1.1).
func (l *link) ask(a netip.Addr) error {
	return l.arp.Send(rawsock.Broadcast, rawsock.ARPv4, rawsock.ARPProbe(l.arp.MAC(), a).Bytes())
}
