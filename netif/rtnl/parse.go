package rtnl

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"luatnetd/netif"
)

// Sizes of the fixed headers, from the kernel's uapi headers.
const (
	sizeHeader    = unix.SizeofNlMsghdr
	sizeIfInfomsg = unix.SizeofIfInfomsg // if_link.h
	sizeIfAddrmsg = unix.SizeofIfAddrmsg // if_addr.h
	sizeRtMsg     = unix.SizeofRtMsg     // rtnetlink.h
	sizeRuleHdr   = 12                   // struct fib_rule_hdr, fib_rules.h
)

// Numbers that x/sys does not carry.
const (
	ifaProto      = 11 // IFA_PROTO, Linux 5.18
	operUnknown   = 0  // IF_OPER_UNKNOWN
	operUp        = 6  // IF_OPER_UP
	protoKernel   = unix.RTPROT_KERNEL
	nullRoutePrio = 0xffffffff // ip6_null_entry of kernels before 5.x shows up in dumps
)

var errShort = errors.New("message is too short")

// header is the part of a netlink message header that matters here.
type header struct {
	typ   uint16
	flags uint16
	seq   uint32
	port  uint32 // who asked for the change; 0 is the kernel itself
}

// walk calls f with each message of a datagram. It stops at the first error.
func walk(b []byte, f func(h header, body []byte) error) error {
	for len(b) >= sizeHeader {
		n := int(binary.NativeEndian.Uint32(b))
		if n < sizeHeader || n > len(b) {
			return fmt.Errorf("netlink message of %d bytes in %d: %w", n, len(b), errShort)
		}
		h := header{
			typ:   binary.NativeEndian.Uint16(b[4:]),
			flags: binary.NativeEndian.Uint16(b[6:]),
			seq:   binary.NativeEndian.Uint32(b[8:]),
			port:  binary.NativeEndian.Uint32(b[12:]),
		}
		if err := f(h, b[sizeHeader:n]); err != nil {
			return err
		}
		b = b[min((n+3)&^3, len(b)):] // NLMSG_ALIGN
	}
	return nil
}

// attributes calls f for each attribute after the fixed header.
func attributes(body []byte, fixed int, f func(d *netlink.AttributeDecoder)) error {
	if len(body) < fixed {
		return errShort
	}
	d, err := netlink.NewAttributeDecoder(body[fixed:])
	if err != nil {
		return err
	}
	for d.Next() {
		f(d)
	}
	return d.Err()
}

// link is what a message says about a link, and what Snapshot does not show.
type link struct {
	netif.Link
	lower     bool      // IFF_LOWER_UP: the kernel skips its routes otherwise
	permanent netif.MAC // burnt-in address
}

// parseLink reads RTM_NEWLINK or RTM_DELLINK. ok is false for messages that do
// not describe the link itself: a bridge tells about its ports, and wireless
// events carry a name and nothing else.
func parseLink(body []byte) (l link, ok bool, err error) {
	if len(body) < sizeIfInfomsg {
		return link{}, false, errShort
	}
	flags := binary.NativeEndian.Uint32(body[8:])
	l.Index = int(int32(binary.NativeEndian.Uint32(body[4:])))
	l.AdminUp = flags&unix.IFF_UP != 0
	l.lower = flags&unix.IFF_LOWER_UP != 0
	ok = body[0] == unix.AF_UNSPEC && l.Index > 0
	oper := uint8(operUnknown)
	err = attributes(body, sizeIfInfomsg, func(d *netlink.AttributeDecoder) {
		switch d.Type() {
		case unix.IFLA_IFNAME:
			l.Name = d.String()
		case unix.IFLA_ADDRESS:
			l.MAC, l.Address = hardware(d.Bytes())
		case unix.IFLA_PERM_ADDRESS:
			l.permanent, _ = hardware(d.Bytes())
		case unix.IFLA_MTU:
			l.MTU = int(d.Uint32())
		case unix.IFLA_MASTER:
			l.Master = int(d.Uint32())
		case unix.IFLA_OPERSTATE:
			oper = d.Uint8()
		case unix.IFLA_LINKINFO:
			d.Nested(func(n *netlink.AttributeDecoder) error {
				for n.Next() {
					if n.Type() == unix.IFLA_INFO_KIND {
						l.Kind = n.String()
					}
				}
				return n.Err()
			})
		case unix.IFLA_WIRELESS:
			ok = false
		}
	})
	l.Carrier = l.AdminUp && l.lower && (oper == operUp || oper == operUnknown)
	return l, ok && l.Name != "", err
}

// hardware returns a link-layer address as MAC, or in hex where it is none.
// All zeroes (lo, tunnels) are no address.
func hardware(b []byte) (mac netif.MAC, other string) {
	mac, ok := netif.MACFrom(b)
	if ok || len(b) == 0 {
		return mac, ""
	}
	return netif.MAC{}, hex.EncodeToString(b)
}

// parseAddr reads RTM_NEWADDR. ok is false for addresses that cannot be used.
func parseAddr(body []byte) (a netif.Addr, ok bool, err error) {
	if len(body) < sizeIfAddrmsg {
		return netif.Addr{}, false, errShort
	}
	family, bits := body[0], int(body[1])
	flags := uint32(body[2])
	a.Link = int(int32(binary.NativeEndian.Uint32(body[4:])))
	var local, peer netip.Addr
	err = attributes(body, sizeIfAddrmsg, func(d *netlink.AttributeDecoder) {
		switch d.Type() {
		case unix.IFA_LOCAL:
			local = address(family, d.Bytes())
		case unix.IFA_ADDRESS: // the peer where there is one
			peer = address(family, d.Bytes())
		case unix.IFA_FLAGS:
			flags = d.Uint32()
		case ifaProto:
			a.Proto = d.Uint8()
		}
	})
	if !local.IsValid() {
		local = peer
	}
	a.Prefix = netip.PrefixFrom(local, bits)
	waiting := flags&unix.IFA_F_TENTATIVE != 0 && flags&unix.IFA_F_OPTIMISTIC == 0
	return a, a.Prefix.IsValid() && a.Link > 0 && !waiting && flags&unix.IFA_F_DADFAILED == 0, err
}

// address reads an address of the family; the zero Addr where it is none.
func address(family uint8, b []byte) netip.Addr {
	switch {
	case family == unix.AF_INET && len(b) == 4:
		return netip.AddrFrom4([4]byte(b))
	case family == unix.AF_INET6 && len(b) == 16:
		return netip.AddrFrom16([16]byte(b))
	}
	return netip.Addr{}
}

// ipFamily reports whether the family is one that snapshots hold; multicast
// routing and MPLS share the messages.
func ipFamily(f uint8) bool { return f == unix.AF_INET || f == unix.AF_INET6 }

// parseRule reads RTM_NEWRULE.
func parseRule(body []byte) (r netif.Rule, ok bool, err error) {
	if len(body) < sizeRuleHdr {
		return netif.Rule{}, false, errShort
	}
	family := body[0]
	r = netif.Rule{IPv6: family == unix.AF_INET6, Table: uint32(body[4]), Suppress: -1}
	err = attributes(body, sizeRuleHdr, func(d *netlink.AttributeDecoder) {
		switch d.Type() {
		case unix.FRA_PRIORITY:
			r.Pref = d.Uint32()
		case unix.FRA_PROTOCOL:
			r.Protocol = d.Uint8()
		case unix.FRA_TABLE:
			r.Table = d.Uint32()
		case unix.FRA_FWMARK:
			r.Mark = d.Uint32()
		case unix.FRA_FWMASK:
			r.Mask = d.Uint32()
		case unix.FRA_OIFNAME:
			r.OifName = d.String()
		case unix.FRA_SUPPRESS_PREFIXLEN:
			r.Suppress = int(int32(d.Uint32()))
		case unix.FRA_SRC:
			if a := address(family, d.Bytes()); a.IsValid() {
				r.Src = netip.PrefixFrom(a, int(body[2]))
			}
		}
	})
	return r, ipFamily(family), err
}
