package dhcp_test

import (
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"go.uber.org/goleak"

	"luatnetd/internal/lab"
	"luatnetd/netif"
	"luatnetd/netif/dhcp"
	"luatnetd/netif/lease"
)

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

// noLeak checks that every goroutine of the client has ended; the lab's servers
// live on until the test is over.
func noLeak(t *testing.T) func() {
	before := goleak.IgnoreCurrent()
	return func() {
		goleak.VerifyNone(t, before, goleak.IgnoreAnyFunction("luatnetd/internal/lab.(*NS).StartCmd.func2"),
			goleak.IgnoreAnyFunction("os/exec.(*Cmd).writerDescriptor.func1"))
	}
}
