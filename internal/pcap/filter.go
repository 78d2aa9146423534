package pcap

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Flow is one socket of ours as its packets show it, on one device. It is
// comparable.
type Flow struct {
	Device string
	Proto  uint8          // IPPROTO_TCP or IPPROTO_UDP
	Local  netip.AddrPort // an unspecified address is any
	Remote netip.AddrPort
}

// MaxFlows is how many flows one filter has room for: the kernel takes 4096
// instructions (BPF_MAXINSNS), a flow of IPv6 has about 125.
const MaxFlows = 24

// Flows passes the packets of these flows, both ways, and the ICMP errors about
// what they sent. Of a fragmented packet the first fragment passes: the others
// do not say whose they are. IPv6 extension headers are not looked behind. The
// packet begins at its network header; so many bytes of it are kept.
func Flows(list []Flow, snaplen int) []bpf.RawInstruction {
	var p program
	for _, f := range list[max(0, len(list)-MaxFlows):] {
		local, remote := unzoned(f.Local), unzoned(f.Remote)
		v6 := remote.Addr().Is6() // an unspecified local address may be of either family
		p.block(snaplen, tests(f.Proto, v6, local, remote)...)
		p.block(snaplen, tests(f.Proto, v6, remote, local)...)
		p.block(snaplen, icmpTests(f.Proto, local, remote)...)
	}
	return p.assemble()
}

// Host passes what goes to or comes from an address and port; the zero address
// and port 0 are any. With both any, everything passes, ARP too.
func Host(host netip.Addr, port uint16, snaplen int) []bpf.RawInstruction {
	var p program
	if !host.IsValid() && port == 0 {
		p.block(snaplen)
		return p.assemble()
	}
	host = host.Unmap().WithZone("")
	for _, side := range []int{0, 1} { // sender, receiver
		for _, v6 := range []bool{false, true} {
			if host.IsValid() && host.Is6() != v6 {
				continue
			}
			if port == 0 {
				p.block(snaplen, append(version(v6), address(host, v6, side, 0)...)...)
				continue
			}
			for _, proto := range []uint8{unix.IPPROTO_TCP, unix.IPPROTO_UDP} {
				p.block(snaplen, append(transport(proto, v6, host, side), onePort(port, v6, side)...)...)
			}
		}
	}
	return p.assemble()
}

// test is one look at the packet: load, then accept or refuse what was loaded.
type test struct {
	load []bpf.Instruction
	not  bool // BPF_JSET: refuse if any of these bits is set
	val  uint32
}

func equal(off, size int, val uint32) test {
	return test{load: []bpf.Instruction{bpf.LoadAbsolute{Off: uint32(off), Size: size}}, val: val}
}

// version looks at the first four bits, so that no link header is needed.
func version(v6 bool) []test {
	v := uint32(0x40)
	if v6 {
		v = 0x60
	}
	return []test{{load: []bpf.Instruction{bpf.LoadAbsolute{Off: 0, Size: 1}, bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xf0}}, val: v}}
}

// address tests the sender (0) or receiver (1) of the IP header at base.
func address(a netip.Addr, v6 bool, side, base int) (list []test) {
	if !a.IsValid() || a.IsUnspecified() {
		return nil
	}
	size, off := 4, base+12
	if v6 {
		size, off = 16, base+8
	}
	b := a.AsSlice()
	for i := 0; i < size; i += 4 {
		list = append(list, equal(off+side*size+i, 4, binary.BigEndian.Uint32(b[i:])))
	}
	return list
}

// transport is an unfragmented packet, or a first fragment, of a protocol.
func transport(proto uint8, v6 bool, a netip.Addr, side int) []test {
	list := version(v6)
	if v6 {
		list = append(list, equal(6, 1, uint32(proto)))
	} else {
		list = append(list, equal(9, 1, uint32(proto)), test{load: []bpf.Instruction{bpf.LoadAbsolute{Off: 6, Size: 2}}, not: true, val: 0x1fff})
	}
	return append(list, address(a, v6, side, 0)...)
}

// ports is where both ports are: IPv4's header has a length, IPv6's has not.
func ports(v6 bool, off uint32, size int) []bpf.Instruction {
	if v6 {
		return []bpf.Instruction{bpf.LoadAbsolute{Off: 40 + off, Size: size}}
	}
	return []bpf.Instruction{bpf.LoadMemShift{Off: 0}, bpf.LoadIndirect{Off: off, Size: size}}
}

func onePort(port uint16, v6 bool, side int) []test {
	return []test{{load: ports(v6, uint32(2*side), 2), val: uint32(port)}}
}

func bothPorts(src, dst netip.AddrPort) uint32 { return uint32(src.Port())<<16 | uint32(dst.Port()) }

// tests is a packet from src to dst. One of the two addresses may be any.
func tests(proto uint8, v6 bool, src, dst netip.AddrPort) []test {
	list := append(transport(proto, v6, src.Addr(), 0), address(dst.Addr(), v6, 1, 0)...)
	return append(list, test{load: ports(v6, 0, 4), val: bothPorts(src, dst)})
}

// icmpTests is an error about a packet from local to remote, which it quotes
// (RFC 792, RFC 4443 §2.4). IP headers with options are not looked into.
func icmpTests(proto uint8, local, remote netip.AddrPort) []test {
	v6 := remote.Addr().Is6()
	if v6 {
		const quoted = 40 + 8
		list := append(version(true), equal(6, 1, unix.IPPROTO_ICMPV6),
			test{load: []bpf.Instruction{bpf.LoadAbsolute{Off: 40, Size: 1}}, not: true, val: 0x80}, // types below 128 are errors
			equal(quoted+6, 1, uint32(proto)))
		list = append(list, address(local.Addr(), true, 0, quoted)...)
		list = append(list, address(remote.Addr(), true, 1, quoted)...)
		return append(list, equal(quoted+40, 4, bothPorts(local, remote)))
	}
	const quoted = 20 + 8
	list := []test{equal(0, 1, 0x45), equal(9, 1, unix.IPPROTO_ICMP), equal(quoted, 1, 0x45), equal(quoted+9, 1, uint32(proto))}
	list = append(list, address(local.Addr(), false, 0, quoted)...)
	list = append(list, address(remote.Addr(), false, 1, quoted)...)
	return append(list, equal(quoted+20, 4, bothPorts(local, remote)))
}

// unzoned is an address as packets carry it.
func unzoned(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

// program is a list of blocks; a packet passes that passes one of them.
type program struct{ list []bpf.Instruction }

func (p *program) block(snaplen int, tests ...test) {
	size := 1 // the last instruction: pass
	for _, t := range tests {
		size += len(t.load) + 1
	}
	for _, t := range tests {
		p.list = append(p.list, t.load...)
		size -= len(t.load) + 1
		jump := bpf.JumpIf{Cond: bpf.JumpEqual, Val: t.val, SkipFalse: uint8(size)}
		if t.not {
			jump = bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: t.val, SkipTrue: uint8(size)}
		}
		p.list = append(p.list, jump)
	}
	p.list = append(p.list, bpf.RetConstant{Val: uint32(snaplen)})
}

func (p *program) assemble() []bpf.RawInstruction {
	raw, err := bpf.Assemble(append(p.list, bpf.RetConstant{Val: 0}))
	if err != nil {
		panic(fmt.Sprintf("packet filter does not assemble: %v", err)) // blocks of ours
	}
	return raw
}
