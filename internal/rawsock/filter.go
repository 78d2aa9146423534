package rawsock

import (
	"fmt"

	"golang.org/x/net/bpf"
)

// The UDP ports of DHCPv4 (RFC 2131 §4.1).
const (
	DHCPServerPort = 67
	DHCPClientPort = 68
)

// DHCPClientFilter passes UDP packets to port 68 that are not fragments.
// Without it every IPv4 packet of a busy link wakes the client.
func DHCPClientFilter() []bpf.RawInstruction { return udpFilter(DHCPClientPort) }

// DHCPServerFilter passes UDP packets to port 67 that are not fragments.
func DHCPServerFilter() []bpf.RawInstruction { return udpFilter(DHCPServerPort) }

// udpFilter works on a packet that starts at its IPv4 header.
func udpFilter(port uint32) []bpf.RawInstruction {
	return assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: 9, Size: 1}, // protocol
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: protoUDP, SkipFalse: 6},
		bpf.LoadAbsolute{Off: 6, Size: 2}, // more fragments, offset
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: 0x3fff, SkipTrue: 4},
		bpf.LoadMemShift{Off: 0},          // X = length of the IPv4 header
		bpf.LoadIndirect{Off: 2, Size: 2}, // destination port
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: port, SkipFalse: 1},
		bpf.RetConstant{Val: 0xffff},
		bpf.RetConstant{Val: 0},
	})
}

// ARPFilter passes ARP for IPv4 over Ethernet.
func ARPFilter() []bpf.RawInstruction {
	return assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: 0, Size: 4}, // hardware type, protocol type
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: arpEthernetIPv4, SkipFalse: 3},
		bpf.LoadAbsolute{Off: 4, Size: 2}, // address lengths
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: arpLengths, SkipFalse: 1},
		bpf.RetConstant{Val: 0xffff},
		bpf.RetConstant{Val: 0},
	})
}

func assemble(program []bpf.Instruction) []bpf.RawInstruction {
	raw, err := bpf.Assemble(program)
	if err != nil {
		panic(fmt.Sprintf("packet filter does not assemble: %v", err)) // constants of ours
	}
	return raw
}
