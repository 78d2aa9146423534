package kernel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"luatnetd/internal/lab"
	"luatnetd/router"
)

// path is a LAN client behind a gateway (the box) and a server behind each of
// its two uplinks: 203.0.113.9, the same address on both.
type path struct {
	*box
	lan, isp1, isp2 *lab.NS
	plan            router.Plan
}

func newPath(t *testing.T) *path {
	t.Helper()
	n := lab.New(t)
	p := &path{box: &box{ns: n.MustNS(t, "box")}, lan: n.MustNS(t, "lan"), isp1: n.MustNS(t, "isp1"), isp2: n.MustNS(t, "isp2")}
	n.MustLink(t, p.ns, "lan0", p.lan, "eth0")
	n.MustLink(t, p.ns, "wan1", p.isp1, "eth0")
	n.MustLink(t, p.ns, "wan2", p.isp2, "eth0")
	p.lan.MustRun(t, "sh", "-ec", "ip addr add 192.168.5.100/24 dev eth0; ip route add default via 192.168.5.1")
	for i, isp := range []*lab.NS{p.isp1, p.isp2} {
		// No route back to private addresses: a leak shows in the counter and stays unanswered.
		isp.MustRun(t, "sh", "-ec", fmt.Sprintf("ip addr add 100.64.%d.1/24 dev eth0; ip addr add 203.0.113.9/32 dev lo", i+1))
		load(t, isp, `table inet leaks { counter private { }
			chain c { type filter hook prerouting priority -400; iifname "eth0" ip saddr 192.168.0.0/16 counter name "private"; iifname "eth0" ip saddr 203.0.113.9 counter name "private"; }
		}`)
	}
	p.open(t, Config{RunDir: t.TempDir()})
	full := handPlan(router.DefaultMask)
	p.plan = router.Plan{
		Table: full.Table, Acct: full.Acct,
		Addrs: []router.AddrSpec{{Device: "lan0", Prefix: prefix("192.168.5.1/24")}, {Device: "wan1", Prefix: prefix("100.64.1.2/24")}, {Device: "wan2", Prefix: prefix("100.64.2.2/24")}},
		Routes: []router.RouteSpec{
			{Table: 254, Dst: prefix("192.168.5.0/24"), Device: "lan0", Src: ip("192.168.5.1")},
			{Table: 254, Dst: prefix("100.64.1.0/24"), Device: "wan1", Src: ip("100.64.1.2"), Metric: 7601},
			{Table: 254, Dst: prefix("100.64.2.0/24"), Device: "wan2", Src: ip("100.64.2.2"), Metric: 7602},
			{Table: 7601, Dst: prefix("0.0.0.0/0"), Gateway: ip("100.64.1.1"), Device: "wan1"},
			{Table: 7602, Dst: prefix("0.0.0.0/0"), Gateway: ip("100.64.2.1"), Device: "wan2"},
		},
		Main: []router.RouteSpec{
			{Table: 254, Dst: prefix("0.0.0.0/0"), Gateway: ip("100.64.1.1"), Device: "wan1", Metric: 10},
			{Table: 254, Dst: prefix("0.0.0.0/0"), Gateway: ip("100.64.2.1"), Device: "wan2", Metric: 11},
		},
		Verify: router.Lookup{Target: ip("203.0.113.9"), Device: "wan1"},
	}
	for _, r := range full.Rules {
		if !r.IPv6 && r.Iif == "" && !r.From.IsValid() {
			p.plan.Rules = append(p.plan.Rules, r)
		}
	}
	for _, d := range []string{"wan1", "wan2", "lan0"} {
		p.plan.Links = append(p.plan.Links, router.LinkSpec{Name: d, Up: true})
		if d != "lan0" {
			p.plan.Sysctls = append(p.plan.Sysctls, router.Sysctl{Key: "net/ipv4/conf/%/ignore_routes_with_linkdown", Device: d, Value: "1"},
				router.Sysctl{Key: "net/ipv4/conf/%/rp_filter", Device: d, Value: "2"})
		}
		p.plan.Sysctls = append(p.plan.Sysctls, router.Sysctl{Key: "net/ipv4/conf/%/forwarding", Device: d, Value: "1"})
	}
	p.mustApply(t, testDiff(p.read(t, p.plan), p.plan)...)
	return p
}

// leaks is the number of packets with a private or a forged source at an ISP.
func (p *path) leaks(t *testing.T) int {
	t.Helper()
	sum := 0
	for _, isp := range []*lab.NS{p.isp1, p.isp2} {
		out := isp.MustRun(t, "nft", "list", "counter", "inet", "leaks", "private")
		_, after, _ := strings.Cut(out, "packets ")
		n, err := strconv.Atoi(strings.Fields(after)[0])
		if err != nil {
			t.Fatalf("counter: %q", out)
		}
		sum += n
	}
	return sum
}

// serve answers on TCP and UDP port 7 of a namespace with what it gets.
func serve(t *testing.T, ns *lab.NS) {
	t.Helper()
	var l net.Listener
	var u net.PacketConn
	ns.MustDo(t, func() (err error) {
		if l, err = net.Listen("tcp4", "203.0.113.9:7"); err == nil {
			u, err = net.ListenPacket("udp4", "203.0.113.9:7")
		}
		return err
	})
	var wg sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); _ = u.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = c.Close() })
			wg.Go(func() { _, _ = io.Copy(c, c); _ = c.Close() })
		}
	})
	wg.Go(func() {
		buf := make([]byte, 2000)
		for {
			n, from, err := u.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = u.WriteTo(buf[:n], from)
		}
	})
}

func dial(t *testing.T, ns *lab.NS, network string) net.Conn {
	t.Helper()
	var c net.Conn
	ns.MustDo(t, func() (err error) {
		c, err = net.DialTimeout(network, "203.0.113.9:7", 5*time.Second)
		return err
	})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// ask sends a number and waits for it to come back.
func ask(c net.Conn, n int, within time.Duration) error {
	if err := c.SetDeadline(time.Now().Add(within)); err != nil {
		return err
	}
	text := fmt.Sprintf("%08d", n)
	if _, err := c.Write([]byte(text)); err != nil {
		return err
	}
	buf := make([]byte, 8)
	if _, err := io.ReadFull(c, buf); err != nil {
		return err
	}
	if string(buf) != text {
		return fmt.Errorf("got %q, want %q", buf, text)
	}
	return nil
}

// rounds is how often the ruleset is replaced under load: LUATNETD_LONG=1 for
// the figure of the benchmarks.
func rounds() int {
	if os.Getenv("LUATNETD_LONG") != "" {
		return 1000
	}
	return 200
}

// TestReplaceUnderLoad: replacing the whole ruleset loses no datagram and
// resets no connection.
func TestReplaceUnderLoad(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		p := newPath(t)
		serve(t, p.isp1)
		var stop atomic.Bool
		var asked, lost, failed atomic.Int64
		var wg sync.WaitGroup
		for range 4 {
			c := dial(t, p.lan, "tcp4")
			wg.Go(func() {
				for n := 0; !stop.Load(); n++ {
					if err := ask(c, n, 20*time.Second); err != nil {
						t.Errorf("TCP: %v", err)
						failed.Add(1)
						return
					}
					asked.Add(1)
				}
			})
		}
		u := dial(t, p.lan, "udp4")
		wg.Go(func() {
			for n := 0; !stop.Load(); n++ {
				if err := ask(u, n, 2*time.Second); err != nil {
					lost.Add(1)
				}
				asked.Add(1)
			}
		})
		var took time.Duration
		p.ns.MustDo(t, func() error {
			for range rounds() {
				start := time.Now()
				if err := p.k.nft.replace(p.plan.Table); err != nil {
					return err
				}
				took += time.Since(start)
				before := asked.Load() // some traffic between any two
				for asked.Load() < before+20 && failed.Load() == 0 {
					time.Sleep(time.Millisecond)
				}
			}
			return nil
		})
		stop.Store(true)
		wg.Wait()
		t.Logf("%d replacements, mean %v; %d answers, %d datagrams lost, %d connections broken", rounds(), took/time.Duration(rounds()), asked.Load(), lost.Load(), failed.Load())
		if lost.Load() != 0 || failed.Load() != 0 || p.leaks(t) != 0 {
			t.Errorf("lost %d, broken %d, leaked %d; want none", lost.Load(), failed.Load(), p.leaks(t))
		}
	})
}

// TestNudge: a client that only listens learns at once that its flow is dead,
// and nothing forged or private leaves by an uplink.
func TestNudge(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		p := newPath(t)
		serve(t, p.isp1)
		for round := range 3 {
			c := dial(t, p.lan, "tcp4")
			if err := ask(c, 1, 5*time.Second); err != nil {
				t.Fatal(err)
			}
			if out := p.sh(t, "conntrack -L -p tcp 2>/dev/null"); !strings.Contains(out, "mark=256") {
				t.Fatalf("no marked flow: %s", out)
			}
			start := time.Now()
			p.mustApply(t, router.DelRoute{RouteSpec: p.plan.Main[0]},
				router.Verify{Lookup: router.Lookup{Target: ip("203.0.113.9"), Device: "wan2"}},
				router.FlushMark{Uplink: 1, Mark: 0x100, Mask: 0x3f00})
			_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
			_, err := c.Read(make([]byte, 1))
			if !errors.Is(err, unix.ECONNRESET) {
				t.Fatalf("round %d: read ended with %v, want a reset", round, err)
			}
			t.Logf("reset after %v", time.Since(start))
			p.mustApply(t, router.AddRoute{RouteSpec: p.plan.Main[0]})
		}
		if n := p.leaks(t); n != 0 {
			t.Errorf("%d packets with a private or forged source at an ISP", n)
		}
	})
}

// TestNoNudgeByDefaultRoute: a client whose LAN is gone gets none, since it
// would leave by an uplink.
func TestNoNudgeByDefaultRoute(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		p := newPath(t)
		p.ns.MustDo(t, func() error {
			f := flow{client: apv("192.168.5.100:4000"), server: apv("203.0.113.9:80")}
			far := flow{client: apv("172.16.0.9:4000"), server: f.server}
			diff(t, "reachable", 1, len(p.k.reachable([]flow{far, f, far})))
			p.k.nudger.send(p.k.reachable([]flow{far}))
			return nil
		})
		if n := p.leaks(t); n != 0 {
			t.Errorf("%d packets leaked", n)
		}
	})
}

// TestFlushMark (RTR-16): only what carries the mark under the mask goes, with other
// bits of the mark set or not.
func TestFlushMark(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		for _, m := range []router.Marks{router.DefaultMask, 0xfc000000} {
			b, _ := newBox(t, Config{Marks: m})
			one, two, other := m.Of(1), m.Of(2), uint32(0x00010000)
			marks := []uint32{0, one, one | other, two, two | other, other, m.Untracked(), one | 1}
			for i, mark := range marks {
				b.sh(t, fmt.Sprintf("conntrack -I -p udp -s 192.0.2.1 -d 198.51.100.1 --sport %d --dport 53 -t 100 -m %d", 1000+i, mark))
			}
			b.mustApply(t, router.FlushMark{Uplink: 1, Mark: one, Mask: uint32(m)})
			out := b.sh(t, "conntrack -L 2>/dev/null")
			for i, mark := range marks {
				gone := mark&uint32(m) == one
				if strings.Contains(out, fmt.Sprintf("sport=%d ", 1000+i)) == gone {
					t.Errorf("mask %#x: entry with mark %#x: gone is %v, want %v", uint32(m), mark, !gone, gone)
				}
			}
		}
	})
}

// TestDestroySockets ends exactly the connections of a mark.
func TestDestroySockets(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		b, _ := newBox(t, Config{})
		type client struct {
			net.Conn
			mark uint32
		}
		var clients []client
		b.ns.MustDo(t, func() error {
			for _, at := range []string{"127.0.0.1:7", "[::1]:7"} {
				l, err := net.Listen("tcp", at)
				if err != nil {
					return err
				}
				t.Cleanup(func() { _ = l.Close() })
				for _, mark := range []uint32{0x100, 0x200, 0x10100, 0, 0x3f00} {
					d := net.Dialer{Timeout: 5 * time.Second, Control: func(_, _ string, c syscall.RawConn) (err error) {
						cerr := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MARK, int(mark)) })
						return errors.Join(err, cerr)
					}}
					c, err := d.DialContext(context.Background(), "tcp", at)
					if err != nil {
						return err
					}
					t.Cleanup(func() { _ = c.Close() })
					clients = append(clients, client{c, mark})
				}
			}
			n, err := b.k.destroySockets(0x100, 0x3f00)
			if noFamily(err) {
				t.Skipf("needs a kernel that destroys sockets (CONFIG_INET_DIAG_DESTROY): %v", err)
			}
			if err == nil && n != 4 {
				err = fmt.Errorf("%d sockets destroyed, want 4", n)
			}
			return err
		})
		for _, c := range clients {
			_ = c.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
			_, err := c.Read(make([]byte, 1))
			if dead := errors.Is(err, unix.ECONNABORTED); dead != (c.mark&0x3f00 == 0x100) {
				t.Errorf("socket of mark %#x to %s: %v", c.mark, c.RemoteAddr(), err)
			}
		}
		b.ns.MustDo(t, func() error {
			if _, err := b.k.destroySockets(0x10000, 0x3f00); err == nil {
				t.Error("a mark that matches every unmarked socket was accepted")
			}
			return nil
		})
	})
}
