package dhcp_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"luatnetd/internal/lab"
	"luatnetd/internal/rawsock"
)

// dnsmasq serves the pool; more arguments are added.
func dnsmasq(t *testing.T, ns *lab.NS, from, to string, more ...string) *lab.Proc {
	t.Helper()
	leases := filepath.Join(ns.Dir(), "run", "leases"+from)
	args := []string{
		"--no-daemon", "--conf-file=/dev/null", "--port=0", "--no-ping", // it changes no user, so it works in a user namespace
		"--interface=eth0", "--bind-interfaces", "--log-dhcp", "--log-facility=-", "--pid-file=" + leases + ".pid",
		"--dhcp-leasefile=" + leases, "--dhcp-authoritative", "--dhcp-range=" + from + "," + to + ",255.255.255.0,2m",
	}
	p, err := ns.Start(nil, "dnsmasq", append(args, more...)...)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "dnsmasq listens", func() bool {
		select {
		case <-p.Done():
			t.Fatalf("dnsmasq ended: %s", p.Output())
		default:
		}
		return strings.Contains(p.Output(), "DHCP, sockets bound") || strings.Contains(p.Output(), "DHCP, IP range")
	})
	return p
}

func newTap(t *testing.T, ns *lab.NS) *tap {
	t.Helper()
	p := &tap{end: make(chan struct{})}
	ns.MustDo(t, func() (err error) {
		p.conn, err = rawsock.Open("eth0", rawsock.IPv4, rawsock.DHCPServerFilter())
		return err
	})
	go func() {
		defer close(p.end)
		buf := make([]byte, 2048)
		for {
			n, _, partial, err := p.conn.Recv(buf, time.Time{})
			if err != nil && !strings.Contains(err.Error(), "network is down") {
				return
			}
			src, dst, b, err := rawsock.ParseUDP4(buf[:n], partial)
			if err != nil || len(b) < 244 || binary.BigEndian.Uint32(b[236:]) != 0x63825363 {
				continue
			}
			m := tapped{src: src, dst: dst, ciaddr: netip.AddrFrom4([4]byte(b[12:16])), options: map[byte][]byte{}}
			for o := b[240:]; len(o) > 2 && o[0] != 255; o = o[2+int(o[1]):] {
				m.options[o[0]] = append([]byte(nil), o[2:2+int(o[1])]...)
			}
			m.kind = m.options[53][0]
			p.mu.Lock()
			p.list = append(p.list, m)
			p.mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		_ = p.conn.Close()
		<-p.end
	})
	return p
}

// take returns what was seen since the last call.
func (p *tap) take() []tapped {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.list
	p.list = nil
	return list
}

// packetSockets counts the AF_PACKET sockets of the test's own namespace.
func packetSockets(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile("/proc/thread-self/net/packet")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(strings.TrimSpace(string(b)), "\n")
}

// provider is a namespace with the server's address on eth0 and a wire to name.
func provider(t *testing.T, n *lab.Net, name, server string) *lab.NS {
	t.Helper()
	ns := n.MustNS(t, "isp-"+name)
	wire(t, n, ns, "eth0", name)
	if err := ns.AddAddr("eth0", server); err != nil {
		t.Fatal(err)
	}
	return ns
}

// decoy makes another address the device's first one, so that the kernel's own
// choice of a source is the wrong one.
func decoy(t *testing.T, name, first, second string) {
	t.Helper()
	dev, err := netlink.LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range []struct {
		f    func(netlink.Link, *netlink.Addr) error
		addr string
	}{{netlink.AddrDel, second}, {netlink.AddrAdd, first}, {netlink.AddrAdd, second}} {
		a, err := netlink.ParseAddr(change.addr)
		if err != nil {
			t.Fatal(err)
		}
		if err := change.f(dev, a); err != nil {
			t.Fatal(err)
		}
	}
	table := &netlink.Route{LinkIndex: dev.Attrs().Index, Table: 7601, Gw: net.IPv4(192, 0, 2, 1), Flags: int(netlink.FLAG_ONLINK)}
	if err := netlink.RouteReplace(table); err != nil {
		t.Fatal(err)
	}
}

// udhcpd is busybox's server: it answers by broadcast only.
func udhcpd(t *testing.T, ns *lab.NS, seconds int) {
	t.Helper()
	conf := filepath.Join(ns.Dir(), "udhcpd.conf")
	text := "start 192.0.2.50\nend 192.0.2.99\ninterface eth0\nlease_file " + ns.Dir() + "/udhcpd.leases\npidfile " + ns.Dir() +
		"/udhcpd.pid\noption subnet 255.255.255.0\noption router 192.0.2.1\noption dns 192.0.2.1\noption mtu 1400\nmin_lease 10\n" +
		fmt.Sprintf("option lease %d\n", seconds)
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(ns.Dir(), "udhcpd.leases"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := ns.Start(nil, "busybox", "udhcpd", "-f", conf); err != nil {
		t.Fatal(err)
	}
	eventually(t, "udhcpd listens", func() bool {
		return strings.Contains(ns.MustRun(t, "busybox", "netstat", "-lun"), ":67 ")
	})
}

// refused reports whether a datagram to the port is answered by ICMP.
func refused(t *testing.T, ns *lab.NS, addr netip.Addr, port uint16) bool {
	t.Helper()
	var err error
	ns.MustDo(t, func() error {
		c, dialErr := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, port)))
		if dialErr != nil {
			return dialErr
		}
		defer c.Close()
		if _, writeErr := c.Write([]byte("scan")); writeErr != nil {
			return writeErr
		}
		_ = c.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
		_, err = c.Read(make([]byte, 16))
		return nil
	})
	return errors.Is(err, unix.ECONNREFUSED)
}
