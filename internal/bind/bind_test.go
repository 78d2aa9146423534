package bind_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"luatnetd/internal/bind"
	"luatnetd/internal/lab"
)

func TestMain(m *testing.M) { lab.Main(m) }

// far makes a namespace behind device wan, with a server on 203.0.113.1:80 and
// [2001:db8::1]:80 that says who it is, and a table and oif rule for wan.
func far(t *testing.T, n *lab.Net, here *lab.NS, wan string, table int) *lab.NS {
	t.Helper()
	ns := n.MustNS(t, wan)
	n.MustLink(t, here, wan, ns, "eth0")
	for _, err := range []error{
		ns.AddAddr("eth0", "192.0.2.254/24"), ns.AddAddr("lo", "203.0.113.1/32"),
		here.AddAddr(wan, "192.0.2.10/24"), addAddr6(ns, "eth0", "2001:db8::1/64"), addAddr6(here, wan, "2001:db8::10/64"),
		here.Do(func() error { return table1(wan, table) }),
		ns.Do(func() error {
			l, err := net.Listen("tcp", ":80")
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
					_, _ = io.WriteString(c, wan)
					_ = c.Close()
				}
			}()
			return nil
		}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return ns
}

func addAddr6(ns *lab.NS, device, prefix string) error {
	return ns.Do(func() error {
		l, err := netlink.LinkByName(device)
		if err != nil {
			return err
		}
		a, err := netlink.ParseAddr(prefix)
		if err != nil {
			return err
		}
		a.Flags = unix.IFA_F_NODAD // usable at once
		return netlink.AddrAdd(l, a)
	})
}

// table1 gives wan a table with a default of its own, reached by an oif rule.
func table1(wan string, table int) error {
	l, err := netlink.LinkByName(wan)
	if err != nil {
		return err
	}
	_, all, _ := net.ParseCIDR("0.0.0.0/0")
	if err := netlink.RouteAdd(&netlink.Route{
		Dst: all, Gw: net.IPv4(192, 0, 2, 254), LinkIndex: l.Attrs().Index, Table: table, Flags: int(netlink.FLAG_ONLINK),
	}); err != nil {
		return err
	}
	r := netlink.NewRule()
	r.OifName, r.Table, r.Priority, r.Family = wan, table, table, unix.AF_INET
	return netlink.RuleAdd(r)
}

func greeting(t *testing.T, b bind.Bind, address string) (string, net.Conn) {
	t.Helper()
	c, err := b.Dialer(5*time.Second).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatalf("dial %s with %+v: %v", address, b, err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	got, err := io.ReadAll(c)
	if err != nil {
		t.Fatalf("read from %s: %v", address, err)
	}
	return string(got), c
}

func TestDialTakesItsOwnWire(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		n := lab.New(t)
		here := n.MustHere(t)
		far(t, n, here, "wan1", 7601)
		far(t, n, here, "wan2", 7602)
		src := netip.MustParseAddr("192.0.2.10") // both uplinks have it
		for _, wan := range []string{"wan1", "wan2", "wan1"} {
			for _, b := range []bind.Bind{
				{Device: wan}, {Device: wan, Mark: 0x100, Source: src}, {Device: wan, Source: netip.MustParseAddr("::ffff:192.0.2.10")},
			} {
				if got, _ := greeting(t, b, "203.0.113.1:80"); got != wan {
					t.Errorf("%+v reached the server behind %q", b, got)
				}
			}
			b := bind.Bind{Device: wan, Source: netip.MustParseAddr("2001:db8::10")}
			if got, _ := greeting(t, b, "[2001:db8::1]:80"); got != wan {
				t.Errorf("%+v reached the server behind %q", b, got)
			}
		}
	})
}

func TestSocketOptions(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		n := lab.New(t)
		here := n.MustHere(t)
		far(t, n, here, "wan1", 7601)
		b := bind.Bind{Device: "wan1", Mark: 0x2100, Source: netip.MustParseAddr("192.0.2.10")}
		_, c := greeting(t, b, "203.0.113.1:80")
		l, err := b.Listen(t.Context(), "tcp", 8080)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		p, err := b.ListenPacketOn(t.Context(), "udp", 6868)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = p.Close() }()
		u, err := b.Dialer(0).Dial("udp", "203.0.113.1:53")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = u.Close() }()
		for _, tt := range []struct {
			name  string
			sock  any
			local string
			proto int
		}{
			{"dialed TCP", c, "192.0.2.10:", unix.IPPROTO_TCP},
			{"listener", l, "192.0.2.10:8080", unix.IPPROTO_TCP},
			{"UDP", p, "192.0.2.10:6868", unix.IPPROTO_UDP},
			{"dialed UDP", u, "192.0.2.10:", unix.IPPROTO_UDP},
		} {
			t.Run(tt.name, func(t *testing.T) {
				device, mark, proto := options(t, tt.sock.(syscall.Conn))
				if device != "wan1" || mark != 0x2100 || proto != tt.proto {
					t.Errorf("device %q mark %#x protocol %d, want wan1 0x2100 %d", device, mark, proto, tt.proto)
				}
				if a := localAddr(tt.sock); !strings.HasPrefix(a, tt.local) {
					t.Errorf("local address %s, want %s", a, tt.local)
				}
			})
		}
	})
}

func localAddr(sock any) string {
	switch s := sock.(type) {
	case net.Listener:
		return s.Addr().String()
	case interface{ LocalAddr() net.Addr }:
		return s.LocalAddr().String()
	}
	return ""
}

func options(t *testing.T, c syscall.Conn) (device string, mark, proto int) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Control(func(fd uintptr) {
		device, _ = unix.GetsockoptString(int(fd), unix.SOL_SOCKET, unix.SO_BINDTODEVICE)
		mark, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MARK)
		proto, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PROTOCOL)
	})
	if err != nil {
		t.Fatal(err)
	}
	return device, mark, proto
}

func TestLinkLocalListener(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		n := lab.New(t)
		here := n.MustHere(t)
		far(t, n, here, "wan1", 7601)
		if err := addAddr6(here, "wan1", "fe80::10/64"); err != nil {
			t.Fatal(err)
		}
		b := bind.Bind{Device: "wan1", Source: netip.MustParseAddr("fe80::10")}
		p, err := b.ListenPacket(t.Context(), "udp6")
		if err != nil {
			t.Fatal(err)
		}
		_ = p.Close()
		c, err := b.Dialer(time.Second).Dial("udp6", "[2001:db8::1]:53")
		if err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
	})
}

func TestErrorsSayWhat(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		n := lab.New(t)
		here := n.MustHere(t)
		far(t, n, here, "wan1", 7601)
		src := netip.MustParseAddr
		for _, tt := range []struct {
			name    string
			bind    bind.Bind
			address string
			is      error
			says    string
		}{
			{"device gone", bind.Bind{Device: "wwan0"}, "203.0.113.1:80", unix.ENODEV, "device wwan0"},
			{"name too long", bind.Bind{Device: "wan1withalongname"}, "203.0.113.1:80", unix.ENODEV, "at most 15 bytes"},
			{"address lost", bind.Bind{Device: "wan1", Source: src("198.51.100.7")}, "203.0.113.1:80", unix.EADDRNOTAVAIL, "source 198.51.100.7 on device wan1"},
			{"other family", bind.Bind{Device: "wan1", Source: src("192.0.2.10")}, "[2001:db8::1]:80", unix.EAFNOSUPPORT, "source 192.0.2.10 cannot reach [2001:db8::1]:80"},
			{"a name", bind.Bind{Device: "wan1"}, "example.org:80", nil, "only IP addresses"},
		} {
			t.Run(tt.name, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				c, err := tt.bind.Dialer(0).DialContext(ctx, "tcp", tt.address)
				if err == nil {
					_ = c.Close()
					t.Fatal("dial worked, want an error")
				}
				if !strings.Contains(err.Error(), tt.says) || tt.is != nil && !errors.Is(err, tt.is) {
					t.Errorf("error %q, want %v saying %q", err, tt.is, tt.says)
				}
			})
		}
		for name, listen := range map[string]func(bind.Bind) (io.Closer, error){
			"tcp": func(b bind.Bind) (io.Closer, error) { return b.Listen(t.Context(), "tcp", 80) },
			"udp": func(b bind.Bind) (io.Closer, error) { return b.ListenPacket(t.Context(), "udp") },
		} {
			for says, b := range map[string]bind.Bind{
				"device wwan0": {Device: "wwan0"},
				"device wan1":  {Device: "wan1", Source: src("198.51.100.7")},
			} {
				c, err := listen(b)
				if err == nil {
					_ = c.Close()
					t.Fatalf("%s: listen with %+v worked", name, b)
				}
				if !strings.Contains(err.Error(), says) {
					t.Errorf("%s: error %q does not say %q", name, err, says)
				}
			}
		}
	})
}
