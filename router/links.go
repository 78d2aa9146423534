package router

// links returns the devices that are ours to make, join, and bring up.
func (b *builder) links() []LinkSpec {
	var list []LinkSpec
	for _, l := range b.lans {
		switch {
		case l.Bridge:
			list = append(list, LinkSpec{Name: l.Device, Bridge: true, Up: !l.Down})
			for _, port := range l.Ports {
				list = append(list, LinkSpec{Name: port, Master: l.Device, Up: !l.Down})
			}
		case l.exists():
			list = append(list, LinkSpec{Name: l.Device, Up: true})
		}
	}
	for _, u := range b.ups {
		if u.Device != "" && u.Present && !u.External {
			list = append(list, LinkSpec{Name: u.Device, Up: !u.Down, MTU: u.deviceMTU()})
		}
	}
	return list
}

// RFC 791 §3.1: every host takes 576 bytes; a server that offers less is
// mistaken or hostile. Ethernet never carries more than 1500.
const (
	minMTU = 576
	maxMTU = 1500
)

// deviceMTU is what the configuration says, else what the lease says
// (option 26), else 0: leave it.
func (u uplink) deviceMTU() int {
	if u.MTU != 0 {
		return u.MTU
	}
	if u.Lease.MTU >= minMTU && u.Lease.MTU <= maxMTU && !u.Down {
		return u.Lease.MTU
	}
	return 0
}

// pathMTU is the smallest MTU known on the way out, 0 when none is below 1500.
func (u uplink) pathMTU() int {
	mtu := maxMTU
	for _, m := range []int{u.MTU, u.PathMTU, u.Lease.MTU} {
		if m >= minMTU {
			mtu = min(mtu, m)
		}
	}
	if mtu == maxMTU {
		return 0
	}
	return mtu
}

// Why each sysctl: the kernel must skip a route without carrier by itself,
// take packets on any uplink (the kernel uses max(all, device) of rp_filter),
// answer ARP for its own device only (two uplinks may share a subnet), keep
// neighbours over a cable bump and ask again soon.
var uplinkSysctls = [][2]string{
	{"net/ipv4/conf/%/ignore_routes_with_linkdown", "1"},
	{"net/ipv6/conf/%/ignore_routes_with_linkdown", "1"},
	{"net/ipv4/conf/%/rp_filter", "2"},
	{"net/ipv4/conf/%/arp_ignore", "1"},
	{"net/ipv4/conf/%/arp_announce", "2"},
	{"net/ipv4/conf/%/arp_evict_nocarrier", "0"},
	{"net/ipv6/conf/%/ndisc_evict_nocarrier", "0"},
	{"net/ipv4/neigh/%/retrans_time_ms", "200"},
	{"net/ipv6/neigh/%/retrans_time_ms", "200"},
}

// On devices whose addresses are ours. Without promote_secondaries the kernel
// takes the new address away together with the old one when both are in one
// subnet (inet_del_ifa), and with the last address every route of the device.
const (
	sysctlPromote  = "net/ipv4/conf/%/promote_secondaries"
	sysctlAcceptRA = "net/ipv6/conf/%/accept_ra"
	sysctlForward  = "net/ipv4/conf/%/forwarding"
)

// sysctls returns the values per device, forwarding last. accept_ra is left
// alone where IPv6 is somebody else's business (ipv6 = "pass").
func (b *builder) sysctls() []Sysctl {
	var list, forward []Sysctl
	owned := func(device string) {
		list = append(list, Sysctl{sysctlPromote, device, "1"})
		if !b.Firewall.IPv6Pass {
			list = append(list, Sysctl{sysctlAcceptRA, device, "0"})
		}
	}
	for _, u := range b.ups {
		if u.Device == "" || !u.Present {
			continue
		}
		for _, s := range uplinkSysctls {
			list = append(list, Sysctl{s[0], u.Device, s[1]})
		}
		if !u.External {
			owned(u.Device)
		}
		forward = append(forward, Sysctl{sysctlForward, u.Device, bit(!u.Down)})
	}
	for _, l := range b.lans {
		if l.Bridge || l.Present {
			owned(l.Device)
			forward = append(forward, Sysctl{sysctlForward, l.Device, bit(!l.Down)})
		}
	}
	return append(list, forward...)
}

// bit is a sysctl's on or off.
func bit(on bool) string {
	if on {
		return "1"
	}
	return "0"
}
