package serve_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"time"

	miekg "github.com/miekg/dns"
	"github.com/vishvananda/netlink"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"luatnetd/internal/lab"
	"luatnetd/router/dns"
	"luatnetd/router/dns/serve"
)

func TestMain(m *testing.M) { lab.Main(m) }

// world is the router, which is the test's own namespace, between a phone on
// the LAN and two providers:
//
//	phone 192.168.5.100 ── lan0 192.168.5.1 ROUTER 192.0.2.9    wan0 ── 192.0.2.1 and .2       ispA
//	                                        ROUTER 198.51.100.9 wan1 ── 198.51.100.1           ispB
type world struct {
	t                 testing.TB
	net               *lab.Net
	phone, ispA, ispB *lab.NS
	s                 *serve.Server
}

var (
	lanAddr = netip.MustParseAddr("192.168.5.1")
	a1      = netip.MustParseAddrPort("192.0.2.1:53")
	a2      = netip.MustParseAddrPort("192.0.2.2:53")
	b1      = netip.MustParseAddrPort("198.51.100.1:53")
	viaA    = serve.Upstream{Name: "wan", Device: "wan0", Mark: 0x100, Source: netip.MustParseAddr("192.0.2.9"), Servers: []netip.AddrPort{a1, a2}}
	viaB    = serve.Upstream{Name: "wan2", Device: "wan1", Mark: 0x200, Source: netip.MustParseAddr("198.51.100.9"), Servers: []netip.AddrPort{b1}}
	onLAN   = []serve.Listen{{Device: "lan0", Addr: lanAddr}}
)

// boot is CLOCK_BOOTTIME, as the daemon's clock.
func boot() time.Time {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic(err)
	}
	return time.Unix(0, ts.Nano()).UTC()
}

func newWorld(t testing.TB) *world {
	t.Helper()
	n := lab.New(t)
	w := &world{t: t, net: n, phone: n.MustNS(t, "phone"), ispA: n.MustNS(t, "ispA"), ispB: n.MustNS(t, "ispB")}
	w.wire("lan0", "192.168.5.1/24", w.phone, "192.168.5.100/24")
	w.wire("wan0", "192.0.2.9/24", w.ispA, "192.0.2.1/24", "192.0.2.2/24")
	w.wire("wan1", "198.51.100.9/24", w.ispB, "198.51.100.1/24")
	return w
}

// wire joins a device of the router to eth0 of a namespace.
func (w *world) wire(device, addr string, ns *lab.NS, far ...string) {
	w.t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = device
	veth := &netlink.Veth{LinkAttrs: attrs, PeerName: "eth0", PeerNamespace: netlink.NsFd(ns.FD())}
	a, err := netlink.ParseAddr(addr)
	if err == nil {
		err = netlink.LinkAdd(veth)
	}
	if err == nil {
		err = errors.Join(netlink.LinkSetUp(veth), netlink.AddrAdd(veth, a))
	}
	for _, f := range far {
		err = errors.Join(err, ns.AddAddr("eth0", f))
	}
	if err = errors.Join(err, ns.SetUp("eth0", true)); err != nil {
		w.t.Fatalf("wire %s: %v", device, err)
	}
	w.t.Cleanup(func() { _ = netlink.LinkDel(veth) }) // the test may have removed it
}

// serve runs a server until the test ends and checks that nothing is left.
func (w *world) serve(cfg serve.Config) *serve.Server {
	w.t.Helper()
	if cfg.Now == nil {
		cfg.Now = boot
	}
	cfg.Log = slog.New(slog.NewTextHandler(testLog{w.t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	before := goleak.IgnoreCurrent()
	s := serve.New(cfg)
	w.s = s
	s.SetListen(onLAN)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	w.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("Run: %v", err)
		}
		if err := goleak.Find(before); err != nil {
			w.t.Error(err)
		}
	})
	w.await("listening", func() bool {
		l := s.Stats().Listeners
		return len(l) == 1 && l[0].Err == nil
	})
	return s
}

type testLog struct{ t testing.TB }

func (l testLog) Write(p []byte) (int, error) {
	l.t.Logf("%s", p)
	return len(p), nil
}

// await waits for something that the kernel or a goroutine does, 5 s at most.
func (w *world) await(what string, ok func() bool) {
	w.t.Helper()
	for end := time.Now().Add(5 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("waited 5 s for: %s", what)
		}
	}
}

// provider runs a scripted server on addr, UDP and TCP.
func (w *world) provider(ns *lab.NS, addr netip.AddrPort, h miekg.HandlerFunc) {
	w.t.Helper()
	var pc net.PacketConn
	var l net.Listener
	ns.MustDo(w.t, func() (err error) {
		if pc, err = net.ListenPacket("udp", addr.String()); err != nil {
			return err
		}
		l, err = net.Listen("tcp", addr.String())
		return err
	})
	for _, s := range []*miekg.Server{{PacketConn: pc, Handler: h}, {Listener: l, Handler: h}} {
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		go func() { _ = s.ActivateAndServe() }() // ends with Shutdown
		<-started
		w.t.Cleanup(func() { _ = s.Shutdown() })
	}
}

// says is a server that answers every A question with addr.
func says(addr string) miekg.HandlerFunc {
	return func(rw miekg.ResponseWriter, q *miekg.Msg) {
		r := new(miekg.Msg)
		r.SetReply(q)
		r.Answer = []miekg.RR{&miekg.A{
			Hdr: miekg.RR_Header{Name: q.Question[0].Name, Rrtype: 1, Class: 1, Ttl: 100}, A: net.ParseIP(addr),
		}}
		_ = rw.WriteMsg(r) // the asker may be gone
	}
}

// silent is a server that never answers.
func silent(miekg.ResponseWriter, *miekg.Msg) {}

// dial opens a socket of a namespace to the router's DNS.
func (w *world) dial(ns *lab.NS, network, to string) net.Conn {
	w.t.Helper()
	var c net.Conn
	ns.MustDo(w.t, func() (err error) {
		c, err = net.DialTimeout(network, to, 2*time.Second)
		return err
	})
	w.t.Cleanup(func() { _ = c.Close() })
	return c
}

// ask asks the router as the phone and returns the answer and its delay.
func (w *world) ask(name string) (*miekg.Msg, time.Duration) {
	w.t.Helper()
	m, d, err := w.try(w.phone, lanAddr, name, 6*time.Second)
	if err != nil {
		w.t.Fatalf("%s: %v", name, err)
	}
	return m, d
}

func (w *world) try(ns *lab.NS, at netip.Addr, name string, patience time.Duration) (*miekg.Msg, time.Duration, error) {
	w.t.Helper()
	c := &miekg.Conn{Conn: w.dial(ns, "udp", netip.AddrPortFrom(at, dns.Port).String())}
	defer c.Close()
	q := new(miekg.Msg).SetQuestion(name, miekg.TypeA)
	q.SetEdns0(1232, false)
	start := time.Now()
	if err := errors.Join(c.SetDeadline(start.Add(patience)), c.WriteMsg(q)); err != nil {
		return nil, 0, err
	}
	m, err := c.ReadMsg()
	return m, time.Since(start), err
}

// address is the A record of an answer, "" for none.
func address(m *miekg.Msg) string {
	for _, rr := range m.Answer {
		if a, ok := rr.(*miekg.A); ok {
			return a.A.String()
		}
	}
	return ""
}
