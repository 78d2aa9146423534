package netns

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"luatnetd/internal/lab"
	"luatnetd/internal/rawsock"
	"luatnetd/internal/status"
)

// lanServers are the three kinds of servers.
const lanServers = `
[[server]]
name = "one"
kind = "tcp"
lan = "lan"
port = 50003

[[server]]
name = "many"
kind = "tcp_multi"
lan = "lan"
port = 50004

[[server]]
name = "udpsrv"
kind = "udp"
lan = "lan"
port = 50003
`

// Servers wait in the LAN only: an uplink finds none of their ports, neither by
// its own address, nor by the LAN's, nor with a source that lies. SRV-01..03.
func TestServersAreUnreachableFromAnUplink(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		b := newBox(t, 2)
		b.staticClient()
		b.write(static + lanServers)
		b.start()
		b.active(20*time.Second, "wan", "wan1")
		b.eventually(10*time.Second, "the LAN is greeted", func() error {
			p, err := b.Client.Talk("ncat", "192.168.5.1", "50003")
			if err != nil {
				return err
			}
			defer p.Kill()
			return p.Hears(time.Second, "TCP server is UP!")
		})
		udp, err := b.Client.Talk("ncat", "-u", "192.168.5.1", "50003")
		b.ok(err)
		b.ok(udp.Say("from the LAN"))
		b.eventually(5*time.Second, "the LAN's datagram arrives", func() error {
			if n := b.servers()["udpsrv"].In; n != 1 {
				return fmt.Errorf("%d datagrams, want 1", n)
			}
			return nil
		})
		before := b.servers()

		b.scannerReady()
		answers := newTap(t, b.ISPs[0].NS, "down0", to(scannerAddr))
		b.ok(b.ISPs[0].AddRoute("192.168.5.0/24", "100.64.1.2"))
		for _, addr := range []string{"100.64.1.2:50003", "100.64.1.2:50004", "192.168.5.1:50003", "192.168.5.1:50004"} {
			if got := banner(b.ISPs[0].NS, addr); got != "" && got[0] == 'T' {
				t.Errorf("the provider is greeted at %s: %q", addr, got)
			}
		}
		s := b.scan("100.64.1.2")
		for range 3 {
			for _, src := range []string{scannerAddr, "192.168.5.50", "192.168.5.77"} { // the last two lie
				for _, dst := range []string{"100.64.1.2:50003", "100.64.1.2:50004", "192.168.5.1:50003", "192.168.5.1:50004"} {
					from, to := netip.AddrPortFrom(netip.MustParseAddr(src), 40000), netip.MustParseAddrPort(dst)
					s.send(tcpPacket(from, to, flagSYN))
					s.send(rawsock.UDP4(from, to, []byte("intruder")))
				}
			}
			s.whole(t)
		}
		answers.nothing("answers of servers of the LAN")
		after := b.servers()
		for name, n := range before {
			if got := after[name]; got.In != n.In || got.Refused != n.Refused || len(got.Clients) > len(n.Clients) {
				t.Errorf("the uplink reached %s: before %+v, after %+v", name, n, got)
			}
		}
		b.ok(udp.Say("again"))
		b.eventually(5*time.Second, "the LAN is still served", func() error {
			if n := b.servers()["udpsrv"].In; n != 2 {
				return fmt.Errorf("%d datagrams, want 2", n)
			}
			return nil
		})
	})
}

// servers is what ctl says of the servers, by name.
func (b *box) servers() map[string]status.Server {
	b.t.Helper()
	var list []status.Server
	b.json(&list, "servers")
	m := map[string]status.Server{}
	for _, s := range list {
		m[s.Name] = s
	}
	return m
}
