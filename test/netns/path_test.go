package netns

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"luatnetd/internal/lab"
)

// Traceroute shows the router as a hop, errors of ICMP come back through the
// NAT, fragments pass. RTR-14.
func TestTracerouteErrorsAndFragmentsPass(t *testing.T) {
	t.Parallel()
	lab.Run(t, func(t *testing.T) {
		b := newBox(t, 2)
		b.plainVeths()
		b.staticClient()
		b.write(static)
		b.start()
		b.active(20*time.Second, "wan", "wan1")
		for _, how := range []string{"-U", "-I", "-T"} {
			out := b.Client.MustRun(t, "traceroute", "-n", "-q1", "-w2", "-m5", "-N1", how, lab.WebAddr)
			for _, hop := range []string{" 192.168.5.1 ", " 100.64.1.1 ", " " + lab.WebAddr + " "} {
				if !strings.Contains(out, hop) {
					t.Errorf("traceroute %s lacks the hop%s:\n%s", how, hop, out)
				}
			}
		}
		if err := b.ask(lab.WebAddr+":9999", 10); err == nil || !strings.Contains(err.Error(), "refused") {
			t.Errorf("a closed UDP port says %v, want that it is refused (ICMP port unreachable)", err)
		}
		if err := b.ask(fmt.Sprintf("%s:%d", lab.WebAddr, lab.EchoPort), 2000); err != nil {
			t.Errorf("a datagram in two fragments: %v", err)
		}
		b.noForeign()
	})
}

// ask sends one datagram of that size as the LAN client and waits for an answer.
func (b *box) ask(addr string, size int) error {
	c, err := b.Client.Dial("udp4", addr, time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(2 * time.Second))
	if _, err := c.Write(make([]byte, size)); err != nil {
		return err
	}
	buf := make([]byte, 4096)
	n, err := c.Read(buf)
	if err == nil && n != size {
		err = fmt.Errorf("%d bytes came back, want %d", n, size)
	}
	return err
}

// "PMTU: https works behind a 1400-byte-MTU upstream": a narrow uplink (the
// MSS is clamped both ways) and a narrow link behind the provider (the error
// finds the sender). 1 MB in both directions. RTR-14.
func TestNarrowUplinkCarriesATransfer(t *testing.T) {
	t.Parallel()
	for name, narrow := range map[string]func(*box){
		"uplink": func(b *box) {
			b.Gateway.MustRun(b.t, "ip", "link", "set", "wan1", "mtu", "1400")
			b.ISPs[0].MustRun(b.t, "ip", "link", "set", "down0", "mtu", "1400")
			for _, ns := range []*lab.NS{b.Client, b.Server} { // as careless firewalls do: the MSS alone must do it
				ns.MustRun(b.t, "nft", "table ip deaf { chain in { type filter hook input priority 0; icmp type destination-unreachable drop; }; }")
			}
		},
		"behind the provider": func(b *box) {
			b.ISPs[0].MustRun(b.t, "ip", "link", "set", "up0", "mtu", "1400")
			b.Server.MustRun(b.t, "ip", "link", "set", "eth1", "mtu", "1400")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lab.Run(t, func(t *testing.T) {
				b := newBox(t, 2)
				b.plainVeths()
				narrow(b)
				b.staticClient()
				b.write(static)
				b.start()
				b.active(20*time.Second, "wan", "wan1")
				if err := b.transfer(1 << 20); err != nil {
					t.Errorf("1 MB there and back: %v", err)
				}
				b.noForeign()
			})
		})
	}
}

// plainVeths turns off every offload, so that each packet is as long as on a
// wire.
func (b *box) plainVeths() {
	b.t.Helper()
	off := func(ns *lab.NS, devices ...string) {
		for _, d := range devices {
			ns.MustRun(b.t, "ethtool", "-K", d, "tso", "off", "gso", "off", "gro", "off", "tx", "off")
		}
	}
	off(b.Client, "eth0")
	off(b.Gateway, "lan1")
	for i, isp := range b.ISPs {
		off(b.Gateway, isp.Device)
		off(isp.NS, "down0", "up0")
		off(b.Server, fmt.Sprintf("eth%d", i+1))
	}
}

// transfer sends n bytes to the echo server and reads them back.
func (b *box) transfer(n int) error {
	c, err := b.Client.Dial("tcp4", fmt.Sprintf("%s:%d", lab.WebAddr, lab.RPCPort), 3*time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	var wg sync.WaitGroup
	var sent error
	wg.Go(func() {
		_, sent = c.Write(make([]byte, n))
		if sent == nil {
			sent = c.(*net.TCPConn).CloseWrite()
		}
	})
	back, err := io.Copy(io.Discard, c)
	wg.Wait()
	if sent != nil {
		return fmt.Errorf("send: %w", sent)
	}
	if err == nil && back != int64(n) {
		err = fmt.Errorf("%d of %d bytes came back", back, n)
	}
	return err
}
