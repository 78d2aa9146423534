package netns

import (
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"luatnetd/internal/lab"
)

// "From the WAN: SYN scan of all ports, UDP scan also from source ports 53, 67
// and 123, repeated during start, reload and after kill -9: no answer but the
// limited echo; nothing unsolicited reaches the LAN." RTR-15. Every port is
// scanned while each of these moments is repeated.
func TestScanFromTheWANGetsNoAnswer(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		b := newBox(t, 2)
		b.staticClient()
		b.scannerReady()
		answers := newTap(t, b.ISPs[0].NS, "down0", to(scannerAddr))
		intruders := newTap(t, b.Client, "eth0", from(scannerAddr))
		b.openGatewayAnswers(answers, intruders)

		s := b.scan("100.64.1.2")
		quiet := func(when string) {
			t.Helper()
			answers.nothing("answers " + when)
			intruders.nothing("packets in the LAN " + when)
		}
		b.write(static)
		s.during(t, 4, b.restart)
		quiet("during the first start, kill -9 and starts again")

		b.active(20*time.Second, "wan", "wan1")
		s.during(t, 10, func(i int) {
			b.write(static + fmt.Sprintf("[firewall]\nicmp_rate = %d\n", 11+i%80)) // a new table each time
			b.reload()
		})
		quiet("during reloads")

		b.stop(syscall.SIGKILL)
		s.whole(t)
		quiet("after kill -9, nobody there")
		b.start()
		b.active(20*time.Second, "wan", "wan1")
		s.whole(t)
		quiet("of a gateway that runs")
	})
}

// restart kills the daemon, but before its first start, and starts it.
func (b *box) restart(i int) {
	b.t.Helper()
	if i > 0 {
		b.stop(syscall.SIGKILL)
	}
	b.start()
}

// The same with addresses by DHCP: port 68 has somebody listening, and after
// kill -9 nobody.
func TestScanOfADHCPUplinkGetsNoAnswer(t *testing.T) {
	t.Parallel()
	lab.Run(t, func(t *testing.T) {
		b := newBox(t, 1)
		b.scannerReady()
		b.dnsmasq(b.ISPs[0], "1h")
		b.write(leased)
		b.start()
		b.active(20*time.Second, "wan", "wan1")
		wan := netip.MustParsePrefix(b.uplink("wan").Address).Addr().String()
		answers := newTap(t, b.ISPs[0].NS, "down0", to(scannerAddr))
		s := b.scan(wan)
		s.whole(t)
		answers.nothing("answers of a DHCP uplink")
		s.during(t, 3, func(int) { b.restart(1) })
		answers.nothing("answers of a DHCP uplink during kill -9 and starts")
		b.stop(syscall.SIGKILL)
		s.whole(t)
		answers.nothing("answers of a DHCP uplink after kill -9")
	})
}

// openGatewayAnswers is the control: a gateway without our daemon answers and
// forwards, and the taps see it.
func (b *box) openGatewayAnswers(answers, intruders *tap) {
	b.t.Helper()
	b.ok(b.Gateway.AddAddr("wan1", "100.64.1.2/24"))
	b.ok(b.Gateway.AddAddr("lan1", "192.168.5.1/24"))
	b.ok(b.Gateway.Sysctl("net/ipv4/conf/wan1/forwarding", "1"))
	s := b.scan("100.64.1.2")
	answers.arrives(100)
	intruders.arrives(100)
	s.end()
	b.ok(b.Gateway.Sysctl("net/ipv4/conf/wan1/forwarding", "0"))
	b.Gateway.MustRun(b.t, "ip", "addr", "flush", "dev", "wan1", "scope", "global")
	b.Gateway.MustRun(b.t, "ip", "addr", "flush", "dev", "lan1", "scope", "global")
	time.Sleep(100 * time.Millisecond) // what is under way: the taps must be quiet from here on
	answers.forget()
	intruders.forget()
}

// The same by a foreign tool, and the limit of the echo: icmp_rate answers a
// second, 10 where nothing is written.
func TestNmapFindsNothingAndEchoIsLimited(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		b := newBox(t, 1)
		b.write(strings.Replace(static, "wan2", "wan9", 2)) // an uplink whose device is missing
		b.start()
		b.active(20*time.Second, "wan", "wan1")
		b.scannerReady()
		answers := newTap(t, b.ISPs[0].NS, "down0", to(scannerAddr))

		fast := []string{"-n", "-Pn", "-S", scannerAddr, "-e", "down0", "--max-retries", "0", "--min-rate", "20000", "--host-timeout", "15s", "100.64.1.2"}
		for _, scan := range [][]string{{"-sS", "-p-"}, {"-sU", "-F", "-g", "53"}, {"-sU", "-F", "-g", "67"}, {"-sO", "-p", "0,2-255"}} {
			out := b.ISPs[0].MustRun(t, "nmap", append(scan, fast...)...)
			if strings.Contains(out, " open ") || strings.Contains(out, " closed ") {
				t.Errorf("nmap %v found something:\n%s", scan, out)
			}
		}
		answers.nothing("answers to nmap")

		s := b.newScanner("100.64.1.2")
		for seq := range uint16(200) { // 100 a second for two seconds
			s.send(echoPacket(netip.MustParseAddr(scannerAddr), s.wan, seq))
			time.Sleep(10 * time.Millisecond)
		}
		s.end()
		time.Sleep(100 * time.Millisecond) // the last answer
		if n := answers.count(); n < 20 || n > 60 {
			t.Errorf("%d of 200 pings were answered, want about 10 a second and a burst of 5", n)
		}
	})
}

// "A foreign bridge with its own NAT (as Docker makes) keeps forwarding, a
// foreign device keeps its ssh port." LAN ↔ such a device needs a line in the
// allow list.
func TestForeignBridgeKeepsForwarding(t *testing.T) {
	t.Parallel()
	lab.Run(t, func(t *testing.T) {
		b := newBox(t, 2)
		b.staticClient()
		c := b.container()
		c.MustDo(t, func() error { return serveBanner(t, "172.17.0.2:80", "container") })
		b.Gateway.MustDo(t, func() error { return serveBanner(t, "172.17.0.1:22", "ssh") })

		works := func(when string) {
			t.Helper()
			if got := banner(c, lab.WebAddr+":8"); got != "echo" {
				t.Errorf("%s: the container reaches the internet: %q, want echo", when, got)
			}
			if got := banner(b.Server, "100.64.1.2:8080"); got != "container" {
				t.Errorf("%s: the published port answers %q, want container", when, got)
			}
			if got := banner(c, "172.17.0.1:22"); got != "ssh" {
				t.Errorf("%s: the gateway's ssh port answers %q on the foreign bridge, want ssh", when, got)
			}
		}
		isolated := func(when string) {
			t.Helper()
			if got := banner(b.Client, "172.17.0.2:80"); got == "container" {
				t.Errorf("%s: the LAN reaches the container without a line in the allow list", when)
			}
			if got := banner(c, "192.168.5.50:80"); got == "client" {
				t.Errorf("%s: the container reaches the LAN without a line in the allow list", when)
			}
			// Our forwarding of the uplink must not open what nobody published.
			if got := banner(b.ISPs[0].NS, "172.17.0.2:80"); got == "container" {
				t.Errorf("%s: the provider reaches the container without a published port", when)
			}
		}
		b.Client.MustDo(t, func() error { return serveBanner(t, "192.168.5.50:80", "client") })
		b.ok(b.ISPs[0].AddRoute("172.17.0.0/16", "100.64.1.2"))
		b.write(static)
		b.start()
		b.active(20*time.Second, "wan", "wan1")
		works("after start")
		isolated("after start")
		b.stop(syscall.SIGKILL)
		works("after kill -9")
		isolated("after kill -9")

		b.write(static + allowLine("lan", "dev:docker0") + allowLine("dev:docker0", "lan"))
		b.start()
		b.active(20*time.Second, "wan", "wan1")
		works("with an allow list")
		if got := banner(b.Client, "172.17.0.2:80"); got != "container" {
			t.Errorf("the LAN gets %q from the container, want container: the allow list names it", got)
		}
		if got := banner(c, "192.168.5.50:80"); got != "client" {
			t.Errorf("the container gets %q from the LAN, want client: the allow list names it", got)
		}
		b.noForeign()
	})
}

func allowLine(from, to string) string {
	return fmt.Sprintf("[[firewall.allow]]\nfrom = %q\nto = %q\n", from, to)
}

// container makes what Docker makes: a bridge with a host behind it, NAT and a
// published port in tables of their own, and forwarding by sysctl.
func (b *box) container() *lab.NS {
	b.t.Helper()
	c := b.MustNS(b.t, "container")
	b.MustLink(b.t, b.Gateway, "veth0", c, "eth0")
	for _, args := range [][]string{
		{"link", "add", "docker0", "type", "bridge"}, {"link", "set", "veth0", "master", "docker0"},
		{"addr", "add", "172.17.0.1/16", "dev", "docker0"}, {"link", "set", "docker0", "up"},
	} {
		b.Gateway.MustRun(b.t, "ip", args...)
	}
	b.ok(c.AddAddr("eth0", "172.17.0.2/16"))
	b.ok(c.AddRoute("default", "172.17.0.1"))
	b.ok(b.Gateway.Sysctl("net/ipv4/conf/docker0/forwarding", "1"))
	b.Gateway.MustRun(b.t, "nft", `
table ip nat {
	chain PREROUTING { type nat hook prerouting priority dstnat; fib daddr type local tcp dport 8080 dnat to 172.17.0.2:80; }
	chain POSTROUTING { type nat hook postrouting priority srcnat; ip saddr 172.17.0.0/16 oifname != "docker0" masquerade; }
}
table ip filter {
	chain FORWARD { type filter hook forward priority filter; policy accept; iifname "docker0" counter accept; }
}`)
	return c
}
