package lease

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"luatnetd/netif"
)

const (
	dnsPort  = 53
	dnsMax   = 8
	mtuMin   = 576  // RFC 791: what every host must accept
	mtuUsual = 1500 // a lower MTU may be an earlier lease's: no upper bound
)

// extraOptions are handed over as received.
var extraOptions = []uint8{42, 43, 114, 119, 125, 212}

// parameters makes the lease that a reply describes, without its times. Notes
// say what was odd. ok is false where the reply gives no usable address.
func parameters(r reply, linkMTU int) (l netif.Lease, notes []string, ok bool) {
	if !hostAddr(r.yiaddr) {
		return l, nil, false
	}
	l.Addr, notes = subnet(r.yiaddr, r.options.Get(dhcpv4.OptionSubnetMask))
	l.ServerID, l.ServerMAC = r.server, r.from
	var more []string
	l.Gateway, l.Routes, more = routes(r.options)
	notes = append(notes, more...)
	if l.Gateway == l.Addr.Addr() {
		l.Gateway = netip.Addr{}
		notes = append(notes, "the gateway is our own address: no default route")
	}
	for _, a := range addrs(r.options.Get(dhcpv4.OptionDomainNameServer), dnsMax) {
		l.DNS = append(l.DNS, netip.AddrPortFrom(a, dnsPort))
	}
	l.Domain = name(r.options.Get(dhcpv4.OptionDomainName))
	l.Hostname = name(r.options.Get(dhcpv4.OptionHostName))
	l.MTU = mtu(r.options.Get(dhcpv4.OptionInterfaceMTU), linkMTU)
	if b := r.options.Get(dhcpv4.OptionBroadcastAddress); len(b) == 4 {
		if a := netip.AddrFrom4([4]byte(b)); l.Addr.Contains(a) {
			l.Broadcast = a
		}
	}
	return l, notes, true
}

// subnet joins an address and a mask. Without a sensible mask the class of the
// address decides, as every client does. An address that is the network's or
// the broadcast address of its mask (4G modules invent masks) could not be
// used with it, but works alone.
func subnet(addr netip.Addr, mask []byte) (netip.Prefix, []string) {
	var notes []string
	length := classful(addr).Bits()
	if len(mask) == 4 {
		m := binary.BigEndian.Uint32(mask)
		if ones := bits.LeadingZeros32(^m); bits.OnesCount32(m) == ones && ones >= 8 {
			length = ones
		} else {
			notes = append(notes, fmt.Sprintf("subnet mask %x makes no sense: /%d taken", mask, length))
		}
	} else {
		notes = append(notes, fmt.Sprintf("no subnet mask: /%d taken", length))
	}
	p := netip.PrefixFrom(addr, length)
	if length < 31 && (addr == p.Masked().Addr() || addr == lastAddr(p)) {
		notes = append(notes, fmt.Sprintf("%v is not a host address of its subnet: /32 taken", p))
		p = netip.PrefixFrom(addr, 32)
	}
	return p, notes
}

func lastAddr(p netip.Prefix) netip.Addr {
	a := p.Masked().Addr().As4()
	v := binary.BigEndian.Uint32(a[:]) | 1<<(32-p.Bits()) - 1
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, v)))
}

// classful is the network of an address by its class (RFC 791).
func classful(a netip.Addr) netip.Prefix {
	length := 24
	switch first := a.As4()[0]; {
	case first < 128:
		length = 8
	case first < 192:
		length = 16
	}
	return netip.PrefixFrom(a, length).Masked()
}

// mtu reads option 26 within what the device can carry, 0 for none.
func mtu(b []byte, link int) int {
	if len(b) != 2 {
		return 0
	}
	v := int(binary.BigEndian.Uint16(b))
	if v < mtuMin || v > max(link, mtuUsual) {
		return 0
	}
	return v
}

// name reads a host or domain name, and nothing that could mean something to a
// shell, a file or a terminal: other bytes make it empty.
func name(b []byte) string {
	s := strings.Trim(strings.TrimRight(string(b), "\x00"), ".")
	if len(s) > 253 {
		return ""
	}
	for _, c := range []byte(s) {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return ""
		}
	}
	return s
}

// printable is a server's sentence for people, cut where it could be anything
// else: a log line, a terminal's escape.
func printable(b []byte) string {
	const longest = 80
	for i, c := range b {
		if i == longest || c < ' ' || c > '~' {
			return string(b[:i])
		}
	}
	return string(b)
}

// extra picks the options that netif.Lease has no field for.
func extra(o dhcpv4.Options) map[uint8][]byte {
	var m map[uint8][]byte
	for _, code := range extraOptions {
		if v, ok := o[code]; ok {
			if m == nil {
				m = map[uint8][]byte{}
			}
			m[code] = slices.Clone(v)
		}
	}
	return m
}

// durations are the times of a lease from its start on. All are zero where the
// lease never ends.
type durations struct{ renew, rebind, expire time.Duration }

// times reads options 51, 58 and 59 and repairs what makes no sense, so that
// 0 < renew < rebind < expire always holds for a lease that ends.
func times(o dhcpv4.Options) durations {
	lease, told := seconds(o.Get(dhcpv4.OptionIPAddressLeaseTime))
	switch {
	case !told:
		lease = leaseDefault
	case lease == forever:
		return durations{}
	}
	d := durations{expire: max(lease, leaseMin)}
	d.rebind, told = seconds(o.Get(dhcpv4.OptionRebindingTimeValue))
	if !told || d.rebind < leaseMin/2 || d.rebind >= d.expire {
		d.rebind = d.expire / 8 * 7
	}
	d.renew, told = seconds(o.Get(dhcpv4.OptionRenewTimeValue))
	if !told || d.renew < time.Second || d.renew >= d.rebind {
		d.renew = d.expire / 2
		if d.renew >= d.rebind {
			d.renew = d.rebind / 2
		}
	}
	return d
}

const forever = time.Duration(0xffffffff) * time.Second

func seconds(b []byte) (time.Duration, bool) {
	if len(b) != 4 {
		return 0, false
	}
	return time.Duration(binary.BigEndian.Uint32(b)) * time.Second, true
}
