package serve

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"luatnetd/client"
	"luatnetd/internal/lab"
)

// TestServersUnreachableFromUplinks: neither by the LAN's address nor by the
// uplink's own, TCP or UDP; the LAN reaches them meanwhile.
func TestServersUnreachableFromUplinks(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		for _, kind := range []client.Kind{client.TCP, client.UDP} {
			t.Run(string(kind), func(t *testing.T) {
				r := newRig(t, Config{NoPrefix: true, Kind: kind})
				r.up(t)
				for _, to := range []string{address, "203.0.113.1:50003"} {
					c, err := r.wan.Dial(string(kind), to, 5*time.Second)
					if kind == client.TCP {
						if !errors.Is(err, syscall.ECONNREFUSED) {
							t.Errorf("from the uplink to %s: %v, want refused", to, err)
						}
						continue
					}
					if err != nil {
						t.Fatal(err)
					}
					fmt.Fprint(c, "intruder")
					_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
					if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNREFUSED) {
						t.Errorf("datagram from the uplink to %s: %v, want refused", to, err)
					}
					_ = c.Close()
				}
				c := r.dial(t, string(kind))
				fmt.Fprint(c, "friend")
				if v := r.received(t); string(v.Data) != "friend" {
					t.Errorf("received %q", v.Data)
				}
			})
		}
	})
}

// TestSRV03UDP01: greeting and heartbeat broadcasts on port 50000, the last
// sender is answered, words of LuatOS's inner life are payload.
func TestSRV03UDP01(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		r := newRig(t, Config{NoPrefix: true, Kind: client.UDP, Heartbeat: 300 * time.Millisecond})
		heard := r.listenBroadcasts(t)
		r.up(t)
		began := time.Now()
		expectDatagram(t, heard, "UDP Server is UP")
		if v := r.send(t, "", "x"); v.OK || v.Reason != "no client has spoken yet" {
			t.Errorf("before anyone spoke: %+v", v)
		}
		expectDatagram(t, heard, "UDP Server Heartbeat")
		if d := time.Since(began); d < 250*time.Millisecond {
			t.Errorf("heartbeat after %s", d)
		}
		a, b := r.dial(t, "udp"), r.dial(t, "udp")
		for _, words := range []string{"SOCKET_CLOSED", "SEND_READY"} {
			fmt.Fprint(a, words)
			if v := r.received(t); string(v.Data) != words || v.Peer != a.LocalAddr().String() || v.Prefix != "" {
				t.Errorf("received %+v", v)
			}
		}
		fmt.Fprint(b, "hello")
		r.received(t)
		if v := r.send(t, "", "to the last"); !v.OK {
			t.Error(v)
		}
		expectDatagram(t, b, "to the last")
		if v := r.send(t, a.LocalAddr().String(), "to the first"); !v.OK {
			t.Error(v)
		}
		expectDatagram(t, a, "to the first")
		if v := r.send(t, "client-1", "x"); v.OK {
			t.Error("a name was taken for an address")
		}
		expectDatagram(t, heard, "UDP Server Heartbeat")
		if v := r.send(t, "255.255.255.255:50000", "to all"); !v.OK {
			t.Error(v)
		}
		for got := ""; got != "to all"; { // heartbeats may come first
			buf := make([]byte, 100)
			n, err := heard.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			got = string(buf[:n])
		}
	})
}

func (r *rig) listenBroadcasts(t *testing.T) net.Conn {
	t.Helper()
	var c *net.UDPConn
	r.lan.MustDo(t, func() (err error) {
		c, err = net.ListenUDP("udp4", &net.UDPAddr{Port: 50000})
		return err
	})
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	return c
}

func expectDatagram(t *testing.T, c net.Conn, want string) {
	t.Helper()
	buf := make([]byte, 2048)
	if n, err := c.Read(buf); err != nil || string(buf[:n]) != want {
		t.Fatalf("datagram %q, %v; want %q", buf[:n], err, want)
	}
}

// TestSRV04LinkLoss: gone with the link, clients too; back with it, on a device
// that was made anew under the same name as well.
func TestSRV04LinkLoss(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		for _, kind := range []client.Kind{client.TCP, client.UDP} {
			t.Run(string(kind), func(t *testing.T) {
				r := newRig(t, Config{NoPrefix: true, Kind: kind, NoGreeting: true, Heartbeat: -1})
				r.up(t)
				before := r.dial(t, string(kind))
				fmt.Fprint(before, "one")
				r.received(t)
				down := r.network(t)
				down.Up = false
				r.SetNetwork(down)
				r.until(t, func(s Status) bool { return s.Listening == "" && len(s.Clients) == 0 })
				if v := r.send(t, "", "x"); v.OK {
					t.Error("sent while the link was down")
				}
				r.up(t)
				fmt.Fprint(r.dial(t, string(kind)), "two")
				if v := r.received(t); string(v.Data) != "two" {
					t.Errorf("received %q", v.Data)
				}
				r.here.MustDo(t, func() error {
					l, err := netlink.LinkByName("lan0")
					if err != nil {
						return err
					}
					return netlink.LinkDel(l)
				})
				r.net.MustLink(t, r.here, "lan0", r.lan, "eth0")
				if err := errors.Join(r.here.AddAddr("lan0", "192.168.5.1/24"), r.lan.AddAddr("eth0", "192.168.5.2/24")); err != nil {
					t.Fatal(err)
				}
				r.SetNetwork(r.network(t))
				r.until(t, func(s Status) bool { return s.Listening == address })
				again := func() error { // the server may be about to notice
					c, err := r.lan.Dial(string(kind), address, time.Second)
					if err != nil {
						return err
					}
					defer c.Close()
					fmt.Fprint(c, "three")
					select {
					case <-r.got:
						return nil
					case <-time.After(time.Second):
						return errors.New("nothing received")
					}
				}
				if err := lab.Poll(20*time.Second, again); err != nil {
					t.Error(err)
				}
			})
		}
	})
}

// TestAddressComesLate: the address is not there yet; the server comes by itself.
func TestAddressComesLate(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		r := newRig(t, Config{NoPrefix: true})
		r.here.MustDo(t, func() error {
			l, err := netlink.LinkByName("lan0")
			if err != nil {
				return err
			}
			a, err := netlink.ParseAddr("192.168.5.1/24")
			if err != nil {
				return err
			}
			return netlink.AddrDel(l, a)
		})
		r.SetNetwork(r.network(t))
		r.until(t, func(s Status) bool { return strings.Contains(s.Err, "cannot assign requested address") })
		if err := r.here.AddAddr("lan0", "192.168.5.1/24"); err != nil {
			t.Fatal(err)
		}
		r.until(t, func(s Status) bool { return s.Listening == address })
	})
}
