package lease

import (
	"fmt"
	"net/netip"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"luatnetd/netif"
)

const routesMax = 64

// routes reads the default gateway and the other routes. Option 121, or its
// alias 249, replaces 3 and 33 even where it holds no default (RFC 3442).
func routes(o dhcpv4.Options) (gateway netip.Addr, list []netif.ClasslessRoute, notes []string) {
	for _, code := range []dhcpv4.OptionCode{dhcpv4.OptionClasslessStaticRoute, option249} {
		if !o.Has(code) {
			continue
		}
		gateway, list, err := classless(o.Get(code))
		if err != nil {
			notes = append(notes, fmt.Sprintf("option %d ignored: %v", code.Code(), err))
			continue
		}
		if !gateway.IsValid() {
			notes = append(notes, fmt.Sprintf("option %d holds no default route: there is none (RFC 3442)", code.Code()))
		}
		return gateway, list, notes
	}
	if routers := addrs(o.Get(dhcpv4.OptionRouter), 1); len(routers) > 0 {
		gateway = routers[0]
	}
	return gateway, static(o.Get(dhcpv4.OptionStaticRoutingTable)), notes
}

// classless reads RFC 3442's list: length, the significant bytes of the
// destination, router. 0.0.0.0 as the router means on-link.
func classless(b []byte) (gateway netip.Addr, list []netif.ClasslessRoute, err error) {
	for len(b) > 0 && len(list) < routesMax {
		length := int(b[0])
		significant := (length + 7) / 8
		if length > 32 || len(b) < 1+significant+4 {
			return netip.Addr{}, nil, fmt.Errorf("cut or wrong at %x", b)
		}
		var dst [4]byte
		copy(dst[:], b[1:1+significant])
		r := netif.ClasslessRoute{Dst: netip.PrefixFrom(netip.AddrFrom4(dst), length).Masked()}
		router := netip.AddrFrom4([4]byte(b[1+significant:]))
		b = b[1+significant+4:]
		if hostAddr(router) {
			r.Gateway = router
		} else if !router.IsUnspecified() {
			continue
		}
		switch {
		case length > 0:
			list = append(list, r)
		case !gateway.IsValid():
			gateway = r.Gateway
		}
	}
	return gateway, list, nil
}

// static reads option 33: pairs of a destination, classful or a host, and its
// router. A default route is illegal there (RFC 2132 §5.8).
func static(b []byte) []netif.ClasslessRoute {
	var list []netif.ClasslessRoute
	for ; len(b) >= 8 && len(list) < routesMax; b = b[8:] {
		dst, dstOK := oneAddr(b[:4])
		router, routerOK := oneAddr(b[4:8])
		if !dstOK || !routerOK {
			continue
		}
		p := classful(dst)
		if p.Addr() != dst {
			p = netip.PrefixFrom(dst, 32)
		}
		list = append(list, netif.ClasslessRoute{Dst: p, Gateway: router})
	}
	return list
}
