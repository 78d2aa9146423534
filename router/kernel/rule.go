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

// frActToTable is FR_ACT_TO_TBL; fib_rule_hdr is laid out like rtmsg with the
// action where rtmsg has the type (linux/fib_rules.h).
const frActToTable = 1

const noSuppress = 0xffffffff

func ruleMessage(r router.RuleSpec) ([]byte, error) {
	m := rtmsg{family: unix.AF_INET, table: tableByte(r.Table), typ: frActToTable}
	if r.IPv6 {
		m.family = unix.AF_INET6
	}
	var a attrs
	if r.From.IsValid() {
		if r.From.Addr().Is6() != r.IPv6 {
			return nil, fmt.Errorf("%s is of the other family", r.From)
		}
		a.addr(unix.FRA_SRC, r.From.Masked().Addr())
	}
	a.u32(unix.FRA_PRIORITY, r.Pref)
	a.u32(unix.FRA_TABLE, r.Table)
	a.bytes(unix.FRA_PROTOCOL, []byte{router.Protocol})
	if r.Mask != 0 {
		a.u32(unix.FRA_FWMARK, r.Mark)
		a.u32(unix.FRA_FWMASK, r.Mask)
	}
	for typ, name := range map[uint16]string{unix.FRA_IIFNAME: r.Iif, unix.FRA_OIFNAME: r.Oif} {
		if name == "" {
			continue
		}
		if _, err := ifName(name); err != nil {
			return nil, err
		}
		a.text(typ, name)
	}
	if r.Suppress >= 0 {
		a.u32(unix.FRA_SUPPRESS_PREFIXLEN, uint32(r.Suppress))
	}
	b := m.bytes()
	if r.From.IsValid() {
		b[2] = byte(r.From.Bits())
	}
	return a.after(b), nil
}

// addRule adds a rule of protocol 76. NLM_F_EXCL keeps a repeated call from
// making it twice, but the kernel does not look at the protocol there: an
// equal rule of another program would be in the way, and is not ours to keep.
func (k *Kernel) addRule(r router.RuleSpec) error {
	msg, err := ruleMessage(r)
	if err != nil {
		return fmt.Errorf("add rule %s: %w", r, err)
	}
	err = k.rtnl.do(unix.RTM_NEWRULE, netlink.Create|netlink.Excl, msg)
	if errors.Is(err, unix.EEXIST) {
		have, lerr := k.ourRules()
		if lerr != nil {
			return lerr
		}
		if slices.Contains(have, r) {
			return nil
		}
		err = k.rtnl.do(unix.RTM_NEWRULE, netlink.Create, msg)
	}
	if err != nil {
		return fmt.Errorf("add rule %s: %w", r, err)
	}
	return nil
}

func (k *Kernel) delRule(r router.RuleSpec) error {
	msg, err := ruleMessage(r)
	if err == nil {
		err = k.rtnl.do(unix.RTM_DELRULE, 0, msg)
	}
	if err != nil && !gone(err) {
		return fmt.Errorf("delete rule %s: %w", r, err)
	}
	return nil
}

// ourRules lists the rules of protocol 76. The kernel does not filter rules.
func (k *Kernel) ourRules() ([]router.RuleSpec, error) {
	var list []router.RuleSpec
	for _, fam := range []byte{unix.AF_INET, unix.AF_INET6} {
		msgs, err := k.dumps.dump(unix.RTM_GETRULE, rtmsg{family: fam}.bytes())
		if noFamily(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("list rules: %w", err)
		}
		for _, m := range msgs {
			r, ours, err := parseRule(m.Data)
			if err != nil {
				return nil, fmt.Errorf("list rules: %w", err)
			}
			if ours {
				list = append(list, r)
			}
		}
	}
	return list, nil
}

// parseRule reads a rule; ours is false for another protocol and for a rule
// that a RuleSpec cannot say.
func parseRule(data []byte) (r router.RuleSpec, ours bool, err error) {
	if len(data) < sizeofRtmsg {
		return r, false, fmt.Errorf("rule message of %d bytes", len(data))
	}
	// destination, tos, action, FIB_RULE_INVERT and FIB_RULE_UNRESOLVED
	said := data[1] == 0 && data[3] == 0 && data[7] == frActToTable && binary.NativeEndian.Uint32(data[8:])&0x6 == 0
	r = router.RuleSpec{IPv6: data[0] == unix.AF_INET6, Table: uint32(data[4]), Suppress: -1}
	var proto byte
	var src netip.Addr
	err = each(data, sizeofRtmsg, binary.NativeEndian, func(ad *netlink.AttributeDecoder) (err error) {
		switch ad.Type() {
		case unix.FRA_SRC:
			src, err = addrFrom(ad.Bytes())
		case unix.FRA_PRIORITY:
			r.Pref = ad.Uint32()
		case unix.FRA_TABLE:
			r.Table = ad.Uint32()
		case unix.FRA_PROTOCOL:
			proto = ad.Uint8()
		case unix.FRA_FWMARK:
			r.Mark = ad.Uint32()
		case unix.FRA_FWMASK:
			r.Mask = ad.Uint32()
		case unix.FRA_IIFNAME:
			r.Iif = ad.String()
		case unix.FRA_OIFNAME:
			r.Oif = ad.String()
		case unix.FRA_SUPPRESS_PREFIXLEN:
			if v := ad.Uint32(); v != noSuppress {
				r.Suppress = int(v)
			}
		case unix.FRA_GOTO, unix.FRA_FLOW, unix.FRA_TUN_ID, unix.FRA_L3MDEV, unix.FRA_UID_RANGE, unix.FRA_IP_PROTO, unix.FRA_SPORT_RANGE, unix.FRA_DPORT_RANGE:
			said = false
		}
		return err
	})
	if err != nil {
		return r, false, err
	}
	if src.IsValid() {
		r.From = netip.PrefixFrom(src, int(data[2]))
		if !r.From.IsValid() || src.Is6() != r.IPv6 {
			return r, false, fmt.Errorf("rule source %v with prefix length %d", src, data[2])
		}
	}
	return r, said && proto == router.Protocol, nil
}
