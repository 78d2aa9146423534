package dhcpsrv

import (
	"net/netip"
	"testing"

	"luatnetd/netif"
)

func TestS58_ConfigChange(t *testing.T) {
	cfg := config()
	r := newRig(t, cfg)
	in, out := r.must(mac(1), want("192.168.5.110")), r.must(mac(2), want("192.168.5.190"))
	r.discover(mac(3))
	cfg.PoolEnd = ip("192.168.5.150")
	r.take(r.table.Update(r.now, cfg))
	if n := r.table.Stats().Offered; n != 0 {
		t.Errorf("%d offers survive a change", n)
	}
	if r.lease(out).State != "bound" {
		t.Error("a lease outside of the new pool was dropped at once")
	}
	r.expect("inside", r.request(mac(1), in.String()), "ACK", in.String())
	r.expect("outside", r.request(mac(2), out.String()), "NAK", "")
	if a := r.must(mac(2)); !r.table.rules.pool.has(a) {
		t.Errorf("after the NAK: %v", a)
	}
	cfg.Address, cfg.PoolStart, cfg.PoolEnd = netip.MustParsePrefix("192.168.9.1/24"), ip("192.168.9.100"), ip("192.168.9.200")
	r.take(r.table.Update(r.now, cfg))
	if n := len(r.table.Leases(r.now)); n != 0 {
		t.Errorf("%d leases of the old subnet", n)
	}
	r.expect("renewal in the old subnet", r.request(mac(1), in.String()), "NAK", "")
	if got := r.restart(cfg, "boot-1", r.now); got.Leases != 0 {
		t.Errorf("the log still has %d leases", got.Leases)
	}
}

// TestS58_N34: a reservation is put onto an address that another client holds,
// moved, and removed.
func TestS58_N34_ReservationWhileLeased(t *testing.T) {
	cfg := config()
	r := newRig(t, cfg)
	held := r.must(mac(1), want("192.168.5.120"))
	old := r.must(mac(2), want("192.168.5.130"))
	cfg.Hosts = []Host{{Name: "printer", MACs: []netif.MAC{mac(2)}, Address: held}}
	r.take(r.table.Update(r.now, cfg))
	r.expect("reserved, but held: keeps its address", r.request(mac(2), old.String()), "ACK", old.String())
	if !r.lease(old).Pending {
		t.Error("the waiting reservation is not shown")
	}
	r.expect("the holder is told to go", r.request(mac(1), "", raw(50, held.AsSlice()...)), "NAK", "")
	if a := r.must(mac(1)); a == held {
		t.Fatal("the holder got the reserved address back")
	}
	r.expect("now it moves", r.request(mac(2), old.String()), "NAK", "")
	if a := r.must(mac(2)); a != held || !r.lease(a).Static || r.lease(a).Hostname != "printer" {
		t.Fatalf("reserved client got %v: %+v", a, r.lease(a))
	}
	cfg.Hosts[0].Address = ip("192.168.5.10") // moved, out of the pool
	r.take(r.table.Update(r.now, cfg))
	r.expect("moved", r.request(mac(2), held.String()), "NAK", "")
	if a := r.must(mac(2)); a != ip("192.168.5.10") {
		t.Fatalf("moved to %v", a)
	}
	cfg.Hosts = nil
	r.take(r.table.Update(r.now, cfg))
	if r.lease(ip("192.168.5.10")).State != "bound" {
		t.Error("removed: not kept to its expiry")
	}
	r.expect("removed", r.request(mac(2), "192.168.5.10"), "NAK", "")
}

func TestN32_HostOutsideThePool(t *testing.T) {
	cfg := config()
	cfg.Hosts = []Host{{Name: "nas", MACs: []netif.MAC{mac(1)}, Address: ip("192.168.5.10")}}
	r := newRig(t, cfg)
	r.expect("discover", r.discover(mac(1), want("192.168.5.150")), "OFFER", "192.168.5.10")
	r.expect("select", r.request(mac(1), "", want("192.168.5.10"), server("192.168.5.1")), "ACK", "192.168.5.10")
	r.expect("init-reboot", r.request(mac(1), "", want("192.168.5.10")), "ACK", "192.168.5.10")
	r.expect("renew", r.request(mac(1), "192.168.5.10"), "ACK", "192.168.5.10")
	r.expect("a stranger", r.request(mac(2), "", want("192.168.5.10")), "NAK", "")
	if v := r.request(mac(1), "192.168.5.10", raw(55, 12)).Options[12]; string(v) != "nas" {
		t.Errorf("option 12 = %q", v)
	}
	fresh := newRig(t, cfg) // after the loss of the log
	fresh.expect("init-reboot, unknown", fresh.request(mac(1), "", want("192.168.5.10")), "ACK", "192.168.5.10")
}

func TestS22_N31_ReservationFollowsTheMAC(t *testing.T) {
	cfg := config()
	cfg.Hosts = []Host{{MACs: []netif.MAC{mac(1)}, Address: ip("192.168.5.150")}}
	r := newRig(t, cfg)
	for _, id := range [][]byte{nil, {1, 0, 0x1c, 0x42, 0, 0, 1}, {0xff, 1, 2, 3, 4, 0, 1, 0, 1}} {
		var opts []option
		if id != nil {
			opts = append(opts, raw(61, id...))
		}
		if a := r.must(mac(1), opts...); a != ip("192.168.5.150") {
			t.Errorf("identifier %x: %v", id, a)
		}
	}
	r.expect("nobody else", r.request(mac(2), "", want("192.168.5.150")), "NAK", "")
	if a := r.must(mac(2), want("192.168.5.150")); a == ip("192.168.5.150") {
		t.Error("option 50 takes a reserved address")
	}
}

func TestN33_HostWithTwoMACs(t *testing.T) {
	cfg := config()
	fixed := ip("192.168.5.20")
	cfg.Hosts = []Host{{Name: "laptop", MACs: []netif.MAC{mac(1), mac(2)}, Address: fixed}}
	r := newRig(t, cfg)
	if a := r.must(mac(1)); a != fixed {
		t.Fatalf("first card: %v", a)
	}
	r.busy[fixed] = mac(1)
	second := r.must(mac(2))
	if second == fixed || !r.table.rules.pool.has(second) {
		t.Fatalf("second card while the first answers: %v, want one of the pool", second)
	}
	if !r.lease(second).Pending || r.lease(fixed).State != "bound" || r.lease(fixed).MAC != mac(1) {
		t.Errorf("leases: %+v, %+v", r.lease(second), r.lease(fixed))
	}
	r.send(message(t, mac(2), releaseMsg, second.String()))
	delete(r.busy, fixed) // the first one was unplugged
	if a := r.must(mac(2)); a != fixed || r.lease(fixed).MAC != mac(2) {
		t.Errorf("second card after the first is gone: %v, %+v", a, r.lease(fixed))
	}
	r.expect("the first one comes back", r.request(mac(1), "", raw(50, fixed.AsSlice()...)), "NAK", "")
	r.check()
}

func TestS59_NeverHandedOut(t *testing.T) {
	cfg := config()
	cfg.PoolStart, cfg.PoolEnd = ip("192.168.5.0"), ip("192.168.5.255")
	cfg.Also, cfg.Reserved = []netip.Addr{ip("192.168.5.2")}, []netip.Addr{ip("192.168.5.3")}
	r := newRig(t, cfg)
	got := map[netip.Addr]bool{}
	for i := 0; ; i++ {
		a := r.acquire(mac(i))
		if !a.IsValid() {
			break
		}
		got[a] = true
	}
	if len(got) != 251 || r.table.Stats().Pool != 251 {
		t.Errorf("%d addresses of a /24, capacity %d, want 251", len(got), r.table.Stats().Pool)
	}
	for _, a := range []string{"192.168.5.0", "192.168.5.1", "192.168.5.2", "192.168.5.3", "192.168.5.255"} {
		if got[ip(a)] {
			t.Errorf("%s was handed out", a)
		}
	}
}

// TestDHCP06: two LANs are two tables; nothing of one is visible in the other.
func TestDHCP06_LANsAreIndependent(t *testing.T) {
	guest := config()
	guest.LAN, guest.Address = "guest", netip.MustParsePrefix("192.168.6.1/24")
	guest.PoolStart, guest.PoolEnd = ip("192.168.6.100"), ip("192.168.6.200")
	one, two := newRig(t, config()), newRig(t, guest)
	one.must(mac(1))
	if n := len(two.table.Leases(t0)); n != 0 {
		t.Errorf("%d leases in the other LAN", n)
	}
	if a := two.must(mac(1)); !guest.Address.Contains(a) {
		t.Errorf("guest address %v", a)
	}
}
