package kernel

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"luatnetd/router"
)

// Registers of 16 bytes; 9 and up name 4-byte ones, which old kernels lack.
const (
	reg1 = unix.NFT_REG_1
	reg2 = unix.NFT_REG_2
	reg3 = unix.NFT_REG_3
)

// Header offsets in bytes (RFC 791 §3.1, RFC 8200 §3, RFC 9293 §3.1).
const (
	ip4Source, ip4Dest = 12, 16
	ip6Source, ip6Dest = 8, 24
	ip6HopLimit        = 7
	sportAt, dportAt   = 0, 2
	tcpFlagsAt         = 13
	icmpTypeAt         = 0
)

// Kernel constants that golang.org/x/sys/unix does not name.
const (
	ctStatusDNAT  = 1 << 5 // IPS_DST_NAT, nf_conntrack_common.h
	tcpOptMaxSeg  = 2      // RFC 9293 §3.2
	maxSegValueAt = 2      // after kind and length
	limitBurst    = 5      // what nft writes without "burst"
)

var l4Numbers = map[string]byte{
	"tcp": unix.IPPROTO_TCP, "udp": unix.IPPROTO_UDP,
	"icmp": unix.IPPROTO_ICMP, "ipv6-icmp": unix.IPPROTO_ICMPV6,
}

var l3Numbers = map[string]byte{"ipv4": unix.NFPROTO_IPV4, "ipv6": unix.NFPROTO_IPV6}

// lowerer turns the statements of one rule into expressions. It knows what the
// statements before have matched, as nft does: a second test of the protocol
// is left out, and a reset outside of TCP is refused (the kernel takes it).
type lowerer struct {
	table *nftables.Table
	named map[string]*nftables.Set
	newID func() uint32
	l3    byte // NFPROTO matched so far, 0 for none
	l4    byte // transport protocol matched so far
	out   []expr.Any
	anon  []setDef
}

func (l *lowerer) emit(e ...expr.Any) { l.out = append(l.out, e...) }

// stmt lowers one statement: spec and traps are the table in the design notes
// on nftables; the order of the expressions is nft's.
func (l *lowerer) stmt(s router.Stmt) error {
	switch s := s.(type) {
	case router.IfName:
		return l.ifName(s)
	case router.CtState:
		l.ctBits(expr.CtKeySTATE, uint32(s))
	case router.CtDNAT:
		l.ctBits(expr.CtKeySTATUS, ctStatusDNAT)
	case router.Mark:
		l.mark(s)
	case router.Stale:
		return l.stale(s)
	case router.L4Proto:
		return l.known("protocol", string(s), l4Numbers, l.needL4)
	case router.NFProto:
		return l.known("family", string(s), l3Numbers, l.needL3)
	case router.TCPFlags:
		l.needL4(unix.IPPROTO_TCP)
		l.emit(payload(expr.PayloadBaseTransportHeader, tcpFlagsAt, 1), bitwise(reg1, []byte{s.Mask}, []byte{0}), equal([]byte{s.Value}))
	case router.Port:
		return l.port(s)
	case router.ICMPType:
		l.icmpType(s)
	case router.HopLimit255:
		l.needL3(unix.NFPROTO_IPV6)
		l.emit(payload(expr.PayloadBaseNetworkHeader, ip6HopLimit, 1), equal([]byte{255}))
	case router.Addr:
		return l.addr(s)
	case router.MSS:
		l.mss(s)
	case router.DNAT:
		return l.dnat(s)
	case router.Masquerade:
		l.emit(&expr.Masq{})
	case router.Limit:
		l.emit(&expr.Limit{Type: expr.LimitTypePkts, Rate: uint64(max(s.PerSecond, 1)), Unit: expr.LimitTimeSecond, Burst: limitBurst})
	case router.Reject:
		return l.reject(s)
	case router.Counter:
		l.emit(&expr.Objref{Type: int(nftables.ObjTypeCounter), Name: s.Name})
	case router.NoTrack:
		l.emit(&expr.Notrack{})
	case router.Verdict:
		return l.verdict(s)
	default:
		return fmt.Errorf("statement %q: not known", s)
	}
	return nil
}

func (l *lowerer) known(what, name string, numbers map[string]byte, need func(byte)) error {
	n, ok := numbers[name]
	if !ok {
		return fmt.Errorf("%s %q: not known", what, name)
	}
	need(n)
	return nil
}

// needL3 matches the family unless the rule has done so.
func (l *lowerer) needL3(family byte) {
	if l.l3 != family {
		l.l3 = family
		l.emit(&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: reg1}, equal([]byte{family}))
	}
}

// needL4 matches the transport protocol unless the rule has done so.
func (l *lowerer) needL4(proto byte) {
	if l.l4 != proto {
		l.l4 = proto
		l.emit(&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: reg1}, equal([]byte{proto}))
	}
}

func (l *lowerer) ifName(s router.IfName) error {
	key := expr.MetaKeyIIFNAME
	if s.Out {
		key = expr.MetaKeyOIFNAME
	}
	l.emit(&expr.Meta{Key: key, Register: reg1})
	if s.Set != "" {
		return l.lookup(s.Set, s.Not)
	}
	name, err := ifName(s.Name)
	if err != nil {
		return err
	}
	op := expr.CmpOpEq
	if s.Not {
		op = expr.CmpOpNeq
	}
	l.emit(&expr.Cmp{Op: op, Register: reg1, Data: name})
	return nil
}

func (l *lowerer) lookup(name string, invert bool) error {
	set, ok := l.named[name]
	if !ok {
		return fmt.Errorf("set %q: not in the table", name)
	}
	l.emit(&expr.Lookup{SourceRegister: reg1, SetName: set.Name, SetID: set.ID, Invert: invert})
	return nil
}

func (l *lowerer) ctBits(key expr.CtKey, bits uint32) {
	l.emit(&expr.Ct{Key: key, Register: reg1}, bitwise(reg1, native32(bits), native32(0)),
		&expr.Cmp{Op: expr.CmpOpNeq, Register: reg1, Data: native32(0)})
}

// mark matches or writes a mark. The "or" of a write is the xor field, right
// only because the mask has cleared those bits.
func (l *lowerer) mark(s router.Mark) {
	load, store := expr.Any(&expr.Meta{Key: expr.MetaKeyMARK, Register: reg1}), expr.Any(&expr.Meta{Key: expr.MetaKeyMARK, Register: reg1, SourceRegister: true})
	if s.Ct {
		load, store = &expr.Ct{Key: expr.CtKeyMARK, Register: reg1}, &expr.Ct{Key: expr.CtKeyMARK, Register: reg1, SourceRegister: true}
	}
	if s.Set {
		l.emit(load, bitwise(reg1, native32(^s.Mask), native32(s.Value&s.Mask)), store)
		return
	}
	l.emit(load, bitwise(reg1, native32(s.Mask), native32(0)), equal(native32(s.Value)))
}

func (l *lowerer) stale(s router.Stale) error {
	l.emit(&expr.Meta{Key: expr.MetaKeyOIFNAME, Register: reg1},
		&expr.Ct{Key: expr.CtKeyMARK, Register: reg2}, bitwise(reg2, native32(s.Mask), native32(0)))
	return l.lookup(s.Set, false)
}

func (l *lowerer) port(s router.Port) error {
	proto, ok := l4Numbers[s.Proto]
	if !ok || proto != unix.IPPROTO_TCP && proto != unix.IPPROTO_UDP {
		return fmt.Errorf("port of protocol %q: want tcp or udp", s.Proto)
	}
	at := uint32(sportAt)
	if s.Dst {
		at = dportAt
	}
	l.needL4(proto)
	l.emit(payload(expr.PayloadBaseTransportHeader, at, 2))
	if s.Lo == s.Hi {
		l.emit(equal(be16(s.Lo)))
		return nil
	}
	l.emit(&expr.Cmp{Op: expr.CmpOpGte, Register: reg1, Data: be16(s.Lo)}, &expr.Cmp{Op: expr.CmpOpLte, Register: reg1, Data: be16(s.Hi)})
	return nil
}

func (l *lowerer) icmpType(s router.ICMPType) {
	family, proto, keyType := byte(unix.NFPROTO_IPV4), byte(unix.IPPROTO_ICMP), nftables.TypeICMPType
	if s.V6 {
		family, proto, keyType = unix.NFPROTO_IPV6, unix.IPPROTO_ICMPV6, nftables.TypeICMP6Type
	}
	l.needL3(family)
	l.needL4(proto)
	l.emit(payload(expr.PayloadBaseTransportHeader, icmpTypeAt, 1))
	types := slices.Compact(slices.Sorted(slices.Values(s.Types)))
	if len(types) == 1 {
		l.emit(equal(types))
		return
	}
	def := l.anonymous(keyType, types)
	l.emit(&expr.Lookup{SourceRegister: reg1, SetName: def.set.Name, SetID: def.set.ID})
}

func (l *lowerer) addr(s router.Addr) error {
	p := s.Prefix.Masked()
	if !p.IsValid() || p.Addr().Is4In6() {
		return fmt.Errorf("address %v: not valid", s.Prefix)
	}
	family, at := byte(unix.NFPROTO_IPV4), uint32(ip4Source)
	switch {
	case p.Addr().Is4() && s.Dst:
		at = ip4Dest
	case p.Addr().Is6() && s.Dst:
		family, at = unix.NFPROTO_IPV6, ip6Dest
	case p.Addr().Is6():
		family, at = unix.NFPROTO_IPV6, ip6Source
	}
	l.needL3(family)
	raw := p.Addr().AsSlice()
	if p.Bits() > 0 && p.Bits()%8 == 0 { // nft loads whole bytes only
		raw = raw[:p.Bits()/8]
		l.emit(payload(expr.PayloadBaseNetworkHeader, at, uint32(len(raw))), equal(raw))
		return nil
	}
	l.emit(payload(expr.PayloadBaseNetworkHeader, at, uint32(len(raw))), bitwise(reg1, maskOf(p), make([]byte, len(raw))), equal(raw))
	return nil
}

// mss writes the option. The route's MSS is in host order: without the
// Byteorder the listing is the same and nothing is clamped on little endian.
func (l *lowerer) mss(s router.MSS) {
	l.needL4(unix.IPPROTO_TCP)
	if s.Size == 0 {
		l.emit(&expr.Rt{Register: reg1, Key: expr.RtTCPMSS},
			&expr.Byteorder{SourceRegister: reg1, DestRegister: reg1, Op: expr.ByteorderHton, Len: 2, Size: 2})
	} else {
		l.emit(&expr.Immediate{Register: reg1, Data: be16(s.Size)})
	}
	l.emit(&expr.Exthdr{SourceRegister: reg1, Type: tcpOptMaxSeg, Offset: maxSegValueAt, Len: 2, Op: expr.ExthdrOpTcpopt})
}

func (l *lowerer) dnat(s router.DNAT) error {
	if !s.Addr.IsValid() || s.Addr.Is4In6() {
		return fmt.Errorf("dnat to %v: not valid", s.Addr)
	}
	nat := &expr.NAT{Type: expr.NATTypeDestNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: reg1}
	if s.Addr.Is6() {
		nat.Family = unix.NFPROTO_IPV6
	}
	l.emit(&expr.Immediate{Register: reg1, Data: s.Addr.AsSlice()})
	if s.Lo != 0 {
		if l.l4 == 0 {
			return fmt.Errorf("%s: a port without a transport protocol", s)
		}
		l.emit(&expr.Immediate{Register: reg2, Data: be16(s.Lo)})
		nat.RegProtoMin = reg2
		if s.Hi > s.Lo {
			l.emit(&expr.Immediate{Register: reg3, Data: be16(s.Hi)})
			nat.RegProtoMax = reg3
		}
	}
	l.emit(nat)
	return nil
}

func (l *lowerer) reject(s router.Reject) error {
	switch s.With {
	case "tcp reset":
		if l.l4 != unix.IPPROTO_TCP {
			return fmt.Errorf("%s: only after a match of tcp", s)
		}
		l.emit(&expr.Reject{Type: unix.NFT_REJECT_TCP_RST})
	case "admin":
		l.emit(&expr.Reject{Type: unix.NFT_REJECT_ICMPX_UNREACH, Code: unix.NFT_REJECT_ICMPX_ADMIN_PROHIBITED})
	case "net":
		l.emit(&expr.Reject{Type: unix.NFT_REJECT_ICMPX_UNREACH, Code: unix.NFT_REJECT_ICMPX_NO_ROUTE})
	case "port":
		l.emit(&expr.Reject{Type: unix.NFT_REJECT_ICMPX_UNREACH, Code: unix.NFT_REJECT_ICMPX_PORT_UNREACH})
	default:
		return fmt.Errorf("reject with %q: not known", s.With)
	}
	return nil
}

func (l *lowerer) verdict(s router.Verdict) error {
	kinds := map[string]expr.VerdictKind{
		"accept": expr.VerdictAccept, "drop": expr.VerdictDrop, "return": expr.VerdictReturn,
		"jump": expr.VerdictJump, "goto": expr.VerdictGoto,
	}
	kind, ok := kinds[s.Kind]
	if !ok || (s.Chain != "") != (s.Kind == "jump" || s.Kind == "goto") {
		return fmt.Errorf("verdict %q: not known", s)
	}
	l.emit(&expr.Verdict{Kind: kind, Chain: s.Chain})
	return nil
}

func payload(base expr.PayloadBase, at, length uint32) expr.Any {
	return &expr.Payload{DestRegister: reg1, Base: base, Offset: at, Len: length}
}

func bitwise(reg uint32, mask, xor []byte) expr.Any {
	return &expr.Bitwise{SourceRegister: reg, DestRegister: reg, Len: uint32(len(mask)), Mask: mask, Xor: xor}
}

func equal(data []byte) expr.Any { return &expr.Cmp{Op: expr.CmpOpEq, Register: reg1, Data: data} }

// native32 is the byte order of marks and conntrack bits.
func native32(v uint32) []byte { return binary.NativeEndian.AppendUint32(nil, v) }

// be16 is the byte order of ports and options.
func be16(v uint16) []byte { return binary.BigEndian.AppendUint16(nil, v) }

func maskOf(p netip.Prefix) []byte {
	mask := make([]byte, p.Addr().BitLen()/8)
	for i := range p.Bits() {
		mask[i/8] |= 0x80 >> (i % 8)
	}
	return mask
}
