package sock

import (
	"context"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"luatnetd/client"
	"luatnetd/internal/bind"
	"luatnetd/internal/lab"
)

// The package's tests live in a namespace of their own, where this is allowed.
func TestMain(m *testing.M) {
	if lab.Inside() {
		if lo, err := netlink.LinkByName("lo"); err != nil || netlink.LinkSetUp(lo) != nil {
			os.Exit(1)
		}
	}
	lab.Main(m)
}

// far is a network behind device wan: 192.0.2.1 says wan to whoever connects to
// port 80, and answers DNS questions with itself and mark, which tells who was asked.
func far(t *testing.T, n *lab.Net, here *lab.NS, wan, mark string) {
	t.Helper()
	ns := n.MustNS(t, wan)
	n.MustLink(t, here, wan, ns, "eth0")
	for _, err := range []error{ns.AddAddr("eth0", "192.0.2.1/24"), here.AddAddr(wan, "192.0.2.10/24")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	var l net.Listener
	var pc net.PacketConn
	ns.MustDo(t, func() (err error) {
		if l, err = net.Listen("tcp4", "192.0.2.1:80"); err != nil {
			return err
		}
		pc, err = net.ListenPacket("udp4", "192.0.2.1:53")
		return err
	})
	t.Cleanup(func() { _, _ = l.Close(), pc.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte(wan))
			_ = c.Close()
		}
	}()
	s := &dns.Server{PacketConn: pc, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		for _, a := range []string{"192.0.2.1", mark} {
			m.Answer = append(m.Answer, &dns.A{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.ParseIP(a)})
		}
		_ = w.WriteMsg(m)
	})}
	go func() { _ = s.ActivateAndServe() }()
}

// Two uplinks with the same addresses: only the binding tells them apart. The
// question, the connection and one with a local port leave by the one asked for.
func TestRouteBindsDNSAndConnection(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		n := lab.New(t)
		here := n.MustHere(t)
		marks := map[string]string{"wan1": "198.51.100.1", "wan2": "198.51.100.2"}
		far(t, n, here, "wan1", marks["wan1"])
		far(t, n, here, "wan2", marks["wan2"])
		for wan, asked := range marks {
			for _, local := range []uint16{0, 45673} {
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				route := Route{Uplink: wan, Bind: bind.Bind{Device: wan, Source: netip.MustParseAddr("192.0.2.10"), Mark: 0x4c01}, DNS: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:53")}}
				c, err := Dial(ctx, Config{Kind: client.TCP, Host: "server.example", Port: 80, LocalPort: local}, route, nil, nil)
				cancel()
				if err != nil {
					t.Fatalf("%s, local port %d: %v", wan, local, err)
				}
				if got := c.Resolved(); len(got) != 2 || got[1].String() != asked {
					t.Errorf("the question left by another way than %s: %v", wan, got)
				}
				_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
				buf := make([]byte, 4)
				if _, err := c.Read(buf); err != nil || string(buf) != wan {
					t.Errorf("through %s with local port %d: the peer is %q, %v", wan, local, buf, err)
				}
				mark, protocol := 0, 0
				if err := c.control(func(fd int) (err error) {
					mark, _ = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK)
					protocol, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PROTOCOL)
					return err
				}); err != nil || mark != 0x4c01 || protocol != unix.IPPROTO_TCP {
					t.Errorf("mark %#x, protocol %d, %v; want 0x4c01 and plain TCP, not MPTCP", mark, protocol, err)
				}
				if got := c.LocalAddr().(*net.TCPAddr); got.IP.String() != "192.0.2.10" || local != 0 && got.Port != int(local) {
					t.Errorf("local address %v", got)
				}
				_ = c.Abort()
			}
		}
	})
}

// SOCK-05: the first address is silent, as an address that nobody has is until
// ARP gives up after 3 s. The second is tried beside it after 250 ms (RFC 8305
// §5), and with a fixed local port within its share of the time.
func TestSOCK05SilentAddress(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		n := lab.New(t)
		here := n.MustHere(t)
		far(t, n, here, "wan1", "198.51.100.1")
		list := []netip.Addr{netip.MustParseAddr("192.0.2.99"), netip.MustParseAddr("192.0.2.1")}
		for _, local := range []uint16{0, 45674} {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			began := time.Now()
			c, err := dialAny(ctx, Config{Kind: client.TCP, Port: 80, LocalPort: local}, Route{}, list)
			cancel()
			if err != nil {
				t.Fatalf("local port %d: %v", local, err)
			}
			if took := time.Since(began); took < attemptDelay {
				t.Errorf("local port %d: connected after %v, so the first address was not tried", local, took)
			}
			_ = c.Close()
		}
	})
}

// SOCK-03: every value of keep-alive is the kernel's, LuatOS's demo by default.
func TestSOCK03KernelHasKeepAlive(t *testing.T) {
	port := serve(t, "127.0.0.1", echo)
	for _, tt := range []struct {
		set  KeepAlive
		want [4]int // on, idle, interval, count
	}{
		{KeepAlive{}, [4]int{1, 300, 10, 3}},
		{KeepAlive{Idle: 77 * time.Second, Interval: 5 * time.Second, Count: 2}, [4]int{1, 77, 5, 2}},
	} {
		c := dial(t, Config{Kind: client.TCP, Host: "127.0.0.1", Port: port, KeepAlive: tt.set}, Route{})
		var got [4]int
		err := c.control(func(fd int) (err error) {
			for i, o := range [][2]int{{unix.SOL_SOCKET, unix.SO_KEEPALIVE}, {unix.IPPROTO_TCP, unix.TCP_KEEPIDLE}, {unix.IPPROTO_TCP, unix.TCP_KEEPINTVL}, {unix.IPPROTO_TCP, unix.TCP_KEEPCNT}} {
				if got[i], err = unix.GetsockoptInt(fd, o[0], o[1]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || got != tt.want {
			t.Errorf("%+v: %v, %v; want %v", tt.set, got, err, tt.want)
		}
	}
}
