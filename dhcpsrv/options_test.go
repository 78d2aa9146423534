package dhcpsrv

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv4"
)

func TestS30_Overload(t *testing.T) {
	r := newRig(t, config())
	p := message(t, mac(1), discoverMsg, "").ToBytes()[:offOptions]
	p = append(p, 52, 1, 3) // options go on in file, then in sname; no END here
	copy(p[offFile:], []byte{53, 1, 1, 61, 2, 0xaa, 0xbb, 255, 1, 2, 3})
	copy(p[offSname:], []byte{61, 1, 0xcc, 50, 4, 192, 168, 5, 177, 255})
	got := r.raw(Packet{Payload: p})
	if len(got) != 1 {
		t.Fatalf("%d replies", len(got))
	}
	offer, err := dhcpv4.FromBytes(got[0].Payload)
	if err != nil {
		t.Fatal(err)
	}
	r.expect("overloaded", offer, "OFFER", "192.168.5.177")
	if !bytes.Equal(offer.Options[61], []byte{0xaa, 0xbb, 0xcc}) {
		t.Errorf("option 61 from two fields: %x", offer.Options[61])
	}
}

// codesOf lists the option codes of a reply as they are on the wire.
func codesOf(payload []byte) (codes []byte) {
	for p := payload[offOptions:]; len(p) > 1 && p[0] != 255; p = p[2+int(p[1]):] {
		if p[0] == 0 {
			p = append([]byte{0, 0}, p[1:]...)
			continue
		}
		codes = append(codes, p[0])
	}
	return codes
}

// DHCP-05 among others: one option 6.
func TestS31_S32_Options(t *testing.T) {
	cfg := config()
	cfg.MTU = 1400
	cfg.DNS = []netip.Addr{ip("192.168.5.1"), ip("223.5.5.5")}
	cfg.Options = []Option{
		{42, []byte{192, 168, 5, 1}}, {108, []byte{0, 0, 1, 44}}, {114, nil}, {121, []byte{0, 192, 168, 5, 1}}, {54, []byte{1, 2, 3, 4}},
	}
	for _, tt := range []struct {
		name string
		opts []option
		want []byte
	}{
		{"asks for nothing", nil, []byte{53, 54, 51, 1, 3, 6, 28, 15, 26, 42, 58, 59}},
		{"own order, mask before router", []option{raw(55, 15, 3, 6, 1, 200)}, []byte{53, 54, 51, 15, 1, 3, 6, 58, 59}},
		{"only what was asked and what all get", []option{raw(55, 28)}, []byte{53, 54, 51, 28, 1, 3, 6, 58, 59}},
		{"N17 249, N21 108, N23 empty 114", []option{raw(55, 249, 108, 114, 121)}, []byte{53, 54, 51, 249, 108, 121, 1, 3, 6, 58, 59}},
		{"identifier", []option{raw(55, 1), raw(61, 1, 2)}, []byte{53, 54, 51, 61, 1, 3, 6, 58, 59}},
		{"N27 authentication is not echoed", []option{raw(55, 1), raw(90, 1, 2, 3)}, []byte{53, 54, 51, 1, 3, 6, 58, 59}},
	} {
		r := newRig(t, cfg)
		offer, how := r.sendFull(message(t, mac(1), discoverMsg, "", tt.opts...))
		if diff := cmp.Diff(tt.want, codesOf(how.Payload)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
		if !bytes.Equal(offer.Options[54], []byte{192, 168, 5, 1}) {
			t.Errorf("a configured option 54 got through")
		}
		if v, ok := offer.Options[6]; ok && !bytes.Equal(v, []byte{192, 168, 5, 1, 223, 5, 5, 5}) {
			t.Errorf("option 6 = %v", v)
		}
		if v, ok := offer.Options[26]; ok && !bytes.Equal(v, []byte{5, 120}) {
			t.Errorf("option 26 = %v", v)
		}
	}
	cfg.Trust82 = true
	r := newRig(t, cfg)
	_, how := r.sendFull(message(t, mac(1), discoverMsg, "", raw(82, 1, 1, 9), raw(55, 1)))
	if got := codesOf(how.Payload); got[len(got)-1] != 82 {
		t.Errorf("option 82 is not the last one: %v", got)
	}
}

// DHCP-05: our own address is handed out without an uplink, too.
func TestN36_NoUplinkNeeded(t *testing.T) {
	// Nothing about uplinks is an input at all; option 6 is the gateway.
	r := newRig(t, config())
	if v := r.discover(mac(1)).Options[6]; !bytes.Equal(v, []byte{192, 168, 5, 1}) {
		t.Errorf("option 6 = %v", v)
	}
}

func TestS33_N14_N15_Size(t *testing.T) {
	cfg := config()
	cfg.Options = []Option{{121, bytes.Repeat([]byte{24, 10, 0, 0, 192, 168, 5, 1}, 40)}} // 320 bytes
	asks := []byte{121}
	for code := byte(200); code < 215; code++ {
		cfg.Options = append(cfg.Options, Option{code, bytes.Repeat([]byte{code}, 20)})
		asks = append(asks, code)
	}
	for _, tt := range []struct {
		size     uint16 // option 57, 0 for none
		limit    int
		overload bool
	}{{0, 548, true}, {100, 548, true}, {576, 548, true}, {700, 672, true}, {1500, 1472, false}, {65535, 1472, false}} {
		opts := []option{raw(55, asks...)}
		if tt.size > 0 {
			opts = append(opts, raw(57, byte(tt.size>>8), byte(tt.size)))
		}
		r := newRig(t, cfg)
		offer, how := r.sendFull(message(t, mac(1), discoverMsg, "", opts...))
		if len(how.Payload) > tt.limit {
			t.Errorf("57 = %d: %d bytes, limit %d", tt.size, len(how.Payload), tt.limit)
		}
		if _, ok := offer.Options[52]; ok != tt.overload {
			t.Errorf("57 = %d: overload %v, want %v", tt.size, ok, tt.overload)
		}
		all := readAll(t, how.Payload)
		if tt.size >= 1500 && !bytes.Equal(all[121], cfg.Options[0].Value) {
			t.Errorf("57 = %d: option 121 of %d bytes, want 320 in order", tt.size, len(all[121]))
		}
		if all[53] == nil || all[54] == nil || all[51] == nil {
			t.Errorf("57 = %d: the essential options are missing", tt.size)
		}
		if tt.overload && all[200] == nil {
			t.Errorf("57 = %d: nothing was saved by overload", tt.size)
		}
		for code, v := range all {
			if code >= 200 && code < 215 && !bytes.Equal(v, bytes.Repeat([]byte{code}, 20)) {
				t.Errorf("57 = %d: option %d = %v", tt.size, code, v)
			}
		}
	}
}

// readAll reads a reply's options, those in file and sname too.
func readAll(t *testing.T, p []byte) dhcpv4.Options {
	t.Helper()
	o := dhcpv4.Options{}
	if err := o.FromBytes(p[offOptions:]); err != nil {
		t.Fatal(err)
	}
	use := o[52]
	if len(use) == 1 && use[0]&1 != 0 {
		if err := o.FromBytes(p[108:236]); err != nil {
			t.Fatal(err)
		}
	}
	if len(use) == 1 && use[0]&2 != 0 {
		if err := o.FromBytes(p[44:108]); err != nil {
			t.Fatal(err)
		}
	}
	return o
}

func TestS40_Timers(t *testing.T) {
	r := newRig(t, config())
	distinct := map[uint32]bool{}
	for i := range 50 {
		ack := r.discover(mac(i))
		t1, t2 := binary.BigEndian.Uint32(ack.Options[58]), binary.BigEndian.Uint32(ack.Options[59])
		if t1 < 3600*45/100 || t1 > 1800 || t2 < 3600*82/100 || t2 > 3600*7/8 || t1 >= t2 {
			t.Fatalf("T1 %d, T2 %d of 3600", t1, t2)
		}
		distinct[t1] = true
	}
	if len(distinct) < 25 {
		t.Errorf("%d different T1 for 50 clients", len(distinct))
	}
}

func TestN18_FQDN(t *testing.T) {
	for _, tt := range []struct {
		name  string
		value []byte
		want  []byte
	}{
		{"S, labels", append([]byte{5, 0, 0, 3}, "pad"...), append([]byte{0x0e, 255, 255, 3}, "pad\x03lan\x00"...)},
		{"ASCII tolerated", append([]byte{0, 0, 0}, "Pad.example.org"...), append([]byte{8, 255, 255}, "pad.lan"...)},
		{"empty: ours to choose, from 12", []byte{4, 0, 0}, append([]byte{0x0c, 255, 255, 5}, "other\x03lan\x00"...)},
		{"label runs past the end", []byte{4, 0, 0, 60, 'x'}, []byte{0x0c, 255, 255}},
	} {
		r := newRig(t, config())
		a := r.must(mac(1), raw(81, tt.value...), raw(12, []byte("other")...), raw(55, 12))
		ack := r.request(mac(1), a.String(), raw(81, tt.value...), raw(12, []byte("other")...), raw(55, 12))
		if !bytes.Equal(ack.Options[81], tt.want) {
			t.Errorf("%s: option 81 = %q, want %q", tt.name, ack.Options[81], tt.want)
		}
		if _, ok := ack.Options[12]; ok {
			t.Errorf("%s: option 12 beside 81", tt.name)
		}
		if len(tt.value) > 5 && r.lease(a).Hostname != "pad" {
			t.Errorf("%s: name %q, want that of option 81", tt.name, r.lease(a).Hostname)
		}
	}
}

// TestS33_NeverOverTheLimit fills the message byte by byte over its limit.
func TestS33_NeverOverTheLimit(t *testing.T) {
	const room = 40
	for n := range 60 {
		for last := range 3 {
			list := []Option{{53, []byte{2}}, {200, make([]byte, n)}, {201, make([]byte, 9)}}
			if last > 0 {
				list = append(list, Option{82, make([]byte, last)})
			}
			main, file, sname := layout(list, room)
			if len(main) > room || len(file) > roomFile || len(sname) > roomSname {
				t.Fatalf("option of %d bytes: %d, %d, %d", n, len(main), len(file), len(sname))
			}
		}
	}
}
