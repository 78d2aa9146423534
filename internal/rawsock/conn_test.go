package rawsock_test

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"luatnetd/internal/lab"
	"luatnetd/internal/rawsock"
	"luatnetd/netif"
)

func TestMain(m *testing.M) { lab.Main(m) }

func soon() time.Time { return time.Now().Add(3 * time.Second) }

// pair is two namespaces with a veth between their eth0.
func pair(t *testing.T) (a, b *lab.NS) {
	t.Helper()
	n := lab.New(t)
	a, b = n.MustNS(t, "a"), n.MustNS(t, "b")
	n.MustLink(t, a, "eth0", b, "eth0")
	for ns, addr := range map[*lab.NS]string{a: "192.0.2.1/24", b: "192.0.2.2/24"} {
		if err := ns.AddAddr("eth0", addr); err != nil {
			t.Fatal(err)
		}
	}
	return a, b
}

func open(t *testing.T, ns *lab.NS, device string, proto uint16, client bool) *rawsock.Conn {
	t.Helper()
	filter := rawsock.ARPFilter()
	if proto == rawsock.IPv4 {
		filter = rawsock.DHCPServerFilter()
		if client {
			filter = rawsock.DHCPClientFilter()
		}
	}
	var c *rawsock.Conn
	ns.MustDo(t, func() (err error) { c, err = rawsock.Open(device, proto, filter); return err })
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// The kernel's own UDP stack is the oracle: it drops what has wrong checksums.
func TestKernelReadsWhatWeSend(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		a, b := pair(t)
		var receiver net.PacketConn
		b.MustDo(t, func() (err error) { receiver, err = net.ListenPacket("udp4", ":67"); return err })
		defer receiver.Close()
		c := open(t, a, "eth0", rawsock.IPv4, true)
		if c.MAC().IsZero() || c.Index() == 0 {
			t.Fatalf("own address %v, index %d", c.MAC(), c.Index())
		}
		for _, text := range []string{"even", "odd"} {
			packet := rawsock.UDP4(netip.MustParseAddrPort("192.0.2.1:68"), netip.MustParseAddrPort("255.255.255.255:67"), []byte(text))
			if err := c.Send(rawsock.Broadcast, rawsock.IPv4, packet); err != nil {
				t.Fatal(err)
			}
			_ = receiver.SetReadDeadline(soon())
			buf := make([]byte, 100)
			n, from, err := receiver.ReadFrom(buf)
			if err != nil || string(buf[:n]) != text || from.String() != "192.0.2.1:68" {
				t.Fatalf("kernel got %q from %v, %v; want %q", buf[:n], from, err, text)
			}
		}
	})
}

// A veth hands up packets with partial checksums: without the auxiliary data
// every answer of a server on the same machine would look damaged.
func TestFilterAndPartialChecksum(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		a, b := pair(t)
		c := open(t, a, "eth0", rawsock.IPv4, true)
		var mac netif.MAC
		b.MustDo(t, func() error {
			l, err := netlink.LinkByName("eth0")
			if err != nil {
				return err
			}
			mac, _ = netif.MACFrom(l.Attrs().HardwareAddr)
			for _, port := range []int{67, 69, 53, 68} {
				u, err := net.DialUDP("udp4", nil, &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: port})
				if err != nil {
					return err
				}
				if _, err := u.Write([]byte{byte(port)}); err != nil {
					return err
				}
				_ = u.Close()
			}
			return nil
		})
		buf := make([]byte, 2048)
		n, src, partial, err := c.Recv(buf, soon())
		if err != nil {
			t.Fatal(err)
		}
		_, dst, payload, err := rawsock.ParseUDP4(buf[:n], partial)
		if err != nil || dst.Port() != 68 || len(payload) != 1 || payload[0] != 68 {
			t.Fatalf("got %v %v, %v: the filter let another packet through, or the checksum was judged", dst, payload, err)
		}
		if src != mac {
			t.Errorf("link source %v, want %v", src, mac)
		}
		if !partial {
			t.Error("a veth's packet was not reported as partial: the option is not read")
		}
		if n, _, _, err = c.Recv(buf, time.Now().Add(50*time.Millisecond)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("second packet %x, %v; want a timeout", buf[:n], err)
		}
	})
}

func TestARPProbeIsAnswered(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		a, _ := pair(t)
		c := open(t, a, "eth0", rawsock.ARPv4, false)
		taken := netip.MustParseAddr("192.0.2.2")
		if err := c.Send(rawsock.Broadcast, rawsock.ARPv4, rawsock.ARPProbe(c.MAC(), taken).Bytes()); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 128)
		n, _, _, err := c.Recv(buf, soon())
		if err != nil {
			t.Fatal(err)
		}
		got, err := rawsock.ParseARP(buf[:n])
		if err != nil || !got.ClaimedBy(c.MAC(), taken) {
			t.Errorf("answer %+v, %v; want a claim of %v", got, err, taken)
		}
	})
}

func TestDeviceGoesDownAndComesBack(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		a, b := pair(t)
		c := open(t, a, "eth0", rawsock.IPv4, true)
		packet := rawsock.UDP4(netip.MustParseAddrPort("192.0.2.2:67"), netip.MustParseAddrPort("255.255.255.255:68"), []byte("x"))
		if err := a.SetUp("eth0", false); err != nil {
			t.Fatal(err)
		}
		if _, _, _, err := c.Recv(make([]byte, 100), soon()); !errors.Is(err, unix.ENETDOWN) {
			t.Errorf("receive on a device that went down: %v, want ENETDOWN", err)
		}
		if err := c.Send(rawsock.Broadcast, rawsock.IPv4, packet); !errors.Is(err, unix.ENETDOWN) {
			t.Errorf("send on a device that is down: %v, want ENETDOWN", err)
		}
		if err := a.SetUp("eth0", true); err != nil {
			t.Fatal(err)
		}
		peer := open(t, b, "eth0", 0, false)
		if err := peer.Send(rawsock.Broadcast, rawsock.IPv4, packet); err != nil {
			t.Fatal(err)
		}
		if _, _, _, err := c.Recv(make([]byte, 100), soon()); err != nil {
			t.Errorf("receive after the device came back: %v", err)
		}
		a.MustRun(t, "ip", "link", "del", "eth0")
		if err := c.Send(rawsock.Broadcast, rawsock.IPv4, packet); !errors.Is(err, unix.ENXIO) {
			t.Errorf("send on a device that is gone: %v, want ENXIO", err)
		}
		a.MustDo(t, func() error {
			if _, err := rawsock.Open("eth0", 0, nil); !errors.Is(err, unix.ENODEV) {
				t.Errorf("open on a device that is gone: %v, want ENODEV", err)
			}
			return nil
		})
	})
}

func TestCloseEndsRecv(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
		a, _ := pair(t)
		c := open(t, a, "eth0", rawsock.IPv4, true)
		done := make(chan error, 1) // one result, never full
		go func() {
			_, _, _, err := c.Recv(make([]byte, 100), time.Time{})
			done <- err
		}()
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-done; !errors.Is(err, os.ErrClosed) {
			t.Errorf("Recv ended with %v, want closed", err)
		}
	})
}

// A modem in raw IP mode has no link addresses at all.
func TestDeviceWithoutLinkAddress(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		ns := lab.New(t).MustNS(t, "a")
		err := ns.Do(func() error {
			attrs := netlink.NewLinkAttrs()
			attrs.Name = "wwan0"
			tun := &netlink.Tuntap{LinkAttrs: attrs, Mode: netlink.TUNTAP_MODE_TUN, Flags: netlink.TUNTAP_NO_PI | netlink.TUNTAP_ONE_QUEUE}
			if err := netlink.LinkAdd(tun); err != nil {
				return err
			}
			return netlink.LinkSetUp(tun)
		})
		if err != nil {
			t.Skipf("needs a kernel with tun devices (CONFIG_TUN): %v", err)
		}
		c := open(t, ns, "wwan0", rawsock.IPv4, true)
		if !c.MAC().IsZero() {
			t.Errorf("own address %v, want none", c.MAC())
		}
		packet := rawsock.UDP4(netip.MustParseAddrPort("0.0.0.0:68"), netip.MustParseAddrPort("255.255.255.255:67"), []byte("x"))
		if err := c.Send(rawsock.Broadcast, rawsock.IPv4, packet); err != nil && !errors.Is(err, unix.ENETDOWN) {
			t.Errorf("send: %v", err)
		}
	})
}
