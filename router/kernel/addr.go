package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"luatnetd/router"
)

// ifaProto is IFA_PROTO (linux/if_addr.h, 5.18).
const ifaProto = 11

const sizeofIfaddrmsg = 8

// address is one address of the kernel. proto is 0 where it has none.
type address struct {
	index  int
	prefix netip.Prefix
	proto  uint8
}

// ifaddrmsg (linux/if_addr.h): family, prefix length, flags, scope, index.
func ifaddrmsg(p netip.Prefix, index int) []byte {
	b := []byte{family(p.Addr()), byte(p.Bits()), 0, unix.RT_SCOPE_UNIVERSE}
	return binary.NativeEndian.AppendUint32(b, uint32(index))
}

func parseAddr(data []byte) (a address, err error) {
	if len(data) < sizeofIfaddrmsg {
		return a, fmt.Errorf("address message of %d bytes", len(data))
	}
	a.index = int(int32(binary.NativeEndian.Uint32(data[4:])))
	var local, peer netip.Addr
	err = each(data, sizeofIfaddrmsg, binary.NativeEndian, func(ad *netlink.AttributeDecoder) (err error) {
		switch ad.Type() {
		case unix.IFA_LOCAL: // on a point-to-point link IFA_ADDRESS is the peer
			local, err = addrFrom(ad.Bytes())
		case unix.IFA_ADDRESS:
			peer, err = addrFrom(ad.Bytes())
		case ifaProto:
			a.proto = ad.Uint8()
		}
		return err
	})
	if err != nil {
		return a, err
	}
	if !local.IsValid() {
		local = peer // IPv6 has IFA_ADDRESS only
	}
	a.prefix = netip.PrefixFrom(local, int(data[1]))
	if !a.prefix.IsValid() {
		return a, fmt.Errorf("address %v with prefix length %d", local, data[1])
	}
	return a, nil
}

// addresses lists every address and reports whether this kernel tells who made
// them: lo's own have a protocol wherever it does.
func (k *Kernel) addresses() (list []address, proto bool, err error) {
	for _, fam := range []byte{unix.AF_INET, unix.AF_INET6} {
		msgs, err := k.dumps.dump(unix.RTM_GETADDR, []byte{fam, 0, 0, 0, 0, 0, 0, 0})
		if noFamily(err) {
			continue
		}
		if err != nil {
			return nil, false, fmt.Errorf("list addresses: %w", err)
		}
		for _, m := range msgs {
			a, err := parseAddr(m.Data)
			if err != nil {
				return nil, false, fmt.Errorf("list addresses: %w", err)
			}
			if k.noAddrProto {
				a.proto = 0
			}
			proto = proto || a.proto != 0
			list = append(list, a)
		}
	}
	return list, proto, nil
}

// ourAddrs lists the addresses that we added: by protocol where the kernel
// keeps it, else by our own list, from which what is gone is taken.
func (k *Kernel) ourAddrs(n *names) ([]router.AddrSpec, error) {
	all, proto, err := k.addresses()
	if err != nil {
		return nil, err
	}
	var ours, present []router.AddrSpec
	for _, a := range all {
		device, ok := n.of(a.index)
		if !ok {
			continue
		}
		spec := router.AddrSpec{Device: device, Prefix: a.prefix}
		present = append(present, spec)
		if a.proto == router.Protocol || !proto && slices.Contains(k.listed.addrs, spec) {
			ours = append(ours, spec)
		}
	}
	kept := slices.DeleteFunc(slices.Clone(k.listed.addrs), func(s router.AddrSpec) bool { return !slices.Contains(present, s) })
	k.listed.set(kept)
	return ours, nil
}

// addAddr adds an address without its prefix route. It is listed before it is
// made: a crash in between leaves an entry that the next read takes out, the
// other order would leave an address that is nobody's.
func (k *Kernel) addAddr(s router.AddrSpec) error {
	l, err := k.link(s.Device)
	if err != nil {
		return err
	}
	if !s.Prefix.IsValid() || s.Prefix.Addr().Is4In6() {
		return fmt.Errorf("add address %s: not valid", s)
	}
	listed := slices.Contains(k.listed.addrs, s)
	if !listed {
		k.listed.add(s)
	}
	err = k.rtnl.do(unix.RTM_NEWADDR, netlink.Create|netlink.Excl, addrAttrs(s.Prefix).after(ifaddrmsg(s.Prefix, l.index)))
	if errors.Is(err, unix.EEXIST) {
		err = k.adopted(s, listed)
	}
	if err != nil {
		if !listed {
			k.listed.remove(s)
		}
		return fmt.Errorf("add address %s: %w", s, err)
	}
	return nil
}

func addrAttrs(p netip.Prefix) attrs {
	var a attrs
	a.addr(unix.IFA_LOCAL, p.Addr())
	a.addr(unix.IFA_ADDRESS, p.Addr())
	a.u32(unix.IFA_FLAGS, unix.IFA_F_NOPREFIXROUTE)
	a.bytes(ifaProto, []byte{router.Protocol})
	if p.Addr().Is4() && p.Bits() <= 30 { // RFC 3021: a /31 has no broadcast
		a.addr(unix.IFA_BROADCAST, broadcast(p))
	}
	return a
}

func broadcast(p netip.Prefix) netip.Addr {
	b := p.Addr().As4()
	for i, m := range maskOf(p) {
		b[i] |= ^m
	}
	return netip.AddrFrom4(b)
}

// errForeign says that another program made what we were to make.
var errForeign = errors.New("exists, made by another program")

// adopted returns nil when the existing address is ours.
func (k *Kernel) adopted(s router.AddrSpec, listed bool) error {
	l, err := k.link(s.Device)
	if err != nil {
		return err
	}
	all, proto, err := k.addresses()
	if err != nil {
		return err
	}
	for _, a := range all {
		if a.index == l.index && a.prefix == s.Prefix && (a.proto == router.Protocol || !proto && listed) {
			return nil
		}
	}
	return errForeign
}

// delAddr removes an address of ours: the kernel would take any address that
// is written alike, so it is asked first whose it is.
func (k *Kernel) delAddr(s router.AddrSpec) error {
	l, err := k.link(s.Device)
	if err == nil {
		err = k.adopted(s, slices.Contains(k.listed.addrs, s))
	}
	if err == nil {
		var a attrs
		a.addr(unix.IFA_LOCAL, s.Prefix.Addr())
		a.addr(unix.IFA_ADDRESS, s.Prefix.Addr())
		err = k.rtnl.do(unix.RTM_DELADDR, 0, a.after(ifaddrmsg(s.Prefix, l.index)))
	}
	if err != nil && !gone(err) && !errors.Is(err, errForeign) { // errForeign: or not there at all
		return fmt.Errorf("delete address %s: %w", s, err)
	}
	k.listed.remove(s)
	return nil
}
