package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// linux/inet_diag.h and linux/sock_diag.h.
const (
	sockDiagByFamily    = 20
	inetDiagReqBytecode = 1
	inetDiagMarkCond    = 10
	sizeofDiagSockID    = 48
	diagIDInMessage     = 4 // after family, state, timer, retransmits
)

// diagStates are the TCP states that hold a connection (net/tcp_states.h). Not
// LISTEN and TIME-WAIT, and not SYN-SENT: a probe of the dead uplink that is
// just asking must be able to find out that it lives again.
const diagStates = 1<<tcpStateEstablished | 1<<tcpStateSynRecv | 1<<tcpStateFinWait1 | 1<<tcpStateFinWait2 |
	1<<tcpStateCloseWait | 1<<tcpStateLastAck | 1<<tcpStateClosing

const (
	tcpStateEstablished = 1
	tcpStateSynRecv     = 3
	tcpStateFinWait1    = 4
	tcpStateFinWait2    = 5
	tcpStateCloseWait   = 8
	tcpStateLastAck     = 9
	tcpStateClosing     = 11
)

// destroySockets ends the TCP sockets of this machine that carry a mark: their
// readers get ECONNABORTED at once instead of a timeout. It returns how many.
// An error that noFamily knows means that this kernel cannot do it.
func (k *Kernel) destroySockets(mark, mask uint32) (int, error) {
	if mark&mask == 0 {
		return 0, fmt.Errorf("destroy sockets of mark %#x/%#x: would match every unmarked one", mark, mask)
	}
	done := 0
	for _, fam := range []byte{unix.AF_INET, unix.AF_INET6} {
		var a attrs
		a.bytes(inetDiagReqBytecode, markCondition(mark&mask, mask))
		msgs, err := k.diag.dump(sockDiagByFamily, a.after(diagRequest(fam, diagStates, nil)))
		if err != nil {
			return done, fmt.Errorf("list sockets of mark %#x/%#x: %w", mark, mask, err)
		}
		for _, m := range msgs {
			id, err := diagID(m)
			if err != nil {
				return done, err
			}
			err = k.diag.do(unix.SOCK_DESTROY, 0, diagRequest(fam, diagStates, id))
			if err != nil && !errors.Is(err, unix.ENOENT) {
				return done, fmt.Errorf("destroy socket: %w", err)
			}
			done++
		}
	}
	return done, nil
}

// diagRequest is struct inet_diag_req_v2.
func diagRequest(family byte, states uint32, id []byte) []byte {
	b := []byte{family, unix.IPPROTO_TCP, 0, 0}
	b = binary.NativeEndian.AppendUint32(b, states)
	if id == nil {
		id = make([]byte, sizeofDiagSockID)
	}
	return append(b, id...)
}

// markCondition is one inet_diag_bc_op with its inet_diag_markcond: on to the
// end if the mark fits, four bytes beyond it, which refuses, if not.
func markCondition(mark, mask uint32) []byte {
	const length = 4 + 8
	b := []byte{inetDiagMarkCond, length}
	b = binary.NativeEndian.AppendUint16(b, length+4)
	b = binary.NativeEndian.AppendUint32(b, mark)
	return binary.NativeEndian.AppendUint32(b, mask)
}

func diagID(m netlink.Message) ([]byte, error) {
	if len(m.Data) < diagIDInMessage+sizeofDiagSockID {
		return nil, fmt.Errorf("socket message of %d bytes", len(m.Data))
	}
	return m.Data[diagIDInMessage : diagIDInMessage+sizeofDiagSockID], nil
}
