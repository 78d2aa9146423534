package netns

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"luatnetd/internal/lab"
	"luatnetd/internal/status"
)

// At the moment a follower hears NETWORK_STATUS, the kernel sends by the new
// uplink already, in twenty switches. DEV-17, X16.
func TestStatusEventComesAfterTheRoute(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		b := newBox(t, 2)
		b.write(static)
		b.start()
		b.active(20*time.Second, "wan", "wan1")
		b.ready(15*time.Second, "wan2")
		old := b.kinds("NETWORK_STATUS")
		ctx, cancel := context.WithCancel(t.Context())
		heard := make(chan string, 32) // what the kernel did when an event came
		var follower sync.WaitGroup
		follower.Go(func() {
			_ = b.API.Events(ctx, old[len(old)-1].Seq, true, func(e status.Event) {
				if e.Kind == "NETWORK_STATUS" {
					heard <- e.Attrs["uplink"] + " by " + b.wayOut()
				}
			})
		})
		defer follower.Wait()
		defer cancel()
		for i := range 20 {
			name, device := "wan2", "wan2"
			if i%2 == 1 {
				name, device = "wan", "wan1"
			}
			b.want(0, "", "use", name)
			select {
			case got := <-heard:
				if want := name + " by " + device; got != want {
					t.Errorf("switch %d: %s, want %s", i, got, want)
				}
			case <-time.After(10 * time.Second):
				t.Fatalf("switch %d: no event", i)
			}
		}
	})
}

// wayOut is the device of the kernel's route to the internet.
func (b *box) wayOut() (device string) {
	err := b.Gateway.Do(func() error {
		routes, err := netlink.RouteGet(net.ParseIP(lab.WebAddr))
		if err != nil || len(routes) == 0 {
			return fmt.Errorf("no route: %w", err)
		}
		l, err := netlink.LinkByIndex(routes[0].LinkIndex)
		if err == nil {
			device = l.Attrs().Name
		}
		return err
	})
	if err != nil {
		return err.Error()
	}
	return device
}

// Twenty reloads, ten of which take an uplink away, leave the daemon with the
// descriptors and goroutines of a fresh one. X11.
func TestReloadsLeaveNothing(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		b := newBox(t, 2)
		b.dnsmasq(b.ISPs[0], "1h")
		b.dnsmasq(b.ISPs[1], "1h")
		b.write(leased)
		settled := func() {
			t.Helper()
			b.active(20*time.Second, "wan", "wan1")
			b.ready(20*time.Second, "wan", "wan2")
			b.steady()
		}
		b.start()
		settled()
		fresh := b.descriptors()
		goroutines := b.goroutines()

		b.start()
		settled()
		_, wan2, _ := strings.Cut(leased, "\n\n")
		for range 10 {
			b.write(wan2)
			b.reload()
			b.active(10*time.Second, "wan2", "wan2")
			b.write(leased)
			b.reload()
			b.active(20*time.Second, "wan", "wan1")
		}
		settled()
		b.eventually(10*time.Second, "descriptors are closed", func() error {
			if n := b.descriptors(); n > fresh+2 { // a check may be under way
				return fmt.Errorf("%d descriptors, %d when it was fresh", n, fresh)
			}
			return nil
		})
		if n := b.goroutines(); n > goroutines+6 {
			t.Errorf("%d goroutines after twenty reloads, %d in a fresh daemon", n, goroutines)
		}
	})
}

// descriptors counts the open files of the daemon.
func (b *box) descriptors() int {
	b.t.Helper()
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", b.Daemon.Cmd.Process.Pid))
	b.ok(err)
	return len(list)
}

// goroutines ends the daemon with SIGQUIT, at which Go lists them.
func (b *box) goroutines() int {
	b.t.Helper()
	b.stop(syscall.SIGQUIT)
	n := strings.Count(b.Daemon.Output(), "\ngoroutine ")
	if n < 5 {
		b.t.Fatalf("SIGQUIT listed %d goroutines:\n%s", n, b.Daemon.Output())
	}
	return n
}

// A provider that is renumbered refuses the renewal: the address is given up at
// once, and the MTU of its lease with it; the new lease works. DEV-29.
func TestNAKAndMTUOfTheLease(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		b := newBox(t, 2)
		b.dnsmasq(b.ISPs[1], "1h")
		server := b.dnsmasqFrom(b.ISPs[0], "50", "99", "1h", "--dhcp-option=26,1400")
		b.write(leased)
		b.start()
		b.active(20*time.Second, "wan", "wan1")
		mtu := func(want string) {
			t.Helper()
			b.eventually(10*time.Second, "the MTU of wan1 is "+want, func() error {
				if out := b.Gateway.MustRun(t, "cat", "/sys/class/net/wan1/mtu"); strings.TrimSpace(out) != want {
					return fmt.Errorf("it is %s", out)
				}
				return nil
			})
		}
		mtu("1400")
		before := b.uplink("wan").Address
		server.Kill()
		b.ok(os.Remove(b.ISPs[0].Dir() + "/leases"))
		server = b.dnsmasqFrom(b.ISPs[0], "150", "199", "1h", "--dhcp-authoritative")
		b.eventually(10*time.Second, "dnsmasq listens", func() error {
			if !strings.Contains(server.Output(), "sockets bound") {
				return fmt.Errorf("%s", server.Output())
			}
			return nil
		})
		b.eventually(10*time.Second, "IP_LOSE", func() error {
			b.ok(b.daemonRenew()) // a request may be lost
			if list := b.kinds("IP_LOSE"); len(list) != 1 || list[0].Attrs["uplink"] != "wan" {
				return fmt.Errorf("events %s; the server says\n%s", pretty(list), server.Output())
			}
			return nil
		})
		if out := server.Output(); !strings.Contains(out, "DHCPNAK(") {
			t.Errorf("the server refused nothing:\n%s", out)
		}
		b.eventually(20*time.Second, "a new address", func() error {
			if u := b.uplink("wan"); u.Address == "" || u.Address == before || !u.Ready {
				return fmt.Errorf("wan has %q and had %s: %s", u.Address, before, u.Reason)
			}
			return nil
		})
		mtu("1500")
		b.active(10*time.Second, "wan", "wan1")
	})
}
