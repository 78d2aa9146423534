package lease

import (
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv4"

	"luatnetd/netif"
)

var byValue = cmp.Options{
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
	cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }),
}

func opts(t *testing.T, list map[uint8]string) dhcpv4.Options {
	t.Helper()
	o := dhcpv4.Options{}
	for code, text := range list {
		b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		o[code] = b
	}
	return o
}

func route(dst, via string) netif.ClasslessRoute {
	r := netif.ClasslessRoute{Dst: netip.MustParsePrefix(dst)}
	if via != "" {
		r.Gateway = netip.MustParseAddr(via)
	}
	return r
}

// The examples are RFC 3442's own and what servers in the field send.
func TestParameters(t *testing.T) {
	const yiaddr = "10.0.0.9"
	tests := []struct {
		name    string
		yiaddr  string
		options map[uint8]string
		link    int
		want    netif.Lease
		notes   int
	}{
		{name: "usual", options: map[uint8]string{1: "ffffff00", 3: "0a000001 0a000002", 6: "0a000001 08080808 0a000001 00000000", 15: "6c616e2e00", 12: "6777"},
			want: netif.Lease{Addr: netip.MustParsePrefix("10.0.0.9/24"), Gateway: netip.MustParseAddr("10.0.0.1"), Domain: "lan", Hostname: "gw",
				DNS: []netip.AddrPort{netip.MustParseAddrPort("10.0.0.1:53"), netip.MustParseAddrPort("8.8.8.8:53")}}},
		{name: "no mask", options: map[uint8]string{3: "0a000001"}, notes: 1,
			want: netif.Lease{Addr: netip.MustParsePrefix("10.0.0.9/8"), Gateway: netip.MustParseAddr("10.0.0.1")}},
		{name: "mask with a hole", options: map[uint8]string{1: "ff00ff00"}, notes: 1, want: netif.Lease{Addr: netip.MustParsePrefix("10.0.0.9/8")}},
		{name: "mask 0", options: map[uint8]string{1: "00000000"}, notes: 1, want: netif.Lease{Addr: netip.MustParsePrefix("10.0.0.9/8")}},
		{name: "/32, gateway elsewhere", options: map[uint8]string{1: "ffffffff", 3: "ac100001"},
			want: netif.Lease{Addr: netip.MustParsePrefix("10.0.0.9/32"), Gateway: netip.MustParseAddr("172.16.0.1")}},
		{name: "/31", options: map[uint8]string{1: "fffffffe", 3: "0a000008"},
			want: netif.Lease{Addr: netip.MustParsePrefix("10.0.0.9/31"), Gateway: netip.MustParseAddr("10.0.0.8")}},
		{name: "broadcast address as ours", yiaddr: "10.0.0.255", options: map[uint8]string{1: "ffffff00", 3: "0a000001"}, notes: 1,
			want: netif.Lease{Addr: netip.MustParsePrefix("10.0.0.255/32"), Gateway: netip.MustParseAddr("10.0.0.1")}},
		{name: "gateway is us", options: map[uint8]string{1: "ffffff00", 3: "0a000009"}, notes: 1, want: netif.Lease{Addr: netip.MustParsePrefix("10.0.0.9/24")}},
		{name: "121 replaces 3 and 33", options: map[uint8]string{1: "ffffff00", 3: "0a000001", 33: "c0000200 0a000001",
			121: "00 0a1bc801" + "08 0a 0a1bc802" + "18 0a1b81 0a1b8101" + "19 0a1b8180 00000000"},
			want: netif.Lease{Addr: netip.MustParsePrefix("10.0.0.9/24"), Gateway: netip.MustParseAddr("10.27.200.1"), Routes: []netif.ClasslessRoute{
				route("10.0.0.0/8", "10.27.200.2"), route("10.27.129.0/24", "10.27.129.1"), route("10.27.129.128/25", "")}}},
		{name: "121 without default", options: map[uint8]string{1: "ffffff00", 3: "0a000001", 121: "18 c0a805 0a000001"}, notes: 1,
			want: netif.Lease{Addr: netip.MustParsePrefix("10.0.0.9/24"), Routes: []netif.ClasslessRoute{route("192.168.5.0/24", "10.0.0.1")}}},
		{name: "249 as alias", options: map[uint8]string{1: "ffffff00", 3: "0a000001", 249: "00 0a000002"},
			want: netif.Lease{Addr: netip.MustParsePrefix("10.0.0.9/24"), Gateway: netip.MustParseAddr("10.0.0.2")}},
		{name: "121 before 249", options: map[uint8]string{1: "ffffff00", 121: "00 0a000003", 249: "00 0a000002"},
			want: netif.Lease{Addr: netip.MustParsePrefix("10.0.0.9/24"), Gateway: netip.MustParseAddr("10.0.0.3")}},
		{name: "121 cut: 3 counts", options: map[uint8]string{1: "ffffff00", 3: "0a000001", 121: "18 c0a805 0a0000"}, notes: 1,
			want: netif.Lease{Addr: netip.MustParsePrefix("10.0.0.9/24"), Gateway: netip.MustParseAddr("10.0.0.1")}},
		{name: "121 with host bits", options: map[uint8]string{1: "ffffff00", 121: "00 0a000001 09 0aff 0a000001"},
			want: netif.Lease{Addr: netip.MustParsePrefix("10.0.0.9/24"), Gateway: netip.MustParseAddr("10.0.0.1"), Routes: []netif.ClasslessRoute{route("10.128.0.0/9", "10.0.0.1")}}},
		{name: "33", options: map[uint8]string{1: "ffffff00", 3: "0a000001", 33: "c0000200 0a000002 ac100005 0a000003 00000000 0a000004"},
			want: netif.Lease{Addr: netip.MustParsePrefix("10.0.0.9/24"), Gateway: netip.MustParseAddr("10.0.0.1"), Routes: []netif.ClasslessRoute{
				route("192.0.2.0/24", "10.0.0.2"), route("172.16.0.5/32", "10.0.0.3")}}},
		{name: "mtu and broadcast", options: map[uint8]string{1: "ffffff00", 26: "0578", 28: "0a0000ff"},
			want: netif.Lease{Addr: netip.MustParsePrefix("10.0.0.9/24"), MTU: 1400, Broadcast: netip.MustParseAddr("10.0.0.255")}},
		{name: "mtu of a tiny link", options: map[uint8]string{1: "ffffff00", 26: "0044"}, want: netif.Lease{Addr: netip.MustParsePrefix("10.0.0.9/24")}},
		{name: "mtu above the device", options: map[uint8]string{1: "ffffff00", 26: "2328"}, want: netif.Lease{Addr: netip.MustParsePrefix("10.0.0.9/24")}},
		{name: "jumbo device", link: 9000, options: map[uint8]string{1: "ffffff00", 26: "2328"}, want: netif.Lease{Addr: netip.MustParsePrefix("10.0.0.9/24"), MTU: 9000}},
		{name: "mtu back to 1500", link: 1400, options: map[uint8]string{1: "ffffff00", 26: "05dc"}, want: netif.Lease{Addr: netip.MustParsePrefix("10.0.0.9/24"), MTU: 1500}},
		{name: "names for a shell", options: map[uint8]string{1: "ffffff00", 12: "2428726562 6f6f7429", 15: "6c616e0a7365617263682078"}, want: netif.Lease{Addr: netip.MustParsePrefix("10.0.0.9/24")}},
		{name: "broadcast elsewhere", options: map[uint8]string{1: "ffffff00", 28: "c00002ff"}, want: netif.Lease{Addr: netip.MustParsePrefix("10.0.0.9/24")}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			addr := yiaddr
			if tt.yiaddr != "" {
				addr = tt.yiaddr
			}
			if tt.link == 0 {
				tt.link = 1500
			}
			got, notes, ok := parameters(reply{yiaddr: netip.MustParseAddr(addr), options: opts(t, tt.options)}, tt.link)
			if !ok || len(notes) != tt.notes {
				t.Errorf("ok %v, notes %q, want %d", ok, notes, tt.notes)
			}
			if d := cmp.Diff(tt.want, got, byValue); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
	for _, bad := range []string{"0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "0.1.2.3"} {
		if _, _, ok := parameters(reply{yiaddr: netip.MustParseAddr(bad)}, 1500); ok {
			t.Errorf("%s taken as our address", bad)
		}
	}
}

func TestTimes(t *testing.T) {
	s := time.Second
	tests := []struct {
		name    string
		options map[uint8]string
		want    durations
	}{
		{"told all", map[uint8]string{51: "00000e10", 58: "00000708", 59: "00000c4e"}, durations{1800 * s, 3150 * s, 3600 * s}},
		{"defaults", map[uint8]string{51: "00000320"}, durations{400 * s, 700 * s, 800 * s}},
		{"nothing told", nil, durations{1800 * s, 3150 * s, 3600 * s}},
		{"forever", map[uint8]string{51: "ffffffff", 58: "00000010"}, durations{}},
		{"T1 after T2", map[uint8]string{51: "00000320", 58: "000002bd", 59: "000002bc"}, durations{400 * s, 700 * s, 800 * s}},
		{"T2 after the end", map[uint8]string{51: "00000320", 58: "00000190", 59: "00000321"}, durations{400 * s, 700 * s, 800 * s}},
		{"T2 early", map[uint8]string{51: "00000320", 59: "000000c8"}, durations{100 * s, 200 * s, 800 * s}},
		{"T1 zero", map[uint8]string{51: "00000320", 58: "00000000"}, durations{400 * s, 700 * s, 800 * s}},
		{"lease zero", map[uint8]string{51: "00000000"}, durations{5 * s, 8750 * time.Millisecond, 10 * s}},
		{"136 years", map[uint8]string{51: "fffffffe"}, durations{2147483647 * s, 4294967294 * s / 8 * 7, 4294967294 * s}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := times(opts(t, tt.options)); got != tt.want {
				t.Errorf("times = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestSloppyServers(t *testing.T) {
	base := func() []byte {
		b := make([]byte, 240)
		b[0], b[1], b[2] = 2, 1, 6
		copy(b[236:], "\x63\x82\x53\x63")
		return b
	}
	t.Run("no END", func(t *testing.T) {
		r, err := parseReply(append(base(), 53, 1, 5, 51, 4, 0, 0, 1, 0))
		if err != nil || r.kind != dhcpv4.MessageTypeAck {
			t.Errorf("%+v, %v", r, err)
		}
	})
	t.Run("overload, joined", func(t *testing.T) {
		b := append(base(), 53, 1, 5, 52, 1, 3, 15, 1, 'a', 255)
		copy(b[108:], "\x0f\x01b\xff")
		copy(b[44:], "\x0f\x01c\x0c\x02gw\xff")
		r, err := parseReply(b)
		if err != nil || string(r.options[15]) != "abc" || string(r.options[12]) != "gw" {
			t.Errorf("%q, %v; want file before sname (RFC 3396)", r.options, err)
		}
	})
	t.Run("overload broken", func(t *testing.T) {
		b := append(base(), 53, 1, 5, 52, 1, 1, 255)
		copy(b[108:], "\x0f\xc8b")
		if _, err := parseReply(b); err == nil {
			t.Error("an option beyond its field was read")
		}
	})
	t.Run("option cut at the end", func(t *testing.T) {
		if r, err := parseReply(append(base(), 53, 1, 5, 54, 4, 1, 2, 3)); err == nil {
			t.Errorf("read %v", r.options)
		}
	})
	t.Run("BOOTP", func(t *testing.T) {
		if _, err := parseReply(append(base(), 51, 4, 0, 0, 1, 0, 255)); err == nil {
			t.Error("an answer without message type was read")
		}
	})
}

func TestRecordRoundTrip(t *testing.T) {
	boot := netif.Boot
	want := Record{
		BootID: "b", Stamp: boot(90 * time.Minute), MAC: netif.MAC{2, 1}, Form: FormDUID, ClientID: []byte{255, 1}, Broadcast: true,
		GatewayMAC: netif.MAC{2, 2},
		Lease: netif.Lease{
			Addr: netip.MustParsePrefix("10.0.0.9/32"), Gateway: netip.MustParseAddr("172.16.0.1"), ServerID: netip.MustParseAddr("172.16.0.2"),
			DNS: []netip.AddrPort{netip.MustParseAddrPort("9.9.9.9:53")}, Routes: []netif.ClasslessRoute{route("10.9.0.0/16", ""), route("10.8.0.0/16", "10.0.0.1")},
			Domain: "lan", Hostname: "gw", MTU: 1400, ServerMAC: netif.MAC{2, 3}, Broadcast: netip.MustParseAddr("10.0.0.255"),
			Acquired: boot(80 * time.Minute), Renew: boot(100 * time.Minute), Rebind: boot(110 * time.Minute), Expire: boot(120 * time.Minute),
		},
	}
	got, err := ParseRecord(want.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got, byValue); d != "" {
		t.Errorf("(-want +got):\n%s\n%s", d, want.Bytes())
	}
	want.Lease.Renew, want.Lease.Rebind, want.Lease.Expire = time.Time{}, time.Time{}, time.Time{}
	if got, err = ParseRecord(want.Bytes()); err != nil || cmp.Diff(want, got, byValue) != "" {
		t.Errorf("for ever: %v\n%s", err, cmp.Diff(want, got, byValue))
	}
	want = Record{BootID: "b", Stamp: boot(time.Second), Form: FormNone}
	if got, err = ParseRecord(want.Bytes()); err != nil || got.Lease.Addr.IsValid() || got.Form != FormNone {
		t.Errorf("without a lease: %+v, %v", got, err)
	}
	for _, bad := range []string{
		"", "{}", `{"version":2}`, `{"version":1,"client_id":"zz"}`, `{"version":1,"address":"300.0.0.1/8"}`,
		`{"version":1,"address":"10.0.0.1/8","server":"127.0.0.1"}`,
		`{"version":1,"address":"10.0.0.1/8","server":"10.0.0.2","mtu":10}`,
		`{"version":1,"address":"10.0.0.1/8","server":"10.0.0.2","domain":"a b"}`,
		`{"version":1,"address":"10.0.0.1/8","server":"10.0.0.2","routes":[{"to":"0.0.0.0/0"}]}`,
		`{"version":1,"address":"10.0.0.1/8","server":"10.0.0.2","renew_in":3,"rebind_in":2,"expires_in":4}`,
	} {
		if r, err := ParseRecord([]byte(bad)); err == nil {
			t.Errorf("read %s as %+v", bad, r)
		}
	}
}

func FuzzParseRecord(f *testing.F) {
	f.Add(Record{Lease: netif.Lease{Addr: netip.MustParsePrefix("10.0.0.9/24"), ServerID: netip.MustParseAddr("10.0.0.1")}}.Bytes())
	f.Add([]byte(`{"version":1,"expires_in":1e300}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseRecord(b)
		if err != nil {
			return
		}
		again, err := ParseRecord(r.Bytes())
		if err != nil || !again.same(r) {
			t.Fatalf("%s does not survive writing: %v", b, err)
		}
	})
}
