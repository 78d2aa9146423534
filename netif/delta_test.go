package netif

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func sample() *Snapshot {
	return &Snapshot{
		Links: []Link{
			{Index: 1, Name: "lo", AdminUp: true, Carrier: true, MTU: 65536},
			{Index: 2, Name: "eth0", MAC: MAC{2, 0, 0, 0, 0, 1}, AdminUp: true, Carrier: true, MTU: 1500},
			{Index: 3, Name: "br-lan", AdminUp: true, MTU: 1500},
		},
		Addrs: []Addr{{Link: 2, Prefix: netip.MustParsePrefix("192.0.2.10/24")}},
		Routes: []Route{
			{Table: 254, Dst: netip.MustParsePrefix("0.0.0.0/0"), Gateway: netip.MustParseAddr("192.0.2.1"), Link: 2, Metric: 10, Protocol: 76, Type: 1},
		},
		Rules: []Rule{{Pref: 7801, Mark: 0x100, Mask: 0x3f00, Table: 7601, Suppress: -1}},
		Facts: []DeviceFacts{{Name: "eth0"}},
	}
}

func TestDelta(t *testing.T) {
	link := func(i int, f func(*Link)) func(*Snapshot) {
		return func(s *Snapshot) { f(&s.Links[i]) }
	}
	for _, tt := range []struct {
		name   string
		change func(*Snapshot)
		want   []string
	}{
		{"nothing", func(*Snapshot) {}, nil},
		{"carrier", func(s *Snapshot) { s.Links[1].Carrier = false; s.Routes[0].LinkDown = true }, []string{"eth0 lost its carrier"}},
		{"carrier back", link(2, func(l *Link) { l.Carrier = true }), []string{"br-lan has a carrier"}},
		{"off", link(1, func(l *Link) { l.AdminUp, l.Carrier = false, false }), []string{"eth0 was switched off", "eth0 lost its carrier"}},
		{"name", link(1, func(l *Link) { l.Name = "wan0" }), []string{"eth0 is now called wan0"}},
		{"mtu and mac", link(1, func(l *Link) { l.MTU, l.MAC = 1400, MAC{} }), []string{
			"eth0 changed its MTU from 1500 to 1400", "eth0 changed its hardware address from 02:00:00:00:00:01 to none"}},
		{"joined", link(1, func(l *Link) { l.Master = 3 }), []string{"eth0 joined br-lan"}},
		{"joined unknown", link(1, func(l *Link) { l.Master = 9 }), []string{"eth0 joined device 9"}},
		{"new link", func(s *Snapshot) { s.Links = append(s.Links, Link{Index: 9, Name: "usb0", AdminUp: true}) }, []string{"usb0 appeared, without carrier"}},
		{"gone with all it had", func(s *Snapshot) { s.Links, s.Addrs, s.Routes = s.Links[:1], nil, nil }, []string{
			"eth0 disappeared", "br-lan disappeared", "address 192.0.2.10/24 on eth0 was removed",
			"route 0.0.0.0/0 via 192.0.2.1 dev eth0 table 254 metric 10 was removed"}},
		{"address replaced", func(s *Snapshot) { s.Addrs[0].Prefix = netip.MustParsePrefix("192.0.2.11/24") }, []string{
			"address 192.0.2.10/24 on eth0 was removed", "address 192.0.2.11/24 on eth0 was added"}},
		{"error route", func(s *Snapshot) {
			s.Routes = append(s.Routes, Route{Table: 99, Dst: netip.MustParsePrefix("::/0"), Type: 7})
		}, []string{"route unreachable ::/0 table 99 metric 0 was added"}},
		{"rules", func(s *Snapshot) {
			s.Rules = []Rule{{IPv6: true, Pref: 7901, Src: netip.MustParsePrefix("2001:db8::1/128"), OifName: "eth0", Table: 254, Suppress: 0}}
		}, []string{
			"rule 7801 fwmark 0x100/0x3f00 lookup 7601 was removed",
			"rule 7901 (IPv6) from 2001:db8::1/128 oif eth0 lookup 254 suppress_prefixlength 0 was added"}},
		{"one of two equal", func(s *Snapshot) { s.Rules = append(s.Rules, s.Rules[0]) }, []string{"rule 7801 fwmark 0x100/0x3f00 lookup 7601 was added"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			old, new := sample(), sample()
			tt.change(new)
			var got []string
			for _, c := range Delta(old, new) {
				got = append(got, c.String())
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("changes (-want +got):\n%s", diff)
			}
			if old.Equal(new) != (tt.want == nil) {
				t.Errorf("Equal = %v with changes %q", old.Equal(new), got)
			}
		})
	}
}

func TestDeltaOfNothing(t *testing.T) {
	if d := Delta(nil, nil); d != nil {
		t.Errorf("Delta(nil, nil) = %v", d)
	}
	if n := len(Delta(nil, sample())); n != 6 {
		t.Errorf("%d changes from nothing, want 6", n)
	}
	var none *Snapshot
	if !none.Equal(nil) || none.Equal(sample()) || sample().Equal(nil) {
		t.Error("nil equals only nil")
	}
	facts := sample()
	facts.Facts[0].Driver = "r8169"
	if facts.Equal(sample()) {
		t.Error("other facts are equal")
	}
	foreign := sample()
	foreign.Foreign++
	if foreign.Equal(sample()) {
		t.Error("another count is equal")
	}
}
