package netns

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"luatnetd/internal/lab"
	"luatnetd/internal/rawsock"
	"luatnetd/netif"
)

// mappings is how many the largest LuatOS chip holds of each protocol.
const mappings = 8192

// 8,192 TCP and 8,192 UDP mappings are held at once: all of them still carry
// after the last was made. RTR-13.
func TestHolds8192TCPAnd8192UDPMappings(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		b := newBox(t, 1)
		b.staticClient()
		b.write(static)
		b.start()
		b.active(20*time.Second, "wan", "wan1")
		b.Server.MustDo(t, func() error { return serveBytes(t, lab.WebAddr+":99") })

		conns := b.connections(lab.WebAddr + ":99")
		b.datagrams()
		out := b.Gateway.MustRun(t, "conntrack", "-C")
		if n, err := strconv.Atoi(strings.TrimSpace(out)); err != nil || n < 2*mappings {
			t.Errorf("conntrack holds %q flows, want at least %d", out, 2*mappings)
		}
		for i, c := range conns {
			if err := answers(c); err != nil {
				t.Fatalf("connection %d of %d has not survived: %v", i, mappings, err)
			}
		}
		b.datagrams()
		b.noForeign()
	})
}

// serveBytes repeats every byte, without a large buffer for each connection.
func serveBytes(t *testing.T, addr string) error {
	l, err := net.Listen("tcp4", addr)
	if err != nil {
		return err
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				buf := make([]byte, 1)
				for {
					if _, err := io.ReadFull(c, buf); err != nil {
						return
					}
					if _, err := c.Write(buf); err != nil {
						return
					}
				}
			}()
		}
	}()
	return nil
}

// connections opens one connection of the LAN client after the other.
func (b *box) connections(addr string) []net.Conn {
	b.t.Helper()
	conns := make([]net.Conn, 0, mappings)
	b.t.Cleanup(func() {
		for _, c := range conns {
			_ = c.Close()
		}
	})
	b.Client.MustDo(b.t, func() error {
		d := net.Dialer{Timeout: 3 * time.Second}
		d.SetMultipathTCP(false)
		for range mappings {
			c, err := d.Dial("tcp4", addr)
			if err != nil {
				return fmt.Errorf("connection %d: %w", len(conns), err)
			}
			conns = append(conns, c)
		}
		return nil
	})
	return conns
}

func answers(c net.Conn) error {
	_ = c.SetDeadline(time.Now().Add(3 * time.Second))
	if _, err := c.Write([]byte("x")); err != nil {
		return err
	}
	_, err := io.ReadFull(c, make([]byte, 1))
	return err
}

// datagrams sends one from each of 8,192 ports of a LAN host; each must be
// answered to its own port.
func (b *box) datagrams() {
	b.t.Helper()
	const host, first = "192.168.5.60", 20000
	if _, err := b.Client.Run(b.t.Context(), "ip", "addr", "replace", host+"/24", "dev", "eth0"); err != nil {
		b.t.Fatal(err)
	}
	back := newTap(b.t, b.Client, "eth0", func(p packet) bool { return p.dst.String() == host && p.sport == lab.EchoPort })
	var raw *rawsock.Conn
	b.Client.MustDo(b.t, func() (err error) {
		raw, err = rawsock.Open("eth0", 0, nil)
		return err
	})
	defer raw.Close()
	src, dst := netip.MustParseAddr(host), netip.AddrPortFrom(netip.MustParseAddr(lab.WebAddr), lab.EchoPort)
	mac := b.gatewayMAC("lan1")
	for i := range uint16(mappings) {
		if err := raw.Send(mac, 0x0800, rawsock.UDP4(netip.AddrPortFrom(src, first+i), dst, []byte("datagram"))); err != nil {
			b.t.Fatal(err)
		}
		if i%64 == 63 {
			back.arrives(int(i) - 63) // never faster than the answers: a socket's buffer is small
		}
	}
	b.eventually(5*time.Second, "every datagram is answered", func() error {
		if n := back.different(); n < mappings {
			return fmt.Errorf("%d of %d ports got an answer", n, mappings)
		}
		return nil
	})
}

func (b *box) gatewayMAC(device string) (mac netif.MAC) {
	b.t.Helper()
	b.Gateway.MustDo(b.t, func() error {
		i, err := net.InterfaceByName(device)
		if err == nil {
			copy(mac[:], i.HardwareAddr)
		}
		return err
	})
	return mac
}
