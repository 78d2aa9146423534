package rtnl

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/mdlayher/netlink"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"luatnetd/netif"
	"luatnetd/router"
)

// message builds a notification as the kernel lays it out.
func message(typ uint16, port uint32, fixed []byte, attrs func(e *netlink.AttributeEncoder)) []byte {
	e := netlink.NewAttributeEncoder()
	if attrs != nil {
		attrs(e)
	}
	tail, err := e.Encode()
	if err != nil {
		panic(err)
	}
	b := make([]byte, sizeHeader, sizeHeader+len(fixed)+len(tail))
	binary.NativeEndian.PutUint32(b, uint32(sizeHeader+len(fixed)+len(tail)))
	binary.NativeEndian.PutUint16(b[4:], typ)
	binary.NativeEndian.PutUint32(b[12:], port)
	return append(append(b, fixed...), tail...)
}

func ifinfo(family uint8, index, flags uint32) []byte {
	b := make([]byte, sizeIfInfomsg)
	b[0] = family
	binary.NativeEndian.PutUint32(b[4:], index)
	binary.NativeEndian.PutUint32(b[8:], flags)
	return b
}

func linkMessage(typ uint16, family uint8, flags uint32, oper uint8, more func(*netlink.AttributeEncoder)) []byte {
	return message(typ, 0, ifinfo(family, 7, flags), func(e *netlink.AttributeEncoder) {
		e.String(unix.IFLA_IFNAME, "wwan0")
		e.Bytes(unix.IFLA_ADDRESS, []byte{2, 0, 0, 0, 0, 1})
		e.Uint32(unix.IFLA_MTU, 1400)
		e.Uint8(unix.IFLA_OPERSTATE, oper)
		if more != nil {
			more(e)
		}
	})
}

const (
	rtnlFamilyIPMR = 128 // rtnetlink.h: IPv4 multicast routing

	up    = unix.IFF_UP
	lower = unix.IFF_LOWER_UP
)

func TestCarrier(t *testing.T) {
	for _, tt := range []struct {
		name  string
		flags uint32
		oper  uint8
		want  bool
	}{
		{"up", up | lower, 6, true},
		{"modem that never says", up | lower, 0, true},
		{"switched off", lower, 6, false},
		{"no cable", up, 2, false},
		{"no cable, state not yet told", up, 6, false},
		{"waits for 802.1X", up | lower, 5, false},
		{"lower layer down", up | lower, 3, false},
		{"testing", up | lower, 4, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b batch
			b.read(linkMessage(unix.RTM_NEWLINK, 0, tt.flags, tt.oper, nil), nil)
			if len(b.links) != 1 || b.links[0].Carrier != tt.want || b.dirty != 0 {
				t.Errorf("read %+v, want carrier %v", b, tt.want)
			}
		})
	}
}

func TestLinkMessages(t *testing.T) {
	full := link{Link: netif.Link{Index: 7, Name: "wwan0", MAC: netif.MAC{2, 0, 0, 0, 0, 1}, MTU: 1400, AdminUp: true, Carrier: true}, lower: true}
	kind := full
	kind.Kind, kind.Master, kind.permanent = "bridge", 3, netif.MAC{2, 0, 0, 0, 0, 9}
	wide := full
	wide.MAC, wide.Address = netif.MAC{}, "0102030405060708"
	for _, tt := range []struct {
		name  string
		bytes []byte
		want  []linkEvent
		dirty room
	}{
		{"new", linkMessage(unix.RTM_NEWLINK, 0, up|lower, 6, nil), []linkEvent{{full, false}}, 0},
		{"gone", linkMessage(unix.RTM_DELLINK, 0, up|lower, 6, nil), []linkEvent{{full, true}}, 0},
		{"kind, master, permanent address", linkMessage(unix.RTM_NEWLINK, 0, up|lower, 6, func(e *netlink.AttributeEncoder) {
			e.Uint32(unix.IFLA_MASTER, 3)
			e.Bytes(unix.IFLA_PERM_ADDRESS, []byte{2, 0, 0, 0, 0, 9})
			e.Nested(unix.IFLA_LINKINFO, func(n *netlink.AttributeEncoder) error {
				n.String(unix.IFLA_INFO_KIND, "bridge")
				return nil
			})
		}), []linkEvent{{kind, false}}, 0},
		{"address of eight bytes", linkMessage(unix.RTM_NEWLINK, 0, up|lower, 6, func(e *netlink.AttributeEncoder) {
			e.Bytes(unix.IFLA_ADDRESS, []byte{1, 2, 3, 4, 5, 6, 7, 8})
		}), []linkEvent{{wide, false}}, 0},
		{"port leaves a bridge", linkMessage(unix.RTM_DELLINK, unix.AF_BRIDGE, up|lower, 6, nil), nil, 0},
		{"wireless event", linkMessage(unix.RTM_NEWLINK, 0, up|lower, 6, func(e *netlink.AttributeEncoder) {
			e.Bytes(unix.IFLA_WIRELESS, []byte{1})
		}), nil, 0},
		{"cut in the fixed part", message(unix.RTM_NEWLINK, 0, make([]byte, 8), nil), nil, roomLinks},
		{"cut in an attribute", message(unix.RTM_NEWLINK, 0, append(ifinfo(0, 7, up), 9, 0, 3, 0), nil), nil, roomLinks},
		{"cut message", linkMessage(unix.RTM_NEWLINK, 0, up, 6, nil)[:20], nil, roomAll},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b batch
			b.read(tt.bytes, nil)
			if diff := cmp.Diff(tt.want, b.links, cmp.AllowUnexported(linkEvent{}, link{})); diff != "" {
				t.Errorf("links (-want +got):\n%s", diff)
			}
			if b.dirty != tt.dirty {
				t.Errorf("dirty %b, want %b", b.dirty, tt.dirty)
			}
		})
	}
}

func rtm(family, bits, table, proto, typ uint8) []byte {
	return []byte{family, bits, 0, 0, table, proto, 0, typ, 0, 0, 0, 0}
}

func TestParseRoute(t *testing.T) {
	v6 := netip.MustParseAddr("fe80::1").As16()
	for _, tt := range []struct {
		name  string
		fixed []byte
		attrs func(*netlink.AttributeEncoder)
		want  []netif.Route
	}{
		{"default in a table above 255", rtm(unix.AF_INET, 0, 252, 76, 1), func(e *netlink.AttributeEncoder) {
			e.Uint32(unix.RTA_TABLE, 7601)
			e.Uint32(unix.RTA_OIF, 3)
			e.Uint32(unix.RTA_PRIORITY, 10)
			e.Bytes(unix.RTA_GATEWAY, []byte{192, 0, 2, 1})
		}, []netif.Route{{Table: 7601, Dst: netip.MustParsePrefix("0.0.0.0/0"), Gateway: netip.MustParseAddr("192.0.2.1"), Link: 3, Metric: 10, Protocol: 76, Type: 1}}},
		{"IPv4 through an IPv6 next hop", rtm(unix.AF_INET, 0, 254, 3, 1), func(e *netlink.AttributeEncoder) {
			e.Uint32(unix.RTA_OIF, 3)
			e.Bytes(unix.RTA_VIA, append(binary.NativeEndian.AppendUint16(nil, unix.AF_INET6), v6[:]...))
		}, []netif.Route{{Table: 254, Dst: netip.MustParsePrefix("0.0.0.0/0"), Gateway: netip.MustParseAddr("fe80::1"), Link: 3, Protocol: 3, Type: 1}}},
		{"ours", rtm(unix.AF_INET6, 64, 254, 76, 1), func(e *netlink.AttributeEncoder) {
			a := netip.MustParseAddr("2001:db8::").As16()
			e.Bytes(unix.RTA_DST, a[:])
			e.Uint32(unix.RTA_OIF, 3)
		}, []netif.Route{{Table: 254, Dst: netip.MustParsePrefix("2001:db8::/64"), Link: 3, Protocol: 76, Type: 1}}},
		{"unreachable default", rtm(unix.AF_INET6, 0, 254, 3, 7), func(e *netlink.AttributeEncoder) {
			e.Uint32(unix.RTA_OIF, 1)
			e.Uint32(unix.RTA_PRIORITY, 1024)
		}, []netif.Route{{Table: 254, Dst: netip.MustParsePrefix("::/0"), Metric: 1024, Protocol: 3, Type: 7}}},
		{"the null entry of old kernels", rtm(unix.AF_INET6, 0, 0, 2, 7), func(e *netlink.AttributeEncoder) {
			e.Uint32(unix.RTA_PRIORITY, 0xffffffff)
		}, nil},
		{"foreign", rtm(unix.AF_INET, 8, 254, 3, 1), nil, nil},
		{"multicast routing", rtm(rtnlFamilyIPMR, 0, 254, 3, 5), nil, nil},
		{"all next hops dead", rtm(unix.AF_INET, 0, 254, 3, 1), func(e *netlink.AttributeEncoder) {
			e.Bytes(unix.RTA_MULTIPATH, []byte{8, 0, unix.RTNH_F_DEAD, 0, 3, 0, 0, 0})
		}, nil},
		{"next hop of another length", rtm(unix.AF_INET, 0, 254, 3, 1), func(e *netlink.AttributeEncoder) {
			e.Bytes(unix.RTA_GATEWAY, []byte{192, 0})
			e.Uint32(unix.RTA_OIF, 3)
		}, []netif.Route{{Table: 254, Dst: netip.MustParsePrefix("0.0.0.0/0"), Link: 3, Protocol: 3, Type: 1}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseRoute(message(unix.RTM_NEWROUTE, 0, tt.fixed, tt.attrs)[sizeHeader:])
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.Prefix{}, netip.Addr{})); diff != "" {
				t.Errorf("routes (-want +got):\n%s", diff)
			}
		})
	}
}

// The program runs in the kernel; here it runs on the library's machine, and
// must let pass what the parser wants.
func TestFilterAgreesWithParser(t *testing.T) {
	program, err := filter()
	if err != nil {
		t.Fatal(err)
	}
	instructions, ok := bpf.Disassemble(program)
	if !ok {
		t.Fatal("program does not disassemble")
	}
	vm, err := bpf.NewVM(instructions)
	if err != nil {
		t.Fatal(err)
	}
	for _, typ := range []uint16{unix.RTM_NEWROUTE, unix.RTM_DELROUTE, unix.RTM_NEWLINK, unix.RTM_DELADDR, unix.RTM_NEWRULE} {
		for _, bits := range []uint8{0, 1, 24, 128} {
			for _, proto := range []uint8{0, 3, router.Protocol, 186} {
				m := message(typ, 0, rtm(unix.AF_INET, bits, 254, proto, 1), nil)
				n, err := vm.Run(m)
				if err != nil {
					t.Fatal(err)
				}
				isRoute := typ == unix.RTM_NEWROUTE || typ == unix.RTM_DELROUTE
				want := !isRoute || bits == 0 || proto == 76
				if (n > 0) != want || isRoute && want != wantedRoute(m[sizeHeader:]) {
					t.Errorf("type %d, /%d, protocol %d: passes %v, parser wants %v, expected %v", typ, bits, proto, n > 0, wantedRoute(m[sizeHeader:]), want)
				}
			}
		}
	}
}

func TestCountOfDeletions(t *testing.T) {
	rule := make([]byte, sizeRuleHdr)
	rule[0] = unix.AF_INET
	addr := []byte{unix.AF_INET, 24, 0, 0, 3, 0, 0, 0}
	ours := func(e *netlink.AttributeEncoder) { e.Uint8(unix.FRA_PROTOCOL, 76) }
	oursAddr := func(e *netlink.AttributeEncoder) { e.Uint8(ifaProto, 76) }
	own := func(p uint32) bool { return p == 5 }
	for _, tt := range []struct {
		name  string
		bytes []byte
		want  uint64
		dirty room
	}{
		{"route of ours by another", message(unix.RTM_DELROUTE, 9, rtm(unix.AF_INET, 0, 254, 76, 1), nil), 1, roomRoutes},
		{"route of ours by the kernel", message(unix.RTM_DELROUTE, 0, rtm(unix.AF_INET6, 64, 254, 76, 1), nil), 1, roomRoutes},
		{"route of ours by us", message(unix.RTM_DELROUTE, 5, rtm(unix.AF_INET, 0, 254, 76, 1), nil), 0, roomRoutes},
		{"foreign default", message(unix.RTM_DELROUTE, 9, rtm(unix.AF_INET, 0, 254, 3, 1), nil), 0, roomRoutes},
		{"foreign route", message(unix.RTM_DELROUTE, 9, rtm(unix.AF_INET, 8, 254, 3, 1), nil), 0, 0},
		{"rule of ours", message(unix.RTM_DELRULE, 9, rule, ours), 1, roomRules},
		{"rule of others", message(unix.RTM_DELRULE, 9, rule, nil), 0, roomRules},
		{"new rule of ours", message(unix.RTM_NEWRULE, 9, rule, ours), 0, roomRules},
		{"address of ours", message(unix.RTM_DELADDR, 9, addr, oursAddr), 1, roomAddrs},
		{"address of others", message(unix.RTM_DELADDR, 9, addr, nil), 0, roomAddrs},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b batch
			b.read(tt.bytes, own)
			if b.deleted != tt.want || b.dirty != tt.dirty {
				t.Errorf("deleted %d, dirty %b; want %d, %b", b.deleted, b.dirty, tt.want, tt.dirty)
			}
		})
	}
}

// What a dump says about a link that notifications told about meanwhile is
// older than they are.
func TestDumpDoesNotUndoNotifications(t *testing.T) {
	s := newState()
	old := link{Link: netif.Link{Index: 7, Name: "wan1", AdminUp: true, Carrier: true}, lower: true}
	down, other, gone := old, old, old
	down.Carrier, down.lower = false, false
	other.Index, other.Name = 8, "wan2"
	gone.Index, gone.Name = 9, "usb0"
	s.apply(batch{links: []linkEvent{{gone, false}, {link: down}, {gone, true}}})
	s.merge(result{rooms: roomAll, links: []link{old, other, gone}})
	snap := s.snapshot()
	if diff := cmp.Diff([]netif.Link{down.Link, other.Link}, snap.Links); diff != "" {
		t.Errorf("links (-want +got):\n%s", diff)
	}
}

// What a link event means for routes is told with it, before they are read again.
func TestLinkEventReachesRoutesAtOnce(t *testing.T) {
	up := link{Link: netif.Link{Index: 7, Name: "wan1", AdminUp: true, Carrier: true}, lower: true}
	cable, off := up, up
	cable.Carrier, cable.lower = false, false
	off.AdminUp, off.Carrier, off.lower = false, false, false
	route := netif.Route{Dst: netip.MustParsePrefix("0.0.0.0/0"), Table: 254, Link: 7, Type: unix.RTN_UNICAST}
	down := route
	down.LinkDown = true
	for _, tt := range []struct {
		name  string
		event linkEvent
		want  []netif.Route
		addrs int
	}{
		{"as before", linkEvent{link: up}, []netif.Route{route}, 1},
		{"cable out", linkEvent{link: cable}, []netif.Route{down}, 1},
		{"switched off", linkEvent{link: off}, nil, 1},
		{"gone", linkEvent{up, true}, nil, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newState()
			s.merge(result{
				rooms: roomAll, links: []link{up}, routes: []netif.Route{route},
				addrs: []netif.Addr{{Link: 7, Prefix: netip.MustParsePrefix("192.0.2.10/24")}},
			})
			s.apply(batch{links: []linkEvent{tt.event}})
			snap := s.snapshot()
			if diff := cmp.Diff(tt.want, snap.Routes, cmpopts.EquateComparable(netip.Prefix{}, netip.Addr{})); diff != "" {
				t.Errorf("routes (-want +got):\n%s", diff)
			}
			if len(snap.Addrs) != tt.addrs {
				t.Errorf("%d addresses, want %d", len(snap.Addrs), tt.addrs)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	f.Add(linkMessage(unix.RTM_NEWLINK, 0, up|lower, 6, nil))
	f.Add(linkMessage(unix.RTM_DELLINK, unix.AF_BRIDGE, up, 0, nil))
	f.Add(message(unix.RTM_DELROUTE, 9, rtm(unix.AF_INET, 0, 254, 76, 1), func(e *netlink.AttributeEncoder) {
		e.Bytes(unix.RTA_MULTIPATH, []byte{16, 0, 0, 0, 3, 0, 0, 0, 8, 0, 5, 0, 192, 0, 2, 1})
	}))
	f.Add(message(unix.RTM_NEWADDR, 0, []byte{unix.AF_INET, 24, 0, 0, 3, 0, 0, 0}, func(e *netlink.AttributeEncoder) {
		e.Bytes(unix.IFA_LOCAL, []byte{192, 0, 2, 1})
	}))
	f.Add(append(message(unix.RTM_NEWRULE, 0, make([]byte, sizeRuleHdr), nil), 1, 2, 3))
	f.Fuzz(func(t *testing.T, data []byte) {
		var b batch
		b.read(data, nil)
		_ = walk(data, func(h header, body []byte) error {
			routes, _ := parseRoute(body)
			for _, r := range routes {
				if !r.Dst.IsValid() || r.Dst.Bits() != 0 && r.Protocol != router.Protocol {
					t.Errorf("route that nobody wants: %+v", r)
				}
			}
			if a, ok, _ := parseAddr(body); ok && !a.Prefix.IsValid() {
				t.Errorf("address without prefix: %+v", a)
			}
			_, _, _ = parseRule(body)
			return nil
		})
		s := newState()
		s.apply(b)
		s.merge(result{rooms: roomAll &^ roomLinks})
		s.snapshot()
	})
}
