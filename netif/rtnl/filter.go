package rtnl

import (
	"encoding/binary"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"luatnetd/router"
)

// filter is a program for the event socket that lets everything pass but
// routes which are neither a default nor ours. The kernel runs it before it
// queues a notification, so 20,000 foreign routes neither fill the receive
// buffer nor wake the process.
func filter() ([]bpf.RawInstruction, error) {
	const (
		offType     = 4              // nlmsghdr.nlmsg_type
		offDstLen   = sizeHeader + 1 // rtmsg.rtm_dst_len
		offProtocol = sizeHeader + 5 // rtmsg.rtm_protocol
		all         = 0xffffffff     // bytes to keep
	)
	return bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: offType, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: loaded(unix.RTM_NEWROUTE), SkipTrue: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: loaded(unix.RTM_DELROUTE), SkipTrue: 4},
		bpf.LoadAbsolute{Off: offDstLen, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0, SkipTrue: 2},
		bpf.LoadAbsolute{Off: offProtocol, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: router.Protocol, SkipTrue: 1},
		bpf.RetConstant{Val: all},
		bpf.RetConstant{Val: 0},
	})
}

// loaded is what a 16-bit load of the host's number v gives: BPF loads are in
// network order, netlink headers in the host's.
func loaded(v uint16) uint32 {
	return uint32(binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, v)))
}
