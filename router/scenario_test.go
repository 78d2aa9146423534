package router_test

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"luatnetd/netif"
	"luatnetd/router"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares got with testdata/name.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (make it with -update)", err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }
func addr(s string) netip.Addr     { return netip.MustParseAddr(s) }

// wired is an uplink with an address and a next hop.
func wired(name string, n netif.Index, device, own, gateway string) router.Uplink {
	u := router.Uplink{Name: name, Index: n, Device: device, Present: true}
	u.Lease.Addr = prefix(own)
	if gateway != "" {
		u.Lease.Gateway = addr(gateway)
	}
	return u
}

func wan1() router.Uplink { return wired("wan", 1, "eth0", "100.64.1.2/24", "100.64.1.1") }
func wan2() router.Uplink { return wired("wan2", 2, "usb0", "100.64.2.2/24", "100.64.2.1") }

func home() router.LAN {
	return router.LAN{Name: "lan", Device: "br-lan", Bridge: true, Ports: []string{"eth1", "eth2"}, Addr: prefix("192.168.5.1/24")}
}

func office() router.LAN {
	return router.LAN{Name: "office", Device: "eth3", Present: true, Addr: prefix("192.168.6.1/24")}
}

// oneUplink is the smallest gateway.
func oneUplink() router.Input {
	return router.Input{
		Uplinks:  []router.Uplink{wan1()},
		LANs:     []router.LAN{home()},
		Main:     []string{"wan"},
		Firewall: router.Firewall{ICMPRate: 10},
	}
}

// twoUplinks is the gateway that most tests are about.
func twoUplinks() router.Input {
	in := oneUplink()
	in.Uplinks = append(in.Uplinks, wan2())
	in.Main = []string{"wan", "wan2"}
	in.Verify = addr("223.5.5.5")
	return in
}

// change returns in after f.
func change(in router.Input, f func(*router.Input)) router.Input {
	f(&in)
	return in
}

func sameSubnet() router.Input {
	in := twoUplinks()
	in.Uplinks[0] = wired("wan", 1, "eth0", "192.0.2.10/24", "192.0.2.1")
	in.Uplinks[1] = wired("wan2", 2, "usb0", "192.0.2.11/24", "192.0.2.1")
	return in
}

// offLink is a /32 lease whose next hop is outside of it, with option 121.
func offLink() router.Input {
	in := oneUplink()
	u := wired("wan", 1, "eth0", "203.0.113.7/32", "198.51.100.1")
	u.Lease.Routes = []netif.ClasslessRoute{
		{Dst: prefix("10.20.0.0/16"), Gateway: addr("198.51.100.9")},
		{Dst: prefix("198.51.100.1/32")},                                 // on-link
		{Dst: prefix("0.0.0.0/1"), Gateway: addr("198.51.100.9")},        // a default in disguise
		{Dst: prefix("192.168.5.128/25"), Gateway: addr("198.51.100.9")}, // would hijack the LAN
	}
	in.Uplinks = []router.Uplink{u}
	return in
}

func external() router.Input {
	in := twoUplinks()
	in.Uplinks[0].External = true
	return in
}

// modem has no next hop and a narrow path.
func modem() router.Input {
	in := twoUplinks()
	in.Uplinks[1] = wired("4g", 2, "wwan0", "10.133.7.20/30", "")
	in.Uplinks[1].PathMTU = 1400
	in.Main = []string{"wan", "4g"}
	return in
}

// withList has a second LAN that may use wan2 only.
func withList() router.Input {
	in := twoUplinks()
	l := office()
	l.Upstream, l.Usable = []string{"wan2"}, []string{"wan2"}
	in.LANs = append(in.LANs, l)
	return in
}

func forwards() router.Input {
	in := twoUplinks()
	in.LANs = append(in.LANs, office())
	in.Forwards = []router.Forward{
		{Proto: "tcp", Port: 443, PortEnd: 443, To: netip.MustParseAddrPort("192.168.5.10:443")},
		{Proto: "tcp", Uplink: "wan", Port: 8022, PortEnd: 8022, To: netip.MustParseAddrPort("192.168.5.10:22")},
		{Proto: "udp", Uplink: "wan2", Port: 10000, PortEnd: 20000, To: netip.MustParseAddrPort("192.168.5.11:10000")},
		{Proto: "tcp", Port: 9001, PortEnd: 9003, To: netip.MustParseAddrPort("192.168.6.12:7001")}, // moved: one rule a port
		{Proto: "tcp", Port: 20000, PortEnd: 30000, To: netip.MustParseAddrPort("192.168.6.12:1")},  // too many to move
	}
	in.Firewall.IsolateLANs = true
	in.Firewall.Allow = []router.Allow{
		{From: "wan", To: "router", Proto: "tcp", Port: 22, Src: prefix("198.51.100.0/24")},
		{From: "wan2", To: "router", Proto: "icmp"},
		{From: "wan2", To: "router", Src: prefix("2001:db8::/32")},
		{From: "wan", To: "office", Proto: "udp", Port: 500, PortEnd: 510},
		{From: "lan", To: "office", Proto: "tcp", Port: 9100},
		{From: "lan", To: "dev:tun0"},
		{From: "dev:tun0", To: "lan", Proto: "tcp", Port: 22},
		{From: "lan", To: "router", Proto: "tcp"},             // allowed anyhow
		{From: "nobody", To: "router", Proto: "tcp", Port: 1}, // no such place
		{From: "wan", To: "router", Proto: "gre"},             // cannot be matched
		{From: "wan", To: "router", Proto: "icmp", Port: 7},   // says nothing
	}
	return in
}

func ipv6Pass() router.Input {
	in := modem()
	in.Firewall.IPv6Pass = true
	in.Firewall.Allow = []router.Allow{{From: "wan", To: "router", Proto: "tcp", Port: 22}}
	return in
}

func dualStack() router.Input {
	in := twoUplinks()
	in.Uplinks[0].Lease.Addr6 = prefix("2001:db8:1::2/64")
	in.Uplinks[0].Lease.Gateway6 = addr("fe80::1")
	in.Uplinks[1].Lease.Addr6 = prefix("2001:db8:2::2/64")
	in.Uplinks[1].Lease.Gateway6 = addr("2001:db8:2::1")
	return in
}

// odd holds everything that must not break the rest.
func odd() router.Input {
	in := twoUplinks()
	in.Uplinks = append(in.Uplinks,
		wired(`evil" accept; drop`, 3, `e"th`, "192.0.2.3/24", "192.0.2.1"),
		wired("wan", 4, "eth9", "192.0.2.4/24", "192.0.2.1"),    // name twice
		wired("twin", 5, "eth0", "192.0.2.5/24", "192.0.2.1"),   // device twice
		wired("star", 6, "eth*", "192.0.2.6/24", "192.0.2.1"),   // a wildcard in nft's text
		wired("number", 0, "eth7", "192.0.2.7/24", "192.0.2.1"), // no index
		wired("same", 2, "eth8", "192.0.2.8/24", "192.0.2.1"),   // index twice
		wired("port", 9, "eth1", "192.0.2.9/24", "192.0.2.1"),   // a port of the LAN
		wired("dotted", 10, "eth4.30", "192.0.2.4/24", "192.0.2.1"),
	)
	in.LANs = append(in.LANs, home(), router.LAN{Name: "odd", Device: "x y", Present: true, Addr: prefix("192.168.9.1/24")})
	in.Main = append(in.Main, "star", "twin", "nobody", "wan", "dotted")
	in.Kill = []string{"nobody", "wan"}
	return in
}

func closed() router.Input {
	in := twoUplinks()
	in.Uplinks[1].Down = true
	in.Main = []string{"wan"}
	in.LANs = append(in.LANs, office())
	in.LANs[1].Down = true
	return in
}

func absent() router.Input {
	in := twoUplinks()
	in.Uplinks[1].Present = false
	in.Main = []string{"wan"}
	return in
}

// inputs are the representative ones: each has a golden plan, is loaded by nft
// and seeds the properties.
var inputs = map[string]func() router.Input{
	"one-uplink":  oneUplink,
	"two-uplinks": twoUplinks,
	"same-subnet": sameSubnet,
	"off-link":    offLink,
	"external":    external,
	"modem":       modem,
	"lan-list":    withList,
	"forwards":    forwards,
	"ipv6-pass":   ipv6Pass,
	"dual-stack":  dualStack,
	"odd":         odd,
	"closed":      closed,
	"absent":      absent,
	"empty":       func() router.Input { return router.Input{} },
}

// text is the whole plan for a golden file.
func text(p router.Plan) string {
	var b strings.Builder
	part := func(name string, n int, line func(int) string) {
		fmt.Fprintf(&b, "# %s\n", name)
		for i := range n {
			b.WriteString(line(i) + "\n")
		}
		b.WriteString("\n")
	}
	part("links", len(p.Links), func(i int) string { return fmt.Sprintf("%+v", p.Links[i]) })
	part("addresses", len(p.Addrs), func(i int) string { return router.AddAddr{AddrSpec: p.Addrs[i]}.String() })
	part("routes", len(p.Routes), func(i int) string { return router.AddRoute{RouteSpec: p.Routes[i]}.String() })
	part("rules", len(p.Rules), func(i int) string { return router.AddRule{RuleSpec: p.Rules[i]}.String() })
	part("main", len(p.Main), func(i int) string { return router.AddRoute{RouteSpec: p.Main[i]}.String() })
	part("sysctls", len(p.Sysctls), func(i int) string { return p.Sysctls[i].String() })
	fmt.Fprintf(&b, "# hold %v, kill %v, verify %s\n\n", p.Hold, p.Kill, router.Verify{Lookup: p.Verify})
	return b.String() + p.Table.String() + "\n" + p.Acct.String()
}
