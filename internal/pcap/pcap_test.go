package pcap

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// ip is a packet of a protocol with ports; change may spoil it.
func ip(proto byte, src, dst string, change ...func([]byte)) []byte {
	s, d := netip.MustParseAddrPort(src), netip.MustParseAddrPort(dst)
	var b []byte
	if s.Addr().Is4() {
		b = make([]byte, 20, 64)
		b[0], b[9] = 0x45, proto
		copy(b[12:], s.Addr().AsSlice())
		copy(b[16:], d.Addr().AsSlice())
	} else {
		b = make([]byte, 40, 64)
		b[0], b[6] = 0x60, proto
		copy(b[8:], s.Addr().AsSlice())
		copy(b[24:], d.Addr().AsSlice())
	}
	b = binary.BigEndian.AppendUint16(b, s.Port())
	b = binary.BigEndian.AppendUint16(b, d.Port())
	b = append(b, make([]byte, 16)...)
	for _, f := range change {
		f(b)
	}
	return b
}

// options gives an IPv4 header one word of options.
func options(b []byte) []byte {
	b = append(b[:20:20], append([]byte{1, 1, 1, 1}, b[20:]...)...)
	b[0] = 0x46
	return b
}

// about is an ICMP error that quotes a packet.
func about(quoted []byte, typ byte) []byte {
	if quoted[0]>>4 == 6 {
		b := ip(unix.IPPROTO_ICMPV6, "[2001:db8:ffff::1]:0", "[2001:db8::2]:0")[:48]
		b[40] = typ
		return append(b, quoted...)
	}
	b := ip(unix.IPPROTO_ICMP, "10.9.9.9:0", "100.64.1.2:0")[:28]
	b[20] = typ
	return append(b, quoted...)
}

func runs(t *testing.T, raw []bpf.RawInstruction, packet []byte) int {
	t.Helper()
	list, ok := bpf.Disassemble(raw)
	if !ok {
		t.Fatal("the filter has instructions that nobody knows")
	}
	vm, err := bpf.NewVM(list)
	if err != nil {
		t.Fatal(err)
	}
	n, err := vm.Run(packet)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

const (
	here4, there4 = "100.64.1.2:40001", "203.0.113.10:8883"
	here6, there6 = "[2001:db8::2]:40002", "[2001:db8:1::10]:8883"
)

func flow(proto uint8, local, remote string) Flow {
	return Flow{Device: "wan1", Proto: proto, Local: netip.MustParseAddrPort(local), Remote: netip.MustParseAddrPort(remote)}
}

func TestFlows(t *testing.T) {
	filter := Flows([]Flow{
		flow(unix.IPPROTO_TCP, here4, there4), flow(unix.IPPROTO_UDP, here6, there6), flow(unix.IPPROTO_UDP, "0.0.0.0:5000", there4),
		flow(unix.IPPROTO_TCP, "[::ffff:100.64.1.2]:7000", "[::ffff:203.0.113.10]:1"), flow(unix.IPPROTO_TCP, "[fe80::1%wan1]:9", "[fe80::2%wan1]:9"),
	}, 4096)
	for _, tt := range []struct {
		name   string
		packet []byte
		passes bool
	}{
		{"out", ip(unix.IPPROTO_TCP, here4, there4), true},
		{"in", ip(unix.IPPROTO_TCP, there4, here4), true},
		{"with options", options(ip(unix.IPPROTO_TCP, there4, here4)), true},
		{"do not fragment", ip(unix.IPPROTO_TCP, there4, here4, func(b []byte) { b[6] = 0x40 }), true},
		{"first fragment", ip(unix.IPPROTO_TCP, there4, here4, func(b []byte) { b[6] = 0x20 }), true},
		{"later fragment", ip(unix.IPPROTO_TCP, there4, here4, func(b []byte) { b[7] = 1 }), false},
		{"another protocol", ip(unix.IPPROTO_UDP, here4, there4), false},
		{"another local port", ip(unix.IPPROTO_TCP, "100.64.1.2:40002", there4), false},
		{"another remote port", ip(unix.IPPROTO_TCP, here4, "203.0.113.10:8884"), false},
		{"another host", ip(unix.IPPROTO_TCP, here4, "203.0.113.11:8883"), false},
		{"another host of ours", ip(unix.IPPROTO_TCP, "100.64.1.3:40001", there4), false},
		{"ports the wrong way round", ip(unix.IPPROTO_TCP, "100.64.1.2:8883", "203.0.113.10:40001"), false},
		{"IPv6 out", ip(unix.IPPROTO_UDP, here6, there6), true},
		{"IPv6 in", ip(unix.IPPROTO_UDP, there6, here6), true},
		{"IPv6, another protocol", ip(unix.IPPROTO_TCP, there6, here6), false},
		{"IPv6, another host", ip(unix.IPPROTO_UDP, "[2001:db8:1::11]:8883", here6), false},
		{"IPv6, the last word differs", ip(unix.IPPROTO_UDP, here6, "[2001:db8:1::11]:8883"), false},
		{"any local address", ip(unix.IPPROTO_UDP, "192.0.2.77:5000", there4), true},
		{"any local address, in", ip(unix.IPPROTO_UDP, there4, "192.0.2.77:5000"), true},
		{"any local address, another port", ip(unix.IPPROTO_UDP, "192.0.2.77:5001", there4), false},
		{"IPv4 in IPv6 words", ip(unix.IPPROTO_TCP, "100.64.1.2:7000", "203.0.113.10:1"), true},
		{"link-local", ip(unix.IPPROTO_TCP, "[fe80::1]:9", "[fe80::2]:9"), true},
		{"unreachable", about(ip(unix.IPPROTO_TCP, here4, there4), 3), true},
		{"unreachable, of another", about(ip(unix.IPPROTO_TCP, "100.64.1.2:40002", there4), 3), false},
		{"too big", about(ip(unix.IPPROTO_UDP, here6, there6), 2), true},
		{"too big, of another", about(ip(unix.IPPROTO_UDP, "[2001:db8::3]:40002", there6), 2), false},
		{"an echo that looks like one", about(ip(unix.IPPROTO_UDP, here6, there6), 128), false},
		{"ARP", append([]byte{0, 1, 8, 0, 6, 4, 0, 1}, make([]byte, 20)...), false},
		{"a stump", []byte{0x45}, false},
		{"nothing", nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := 0
			if tt.passes {
				want = 4096
			}
			if got := runs(t, filter, tt.packet); got != want {
				t.Errorf("the filter says %d, want %d", got, want)
			}
		})
	}
}

func TestNoFlowsPassNothing(t *testing.T) {
	if got := runs(t, Flows(nil, 100), ip(unix.IPPROTO_TCP, here4, there4)); got != 0 {
		t.Errorf("a filter without flows says %d, want 0", got)
	}
}

// The kernel refuses a filter that is too long, and then nothing is captured.
func TestManyFlowsFitTheKernel(t *testing.T) {
	var list []Flow
	for i := range 3 * MaxFlows {
		f := flow(unix.IPPROTO_UDP, here6, there6)
		f.Local = netip.AddrPortFrom(f.Local.Addr(), uint16(1000+i))
		list = append(list, f)
	}
	filter := Flows(list, 100)
	if len(filter) > 4096 {
		t.Errorf("%d instructions, the kernel takes 4096", len(filter))
	}
	for _, i := range []int{0, 2 * MaxFlows, 3*MaxFlows - 1} { // the newest count
		want := 0
		if i >= 2*MaxFlows {
			want = 100
		}
		if got := runs(t, filter, ip(unix.IPPROTO_UDP, list[i].Local.String(), there6)); got != want {
			t.Errorf("flow %d: %d, want %d", i, got, want)
		}
	}
}

func TestHost(t *testing.T) {
	v4, v6 := netip.MustParseAddr("203.0.113.10"), netip.MustParseAddr("2001:db8:1::10")
	arp := append([]byte{0, 1, 8, 0, 6, 4, 0, 1}, make([]byte, 20)...)
	for _, tt := range []struct {
		name   string
		host   netip.Addr
		port   uint16
		packet []byte
		want   int
	}{
		{"everything: TCP", netip.Addr{}, 0, ip(unix.IPPROTO_TCP, here4, there4), 99},
		{"everything: ARP", netip.Addr{}, 0, arp, 99},
		{"to the host", v4, 0, ip(unix.IPPROTO_TCP, here4, there4), 99},
		{"from the host", v4, 0, ip(47, there4, here4), 99},
		{"a later fragment of the host", v4, 0, ip(unix.IPPROTO_UDP, there4, here4, func(b []byte) { b[7] = 1 }), 99},
		{"another host", v4, 0, ip(unix.IPPROTO_TCP, here4, "203.0.113.11:8883"), 0},
		{"IPv6 for an IPv4 host", v4, 0, ip(unix.IPPROTO_TCP, here6, there6), 0},
		{"ARP for a host", v4, 0, arp, 0},
		{"IPv6 host", v6, 0, ip(unix.IPPROTO_TCP, there6, here6), 99},
		{"port to", netip.Addr{}, 8883, ip(unix.IPPROTO_TCP, here4, there4), 99},
		{"port from, UDP, IPv6", netip.Addr{}, 8883, ip(unix.IPPROTO_UDP, there6, here6), 99},
		{"another port", netip.Addr{}, 8884, ip(unix.IPPROTO_TCP, here4, there4), 0},
		{"host and port", v4, 8883, ip(unix.IPPROTO_TCP, there4, here4), 99},
		{"the host with another port", v4, 8884, ip(unix.IPPROTO_TCP, there4, here4), 0},
		{"another host with the port", v4, 8883, ip(unix.IPPROTO_TCP, here4, "203.0.113.11:8883"), 0},
		{"the other end has the port", v4, 40001, ip(unix.IPPROTO_TCP, here4, there4), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := runs(t, Host(tt.host, tt.port, 99), tt.packet); got != tt.want {
				t.Errorf("the filter says %d, want %d", got, tt.want)
			}
		})
	}
}

// The bytes of a file, written out by hand from the format's description.
func TestFile(t *testing.T) {
	f, head := NewFile(Bounds{Bytes: 1 << 10, Packets: 2, Snaplen: 4})
	want := "d4c3b2a1" + "0200" + "0400" + "0000000000000000" + "14000000" + "71000000"
	if got := hex.EncodeToString(head); got != want {
		t.Errorf("header %s, want %s", got, want)
	}
	at := time.Unix(0x01020304, 7_000_999)
	piece, full := f.Add(nil, Packet{At: at, Type: 4, Hatype: 1, Addr: []byte{1, 2, 3, 4, 5, 6}, Proto: 0x86dd, Data: []byte{9, 8, 7, 6, 5}, Size: 1500})
	want = "04030201" + "581b0000" + "14000000" + "ec050000" + "0004" + "0001" + "0006" + "0102030405060000" + "86dd" + "09080706"
	if got := hex.EncodeToString(piece); got != want || full != "" {
		t.Errorf("record %s (%s), want %s", got, full, want)
	}
	if piece, full = f.Add(piece, Packet{Data: []byte{1}}); full == "" || len(piece) != 33 {
		t.Errorf("the last packet has %d bytes (%q), want 33 and the bound", len(piece), full)
	}
	if f.Bytes != 24+36+33 || f.Packets != 2 {
		t.Errorf("%d bytes, %d packets, want 93 and 2", f.Bytes, f.Packets)
	}
}

func TestFileEndsBeforeItsBound(t *testing.T) {
	f, head := NewFile(Bounds{Bytes: 200, Packets: 100, Snaplen: 100})
	file := bytes.NewBuffer(head)
	for range 10 {
		piece, full := f.Add(nil, Packet{Data: make([]byte, 30)})
		file.Write(piece)
		if full != "" {
			if !strings.Contains(full, "200 bytes") {
				t.Errorf("it says %q, want the bound", full)
			}
			break
		}
	}
	if file.Len() != 24+2*62 || f.Bytes != file.Len() {
		t.Errorf("the file has %d bytes, counted %d; want 148: a third packet is over 200", file.Len(), f.Bytes)
	}
}

func TestBounds(t *testing.T) {
	for _, b := range []Bounds{Default, Max, least} {
		if err := b.Check(); err != nil {
			t.Errorf("%+v: %v", b, err)
		}
	}
	for name, change := range map[string]func(*Bounds){
		"bytes": func(b *Bounds) { b.Bytes = 100 }, "packets": func(b *Bounds) { b.Packets = 0 }, "time": func(b *Bounds) { b.Time = time.Hour },
		"each packet": func(b *Bounds) { b.Snaplen = 70000 },
	} {
		b := Default
		change(&b)
		if err := b.Check(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%+v: %v, want an error about %s", b, err, name)
		}
	}
}
