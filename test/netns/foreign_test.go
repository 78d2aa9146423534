package netns

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"luatnetd/internal/lab"
)

// foreign is what somebody else has in the gateway: in nftables, addresses,
// routes (in main, in our devices' way, in tables of its own), rules, sysctls.
var foreign = [][]string{
	{"ip", "addr", "add", "10.9.0.1/24", "dev", "vpn0"},
	{"ip", "addr", "add", "198.51.100.7/32", "dev", "wan1"},
	{"ip", "addr", "add", "192.168.77.1/24", "dev", "lan1"},
	{"ip", "route", "add", "10.50.0.0/16", "via", "10.9.0.2"},
	{"ip", "route", "add", "10.51.0.0/16", "via", "10.9.0.2", "proto", "static", "metric", "10"},
	{"ip", "route", "add", "10.52.0.0/16", "dev", "wan1", "proto", "bird"},
	{"ip", "route", "add", "default", "via", "10.9.0.3", "proto", "dhcp", "metric", "5000"},
	{"ip", "route", "add", "default", "via", "10.9.0.4", "table", "100"},
	{"ip", "route", "add", "unreachable", "10.53.0.0/16", "table", "7599"},
	{"ip", "rule", "add", "pref", "100", "fwmark", "0x1/0xff", "lookup", "100"},
	{"ip", "rule", "add", "pref", "7650", "from", "10.9.0.1", "lookup", "100"},
	{"ip", "-6", "rule", "add", "pref", "7650", "from", "2001:db8::1", "lookup", "100"},
	{"nft", "table inet mine { set s { type ipv4_addr; elements = { 10.9.0.9 }; }; chain c { type filter hook input priority -5; ip saddr @s counter drop; }; }"},
	{"nft", "table ip nat { chain post { type nat hook postrouting priority srcnat + 10; oifname \"vpn0\" masquerade; }; }"},
	{"sysctl", "-q", "-w", "net.ipv4.conf.vpn0.rp_filter=1", "net.ipv4.conf.vpn0.forwarding=1", "net.ipv4.conf.wan1.rp_filter=1", "net.ipv4.conf.lan1.send_redirects=0"},
}

// makeForeign puts it there.
func (b *box) makeForeign() {
	b.t.Helper()
	b.MustLink(b.t, b.Gateway, "vpn0", b.MustNS(b.t, "vpn"), "eth0")
	for _, args := range foreign {
		b.Gateway.MustRun(b.t, args[0], args[1:]...)
	}
}

// "Foreign tables (nft -s), routes, rules, addresses and sysctls are equal
// after start, reload, crash, stop; with on_stop = clean ours are gone."
func TestForeignStateIsNeverTouched(t *testing.T) {
	t.Parallel()
	lab.Run(t, func(t *testing.T) {
		b := newBox(t, 2)
		b.makeForeign()
		b.settle()
		all, before := b.dump(nil), b.dump(b.notOurs)
		same := func(when string) {
			t.Helper()
			if diff := lineDiff(before, b.dump(b.notOurs)); diff != "" {
				t.Errorf("foreign state after %s (-before +after):\n%s", when, diff)
			}
		}
		b.write(static)
		b.start()
		b.active(20*time.Second, "wan", "wan1")
		b.ready(10*time.Second, "wan2")
		if diff := lineDiff(all, b.dump(nil)); diff == "" {
			t.Fatal("the dump does not show our own state: this test would see nothing")
		}
		same("start")
		b.write(strings.Replace(static, "192.168.5.1", "192.168.6.1", 1))
		b.reload()
		b.steady()
		same("reload")
		b.ok(b.ISPs[0].Cut())
		b.active(10*time.Second, "wan2", "wan2")
		b.ok(b.ISPs[0].Restore())
		b.active(10*time.Second, "wan", "wan1")
		same("a failover and back")
		b.stop(syscall.SIGKILL)
		same("kill -9")
		b.write(static)
		b.start()
		b.steady()
		same("start after kill -9")
		b.stop(syscall.SIGTERM)
		same("stop with on_stop = keep")
		if out := b.Gateway.MustRun(t, "nft", "list", "tables"); !strings.Contains(out, "inet luatnetd\n") {
			t.Errorf("stop with on_stop = keep took the firewall away: %s", out)
		}

		b.write("on_stop = \"clean\"\n" + strings.Replace(static, `["lan1"]`, `["lan1", "lan2"]`, 1))
		b.start()
		b.steady()
		same("start with on_stop = clean")
		b.stop(syscall.SIGTERM)
		if diff := lineDiff(all, b.dump(nil)); diff != "" {
			t.Errorf("after stop with on_stop = clean (-before the first start +after):\n%s", diff)
		}
	})
}

// "Where OpenWrt's fw4 is active: refuse with a sentence that says what to do."
func TestRefusesBesideFW4(t *testing.T) {
	t.Parallel()
	lab.Run(t, func(t *testing.T) {
		b := newBox(t, 1)
		b.settle()
		b.Gateway.MustRun(t, "nft", "add table inet fw4")
		before := b.dump(nil)
		b.write(static)
		b.start()
		refused := func(when string) {
			t.Helper()
			if !b.healthy("firewall-rival") {
				t.Errorf("%s: health is %s, want the code firewall-rival", when, pretty(b.status().Health))
			}
			if out, _ := b.ctl("status"); !strings.Contains(out, "/etc/init.d/firewall stop") {
				t.Errorf("%s: ctl status = %q, want a sentence that says what to do", when, out)
			}
			b.reload()
			if out, code := b.ctl("plan"); code != 0 || !strings.Contains(out, "nothing would be done") {
				t.Errorf("%s: ctl plan = %d, %q, want that nothing would be done", when, code, out)
			}
		}
		refused("fw4 before the start")
		if diff := lineDiff(before, b.dump(nil)); diff != "" {
			t.Errorf("the kernel changed beside fw4 (-before +after):\n%s", diff)
		}
		b.Gateway.MustRun(t, "nft", "delete table inet fw4")
		b.active(20*time.Second, "wan", "wan1")

		b.Gateway.MustRun(t, "nft", "add table inet fw4")
		b.eventually(5*time.Second, "fw4 is noticed", func() error {
			if !b.healthy("firewall-rival") {
				return fmt.Errorf("health is %s", pretty(b.status().Health))
			}
			return nil
		})
		refused("fw4 while running")
		b.Gateway.MustRun(t, "ip", "route", "del", "default", "table", "7601") // a repair would put it back
		b.Gateway.MustRun(t, "nft", "delete table inet fw4")
		b.eventually(10*time.Second, "everything goes on when fw4 is gone", func() error {
			if out := b.Gateway.MustRun(t, "ip", "route", "show", "table", "7601"); out == "" {
				return fmt.Errorf("table 7601 is empty")
			}
			return nil
		})
	})
}
