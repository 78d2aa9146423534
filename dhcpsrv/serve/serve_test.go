package serve

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"luatnetd/dhcpsrv"
	"luatnetd/internal/lab"
	"luatnetd/internal/rawsock"
	"luatnetd/netif"
)

// lan is a router with br-lan (here the end of a veth) and one client.
func lan(t *testing.T) (router, client *lab.NS) {
	t.Helper()
	n := lab.New(t)
	router, client = n.MustNS(t, "router"), n.MustNS(t, "client")
	n.MustLink(t, router, "br-lan", client, "eth0")
	if err := router.AddAddr("br-lan", "192.168.5.1/24"); err != nil {
		t.Fatal(err)
	}
	return router, client
}

// TestRepliesAreUnicast: S35, S36 on the wire. OFFER and ACK go to the client's
// hardware address, which no ARP could have found, and leave no neighbour (S71).
func TestRepliesAreUnicast(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		router, client := lan(t)
		start(t, router, lanConfig(t.TempDir())).listening()
		w := openWire(t, client, "eth0")
		m := mac(7)
		w.dhcp(m, message(t, m, dhcpv4.MessageTypeDiscover))
		offer, f := w.reply(3 * time.Second)
		if offer == nil || f.dst != m {
			t.Fatalf("OFFER %v to %v, want to %v", offer, f.dst, m)
		}
		w.dhcp(m, selects(t, offer))
		ack, f := w.reply(3 * time.Second)
		if ack == nil || ack.MessageType() != dhcpv4.MessageTypeAck || f.dst != m {
			t.Fatalf("ACK %v to %v, want to %v", ack, f.dst, m)
		}
		if _, dst, _, err := rawsock.ParseUDP4(f.payload, false); err != nil || dst.Addr().String() != ack.YourIPAddr.String() {
			t.Errorf("IP destination %v (%v), want %v", dst, err, ack.YourIPAddr)
		}
		b := message(t, mac(8), dhcpv4.MessageTypeDiscover)
		b.SetBroadcast()
		w.dhcp(mac(8), b)
		if offer, f := w.reply(3 * time.Second); offer == nil || f.dst != rawsock.Broadcast {
			t.Errorf("B=1: OFFER %v to %v, want broadcast", offer, f.dst)
		}
		router.MustDo(t, func() error {
			list, err := netlink.NeighList(0, netlink.FAMILY_V4)
			for _, n := range list {
				if n.IP.String() == ack.YourIPAddr.String() {
					t.Errorf("the server made a neighbour entry: %v", n)
				}
			}
			return err
		})
	})
}

// TestProbeFindsSquatter: S50 on the wire. An address that somebody uses is
// found within the probe's time and another one is offered.
func TestProbeFindsSquatter(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		router, client := lan(t)
		if err := client.AddAddr("eth0", "192.168.5.150/24"); err != nil {
			t.Fatal(err)
		}
		s := start(t, router, lanConfig(t.TempDir())).listening()
		w := openWire(t, client, "eth0")
		begin := time.Now()
		got := w.acquire(mac(1), option(50, 192, 168, 5, 150))
		t.Logf("a fresh lease beside a squatter took %v", time.Since(begin).Round(time.Millisecond))
		if got == "192.168.5.150" {
			t.Error("the address of another host was leased")
		}
		if e := s.event("conflict", "192.168.5.150"); e.MAC.IsZero() {
			t.Errorf("event without the squatter's MAC: %+v", e)
		}
		if l := s.leases()["192.168.5.150"]; l.State != "quarantined" {
			t.Errorf("lease %+v", l)
		}
	})
}

// TestKillAndRestart: S55, DHCP-03. Every client that got an ACK before kill -9
// has its address after it, by INIT-REBOOT, and nobody else can get it. Then
// the same after a reboot of the machine.
func TestKillAndRestart(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		router, client := lan(t)
		cfg := lanConfig(t.TempDir())
		s := start(t, router, cfg).listening()
		w := openWire(t, client, "eth0")
		held := map[int]string{}
		for i := range 20 {
			held[i] = w.acquire(mac(i))
		}
		for round, boot := range []string{"this boot", "next boot", "next boot"} {
			s.proc.Kill()
			cfg.BootID = boot
			s = start(t, router, cfg).listening()
			for i, a := range held {
				l := s.leases()[a]
				if l.MAC != mac(i) || l.State != "bound" || l.ExpiresIn < 59*time.Minute || l.ExpiresIn > time.Hour {
					t.Fatalf("round %d: lease of %s is %+v", round, a, l)
				}
				ip := dhcpv4.OptRequestedIPAddress(must4(t, a))
				w.dhcp(mac(i), message(t, mac(i), dhcpv4.MessageTypeRequest, ip))
				w.answer(mac(i), dhcpv4.MessageTypeAck)
				w.dhcp(mac(900+i), message(t, mac(900+i), dhcpv4.MessageTypeRequest, ip))
				w.answer(mac(900+i), dhcpv4.MessageTypeNak)
			}
		}
		s.stop()
		s = start(t, router, cfg).listening()
		if n := len(s.leases()); n != len(held) {
			t.Errorf("%d leases after an orderly stop, want %d", n, len(held))
		}
	})
}

func must4(t *testing.T, a string) []byte {
	t.Helper()
	var b [4]byte
	if _, err := fmt.Sscanf(a, "%d.%d.%d.%d", &b[0], &b[1], &b[2], &b[3]); err != nil {
		t.Fatal(err)
	}
	return b[:]
}

// TestSecondInstanceFails: S73.
func TestSecondInstanceFails(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		router, _ := lan(t)
		cfg := lanConfig(t.TempDir())
		start(t, router, cfg).listening()
		second := start(t, router, cfg)
		second.wait("the second one gives up", func(l line) bool { return l.Ended != "" && l.Ended != "<nil>" })
		cfg.StateFile = filepath.Join(t.TempDir(), "other")
		third := start(t, router, cfg)
		until(t, "a server on the same device says that the port is in use", 5*time.Second, func() bool {
			return contains(third.proc.Output(), "address already in use")
		})
		if len(third.lines()) != 0 {
			t.Errorf("it listens all the same: %+v", third.lines())
		}
	})
}

// TestDeviceComesLater: RTR-07, S76. The device is missing at start, comes,
// loses and gets its cable, is taken down and up, is removed and made again
// with other numbers.
func TestDeviceComesLater(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		n := lab.New(t)
		router, client := n.MustNS(t, "router"), n.MustNS(t, "client")
		s := start(t, router, lanConfig(t.TempDir()))
		until(t, "it says what it waits for", 5*time.Second, func() bool {
			return contains(s.proc.Output(), "waits for its device")
		})
		n.MustLink(t, router, "br-lan", client, "eth0")
		must(t, router.AddAddr("br-lan", "192.168.5.1/24"))
		s.listening()
		first := openWire(t, client, "eth0").acquire(mac(1))

		must(t, client.SetUp("eth0", false)) // the cable
		must(t, client.SetUp("eth0", true))
		up(t, router, "br-lan")
		if a := openWire(t, client, "eth0").acquire(mac(1)); a != first {
			t.Errorf("after the cable came back: %s, had %s", a, first)
		}
		must(t, router.SetUp("br-lan", false))
		must(t, router.SetUp("br-lan", true))
		up(t, router, "br-lan")
		if a := openWire(t, client, "eth0").acquire(mac(1)); a != first {
			t.Errorf("after down and up: %s, had %s", a, first)
		}
		router.MustDo(t, func() error {
			l, err := netlink.LinkByName("br-lan")
			if err != nil {
				return err
			}
			return netlink.LinkDel(l)
		})
		begin := time.Now()
		n.MustLink(t, router, "br-lan", client, "eth0")
		must(t, router.AddAddr("br-lan", "192.168.5.1/24"))
		up(t, router, "br-lan")
		w := openWire(t, client, "eth0")
		until(t, "an offer over the new device", 5*time.Second, func() bool {
			w.dhcp(mac(1), message(t, mac(1), dhcpv4.MessageTypeDiscover))
			p, _ := w.reply(200 * time.Millisecond)
			return p != nil && p.YourIPAddr.String() == first
		})
		t.Logf("served again %v after the device was made anew", time.Since(begin).Round(10*time.Millisecond))
	})
}

// up waits until a device has its carrier.
func up(t *testing.T, ns *lab.NS, device string) {
	t.Helper()
	until(t, device+" is up", 5*time.Second, func() bool {
		state := false
		_ = ns.Do(func() error {
			l, err := netlink.LinkByName(device)
			state = err == nil && l.Attrs().OperState == netlink.OperUp
			return err
		})
		return state
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestTwoLANs: DHCP-06, RTR-06. Two servers on two devices of one machine never
// touch each other's pool, and stopping one leaves the other.
func TestTwoLANs(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		n := lab.New(t)
		router, a, b := n.MustNS(t, "router"), n.MustNS(t, "a"), n.MustNS(t, "b")
		n.MustLink(t, router, "br-lan", a, "eth0")
		n.MustLink(t, router, "br-guest", b, "eth0")
		must(t, router.AddAddr("br-lan", "192.168.5.1/24"))
		must(t, router.AddAddr("br-guest", "192.168.6.1/24"))
		one, two := lanConfig(t.TempDir()), lanConfig(t.TempDir())
		two.LAN, two.Device = "guest", "br-guest"
		two.Address = prefix("192.168.6.1/24")
		two.PoolStart, two.PoolEnd = addr("192.168.6.100"), addr("192.168.6.110")
		first, second := start(t, router, one).listening(), start(t, router, two).listening()
		wa, wb := openWire(t, a, "eth0"), openWire(t, b, "eth0")
		for i := range 5 {
			if got := wa.acquire(mac(i)); !one.Address.Contains(addr(got)) {
				t.Errorf("LAN a got %s", got)
			}
			if got := wb.acquire(mac(i)); !two.Address.Contains(addr(got)) {
				t.Errorf("LAN b got %s", got)
			}
		}
		if x, y := len(first.leases()), len(second.leases()); x != 5 || y != 5 {
			t.Errorf("%d and %d leases, want 5 and 5", x, y)
		}
		first.stop()
		wb.acquire(mac(6))
		wa.dhcp(mac(7), message(t, mac(7), dhcpv4.MessageTypeDiscover))
		if p, _ := wa.reply(300 * time.Millisecond); p != nil {
			t.Errorf("somebody answers in the LAN that was stopped: %v", p)
		}
	})
}

// TestUpdate: another pool, another device, leases kept.
func TestUpdate(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		n := lab.New(t)
		router, client := n.MustNS(t, "router"), n.MustNS(t, "client")
		n.MustLink(t, router, "br-lan", client, "eth0")
		n.MustLink(t, router, "other", client, "eth1")
		cfg := lanConfig(t.TempDir())
		s := start(t, router, cfg).listening()
		held := openWire(t, client, "eth0").acquire(mac(1))
		cfg.Device = "other"
		cfg.Hosts = []dhcpsrv.Host{{Name: "nas", MACs: []netif.MAC{mac(2)}, Address: addr("192.168.5.10")}}
		s.update(cfg)
		until(t, "the server moved", 5*time.Second, func() bool { return contains(s.proc.Output(), "device=other") })
		w := openWire(t, client, "eth1")
		if got := w.acquire(mac(2)); got != "192.168.5.10" {
			t.Errorf("the new host got %s", got)
		}
		if got := w.acquire(mac(1)); got != held {
			t.Errorf("the lease became %s, was %s", got, held)
		}
		if l := s.leases()["192.168.5.10"]; !l.Static || l.Hostname != "nas" {
			t.Errorf("host lease %+v", l)
		}
	})
}

// TestUnwritableState: a state directory that does not exist, and one that
// turns up later; service never stops.
func TestUnwritableState(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		router, client := lan(t)
		dir := filepath.Join(t.TempDir(), "later")
		s := start(t, router, lanConfig(dir)).listening()
		w := openWire(t, client, "eth0")
		begin := time.Now()
		w.acquire(mac(1))
		if d := time.Since(begin); d > commitLimit {
			t.Errorf("a lease without a disk took %v: somebody waits for it", d)
		}
		if st := s.ask("status"); st.Store == "<nil>" {
			t.Error("the status does not show it")
		}
		s.stop()
		// A directory that was there at the start and vanishes: the open file
		// takes what comes.
		dir = t.TempDir()
		s = start(t, router, lanConfig(dir)).listening()
		must(t, os.RemoveAll(dir))
		w.acquire(mac(2))
		s.stop()
	})
}

// TestDamagedState: S56. A torn tail costs nothing that was acknowledged, and
// rubbish is set aside; both times the LAN is served.
func TestDamagedState(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		router, client := lan(t)
		cfg := lanConfig(t.TempDir())
		s := start(t, router, cfg).listening()
		w := openWire(t, client, "eth0")
		a := w.acquire(mac(1))
		s.proc.Kill()
		f, err := os.OpenFile(cfg.StateFile, os.O_APPEND|os.O_WRONLY, 0)
		must(t, err)
		_, err = f.Write(append([]byte{0xA7, 0, 80, 1, 1, 2, 3}, make([]byte, 50)...))
		must(t, err)
		must(t, f.Close())
		s = start(t, router, cfg).listening()
		if l := s.leases()[a]; l.MAC != mac(1) {
			t.Errorf("after a torn tail: %+v", s.leases())
		}
		s.proc.Kill()
		must(t, os.WriteFile(cfg.StateFile, []byte("not a log"), 0o600))
		start(t, router, cfg).listening()
		w.dhcp(mac(1), message(t, mac(1), dhcpv4.MessageTypeRequest, dhcpv4.OptRequestedIPAddress(must4(t, a))))
		w.answer(mac(1), dhcpv4.MessageTypeAck) // adopted
		if _, err := os.Stat(cfg.StateFile + ".bad"); err != nil {
			t.Error(err)
		}
	})
}

// TestStorm: 240 clients at once (S74, §4.5 of the requirements), with the log
// on disk. Without the large buffer and the group commit this takes 4 s.
func TestStorm(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		router, client := lan(t)
		cfg := lanConfig(t.TempDir())
		cfg.PoolStart, cfg.PoolEnd = addr("192.168.5.2"), addr("192.168.5.254")
		s := start(t, router, cfg).listening()
		w := openWire(t, client, "eth0")
		const clients = 240
		begin, sent, asked := time.Now(), uint64(0), uint64(0)
		for i := range clients {
			w.dhcp(mac(i), message(t, mac(i), dhcpv4.MessageTypeDiscover))
			sent++
		}
		acks, taken := map[netif.MAC]time.Duration{}, map[string]netif.MAC{}
		again := begin.Add(3 * time.Second)
		for len(acks) < clients && time.Since(begin) < 10*time.Second {
			p, _ := w.reply(50 * time.Millisecond)
			switch {
			case p != nil && p.MessageType() == dhcpv4.MessageTypeOffer:
				w.dhcp(netif.MAC(p.ClientHWAddr), selects(t, p))
				asked++
			case p != nil && p.MessageType() == dhcpv4.MessageTypeAck:
				m := netif.MAC(p.ClientHWAddr)
				if other, ok := taken[p.YourIPAddr.String()]; ok && other != m {
					t.Fatalf("%v and %v both have %v", other, m, p.YourIPAddr)
				}
				taken[p.YourIPAddr.String()] = m
				if _, ok := acks[m]; !ok {
					acks[m] = time.Since(begin)
				}
			case time.Now().After(again): // what a client without an answer does
				again = time.Now().Add(3 * time.Second)
				for i := range clients {
					if _, ok := acks[mac(i)]; !ok {
						w.dhcp(mac(i), message(t, mac(i), dhcpv4.MessageTypeDiscover))
						sent++
					}
				}
			}
		}
		var last time.Duration
		for _, d := range acks {
			last = max(last, d)
		}
		t.Logf("%d of %d clients served in %v, %d repeated DISCOVERs", len(acks), clients, last.Round(time.Millisecond), sent-clients)
		counters := s.ask("status").Counters
		t.Logf("server counted %v", counters)
		if len(acks) != clients || last > 3*time.Second {
			t.Errorf("%d clients in %v, want %d well below the 4 s of a lost packet", len(acks), last, clients)
		}
		if bigBuffer(router) && (counters["discover"] != sent || counters["request"] != asked) {
			t.Errorf("of %d DISCOVERs and %d REQUESTs some were lost, with a buffer that holds all", sent, asked)
		}
	})
}

// bigBuffer reports whether this process may exceed net.core.rmem_max.
func bigBuffer(ns *lab.NS) bool {
	return ns.Do(func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer)
	}) == nil
}

func TestStopIsClean(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		router, client := lan(t)
		s := start(t, router, lanConfig(t.TempDir())).listening()
		w := openWire(t, client, "eth0")
		for i := range 30 {
			w.dhcp(mac(i), message(t, mac(i), dhcpv4.MessageTypeDiscover))
		}
		must(t, s.proc.Signal(syscall.SIGTERM))
		s.wait("the end", func(l line) bool { return l.Ended == "<nil>" })
	})
}
