package dhcp_test

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"luatnetd/internal/lab"
	"luatnetd/internal/rawsock"
	"luatnetd/netif/dhcp"
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

type testWriter struct{ t *testing.T }

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
