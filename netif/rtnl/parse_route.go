package rtnl

import (
	"encoding/binary"
	"net/netip"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"luatnetd/netif"
	"luatnetd/router"
)

// sizeNexthop is struct rtnexthop of rtnetlink.h.
const sizeNexthop = 8

// wantedRoute reports, from the fixed header alone, whether snapshots hold such
// a route. The filter in the kernel (filter.go) asks the same.
func wantedRoute(body []byte) bool {
	return len(body) >= sizeRtMsg && ipFamily(body[0]) && (body[1] == 0 || body[5] == router.Protocol)
}

// parseRoute reads RTM_NEWROUTE or RTM_DELROUTE: one route per next hop. The
// list is empty for routes that snapshots do not hold.
func parseRoute(body []byte) ([]netif.Route, error) {
	if len(body) < sizeRtMsg {
		return nil, errShort
	}
	if !wantedRoute(body) || binary.NativeEndian.Uint32(body[8:])&unix.RTM_F_CLONED != 0 {
		return nil, nil
	}
	family := body[0]
	r := netif.Route{Table: uint32(body[4]), Protocol: body[5], Type: body[7]}
	dst := unspecified(family)
	var hops []netif.Route
	var multipath bool
	err := attributes(body, sizeRtMsg, func(d *netlink.AttributeDecoder) {
		switch d.Type() {
		case unix.RTA_DST:
			dst = address(family, d.Bytes())
		case unix.RTA_TABLE: // the header has room for 255 tables only
			r.Table = d.Uint32()
		case unix.RTA_PRIORITY:
			r.Metric = d.Uint32()
		case unix.RTA_OIF:
			r.Link = int(int32(d.Uint32()))
		case unix.RTA_GATEWAY:
			r.Gateway = address(family, d.Bytes())
		case unix.RTA_VIA:
			r.Gateway = via(d.Bytes())
		case unix.RTA_MULTIPATH:
			multipath = true
			d.Do(func(b []byte) (err error) {
				hops, err = nexthops(family, b)
				return err
			})
		}
	})
	r.Dst = netip.PrefixFrom(dst, int(body[1]))
	if err != nil || !r.Dst.IsValid() || nullRoute(r) {
		return nil, err
	}
	if r.Type != unix.RTN_UNICAST {
		r.Link = 0 // IPv6 shows "dev lo" on error routes
	}
	if !multipath {
		return []netif.Route{r}, nil
	}
	for i := range hops {
		gateway, link := hops[i].Gateway, hops[i].Link
		hops[i] = r
		hops[i].Gateway, hops[i].Link = gateway, link
	}
	return hops, nil
}

// nullRoute reports whether r is the entry that old kernels use for "no route"
// and show in dumps: an unreachable IPv6 default of the lowest preference.
func nullRoute(r netif.Route) bool {
	return r.Type == unix.RTN_UNREACHABLE && r.Protocol == protoKernel && r.Metric == nullRoutePrio
}

func unspecified(family uint8) netip.Addr {
	if family == unix.AF_INET6 {
		return netip.IPv6Unspecified()
	}
	return netip.IPv4Unspecified()
}

// via reads struct rtvia: a next hop of the other family (RFC 5549).
func via(b []byte) netip.Addr {
	if len(b) < 2 {
		return netip.Addr{}
	}
	return address(uint8(binary.NativeEndian.Uint16(b)), b[2:])
}

// nexthops reads RTA_MULTIPATH; only Link and Gateway are set. A dead next hop
// carries nothing and is left out.
func nexthops(family uint8, b []byte) ([]netif.Route, error) {
	var hops []netif.Route
	for len(b) > 0 {
		if len(b) < sizeNexthop {
			return nil, errShort
		}
		n := int(binary.NativeEndian.Uint16(b))
		if n < sizeNexthop || n > len(b) {
			return nil, errShort
		}
		hop := netif.Route{Link: int(int32(binary.NativeEndian.Uint32(b[4:])))}
		err := attributes(b[:n], sizeNexthop, func(d *netlink.AttributeDecoder) {
			switch d.Type() {
			case unix.RTA_GATEWAY:
				hop.Gateway = address(family, d.Bytes())
			case unix.RTA_VIA:
				hop.Gateway = via(d.Bytes())
			}
		})
		if err != nil {
			return nil, err
		}
		if b[2]&unix.RTNH_F_DEAD == 0 {
			hops = append(hops, hop)
		}
		b = b[min((n+3)&^3, len(b)):] // RTNH_ALIGN
	}
	return hops, nil
}
