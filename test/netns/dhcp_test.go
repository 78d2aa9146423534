package netns

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"luatnetd/internal/lab"
	"luatnetd/internal/status"
)

// leased is a configuration with two DHCP uplinks and one LAN.
const leased = `
[[uplink]]
name = "wan"
adapter = "LWIP_ETH"
device = "wan1"
address = "dhcp"
[uplink.check]
interval = "1s"
timeout = "500ms"
hold_down = "1s"

[[uplink]]
name = "wan2"
adapter = "LWIP_USER1"
device = "wan2"
address = "dhcp"
[uplink.check]
interval = "1s"
timeout = "500ms"
hold_down = "1s"

[[lan]]
name = "lan"
ports = ["lan1"]
address = "192.168.5.1/24"
`

// dnsmasq makes a provider serve DHCP and DNS with foreign software. With
// --no-daemon it does not change its user, which a user namespace forbids.
func (b *box) dnsmasq(isp *lab.ISP, lease string) *lab.Proc {
	b.t.Helper()
	return b.dnsmasqFrom(isp, "50", "99", lease)
}

// dnsmasqFrom hands out the addresses from first to last.
func (b *box) dnsmasqFrom(isp *lab.ISP, first, last, lease string, more ...string) *lab.Proc {
	b.t.Helper()
	base := strings.TrimSuffix(isp.Gateway.String(), ".1")
	argv := []string{"--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts",
		"--interface=down0", "--bind-interfaces", "--except-interface=lo", "--log-dhcp", "--log-facility=-",
		"--dhcp-range=" + base + "." + first + "," + base + "." + last + ",255.255.255.0," + lease, "--dhcp-option=6," + isp.Gateway.String(),
		"--dhcp-leasefile=" + isp.Dir() + "/leases", "--address=/" + lab.HostName + "/" + lab.WebAddr, "--pid-file="}
	p, err := isp.Start(nil, "dnsmasq", append(argv, more...)...)
	b.ok(err)
	return p
}

// The main job, with foreign peers on both sides: providers by dnsmasq, clients
// by busybox udhcpc, dhclient and dhcpcd. DEV-28, DEV-29,
// DHCP-01, DHCP-04, DNS-01, DNS-03.
func TestDHCPOnBothSides(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		b := newBox(t, 2)
		for _, isp := range b.ISPs {
			b.dnsmasq(isp, "1h")
		}
		b.write(leased)
		b.start()
		b.active(20*time.Second, "wan", "wan1")
		for _, c := range []struct{ name, argv string }{
			{"udhcpc", "busybox udhcpc -i eth0 -n -q -f -t 10 -T 1 -s " + b.udhcpcScript()},
			{"dhclient", "dhclient -1 -v -pf /run/dhclient.pid -lf /run/dhclient.leases eth0"},
			{"dhcpcd", "dhcpcd -1 -4 -B --noarp -t 15 eth0"},
		} {
			t.Run(c.name, func(t *testing.T) { b.clientGetsOnline(t, strings.Fields(c.argv)) })
		}
		for _, transport := range []string{"+notcp", "+tcp"} {
			b.resolves(transport)
		}
		if list, _ := b.ctl("leases"); !strings.Contains(list, "192.168.5.") {
			t.Errorf("ctl leases printed %q, want the client", list)
		}
		b.leaseEvent()
		b.ready(20*time.Second, "wan2")
		b.ok(b.ISPs[0].Cut())
		b.eventually(3*time.Second, "the client is online through wan2", func() error {
			got, err := b.curl()
			if err == nil && !strings.HasPrefix(got, "100.64.2.") {
				err = fmt.Errorf("the server sees %s", got)
			}
			return err
		})
		b.resolves("+notcp")
		b.noForeign()
	})
}

// leaseEvent wants the event that says which client got which address.
func (b *box) leaseEvent() {
	b.t.Helper()
	link := b.Client.MustRun(b.t, "cat", "/sys/class/net/eth0/address")
	list := b.kinds("lease")
	if !slices.ContainsFunc(list, func(e status.Event) bool {
		return e.Attrs["lan"] == "lan" && strings.HasPrefix(e.Attrs["address"], "192.168.5.") && e.Attrs["mac"] == strings.TrimSpace(link)
	}) {
		b.t.Errorf("no event names the client %s: %s", link, pretty(list))
	}
}

// clientGetsOnline runs a DHCP client on the LAN and uses what it set up.
func (b *box) clientGetsOnline(t *testing.T, argv []string) {
	b.Client.MustRun(t, "ip", "addr", "flush", "dev", "eth0")
	ctx, cancel := context.WithTimeout(t.Context(), 25*time.Second)
	defer cancel()
	out, err := b.Client.Run(ctx, argv[0], argv[1:]...)
	if err != nil {
		t.Logf("%s: %v", argv[0], err)
	}
	addr := b.Client.MustRun(t, "ip", "-4", "-o", "addr", "show", "dev", "eth0")
	if !strings.Contains(addr, "192.168.5.") {
		t.Fatalf("the client has no address of the pool: %s\n%s", addr, out)
	}
	if got, err := b.curl(); err != nil || !strings.HasPrefix(got, "100.64.1.") {
		t.Errorf("the server sees %q, %v; want an address of wan", got, err)
	}
}

// resolves asks the gateway's DNS with dig.
func (b *box) resolves(transport string) {
	b.t.Helper()
	out := b.Client.MustRun(b.t, "dig", transport, "+short", "+time=2", "@192.168.5.1", lab.HostName)
	if strings.TrimSpace(out) != lab.WebAddr {
		b.t.Errorf("dig %s printed %q, want %s", transport, out, lab.WebAddr)
	}
}

// udhcpcScript writes the script that busybox's client calls.
func (b *box) udhcpcScript() string {
	b.t.Helper()
	path := b.Client.Dir() + "/udhcpc.sh"
	script := "#!/bin/sh\n[ \"$1\" = bound ] || [ \"$1\" = renew ] || exit 0\nip addr replace $ip/$mask dev $interface\nip route replace default via ${router%% *} dev $interface\n"
	b.ok(writeExec(path, script))
	return path
}
