package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"luatnetd/router"
)

const sizeofRtmsg = 12

// rtmsg (linux/rtnetlink.h): family, destination length, source length, tos,
// table, protocol, scope, type, flags.
type rtmsg struct {
	family, dstLen, table, proto, scope, typ byte
	flags                                    uint32
}

func (m rtmsg) bytes() []byte {
	b := []byte{m.family, m.dstLen, 0, 0, m.table, m.proto, m.scope, m.typ}
	return binary.NativeEndian.AppendUint32(b, m.flags)
}

// routeMessage describes exactly one route: what is left out of a delete
// matches anything.
func routeMessage(r router.RouteSpec, index int) ([]byte, error) {
	if !r.Dst.IsValid() || r.Dst != r.Dst.Masked() || r.Dst.Addr().Is4In6() {
		return nil, errors.New("destination is not a prefix")
	}
	for _, ip := range []netip.Addr{r.Gateway, r.Src} {
		if ip.IsValid() && ip.Is4() != r.Dst.Addr().Is4() {
			return nil, fmt.Errorf("%s is of the other family", ip)
		}
	}
	m := rtmsg{
		family: family(r.Dst.Addr()), dstLen: byte(r.Dst.Bits()), table: tableByte(r.Table),
		proto: router.Protocol, scope: unix.RT_SCOPE_UNIVERSE, typ: unix.RTN_UNICAST,
	}
	if r.OnLink {
		m.flags = unix.RTNH_F_ONLINK
	}
	var a attrs
	if r.Dst.Bits() > 0 {
		a.addr(unix.RTA_DST, r.Dst.Addr())
	}
	if r.Gateway.IsValid() {
		a.addr(unix.RTA_GATEWAY, r.Gateway)
	} else if r.Dst.Addr().Is4() {
		m.scope = unix.RT_SCOPE_LINK
	}
	a.u32(unix.RTA_TABLE, r.Table)
	a.u32(unix.RTA_OIF, uint32(index))
	if r.Metric != 0 {
		a.u32(unix.RTA_PRIORITY, r.Metric)
	}
	if r.Src.IsValid() {
		a.addr(unix.RTA_PREFSRC, r.Src)
	}
	return a.after(m.bytes()), nil
}

// tableByte is the header's field for a table, for which RTA_TABLE is right.
func tableByte(table uint32) byte {
	if table < 256 {
		return byte(table)
	}
	return unix.RT_TABLE_UNSPEC
}

// addRoute appends: an equal route of another protocol is neither replaced nor
// an obstacle. An equal one of ours is what was wanted.
func (k *Kernel) addRoute(r router.RouteSpec) error {
	l, err := k.link(r.Device)
	if err != nil {
		return err
	}
	msg, err := routeMessage(r, l.index)
	if err == nil {
		err = k.rtnl.do(unix.RTM_NEWROUTE, netlink.Create|netlink.Append, msg)
	}
	if errors.Is(err, unix.EINVAL) && r.Src.IsValid() && r.Src.Is6() {
		// Until duplicate detection (RFC 4862 §5.4) is over, the kernel takes a
		// new address for a wrong one. It passes at the next try.
		err = fmt.Errorf("source %s may still be tentative: %w", r.Src, err)
	}
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("add route %s: %w", r, err)
	}
	return nil
}

func (k *Kernel) delRoute(r router.RouteSpec) error {
	l, err := k.link(r.Device)
	if gone(err) {
		return nil // the kernel removed its routes with the device
	}
	if err != nil {
		return err
	}
	msg, err := routeMessage(r, l.index)
	if err == nil {
		err = k.rtnl.do(unix.RTM_DELROUTE, 0, msg)
	}
	if err != nil && !gone(err) {
		return fmt.Errorf("delete route %s: %w", r, err)
	}
	return nil
}

// ourRoutes lists the routes of protocol 76: in one table, or with 0 in all.
// The kernel filters, so thousands of foreign routes are walked, not sent.
func (k *Kernel) ourRoutes(table uint32, n *names) ([]router.RouteSpec, error) {
	var list []router.RouteSpec
	for _, fam := range []byte{unix.AF_INET, unix.AF_INET6} {
		var a attrs
		if table != 0 {
			a.u32(unix.RTA_TABLE, table)
		}
		msgs, err := k.dumps.dump(unix.RTM_GETROUTE, a.after(rtmsg{family: fam, proto: router.Protocol}.bytes()))
		if noFamily(err) || errors.Is(err, unix.ENOENT) {
			continue // no such family, no such table
		}
		if err != nil {
			return nil, fmt.Errorf("list routes: %w", err)
		}
		for _, m := range msgs {
			hops, err := parseRoute(m.Data)
			if err != nil {
				return nil, fmt.Errorf("list routes: %w", err)
			}
			for _, h := range hops {
				device, ok := n.of(h.index)
				if ok && h.proto == router.Protocol && (table == 0 || h.spec.Table == table) {
					h.spec.Device = device
					list = append(list, h.spec)
				}
			}
		}
	}
	return list, nil
}

// nexthop is a route as read, with the device's index for its name. IPv6 joins
// routes of one metric into one with many.
type nexthop struct {
	spec  router.RouteSpec
	index int
	proto byte
}

// parseRoute returns the unicast next hops of a route; none for a route that a
// RouteSpec cannot say.
func parseRoute(data []byte) ([]nexthop, error) {
	if len(data) < sizeofRtmsg {
		return nil, fmt.Errorf("route message of %d bytes", len(data))
	}
	if (data[0] != unix.AF_INET && data[0] != unix.AF_INET6) || data[7] != unix.RTN_UNICAST || data[3] != 0 {
		return nil, nil
	}
	flags := binary.NativeEndian.Uint32(data[8:])
	h := nexthop{proto: data[5]}
	h.spec.Table, h.spec.OnLink = uint32(data[4]), flags&unix.RTNH_F_ONLINK != 0
	dst := netip.IPv4Unspecified()
	if data[0] == unix.AF_INET6 {
		dst = netip.IPv6Unspecified()
	}
	var hops []nexthop
	err := each(data, sizeofRtmsg, binary.NativeEndian, func(ad *netlink.AttributeDecoder) (err error) {
		switch ad.Type() {
		case unix.RTA_DST:
			dst, err = addrFrom(ad.Bytes())
		case unix.RTA_TABLE:
			h.spec.Table = ad.Uint32()
		case unix.RTA_PRIORITY:
			h.spec.Metric = ad.Uint32()
		case unix.RTA_PREFSRC:
			h.spec.Src, err = addrFrom(ad.Bytes())
		case unix.RTA_GATEWAY:
			h.spec.Gateway, err = addrFrom(ad.Bytes())
		case unix.RTA_OIF:
			h.index = int(int32(ad.Uint32()))
		case unix.RTA_MULTIPATH:
			hops, err = parseHops(ad.Bytes())
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	h.spec.Dst = netip.PrefixFrom(dst, int(data[1]))
	if !h.spec.Dst.IsValid() || dst.Is4() != (data[0] == unix.AF_INET) {
		return nil, fmt.Errorf("route destination %v with prefix length %d", dst, data[1])
	}
	if hops == nil {
		return []nexthop{h}, nil
	}
	for i, hop := range hops {
		hops[i] = h
		hops[i].index, hops[i].spec.Gateway, hops[i].spec.OnLink = hop.index, hop.spec.Gateway, hop.spec.OnLink
	}
	return hops, nil
}

// parseHops reads struct rtnexthop: length, flags, hops, index, attributes.
func parseHops(b []byte) (list []nexthop, err error) {
	for len(b) > 0 {
		if len(b) < unix.SizeofRtNexthop {
			return nil, fmt.Errorf("next hop of %d bytes", len(b))
		}
		n := int(binary.NativeEndian.Uint16(b))
		if n < unix.SizeofRtNexthop || n > len(b) {
			return nil, fmt.Errorf("next hop of length %d in %d bytes", n, len(b))
		}
		h := nexthop{index: int(int32(binary.NativeEndian.Uint32(b[4:])))}
		h.spec.OnLink = b[2]&unix.RTNH_F_ONLINK != 0
		err := each(b[:n], unix.SizeofRtNexthop, binary.NativeEndian, func(ad *netlink.AttributeDecoder) (err error) {
			if ad.Type() == unix.RTA_GATEWAY {
				h.spec.Gateway, err = addrFrom(ad.Bytes())
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		list = append(list, h)
		b = b[min((n+3)&^3, len(b)):]
	}
	return list, nil
}

// fibMatch asks for the route itself, not for the path (RTM_F_FIB_MATCH, 4.13).
const fibMatch = 0x2000

// lookup asks the FIB as a packet of our own without mark and device would.
func (k *Kernel) lookup(target netip.Addr, flags uint32) (nexthop, error) {
	var a attrs
	a.addr(unix.RTA_DST, target)
	m := rtmsg{family: family(target), dstLen: byte(target.BitLen()), flags: flags}
	msgs, err := k.rtnl.execute(unix.RTM_GETROUTE, 0, a.after(m.bytes()))
	if err != nil {
		return nexthop{}, fmt.Errorf("look up route to %s: %w", target, err)
	}
	for _, m := range msgs {
		hops, err := parseRoute(m.Data)
		if err != nil {
			return nexthop{}, err
		}
		if len(hops) > 0 {
			return hops[0], nil
		}
	}
	return nexthop{}, fmt.Errorf("look up route to %s: no unicast route", target)
}

// errNotVerified stops what follows a failed Verify: nothing may be killed
// while traffic does not go where it should.
var errNotVerified = errors.New("the switch is not verified")

func (k *Kernel) verify(want router.Lookup) error {
	if !want.Target.IsValid() {
		return nil
	}
	got, err := k.lookup(want.Target, 0)
	if err != nil {
		return fmt.Errorf("%w: %w", errNotVerified, err)
	}
	name, _ := k.names(nil).of(got.index)
	if name != want.Device {
		return fmt.Errorf("%w: route to %s goes by device %q, want %q", errNotVerified, want.Target, name, want.Device)
	}
	return nil
}
