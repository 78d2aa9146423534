package rawsock

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"luatnetd/internal/pcap"
)

// tapBuffer is what the kernel may hold of a tap's packets: a burst that comes
// while a slow reader is waited for.
const tapBuffer = 1 << 20

// Tap is a packet socket that sees what its device sends and receives, of every
// ethertype, as far as its filter lets it pass.
type Tap struct{ *Conn }

// OpenTap opens a tap. The filter is in place before the first packet is seen.
func OpenTap(device string, filter []bpf.RawInstruction) (*Tap, error) {
	c, err := Open(device, unix.ETH_P_ALL, filter)
	if err != nil {
		return nil, err
	}
	t := &Tap{c}
	if err := errors.Join(t.SetReadBuffer(tapBuffer), t.control("ask for time stamps", func(fd int) error {
		return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)
	})); err != nil {
		_ = t.Close()
		return nil, err
	}
	return t, nil
}

// SetFilter replaces the filter at once; no packet passes by neither.
func (t *Tap) SetFilter(filter []bpf.RawInstruction) error {
	return t.control("attach filter", func(fd int) error { return attach(fd, filter) })
}

// Gone reports whether the device is not there any more, or is another one of
// the same name.
func (t *Tap) Gone() bool {
	gone := false
	_ = t.control("interface index", func(fd int) error {
		req, err := unix.NewIfreq(t.device)
		if err == nil {
			err = unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, req)
		}
		gone = err != nil || int(req.Uint32()) != t.index
		return nil
	})
	return gone
}

// Missed is how many packets passed the filter and found no room, since the
// last call.
func (t *Tap) Missed() int {
	n := 0
	_ = t.control("statistics", func(fd int) error {
		s, err := unix.GetsockoptTpacketStats(fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
		if err == nil {
			n = int(s.Drops)
		}
		return err
	})
	return n
}

// Next waits for a packet. Its data is in buf and valid until buf is used again.
// The errors are those of Recv.
func (t *Tap) Next(buf []byte) (p pcap.Packet, err error) {
	var (
		control [256]byte
		from    unix.Sockaddr
		n, oobn int
		opErr   error
	)
	err = t.raw.Read(func(fd uintptr) bool {
		n, oobn, _, from, opErr = unix.Recvmsg(int(fd), buf, control[:], 0)
		return !again(opErr)
	})
	if err = errors.Join(err, opErr); err != nil {
		return p, t.opError("receive", err)
	}
	p.Data = buf[:n]
	if ll, ok := from.(*unix.SockaddrLinklayer); ok {
		p.Type, p.Hatype, p.Proto = ll.Pkttype, ll.Hatype, htons(ll.Protocol)
		p.Addr = ll.Addr[:min(int(ll.Halen), len(ll.Addr))]
	}
	p.At, p.Size = stamped(control[:oobn])
	return p, nil
}

// stamped reads the kernel's time stamp, and the size of the packet before the
// filter cut it (tp_len, the second word of the auxiliary data).
func stamped(control []byte) (at time.Time, size int) {
	at = time.Now()
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return at, 0
	}
	for _, m := range messages {
		switch {
		case m.Header.Level == unix.SOL_PACKET && m.Header.Type == unix.PACKET_AUXDATA && len(m.Data) >= 8:
			size = int(binary.NativeEndian.Uint32(m.Data[4:]))
		case m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SO_TIMESTAMPNS && len(m.Data) >= 16:
			at = time.Unix(int64(binary.NativeEndian.Uint64(m.Data)), int64(binary.NativeEndian.Uint64(m.Data[8:])))
		case m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SO_TIMESTAMPNS && len(m.Data) >= 8: // 32 bits
			at = time.Unix(int64(binary.NativeEndian.Uint32(m.Data)), int64(binary.NativeEndian.Uint32(m.Data[4:])))
		}
	}
	return at, size
}

func (t *Tap) control(what string, f func(fd int) error) error {
	var inner error
	err := t.raw.Control(func(fd uintptr) { inner = f(int(fd)) })
	if err = errors.Join(err, inner); err == nil {
		return nil
	}
	if t.closed.Load() {
		err = os.ErrClosed
	}
	return fmt.Errorf("%s of packet socket on %s: %w", what, t.device, err)
}
