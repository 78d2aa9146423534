package serve

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"luatnetd/internal/lab"
	"luatnetd/internal/rawsock"
	"luatnetd/netif"
)

// wire is a raw socket on a device: it sees and sends whole Ethernet frames,
// with any hardware address.
type wire struct {
	t     *testing.T
	fd    int
	index int
}

func openWire(t *testing.T, ns *lab.NS, device string) *wire {
	t.Helper()
	w := &wire{t: t}
	ns.MustDo(t, func() error {
		l, err := netlink.LinkByName(device)
		if err != nil {
			return err
		}
		w.index = l.Attrs().Index
		all := binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_ALL))
		if w.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, int(all)); err != nil {
			return err
		}
		_ = unix.SetsockoptInt(w.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 4<<20) // not in a user namespace
		_ = unix.SetsockoptInt(w.fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1)
		return unix.Bind(w.fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: w.index})
	})
	t.Cleanup(func() { _ = unix.Close(w.fd) })
	return w
}

// frame is a packet as it was on the wire.
type frame struct {
	dst, src netif.MAC
	kind     uint16
	payload  []byte // from the network header on
}

// next returns the next frame, or false after the wait.
func (w *wire) next(wait time.Duration) (frame, bool) {
	w.t.Helper()
	tv := unix.NsecToTimeval(max(wait, time.Millisecond).Nanoseconds())
	if err := unix.SetsockoptTimeval(w.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv); err != nil {
		w.t.Fatal(err)
	}
	buf := make([]byte, 2048)
	n, _, err := unix.Recvfrom(w.fd, buf, 0)
	if err != nil || n < 14 {
		return frame{}, false
	}
	return frame{netif.MAC(buf[:6]), netif.MAC(buf[6:12]), binary.BigEndian.Uint16(buf[12:]), buf[14:n]}, true
}

func (w *wire) send(dst, src netif.MAC, kind uint16, payload []byte) {
	w.t.Helper()
	b := append(append([]byte(nil), dst[:]...), src[:]...)
	b = append(binary.BigEndian.AppendUint16(b, kind), payload...)
	if err := unix.Sendto(w.fd, b, 0, &unix.SockaddrLinklayer{Ifindex: w.index, Halen: 6}); err != nil {
		w.t.Fatal(err)
	}
}

// dhcp sends a message by broadcast, as a client without an address does.
func (w *wire) dhcp(m netif.MAC, p *dhcpv4.DHCPv4) {
	w.t.Helper()
	w.send(rawsock.Broadcast, m, unix.ETH_P_IP, rawsock.UDP4(
		netip.MustParseAddrPort("0.0.0.0:68"), netip.MustParseAddrPort("255.255.255.255:67"), p.ToBytes()))
}

// reply waits for a DHCP reply; nil after the wait.
func (w *wire) reply(wait time.Duration) (*dhcpv4.DHCPv4, frame) {
	w.t.Helper()
	for end := time.Now().Add(wait); time.Now().Before(end); {
		f, ok := w.next(time.Until(end))
		if !ok || f.kind != unix.ETH_P_IP {
			continue
		}
		_, dst, payload, err := rawsock.ParseUDP4(f.payload, false)
		if err != nil || dst.Port() != 68 {
			continue
		}
		p, err := dhcpv4.FromBytes(payload)
		if err != nil {
			w.t.Fatalf("reply does not parse: %v", err)
		}
		return p, f
	}
	return nil, frame{}
}

func mac(n int) netif.MAC { return netif.MAC{0, 0x1c, 0x42, 0, byte(n >> 8), byte(n)} }

func message(t *testing.T, m netif.MAC, kind dhcpv4.MessageType, opts ...dhcpv4.Option) *dhcpv4.DHCPv4 {
	t.Helper()
	p, err := dhcpv4.New(dhcpv4.WithHwAddr(m.HardwareAddr()), dhcpv4.WithMessageType(kind))
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range opts {
		p.UpdateOption(o)
	}
	return p
}

func option(code uint8, v ...byte) dhcpv4.Option {
	return dhcpv4.OptGeneric(dhcpv4.GenericOptionCode(code), v)
}

// selects is the REQUEST for an OFFER.
func selects(t *testing.T, offer *dhcpv4.DHCPv4) *dhcpv4.DHCPv4 {
	t.Helper()
	return message(t, netif.MAC(offer.ClientHWAddr), dhcpv4.MessageTypeRequest,
		option(50, offer.YourIPAddr.To4()...), option(54, offer.Options[54]...))
}

// acquire gets a lease for a MAC on the wire.
func (w *wire) acquire(m netif.MAC, opts ...dhcpv4.Option) string {
	w.t.Helper()
	w.dhcp(m, message(w.t, m, dhcpv4.MessageTypeDiscover, opts...))
	offer := w.answer(m, dhcpv4.MessageTypeOffer)
	w.dhcp(m, selects(w.t, offer))
	return w.answer(m, dhcpv4.MessageTypeAck).YourIPAddr.String()
}

// answer waits for a reply of that kind to that MAC.
func (w *wire) answer(m netif.MAC, kind dhcpv4.MessageType) *dhcpv4.DHCPv4 {
	w.t.Helper()
	for {
		p, _ := w.reply(5 * time.Second)
		if p == nil {
			w.t.Fatalf("%v got no %v", m, kind)
		}
		if bytes.Equal(p.ClientHWAddr, m[:]) {
			if p.MessageType() != kind {
				w.t.Fatalf("%v got %v, want %v", m, p.MessageType(), kind)
			}
			return p
		}
	}
}
