package dhcp_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"luatnetd/internal/lab"
	"luatnetd/internal/rawsock"
	"luatnetd/netif"
	"luatnetd/netif/dhcp"
	"luatnetd/netif/lease"
)

func TestMain(m *testing.M) { lab.Main(m) }

const patience = 15 * time.Second

// uplink is a device in the test's own namespace with a client on it, and what
// the sensor and the router room would do.
type uplink struct {
	t      *testing.T
	name   string
	table  int
	client *dhcp.Client
	stop   context.CancelFunc
	done   chan struct{}

	mu     sync.Mutex // guards record
	record []byte
}

// wire joins eth0 of an ISP's namespace and a device of the test's own one.
func wire(t *testing.T, n *lab.Net, isp *lab.NS, ispDev, name string) {
	t.Helper()
	stage := n.MustNS(t, "stage-"+name)
	n.MustLink(t, isp, ispDev, stage, name)
	// By descriptor: the thread that the process id names may be in a lab's namespace.
	own, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	stage.MustDo(t, func() error {
		l, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		return netlink.LinkSetNsFd(l, int(own.Fd()))
	})
	setUp(t, name, true)
	t.Cleanup(func() {
		if l, err := netlink.LinkByName(name); err == nil {
			_ = netlink.LinkDel(l)
		}
	})
}

func setUp(t *testing.T, name string, on bool) {
	t.Helper()
	l, err := netlink.LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	change := netlink.LinkSetDown
	if on {
		change = netlink.LinkSetUp
	}
	if err := change(l); err != nil {
		t.Fatal(err)
	}
}

// run starts a client and a sensor for its device.
func run(t *testing.T, name string, table int, edit func(*dhcp.Config), record []byte) *uplink {
	t.Helper()
	u := &uplink{t: t, name: name, table: table, record: record, done: make(chan struct{})}
	cfg := dhcp.Config{
		Device: name, Lease: lease.Config{ProbeInterval: 50 * time.Millisecond},
		Load: func() ([]byte, error) { return record, nil },
		Save: func(b []byte) error {
			u.mu.Lock()
			defer u.mu.Unlock()
			u.record = b
			return nil
		},
		Log: slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if edit != nil {
		edit(&cfg)
	}
	u.client = dhcp.New(cfg)
	ctx, cancel := context.WithCancel(t.Context())
	u.stop = cancel
	var work sync.WaitGroup
	work.Go(func() {
		if err := u.client.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	work.Go(func() { sensor(ctx, t, name, u.client) })
	go func() { work.Wait(); close(u.done) }()
	t.Cleanup(u.end)
	return u
}

// end stops the client without a RELEASE and waits for everything of it.
func (u *uplink) end() {
	u.stop()
	<-u.done
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

// sensor tells the client about its device, from the kernel's own messages.
func sensor(ctx context.Context, t *testing.T, name string, c *dhcp.Client) {
	updates, done := make(chan netlink.LinkUpdate, 64), make(chan struct{})
	if err := netlink.LinkSubscribeWithOptions(updates, done, netlink.LinkSubscribeOptions{ListExisting: true}); err != nil {
		t.Errorf("link subscription: %v", err)
		return
	}
	defer func() {
		close(done)
		for range updates { // closed by the library when its reader has ended
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return
		case u := <-updates:
			a := u.Link.Attrs()
			if a.Name != name {
				continue
			}
			mac, _ := netif.MACFrom(a.HardwareAddr)
			c.Link(dhcp.Link{
				Present: u.Header.Type != unix.RTM_DELLINK, Index: a.Index, MAC: mac, MTU: a.MTU,
				Carrier: a.RawFlags&(unix.IFF_UP|unix.IFF_LOWER_UP) == unix.IFF_UP|unix.IFF_LOWER_UP,
			})
		}
	}
}

// event waits for the next one and does what the router room would.
func (u *uplink) event() dhcp.Event {
	u.t.Helper()
	select {
	case e := <-u.client.Events():
		u.apply(e)
		return e
	case <-time.After(patience):
		u.t.Fatalf("%s: no event, state %+v", u.name, u.client.Status())
		panic("unreachable")
	}
}

// renews checks a renewal, after what may still be going on (the gateway's
// answer to ARP may have come before the server's).
func (u *uplink) renews() {
	u.t.Helper()
	u.until(lease.Bound)
	for len(u.client.Events()) > 0 {
		u.event()
	}
	u.client.Renew()
	if e := u.event(); !e.Renewed {
		u.t.Errorf("%s: renewal: %+v", u.name, e)
	}
}

// quiet fails if an event comes within d.
func (u *uplink) quiet(d time.Duration) {
	u.t.Helper()
	select {
	case e := <-u.client.Events():
		u.t.Fatalf("%s: unexpected event %+v", u.name, e)
	case <-time.After(d):
	}
}

func (u *uplink) lease() netif.Lease {
	u.t.Helper()
	e := u.event()
	if e.Lease == nil {
		u.t.Fatalf("%s: no lease: %s", u.name, e.Reason)
	}
	return *e.Lease
}

// apply sets address, connected route, and the table that sockets bound to the
// device are routed by.
func (u *uplink) apply(e dhcp.Event) {
	u.t.Helper()
	if e.Renewed {
		return
	}
	l, err := netlink.LinkByName(u.name)
	if err != nil {
		return // gone: so are its addresses
	}
	old, err := netlink.AddrList(l, netlink.FAMILY_V4)
	if err != nil {
		u.t.Fatal(err)
	}
	for _, a := range old {
		if err := netlink.AddrDel(l, &a); err != nil {
			u.t.Fatal(err)
		}
	}
	if e.Lease == nil {
		return
	}
	addr, err := netlink.ParseAddr(e.Lease.Addr.String())
	if err != nil {
		u.t.Fatal(err)
	}
	if err := netlink.AddrAdd(l, addr); err != nil {
		u.t.Fatal(err)
	}
	rule := netlink.NewRule()
	rule.OifName, rule.Table, rule.Priority = u.name, u.table, u.table
	if err := netlink.RuleAdd(rule); err != nil && err != unix.EEXIST {
		u.t.Fatal(err)
	}
	route := &netlink.Route{LinkIndex: l.Attrs().Index, Table: u.table, Gw: e.Lease.Gateway.AsSlice(), Flags: int(netlink.FLAG_ONLINK)}
	if err := netlink.RouteReplace(route); err != nil {
		u.t.Fatal(err)
	}
}

func (u *uplink) until(s lease.State) {
	u.t.Helper()
	eventually(u.t, fmt.Sprintf("%s in %v", u.name, s), func() bool { return u.client.Status().State == s })
}

// eventually waits for something in the kernel or another process.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("never came: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

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

// tap sees every DHCP message that reaches the server.
type tap struct {
	conn *rawsock.Conn

	mu   sync.Mutex // guards list
	list []tapped
	end  chan struct{}
}

type tapped struct {
	src, dst netip.AddrPort
	kind     byte
	ciaddr   netip.Addr
	options  map[byte][]byte
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

func TestLeaseAndTwentyRenewals(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		defer noLeak(t)()
		for _, server := range []string{"dnsmasq", "udhcpd"} {
			t.Run(server, func(t *testing.T) {
				n := lab.New(t)
				ns := provider(t, n, "wan0", "192.0.2.1/24")
				if server == "dnsmasq" {
					dnsmasq(t, ns, "192.0.2.50", "192.0.2.99", "--dhcp-option=option:mtu,1400")
				} else {
					udhcpd(t, ns, 300)
				}
				seen := newTap(t, ns)
				u := run(t, "wan0", 7601, nil, nil)
				l := u.lease()
				if !netip.MustParsePrefix("192.0.2.0/24").Contains(l.Addr.Addr()) || l.Addr.Bits() != 24 || l.ServerID.String() != "192.0.2.1" ||
					l.Gateway.String() != "192.0.2.1" || l.MTU != 1400 || l.ServerMAC.IsZero() {
					t.Errorf("lease %+v", l)
				}
				eventually(t, "no packet socket while bound", func() bool { return packetSockets(t) == 0 })
				decoy(t, "wan0", "192.0.2.200/24", l.Addr.String())
				seen.take()
				for i := range 20 {
					u.client.Renew()
					e := u.event()
					if !e.Renewed || e.Lease == nil || !e.Lease.Equal(l) {
						t.Fatalf("renewal %d: %+v, want an equal lease", i, e)
					}
					if packetSockets(t) != 0 {
						t.Fatalf("renewal %d opened a packet socket", i)
					}
				}
				list := seen.take()
				for _, m := range list {
					if m.kind != 3 || m.src.Addr() != l.Addr.Addr() || m.dst.Addr() != l.ServerID || m.ciaddr != l.Addr.Addr() || m.options[50] != nil || m.options[54] != nil {
						t.Errorf("renewal %+v: want a unicast REQUEST from %v", m, l.Addr.Addr())
					}
				}
				if len(list) != 20 {
					t.Errorf("%d messages for 20 renewals", len(list))
				}
				u.end()
			})
		}
	})
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

// T1 by the clock, not by hand; and what a scanner sees of a bound client.
func TestRenewsAtT1(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		n := lab.New(t)
		ns := provider(t, n, "wan0", "192.0.2.1/24")
		udhcpd(t, ns, 10) // dnsmasq gives two minutes at least
		u := run(t, "wan0", 7601, nil, nil)
		l := u.lease()
		if !refused(t, ns, l.Addr.Addr(), 69) {
			t.Error("control: port 69 answers no port-unreachable")
		}
		if refused(t, ns, l.Addr.Addr(), 68) {
			t.Error("port 68 answers port-unreachable: a scan finds the router")
		}
		e := u.event()
		if !e.Renewed || !e.Lease.Equal(l) || !e.Lease.Expire.After(l.Expire) {
			t.Fatalf("at T1: %+v", e)
		}
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

// Another program holds port 68: the lease comes anyway, renewals when it ends.
func TestPortTaken(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		n := lab.New(t)
		ns := provider(t, n, "wan0", "192.0.2.1/24")
		dnsmasq(t, ns, "192.0.2.50", "192.0.2.99")
		holder, err := net.ListenPacket("udp4", ":68")
		if err != nil {
			t.Fatal(err)
		}
		u := run(t, "wan0", 7601, nil, nil)
		u.lease()
		eventually(t, "nothing else is going on", func() bool { return packetSockets(t) == 0 })
		if err := holder.Close(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "port 68 is ours", func() bool {
			c, err := net.ListenPacket("udp4", ":68")
			if err == nil {
				_ = c.Close()
			}
			return err != nil
		})
		u.client.Renew()
		if e := u.event(); !e.Renewed {
			t.Errorf("renewal: %+v", e)
		}
	})
}

// The provider changes its pool: the NAK comes by broadcast, to a bound client.
func TestServerWithAnotherPool(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		n := lab.New(t)
		ns := provider(t, n, "wan0", "192.0.2.1/24")
		old := dnsmasq(t, ns, "192.0.2.50", "192.0.2.99")
		u := run(t, "wan0", 7601, nil, nil)
		first := u.lease()
		old.Kill()
		if err := ns.AddAddr("eth0", "198.51.100.1/24"); err != nil {
			t.Fatal(err)
		}
		ns.MustRun(t, "ip", "addr", "del", "192.0.2.1/24", "dev", "eth0")
		ns.MustRun(t, "ip", "addr", "add", "192.0.2.1/32", "dev", "eth0")
		dnsmasq(t, ns, "198.51.100.50", "198.51.100.99")
		u.client.Renew()
		e := u.event()
		if e.Lease != nil || e.Reason != "refused by the server: wrong network" {
			t.Fatalf("after the NAK: %+v, want IP_LOSE", e)
		}
		second := u.lease()
		if first.Addr == second.Addr || !netip.MustParsePrefix("198.51.100.0/24").Contains(second.Addr.Addr()) {
			t.Errorf("second lease %v after %v", second.Addr, first.Addr)
		}
	})
}

func TestCarrier(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		n := lab.New(t)
		ns := provider(t, n, "wan0", "192.0.2.1/24")
		dnsmasq(t, ns, "192.0.2.50", "192.0.2.99")
		seen := newTap(t, ns)
		u := run(t, "wan0", 7601, nil, nil)
		l := u.lease()
		seen.take()

		cut(t, u, ns, 500*time.Millisecond)
		e := u.event()
		if !e.Renewed || !e.Lease.Equal(l) {
			t.Fatalf("after 0.5 s without carrier: %+v, want the lease confirmed", e)
		}
		for _, m := range seen.take() {
			if m.kind != 3 || m.options[50] == nil || m.options[54] != nil || m.dst.Addr().String() != "255.255.255.255" {
				t.Errorf("sent %+v, want INIT-REBOOT", m)
			}
		}

		// A flap so short that the sensor's values overtake each other.
		dev, err := netlink.LinkByName("wan0")
		if err != nil {
			t.Fatal(err)
		}
		mac, _ := netif.MACFrom(dev.Attrs().HardwareAddr)
		level := dhcp.Link{Present: true, Index: dev.Attrs().Index, MAC: mac, MTU: 1500}
		u.client.Link(level)
		level.Carrier = true
		u.client.Link(level)
		if e = u.event(); !e.Renewed {
			t.Fatalf("after a flap between two values: %+v, want the lease confirmed", e)
		}
		seen.take()

		if err := ns.SetUp("eth0", false); err != nil {
			t.Fatal(err)
		}
		gone := time.Now()
		e = u.event()
		if e.Lease != nil || e.Reason != "no carrier" {
			t.Fatalf("after 2 s without carrier: %+v, want it withdrawn", e)
		}
		if after := time.Since(gone); after < 1900*time.Millisecond || after > 4*time.Second {
			t.Errorf("withdrawn after %v, want 2 s", after)
		}
		u.quiet(3 * time.Second)
		if err := ns.SetUp("eth0", true); err != nil {
			t.Fatal(err)
		}
		if again := u.lease(); !again.Equal(l) {
			t.Errorf("lease %+v after the carrier came back, had %+v", again, l)
		}
		for _, m := range seen.take() {
			if m.kind == 1 {
				t.Error("a DISCOVER where INIT-REBOOT was due")
			}
		}
	})
}

// noLeak checks that every goroutine of the client has ended; the lab's servers
// live on until the test is over.
func noLeak(t *testing.T) func() {
	before := goleak.IgnoreCurrent()
	return func() {
		goleak.VerifyNone(t, before, goleak.IgnoreAnyFunction("luatnetd/internal/lab.(*NS).StartCmd.func2"),
			goleak.IgnoreAnyFunction("os/exec.(*Cmd).writerDescriptor.func1"))
	}
}

// cut takes the carrier for d and waits until the client has seen both.
func cut(t *testing.T, u *uplink, ns *lab.NS, d time.Duration) {
	t.Helper()
	if err := ns.SetUp("eth0", false); err != nil {
		t.Fatal(err)
	}
	u.until(lease.Down)
	time.Sleep(d) // the length of the cut is what is tested
	if err := ns.SetUp("eth0", true); err != nil {
		t.Fatal(err)
	}
}

// Two providers with the same subnet, gateway, server and even our address.
func TestTwoUplinksWithOneSubnet(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		n := lab.New(t)
		var ups []*uplink
		var taps []*tap
		for i, name := range []string{"wan0", "wan1"} {
			ns := provider(t, n, name, "192.168.1.1/24")
			dnsmasq(t, ns, "192.168.1.50", "192.168.1.50")
			taps = append(taps, newTap(t, ns))
			ups = append(ups, run(t, name, 7601+i, nil, nil))
		}
		for i, u := range ups {
			if l := u.lease(); l.Addr.String() != "192.168.1.50/24" {
				t.Fatalf("uplink %d: %v", i, l.Addr)
			}
		}
		taps[0].take()
		taps[1].take()
		for i, u := range ups {
			u.client.Renew()
			if e := u.event(); !e.Renewed {
				t.Fatalf("uplink %d: %+v", i, e)
			}
			if own, other := len(taps[i].take()), len(taps[1-i].take()); own != 1 || other != 0 {
				t.Errorf("renewal of uplink %d: %d messages on its own wire, %d on the other", i, own, other)
			}
		}
	})
}

func TestHotPlug(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		defer noLeak(t)()
		n := lab.New(t)
		u := run(t, "wan0", 7601, nil, nil) // before the device exists
		ns := provider(t, n, "wan0", "192.0.2.1/24")
		dnsmasq(t, ns, "192.0.2.50", "192.0.2.99")
		l := u.lease()
		dev, err := netlink.LinkByName("wan0")
		if err != nil {
			t.Fatal(err)
		}
		mac := dev.Attrs().HardwareAddr
		if err := netlink.LinkDel(dev); err != nil {
			t.Fatal(err)
		}
		if e := u.event(); e.Lease != nil {
			t.Fatalf("device gone: %+v", e)
		}
		wire(t, n, ns, "eth0", "wan0")
		setUp(t, "wan0", false)
		if dev, err = netlink.LinkByName("wan0"); err != nil {
			t.Fatal(err)
		}
		if err := netlink.LinkSetHardwareAddr(dev, mac); err != nil {
			t.Fatal(err)
		}
		setUp(t, "wan0", true)
		if err := ns.AddAddr("eth0", "192.0.2.1/24"); err != nil {
			t.Fatal(err)
		}
		if again := u.lease(); again.Addr != l.Addr {
			t.Errorf("back with %v, had %v", again.Addr, l.Addr)
		}
		u.renews()
		u.end()
	})
}

// The device was replaced between two values of the sensor.
func TestReplacedUnseen(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		n := lab.New(t)
		ns := provider(t, n, "wan0", "192.0.2.1/24")
		dnsmasq(t, ns, "192.0.2.50", "192.0.2.99")
		u := run(t, "wan0", 7601, nil, nil)
		u.lease()
		dev, err := netlink.LinkByName("wan0")
		if err != nil {
			t.Fatal(err)
		}
		mac, _ := netif.MACFrom(dev.Attrs().HardwareAddr)
		u.client.Link(dhcp.Link{Present: true, Carrier: true, Index: dev.Attrs().Index + 1000, MAC: mac, MTU: 1500})
		if e := u.event(); e.Lease != nil || e.Reason != "device gone" {
			t.Fatalf("another index: %+v, want the lease withdrawn", e)
		}
		u.lease()
		u.renews()
	})
}

// A new process on the same box: the lease is in use at once, and confirmed.
func TestRestartAdopts(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		n := lab.New(t)
		ns := provider(t, n, "wan0", "192.0.2.1/24")
		server := dnsmasq(t, ns, "192.0.2.50", "192.0.2.99")
		first := run(t, "wan0", 7601, nil, nil)
		l := first.lease()
		first.end()
		server.Kill() // nobody can confirm it, not even by ARP
		ns.MustRun(t, "ip", "link", "set", "eth0", "arp", "off")
		second := run(t, "wan0", 7601, nil, first.record)
		if e := second.event(); e.Lease == nil || !e.Lease.Equal(l) {
			t.Fatalf("second process: %+v, want the lease of the first", e)
		}
		second.end()
		third := run(t, "wan0", 7601, func(c *dhcp.Config) { c.Lease.BootID = "another" }, first.record)
		third.until(lease.Rebooting)
		third.quiet(100 * time.Millisecond)
	})
}

func TestConflict(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		n := lab.New(t)
		ns := n.MustNS(t, "isp")
		ns.MustRun(t, "ip", "link", "add", "eth0", "type", "bridge")
		thief := n.MustNS(t, "thief")
		n.MustLink(t, ns, "p1", thief, "eth0")
		wire(t, n, ns, "p0", "wan0")
		for _, dev := range []string{"p0", "p1"} {
			ns.MustRun(t, "ip", "link", "set", dev, "master", "eth0")
		}
		ns.MustRun(t, "ip", "link", "set", "eth0", "up")
		for who, addr := range map[*lab.NS]string{ns: "192.0.2.1/24", thief: "192.0.2.50/24"} {
			if err := who.AddAddr("eth0", addr); err != nil {
				t.Fatal(err)
			}
		}
		dev, err := netlink.LinkByName("wan0")
		if err != nil {
			t.Fatal(err)
		}
		dnsmasq(t, ns, "192.0.2.50", "192.0.2.51", "--dhcp-host="+dev.Attrs().HardwareAddr.String()+",192.0.2.50")
		seen := newTap(t, ns)
		u := run(t, "wan0", 7601, nil, nil)
		l := u.lease()
		var kinds []byte
		for _, m := range seen.take() {
			kinds = append(kinds, m.kind)
		}
		if l.Addr.Addr().String() != "192.0.2.51" || !slices.Equal(kinds, []byte{1, 3, 4, 1, 3}) {
			t.Errorf("bound to %v by messages %v; want .51 by DISCOVER, REQUEST, DECLINE and again", l.Addr, kinds)
		}
	})
}

func TestRelease(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		defer noLeak(t)()
		n := lab.New(t)
		ns := provider(t, n, "wan0", "192.0.2.1/24")
		server := dnsmasq(t, ns, "192.0.2.50", "192.0.2.99")
		u := run(t, "wan0", 7601, nil, nil)
		l := u.lease()
		if err := u.client.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		if e := u.event(); e.Lease != nil || e.Reason != "released" {
			t.Errorf("event %+v", e)
		}
		eventually(t, "the server takes it back", func() bool {
			return strings.Contains(server.Output(), "DHCPRELEASE(eth0) "+l.Addr.Addr().String())
		})
		u.end()
	})
}
