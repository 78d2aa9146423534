package rawsock

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"luatnetd/netif"
)

// The ethertypes that the project sends or receives (linux/if_ether.h).
const (
	IPv4  uint16 = unix.ETH_P_IP
	ARPv4 uint16 = unix.ETH_P_ARP
)

// Broadcast is the link-layer broadcast address.
var Broadcast = netif.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// Conn is one AF_PACKET socket on one device.
type Conn struct {
	file   *os.File
	raw    syscall.RawConn
	device string
	index  int
	mac    netif.MAC
	closed atomic.Bool
}

// Open opens a socket on the device that receives packets of the given
// ethertype which pass filter. proto 0 makes a socket that only sends. A nil
// filter passes every packet of that ethertype, which costs CPU on a busy link.
func Open(device string, proto uint16, filter []bpf.RawInstruction) (*Conn, error) {
	// Protocol 0 here: nothing is queued before the filter is in place.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open packet socket on %s: %w", device, err)
	}
	c := &Conn{device: device}
	if err := c.setup(fd, proto, filter); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("open packet socket on %s: %w", device, err)
	}
	c.file = os.NewFile(uintptr(fd), "packet:"+device)
	if c.raw, err = c.file.SyscallConn(); err != nil {
		_ = c.file.Close()
		return nil, fmt.Errorf("open packet socket on %s: %w", device, err)
	}
	return c, nil
}

func (c *Conn) setup(fd int, proto uint16, filter []bpf.RawInstruction) error {
	req, err := unix.NewIfreq(c.device)
	if err != nil {
		return fmt.Errorf("device name: %w", err)
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, req); err != nil {
		return fmt.Errorf("interface index: %w", err)
	}
	c.index = int(req.Uint32())
	if len(filter) > 0 {
		if err := attach(fd, filter); err != nil {
			return fmt.Errorf("attach filter: %w", err)
		}
	}
	// Virtual devices hand up packets whose checksum nobody computed yet.
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1); err != nil {
		return fmt.Errorf("ask for auxiliary data: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: htons(proto), Ifindex: c.index}); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return fmt.Errorf("read own address: %w", err)
	}
	if ll, ok := name.(*unix.SockaddrLinklayer); ok && ll.Hatype == unix.ARPHRD_ETHER {
		c.mac = linkSource(ll)
	}
	return nil
}

func attach(fd int, filter []bpf.RawInstruction) error {
	code := make([]unix.SockFilter, len(filter))
	for i, ins := range filter {
		code[i] = unix.SockFilter{Code: ins.Op, Jt: ins.Jt, Jf: ins.Jf, K: ins.K}
	}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]})
}

// Device is the name of the device at the time of Open.
func (c *Conn) Device() string { return c.device }

// Index is the ifindex at the time of Open.
func (c *Conn) Index() int { return c.index }

// MAC is the device's own address, zero where it has no Ethernet address.
func (c *Conn) MAC() netif.MAC { return c.mac }

// SetReadBuffer asks for a receive buffer of that many bytes, over the
// system's limit where the process may.
func (c *Conn) SetReadBuffer(bytes int) error {
	var opErr error
	err := c.raw.Control(func(fd uintptr) {
		opErr = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, bytes)
		if errors.Is(opErr, unix.EPERM) {
			opErr = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, bytes)
		}
	})
	if err = errors.Join(err, opErr); err != nil {
		return fmt.Errorf("receive buffer of packet socket on %s: %w", c.device, err)
	}
	return nil
}

// Send sends one packet, which starts at its network header, to dst. The
// kernel writes the link header from the device's own address; dst is ignored
// by devices that have no link addresses. ENETDOWN means that the device is
// down (the Conn stays usable), ENXIO that it is gone.
func (c *Conn) Send(dst netif.MAC, proto uint16, payload []byte) error {
	to := &unix.SockaddrLinklayer{Protocol: htons(proto), Ifindex: c.index, Halen: uint8(len(dst))}
	copy(to.Addr[:], dst[:])
	var opErr error
	err := c.raw.Write(func(fd uintptr) bool {
		opErr = unix.Sendto(int(fd), payload, 0, to)
		return !again(opErr)
	})
	if err = errors.Join(err, opErr); err != nil {
		return c.opError("send", err)
	}
	return nil
}

// Recv waits for one packet and copies it, from its network header, into buf;
// what does not fit is cut. src is the sender's link address, zero where there
// is none. partialChecksum reports that the transport checksum is not filled
// in yet and must not be checked. A zero deadline means none; a passed one is
// os.ErrDeadlineExceeded, a closed Conn os.ErrClosed. ENETDOWN is reported
// once when the device goes down; the Conn works again when it comes back.
func (c *Conn) Recv(buf []byte, deadline time.Time) (n int, src netif.MAC, partialChecksum bool, err error) {
	if err := c.file.SetReadDeadline(deadline); err != nil {
		return 0, src, false, c.opError("receive", err)
	}
	control := make([]byte, unix.CmsgSpace(binary.Size(unix.TpacketAuxdata{})))
	var (
		from  unix.Sockaddr
		oobn  int
		opErr error
	)
	err = c.raw.Read(func(fd uintptr) bool {
		n, oobn, _, from, opErr = unix.Recvmsg(int(fd), buf, control, 0)
		return !again(opErr)
	})
	if err = errors.Join(err, opErr); err != nil {
		return 0, src, false, c.opError("receive", err)
	}
	if ll, ok := from.(*unix.SockaddrLinklayer); ok {
		src = linkSource(ll)
	}
	return n, src, checksumPending(control[:oobn]), nil
}

// Close closes the socket; a waiting Recv returns os.ErrClosed.
func (c *Conn) Close() error {
	c.closed.Store(true)
	return c.file.Close()
}

// opError names the operation. The poller's own error for a closed file is not
// os.ErrClosed, so that case is told apart here.
func (c *Conn) opError(op string, err error) error {
	if c.closed.Load() {
		err = os.ErrClosed
	}
	return fmt.Errorf("%s on %s: %w", op, c.device, err)
}

// again reports whether the poller should wait and try the call again.
func again(err error) bool {
	return errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR)
}

func linkSource(ll *unix.SockaddrLinklayer) netif.MAC {
	if ll.Halen != 6 {
		return netif.MAC{}
	}
	return netif.MAC(ll.Addr[:6])
}

// checksumPending looks for TP_STATUS_CSUMNOTREADY in the auxiliary data
// (linux/if_packet.h): the first 32 bits are tp_status.
func checksumPending(control []byte) bool {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return false
	}
	for _, m := range messages {
		if m.Header.Level == unix.SOL_PACKET && m.Header.Type == unix.PACKET_AUXDATA && len(m.Data) >= 4 {
			return binary.NativeEndian.Uint32(m.Data)&unix.TP_STATUS_CSUMNOTREADY != 0
		}
	}
	return false
}

// htons turns v into network byte order, as packet(7) wants the protocol.
func htons(v uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], v)
	return binary.NativeEndian.Uint16(b[:])
}
