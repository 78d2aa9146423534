package netns

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"luatnetd/internal/lab"
)

// cell is one LAN as RTR-01's table has it: who it is, and how to reach the
// router from inside.
type cell struct {
	lan    string
	client *lab.NS
	router string
}

// Every Ethernet cell of RTR-01: each LAN (a single port, and a bridge of two)
// by each uplink gives its client an address, names, UDP, TCP and ping, and the
// provider of that uplink is the one who carries them.
func TestRTR01EveryEthernetCell(t *testing.T) {
	t.Parallel()
	lab.Run(t, func(t *testing.T) {
		b := newBox(t, 2)
		for _, isp := range b.ISPs {
			b.dnsmasq(isp, "1h")
		}
		other := b.MustNS(t, "other")
		b.MustLink(t, other, "eth0", b.Gateway, "lan2")
		spare := b.MustNS(t, "spare")
		b.MustLink(t, spare, "eth0", b.Gateway, "lan3")
		cells := []cell{{"lan", b.Client, "192.168.5.1"}, {"office", other, "192.168.6.1"}}
		for round, by := range [][2]string{{"wan", "wan2"}, {"wan2", "wan"}} {
			b.write(leased + fmt.Sprintf("upstream = [%q]\n[[lan]]\nname = \"office\"\nports = [\"lan2\", \"lan3\"]\naddress = \"192.168.6.1/24\"\nupstream = [%q]\n", by[0], by[1]))
			if round == 0 {
				b.start()
			} else {
				b.reload()
			}
			b.ready(20*time.Second, "wan", "wan2")
			for i, c := range cells {
				t.Run(c.lan+" by "+by[i], func(t *testing.T) { b.cellWorks(t, c, by[i]) })
			}
		}
		b.noForeign()
	})
}

// cellWorks uses everything that a LAN client uses.
func (b *box) cellWorks(t *testing.T, c cell, uplink string) {
	c.client.MustRun(t, "ip", "addr", "flush", "dev", "eth0")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if out, err := c.client.Run(ctx, "busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "10", "-T", "1", "-s", b.udhcpcScript()); err != nil {
		t.Fatalf("DHCP: %v\n%s", err, out)
	}
	provider := map[string]string{"wan": "100.64.1.", "wan2": "100.64.2."}[uplink]
	if err := lab.Poll(5*time.Second, func() error {
		got, err := c.client.Run(ctx, "curl", "-sS", "--max-time", "3", "http://"+lab.WebAddr+"/")
		if err == nil && !strings.HasPrefix(got, provider) {
			err = fmt.Errorf("the server sees %s", got)
		}
		return err
	}); err != nil {
		t.Errorf("TCP by %s: %v", uplink, err)
	}
	if out, err := c.client.Run(ctx, "dig", "+notcp", "+short", "+time=2", "@"+c.router, lab.HostName); err != nil || strings.TrimSpace(out) != lab.WebAddr {
		t.Errorf("DNS: %q, %v; want %s", out, err, lab.WebAddr)
	}
	if err := echoed(c.client); err != nil {
		t.Errorf("UDP: %v", err)
	}
	if out, err := c.client.Run(ctx, "ping", "-c1", "-W2", "8.8.8.8"); err != nil {
		t.Errorf("ping: %v\n%s", err, out)
	}
}

// echoed sends a datagram to the echo server on the internet and wants it back.
func echoed(ns *lab.NS) error {
	return ns.Do(func() error {
		c, err := net.DialUDP("udp4", nil, &net.UDPAddr{IP: net.ParseIP(lab.WebAddr), Port: lab.EchoPort})
		if err != nil {
			return err
		}
		defer c.Close()
		buf := make([]byte, 16)
		for range 3 { // a datagram may be lost
			if _, err = c.Write([]byte("cell")); err != nil {
				return err
			}
			_ = c.SetReadDeadline(time.Now().Add(time.Second))
			var n int
			if n, err = c.Read(buf); err == nil && string(buf[:n]) == "cell" {
				return nil
			}
		}
		return err
	})
}
