package config

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"luatnetd/netif"
	"luatnetd/router"
)

// equal compares configurations apart from the places in the file.
var equal = []cmp.Option{
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
	cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }),
	cmpopts.IgnoreTypes(Position{}),
	cmpopts.EquateEmpty(),
}

func mustParse(t *testing.T, text string) *Config {
	t.Helper()
	cfg, problems := Parse("test.toml", []byte(text))
	if cfg == nil {
		t.Fatalf("refused:\n%s", problems.Error())
	}
	return cfg
}

// TestDefaults is what a file of a few lines means, spelled out by hand.
func TestDefaults(t *testing.T) {
	got := mustParse(t, `
version = 1
[[uplink]]
name = "wan"
device = "eth0"
[[lan]]
name = "lan"
ports = ["eth1"]
`)
	want := &Config{
		File: "test.toml",
		Uplinks: []Uplink{{
			Name: "wan", Adapter: netif.AdapterETH, Device: "eth0", Mode: "dhcp", ClientID: "auto", DNSMode: "append",
			Check: Check{
				Methods: []string{"icmp", "tcp"},
				Targets: []string{
					"icmp:223.5.5.5", "icmp:119.29.29.29", "icmp:114.114.114.114", "icmp:1.1.1.1", "icmp:8.8.8.8",
					"tcp:223.5.5.5:53", "tcp:119.29.29.29:53", "tcp:1.1.1.1:53", "tcp:1.1.1.1:443", "tcp:8.8.8.8:53"},
				Interval: 5 * time.Second, IntervalMiss: time.Second, IntervalMetered: time.Minute, Timeout: 2 * time.Second,
				FailAfter: 3, RecoverAfter: 2, HoldDown: 10 * time.Second,
			},
		}},
		LANs: []LAN{{
			Name: "lan", Ports: []string{"eth1"}, Device: "eth1", Address: netip.MustParsePrefix("192.168.5.1/24"),
			DHCP: DHCP{Enabled: true, PoolStart: netip.MustParseAddr("192.168.5.100"), PoolEnd: netip.MustParseAddr("192.168.5.200"),
				Lease: 7680 * time.Second, Domain: "lan"},
		}},
		Firewall: Firewall{Mode: "own", ICMPRate: 10, IPv6: "block"},
		Failover: Failover{StartupGrace: 10 * time.Second, FailOpen: true, AutoSocketSwitch: true},
		State:    State{Dir: "/var/lib/luatnetd", MarkMask: 0x3f00},
		Control:  Control{Socket: "/run/luatnetd/control.sock"},
		OnStop:   "keep",
		Watchdog: Watchdog{Timeout: 180 * time.Second, Grace: 3 * time.Second, MaxWait: time.Hour, RebootsPerDay: 3, Device: "/dev/watchdog",
			Ladder: []Step{{"reconnect", 30 * time.Second}, {"probe", 15 * time.Second}, {"bounce", time.Minute},
				{"modem", 2 * time.Minute}, {"restart", time.Minute}, {"reboot", 5 * time.Minute}}},
		Time: Time{Enabled: true, Servers: []string{"ntp.aliyun.com", "ntp.ntsc.ac.cn", "time1.cloud.tencent.com"}, Port: 123,
			Timeout: 2 * time.Second, Retry: 10 * time.Second, Interval: time.Hour},
		Queue: QueueDirs{DiskDir: "/var/lib/luatnetd/queue", RunDir: "/run/luatnetd/queue"},
	}
	if diff := cmp.Diff(want, got, equal...); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got.Uplinks[0].Pos != (Position{3, 3}) || got.LANs[0].Pos != (Position{6, 3}) {
		t.Errorf("places: %v, %v", got.Uplinks[0].Pos, got.LANs[0].Pos)
	}
}

func TestRouterNumbersAgree(t *testing.T) {
	if defMarkMask != uint32(router.DefaultMask) {
		t.Errorf("mark_mask: %#x here, %#x in router", defMarkMask, router.DefaultMask)
	}
	if maxOwnUpstream != router.MaxLANs {
		t.Errorf("LANs with an upstream: %d here, %d in router", maxOwnUpstream, router.MaxLANs)
	}
	masks := []uint32{0, 1, 0x1f01, 0x3e01, 0x7f00, 0x1f00, 0xffffffff, 0x80000001}
	for shift := range 32 {
		masks = append(masks, uint32(0x3f)<<shift)
	}
	for _, mask := range masks {
		text := "version = 1\nstate.mark_mask = " + itoa(mask) + "\n"
		_, problems := Parse("x", []byte(text))
		if ours, theirs := problems == nil, router.Marks(mask).Check() == nil; ours != theirs {
			t.Errorf("mask %#x: accepted here %v, in router %v", mask, ours, theirs)
		}
	}
}

func itoa(v uint32) string {
	const digits = "0123456789abcdef"
	s := ""
	for ; v > 0; v >>= 4 {
		s = string(digits[v&15]) + s
	}
	return "0x0" + s
}

// TestEmpty: rows of files that configure nothing are no mistake.
func TestEmpty(t *testing.T) {
	for _, text := range []string{"", "\n", "# only words\n", "version = 1\n", Example(), "\ufeff# Windows\r\n"} {
		cfg, problems := Parse("x", []byte(text))
		if problems != nil || !cfg.Empty() {
			t.Errorf("%q: %v, %v", text, cfg, problems)
		}
	}
}

// TestExampleWorks takes the comment signs away, as its first line says.
func TestExampleWorks(t *testing.T) {
	var lines []string
	for _, l := range strings.Split(Example(), "\n") {
		if rest, ok := strings.CutPrefix(l, "#"); ok && !strings.HasPrefix(rest, " ") {
			l = rest
		}
		lines = append(lines, l)
	}
	cfg := mustParse(t, strings.Join(lines, "\n"))
	if len(cfg.Uplinks) != 2 || len(cfg.LANs) != 1 {
		t.Errorf("got %+v", cfg)
	}
}

// TestRTR02FurtherLAN: LANs without address get a /24 that collides with
// nothing written anywhere in the file. RTR-03: the pool follows.
func TestRTR02FurtherLAN(t *testing.T) {
	cfg := mustParse(t, `
version = 1
[[uplink]]
name = "wan"
device = "eth0"
address = "192.168.6.9/24"
gateway = "192.168.6.1"
[[lan]]
name = "a"
device = "a0"
[[lan]]
name = "b"
device = "b0"
[[lan]]
name = "c"
device = "c0"
address = "192.168.7.1/24"
[[lan]]
name = "d"
device = "d0"
`)
	want := []string{"192.168.5.1/24 192.168.5.100 192.168.5.200", "192.168.8.1/24 192.168.8.100 192.168.8.200",
		"192.168.7.1/24 192.168.7.100 192.168.7.200", "192.168.9.1/24 192.168.9.100 192.168.9.200"}
	for i, l := range cfg.LANs {
		if got := l.Address.String() + " " + l.DHCP.PoolStart.String() + " " + l.DHCP.PoolEnd.String(); got != want[i] {
			t.Errorf("lan %s: got %s, want %s", l.Name, got, want[i])
		}
	}
}

func TestRTR02SubnetsRunOut(t *testing.T) {
	text := "version = 1\n[[lan]]\nname = \"all\"\ndevice = \"x0\"\naddress = \"192.168.0.1/16\"\n[[lan]]\nname = \"more\"\ndevice = \"x1\"\n"
	_, problems := Parse("x", []byte(text))
	if len(problems) != 1 || problems[0].Key != "lan.address" {
		t.Errorf("got %v", problems)
	}
}

func TestDefaultPool(t *testing.T) {
	for _, tt := range []struct{ lan, start, end string }{
		{"192.168.5.1/24", "192.168.5.100", "192.168.5.200"},
		{"192.168.5.254/24", "192.168.5.100", "192.168.5.200"},
		{"192.168.5.120/24", "192.168.5.121", "192.168.5.200"},
		{"192.168.5.180/24", "192.168.5.100", "192.168.5.179"},
		{"10.0.0.1/16", "10.0.0.100", "10.0.0.200"},
		{"10.0.7.1/16", "10.0.7.100", "10.0.7.200"},
		{"192.168.5.1/25", "192.168.5.100", "192.168.5.126"},
		{"192.168.5.129/25", "192.168.5.228", "192.168.5.254"},
		{"192.168.5.1/26", "192.168.5.2", "192.168.5.62"},
		{"192.168.5.62/26", "192.168.5.1", "192.168.5.61"},
		{"192.168.5.1/30", "192.168.5.2", "192.168.5.2"},
		{"192.168.5.2/30", "192.168.5.1", "192.168.5.1"},
		{"255.255.255.1/24", "255.255.255.100", "255.255.255.200"},
	} {
		start, end := defaultPool(netip.MustParsePrefix(tt.lan))
		if start.String() != tt.start || end.String() != tt.end {
			t.Errorf("%s: got %s–%s, want %s–%s", tt.lan, start, end, tt.start, tt.end)
		}
	}
}

// TestDefaultPoolHolds for every size and every own address of small subnets.
func TestDefaultPoolHolds(t *testing.T) {
	for bits := 8; bits <= 30; bits++ {
		net := netip.PrefixFrom(netip.MustParseAddr("10.20.30.0"), bits).Masked()
		for a := first(net).Next(); a != last(net) && a != netip.MustParseAddr("10.20.31.0"); a = a.Next() {
			p := netip.PrefixFrom(a, bits)
			lo, hi := defaultPool(p)
			if hi.Less(lo) || !net.Contains(lo) || !net.Contains(hi) || lo == first(net) || hi == last(net) || !a.Less(lo) && !hi.Less(a) {
				t.Fatalf("%s: pool %s–%s", p, lo, hi)
			}
			if bits < 24 && a.As4()[3] == 40 { // one in each /24 is enough
				a = toAddr(fromAddr(a) | 0xff)
			}
			if bits < 20 {
				break
			}
		}
	}
}

// TestUplinks is one row per way to write an uplink.
func TestUplinks(t *testing.T) {
	tests := []struct {
		name, text string
		want       func(u *Uplink)
	}{
		{"DEV-18 static", `device = "e"` + "\naddress = \"192.0.2.10/24\"\ngateway = \"192.0.2.1\"\n", func(u *Uplink) {
			u.Mode, u.Address, u.Gateway, u.ClientID = "static", netip.MustParsePrefix("192.0.2.10/24"), netip.MustParseAddr("192.0.2.1"), ""
		}},
		{"off-link gateway", "device = \"e\"\naddress = \"192.0.2.10/32\"\ngateway = \"10.0.0.1\"\n", func(u *Uplink) {
			u.Mode, u.Address, u.Gateway, u.ClientID = "static", netip.MustParsePrefix("192.0.2.10/32"), netip.MustParseAddr("10.0.0.1"), ""
		}},
		{"point to point", "device = \"e\"\naddress = \"192.0.2.0/31\"\ngateway = \"192.0.2.1\"\n", func(u *Uplink) {
			u.Mode, u.Address, u.Gateway, u.ClientID = "static", netip.MustParsePrefix("192.0.2.0/31"), netip.MustParseAddr("192.0.2.1"), ""
		}},
		{"GP-06 modem behind another chip", "device = \"e\"\nadapter = \"LWIP_GP_GW\"\n", func(u *Uplink) {
			u.Adapter, u.Mode, u.Address, u.Gateway, u.ClientID = "LWIP_GP_GW", "static", netip.MustParsePrefix("192.168.111.1/24"), netip.MustParseAddr("192.168.111.2"), ""
			u.Metered = true
		}},
		{"DEV-25 any netdev behind another chip", "device = \"e\"\nadapter = \"LWIP_GP_GW\"\naddress = \"dhcp\"\nmetered = false\n", func(u *Uplink) { u.Adapter = "LWIP_GP_GW" }},
		{"DEV-24 modem that somebody else drives", "device = \"wwan0\"\nadapter = \"LWIP_GP\"\naddress = \"external\"\n", func(u *Uplink) {
			u.Device, u.Adapter, u.Mode, u.ClientID, u.Metered = "wwan0", "LWIP_GP", "external", "", true
		}},
		{"station that is associated", "device = \"wlan0\"\nadapter = \"LWIP_STA\"\n", func(u *Uplink) { u.Device, u.Adapter = "wlan0", "LWIP_STA" }},
		{"match", "match = { path = \"usb-0:1.2\", mac = \"02-00-5E-10-00-01\", driver = \"cdc_ether\" }\n", func(u *Uplink) {
			u.Device, u.Match = "", Match{"usb-0:1.2", netif.MAC{2, 0, 0x5e, 0x10, 0, 1}, "cdc_ether"}
		}},
		{"DHCP identity", "device = \"e\"\nclient_id = \"01:AA:bb\"\nhostname = \"box-1\"\nmtu = 1400\n", func(u *Uplink) {
			u.ClientID, u.Hostname, u.MTU = "01aabb", "box-1", 1400
		}},
		{"DEV-28 servers", "device = \"e\"\ndns = [\"223.5.5.5\", \"1.1.1.1:5353\", \"2400:3200::1\"]\ndns_mode = \"replace\"\n", func(u *Uplink) {
			u.DNSMode = "replace"
			u.DNS = []netip.AddrPort{netip.MustParseAddrPort("223.5.5.5:53"), netip.MustParseAddrPort("1.1.1.1:5353"), netip.MustParseAddrPort("[2400:3200::1]:53")}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := mustParse(t, "version = 1\n[[uplink]]\nname = \"u\"\n"+tt.text)
			want := Uplink{Name: "u", Adapter: "LWIP_ETH", Device: "e", Mode: "dhcp", ClientID: "auto", DNSMode: "append"}
			tt.want(&want)
			got := cfg.Uplinks[0]
			got.Check = Check{}
			if diff := cmp.Diff(want, got, equal...); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestDEV26EveryAdapter is accepted by its name.
func TestDEV26EveryAdapter(t *testing.T) {
	for _, a := range netif.Adapters() {
		cfg := mustParse(t, "version = 1\n[[uplink]]\nname = \"u\"\ndevice = \"e\"\naddress = \"dhcp\"\nadapter = \""+string(a)+"\"\n")
		if cfg.Uplinks[0].Adapter != a {
			t.Errorf("%s became %s", a, cfg.Uplinks[0].Adapter)
		}
	}
}

// TestTwoUplinksMayShareASubnet, even the address: each has its own table.
func TestTwoUplinksMayShareASubnet(t *testing.T) {
	const twice = "address = \"192.0.2.10/24\"\ngateway = \"192.0.2.1\"\n"
	mustParse(t, "version = 1\n[[uplink]]\nname = \"a\"\ndevice = \"e0\"\n"+twice+"[[uplink]]\nname = \"b\"\ndevice = \"e1\"\n"+twice)
}

func TestUplinkLimit(t *testing.T) {
	text := "version = 1\n"
	for i := range 63 {
		n := string(rune('a'+i/26)) + string(rune('a'+i%26))
		text += "[[uplink]]\nname = \"" + n + "\"\ndevice = \"" + n + "\"\n"
	}
	_, problems := Parse("x", []byte(text))
	if len(problems) != 1 || problems[0].Line != 2+62*3 {
		t.Errorf("got %v", problems)
	}
	cfg, dropped, err := ParseBoot("x", []byte(text))
	if err != nil || len(cfg.Uplinks) != 62 || len(dropped) != 1 || dropped[0].Code() != "config-uplink-dropped" {
		t.Errorf("boot: %v, %v", dropped, err)
	}
}

func TestChecks(t *testing.T) {
	tests := []struct {
		name, text       string
		methods, targets []string
	}{
		{"need_ping = false", `method = "none"`, []string{"none"}, nil},
		{"local_network_mode", `method = ["gateway"]`, []string{"gateway"}, nil},
		{"by form", `targets = ["10.0.0.1", "10.0.0.1:80", "http://10.0.0.1/x?y", "dns:10.0.0.1", "10.0.0.1"]`,
			[]string{"icmp", "tcp", "http", "dns"}, []string{"icmp:10.0.0.1", "tcp:10.0.0.1:80", "http:http://10.0.0.1/x?y", "dns:10.0.0.1:53"}},
		{"by prefix", `targets = ["icmp:10.0.0.1", "tcp:10.0.0.1:80", "http:http://10.0.0.1:8080/", "dns:10.0.0.1:54"]`,
			[]string{"icmp", "tcp", "http", "dns"}, []string{"icmp:10.0.0.1", "tcp:10.0.0.1:80", "http:http://10.0.0.1:8080/", "dns:10.0.0.1:54"}},
		{"gateway and a server", "method = [\"gateway\", \"icmp\"]\ntargets = \"10.0.0.1\"", []string{"gateway", "icmp"}, []string{"icmp:10.0.0.1"}},
		{"defaults of dns and http", `method = ["dns", "http"]`, []string{"dns", "http"}, append(append([]string(nil), defTargets["dns"]...), defTargets["http"]...)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := mustParse(t, "version = 1\n[[uplink]]\nname = \"u\"\ndevice = \"e\"\n[uplink.check]\n"+tt.text+"\n").Uplinks[0].Check
			if diff := cmp.Diff([][]string{tt.methods, tt.targets}, [][]string{k.Methods, k.Targets}, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if !k.Explicit {
				t.Error("a written check is not explicit")
			}
		})
	}
}

// TestDefaultTargetsAreValid as if somebody had written them.
func TestDefaultTargetsAreValid(t *testing.T) {
	for method, targets := range defTargets {
		for _, target := range targets {
			got, hint, ok := readTarget(target)
			if kind, _ := SplitTarget(got); !ok || got != target || kind != method {
				t.Errorf("%s of %s: %s %s", target, method, got, hint)
			}
		}
	}
}

func TestCheckTimesFollowTheInterval(t *testing.T) {
	k := mustParse(t, "version = 1\n[[uplink]]\nname = \"u\"\ndevice = \"e\"\ncheck.interval = \"1s\"\n[[uplink]]\nname = \"v\"\ndevice = \"f\"\ncheck.interval = \"1h\"\n")
	if c := k.Uplinks[0].Check; c.Timeout != time.Second || c.IntervalMiss != time.Second || c.IntervalMetered != time.Minute {
		t.Errorf("1s: %+v", c)
	}
	if c := k.Uplinks[1].Check; c.Timeout != 2*time.Second || c.IntervalMiss != time.Second || c.IntervalMetered != time.Hour {
		t.Errorf("1h: %+v", c)
	}
}

func TestForwards(t *testing.T) {
	cfg := mustParse(t, `
version = 1
[[uplink]]
name = "wan"
device = "eth0"
[[uplink]]
name = "wan2"
device = "eth2"
[[lan]]
name = "lan"
ports = ["eth1"]
[[port_forward]]
proto = "tcp"
port = 8080
to = "192.168.5.10:80"
[[port_forward]]
proto = "tcp"
uplink = "wan"
port = "9000-9010"
to = "192.168.5.10"
[[port_forward]]
proto = "tcp"
uplink = "wan2"
port = "9005"
to = "192.168.5.11"
[[port_forward]]
proto = "udp"
port = 8080
to = "192.168.5.10"
[[firewall.allow]]
from = "wan"
to = "router"
proto = "tcp"
port = "22"
src = "203.0.113.7"
[[firewall.allow]]
from = "lan"
to = "dev:wg0"
`)
	want := []PortForward{
		{Proto: "tcp", Port: 8080, PortEnd: 8080, To: netip.MustParseAddrPort("192.168.5.10:80")},
		{Proto: "tcp", Uplink: "wan", Port: 9000, PortEnd: 9010, To: netip.MustParseAddrPort("192.168.5.10:9000")},
		{Proto: "tcp", Uplink: "wan2", Port: 9005, PortEnd: 9005, To: netip.MustParseAddrPort("192.168.5.11:9005")},
		{Proto: "udp", Port: 8080, PortEnd: 8080, To: netip.MustParseAddrPort("192.168.5.10:8080")},
	}
	if diff := cmp.Diff(want, cfg.Forwards, equal...); diff != "" {
		t.Errorf("forwards (-want +got):\n%s", diff)
	}
	allow := []Allow{
		{From: "wan", To: "router", Proto: "tcp", Port: 22, PortEnd: 22, Src: netip.MustParsePrefix("203.0.113.7/32")},
		{From: "lan", To: "dev:wg0"},
	}
	if diff := cmp.Diff(allow, cfg.Firewall.Allow, equal...); diff != "" {
		t.Errorf("allow (-want +got):\n%s", diff)
	}
}

func TestBridges(t *testing.T) {
	cfg := mustParse(t, "version = 1\n[[lan]]\nname = \"a\"\nports = [\"e1\", \"e2\"]\n[[lan]]\nname = \"b\"\nports = \"e3\"\n[[lan]]\nname = \"c\"\ndevice = \"br0\"\n")
	for i, want := range []string{"br-a true", "e3 false", "br0 false"} {
		got := cfg.LANs[i].Device + " false"
		if cfg.LANs[i].Bridge {
			got = cfg.LANs[i].Device + " true"
		}
		if got != want {
			t.Errorf("lan %d: got %s, want %s", i, got, want)
		}
	}
}

func TestCheckLeased(t *testing.T) {
	cfg := mustParse(t, "version = 1\n\n[[uplink]]\nname = \"wan\"\ndevice = \"e0\"\n[[lan]]\nname = \"lan\"\ndevice = \"e1\"\n")
	for _, tt := range []struct {
		lease string
		bad   bool
	}{
		{"192.168.5.23/24", true}, {"192.168.5.23/32", true}, {"192.168.0.9/16", true}, {"192.168.6.23/24", false}, {"10.0.0.5/8", false},
	} {
		p := CheckLeased(cfg, "wan", netip.MustParsePrefix(tt.lease))
		if (p != nil) != tt.bad {
			t.Errorf("%s: %v", tt.lease, p)
		}
	}
	p := CheckLeased(cfg, "wan", netip.MustParsePrefix("192.168.5.23/24"))
	want := "test.toml:3:3: uplink.address: got a lease of 192.168.5.23/24, want a subnet that does not overlap 192.168.5.0/24\n" +
		"  hint: the network of this uplink uses the addresses of lan \"lan\" in line 6: give the LAN another address, such as \"192.168.6.1/24\""
	if p.String() != want || p.Code() != "config-lease-refused" {
		t.Errorf("got %s (%s)", p, p.Code())
	}
	if p := CheckLeased(cfg, "wan", netip.MustParsePrefix("192.168.4.9/22")); !strings.Contains(p.Hint, "192.168.8.1/24") {
		t.Errorf("the hint offers a subnet that the lease has: %s", p.Hint)
	}
	if p := CheckLeased(cfg, "gone", netip.MustParsePrefix("192.168.5.23/24")); p != nil {
		t.Errorf("unknown uplink: %v", p)
	}
	if p := CheckLeased(cfg, "wan", netip.Prefix{}); p != nil {
		t.Errorf("no lease: %v", p)
	}
}

// TestForwardsTwice: the port of the second forward, and whether the first,
// tcp 100-200 on wan, has it already.
func TestForwardsTwice(t *testing.T) {
	const start = "version = 1\n[[uplink]]\nname = \"wan\"\ndevice = \"e0\"\n[[uplink]]\nname = \"wan2\"\ndevice = \"e1\"\n[[lan]]\nname = \"lan\"\ndevice = \"e2\"\n" +
		"[[port_forward]]\nproto = \"tcp\"\nuplink = \"wan\"\nport = \"100-200\"\nto = \"192.168.5.10\"\n[[port_forward]]\nto = \"192.168.5.11\"\n"
	for _, tt := range []struct {
		text string
		dup  bool
	}{
		{"proto = \"tcp\"\nport = 99", false}, {"proto = \"tcp\"\nport = 100", true}, {"proto = \"tcp\"\nport = 200", true}, {"proto = \"tcp\"\nport = 201", false},
		{"proto = \"tcp\"\nport = \"50-300\"", true}, {"proto = \"udp\"\nport = 150", false},
		{"proto = \"tcp\"\nuplink = \"wan2\"\nport = 150", false}, {"proto = \"tcp\"\nuplink = \"wan\"\nport = 150", true},
	} {
		_, problems := Parse("x", []byte(start+tt.text+"\n"))
		if (len(problems) == 1 && problems[0].Key == "port_forward.port") != tt.dup || !tt.dup && problems != nil {
			t.Errorf("%q: %v", tt.text, problems)
		}
	}
}

// TestDEV23HardwareKeysRefused wherever they stand, with their Linux place.
func TestDEV23HardwareKeysRefused(t *testing.T) {
	const uplink = "version = 1\n[[uplink]]\nname = \"u\"\ndevice = \"e0\"\n"
	const lan = "[[lan]]\nname = \"l\"\ndevice = \"e1\"\n"
	for key, place := range map[string]string{"tp": "device tree", "opts": "device tree", "spi": "device tree", "irq": "device tree",
		"pwrpin": "gpiochip0", "ethpower_en": "gpiochip0", "airlink_type": "kernel"} {
		for _, text := range []string{uplink + key + " = 1\n" + lan, uplink + lan + key + " = 1\n"} {
			_, problems := Parse("x", []byte(text))
			if len(problems) != 1 || !strings.HasSuffix(problems[0].Key, "."+key) || !strings.Contains(problems[0].Hint, place) {
				t.Errorf("%s: %v", key, problems)
			}
		}
	}
}

// TestRTR03AddressAloneIsEnough: pool and router follow it.
func TestRTR03AddressAloneIsEnough(t *testing.T) {
	l := mustParse(t, "version = 1\n[[lan]]\nname = \"l\"\ndevice = \"e1\"\naddress = \"172.16.9.1/24\"\n").LANs[0]
	if got := l.DHCP.PoolStart.String() + "-" + l.DHCP.PoolEnd.String(); got != "172.16.9.100-172.16.9.200" || len(l.DHCP.DNS) != 0 {
		t.Errorf("pool %s, dns %v", got, l.DHCP.DNS)
	}
}
