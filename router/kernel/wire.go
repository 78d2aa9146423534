package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// answerWithin is how long the kernel may take for one answer. It answers
// from the system call itself, so only a fault can exceed this.
const answerWithin = 5 * time.Second

// dumpTries is how often a dump is repeated that the kernel marked as
// inconsistent because the table changed under it. The last one is taken as it
// is: what it missed is found at the next read.
const dumpTries = 4

// socketBuffer is asked for each way; 32 KiB already overflows with our own
// ruleset. SO_RCVBUFFORCE where allowed, else the plain option.
const socketBuffer = 1 << 20

// wire is a netlink socket that is opened on first use and again after any
// error that is not an answer.
type wire struct {
	family int
	strict bool // the kernel filters dumps (NETLINK_GET_STRICT_CHK, 4.20)
	conn   *netlink.Conn
	opened func(*netlink.Conn) // may be nil
}

func (w *wire) dial() (*netlink.Conn, error) {
	if w.conn != nil {
		return w.conn, nil
	}
	conn, err := netlink.Dial(w.family, nil)
	if err != nil {
		return nil, fmt.Errorf("netlink socket of family %d: %w", w.family, err)
	}
	if err := buffers(conn); err != nil {
		_ = conn.Close()
		return nil, err
	}
	if w.strict {
		// Without it the kernel sends everything and we filter: only slower.
		_ = conn.SetOption(netlink.GetStrictCheck, true)
	}
	if w.opened != nil {
		w.opened(conn)
	}
	w.conn = conn
	return conn, nil
}

func buffers(conn *netlink.Conn) error {
	return errors.Join(conn.SetReadBuffer(socketBuffer), conn.SetWriteBuffer(socketBuffer))
}

func (w *wire) close() {
	if w.conn != nil {
		_ = w.conn.Close()
		w.conn = nil
	}
}

// execute sends one request and returns what the kernel answers. An error
// wraps the kernel's errno.
func (w *wire) execute(typ uint16, flags netlink.HeaderFlags, data []byte) ([]netlink.Message, error) {
	conn, err := w.dial()
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(time.Now().Add(answerWithin)); err != nil {
		w.close()
		return nil, err
	}
	msgs, err := conn.Execute(netlink.Message{
		Header: netlink.Header{Type: netlink.HeaderType(typ), Flags: netlink.Request | flags}, Data: data,
	})
	if err != nil && !answered(err) {
		w.close()
	}
	return msgs, err
}

// answered reports whether err is the kernel's answer to the request, so that
// the socket holds nothing else. ENOBUFS is a lost answer.
func answered(err error) bool {
	var errno unix.Errno
	return errors.As(err, &errno) && !errors.Is(err, unix.ENOBUFS) && !errors.Is(err, unix.EBADF)
}

// do is a request that is answered by an acknowledgement.
func (w *wire) do(typ uint16, flags netlink.HeaderFlags, data []byte) error {
	_, err := w.execute(typ, flags|netlink.Acknowledge, data)
	return err
}

// dump returns every message of a dump.
func (w *wire) dump(typ uint16, data []byte) ([]netlink.Message, error) {
	var msgs []netlink.Message
	var err error
	for range dumpTries {
		msgs, err = w.execute(typ, netlink.Dump, data)
		if err != nil || !interrupted(msgs) {
			break
		}
	}
	return msgs, err
}

func interrupted(msgs []netlink.Message) bool {
	for _, m := range msgs {
		if m.Header.Flags&netlink.DumpInterrupted != 0 {
			return true
		}
	}
	return false
}

// attrs is an attribute list in native byte order under construction.
type attrs []netlink.Attribute

func (a *attrs) bytes(typ uint16, b []byte) {
	*a = append(*a, netlink.Attribute{Type: typ, Data: b})
}

func (a *attrs) u32(typ uint16, v uint32) { a.bytes(typ, native32(v)) }

func (a *attrs) text(typ uint16, s string) { a.bytes(typ, append([]byte(s), 0)) }

func (a *attrs) addr(typ uint16, ip netip.Addr) { a.bytes(typ, ip.AsSlice()) }

// after appends the attributes to a fixed header. Only a length beyond 64 KiB
// could fail, which none of these has.
func (a attrs) after(header []byte) []byte {
	b, err := netlink.MarshalAttributes(a)
	if err != nil {
		panic(fmt.Sprintf("kernel: %v", err))
	}
	return append(header, b...)
}

// each calls f for every attribute behind a header of n bytes. A malformed
// list is an error, never a panic.
func each(data []byte, n int, order binary.ByteOrder, f func(ad *netlink.AttributeDecoder) error) error {
	if len(data) < n {
		return fmt.Errorf("message of %d bytes: want at least %d", len(data), n)
	}
	ad, err := netlink.NewAttributeDecoder(data[n:])
	if err != nil {
		return err
	}
	ad.ByteOrder = order
	for ad.Next() {
		if err := f(ad); err != nil {
			return err
		}
	}
	return ad.Err()
}

// family returns AF_INET or AF_INET6.
func family(ip netip.Addr) byte {
	if ip.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// addrFrom reads an address of 4 or 16 bytes.
func addrFrom(b []byte) (netip.Addr, error) {
	ip, ok := netip.AddrFromSlice(b)
	if !ok {
		return netip.Addr{}, fmt.Errorf("address of %d bytes", len(b))
	}
	return ip, nil
}

// gone reports whether err says that the thing to delete is not there.
func gone(err error) bool {
	return errors.Is(err, unix.ESRCH) || errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.EADDRNOTAVAIL)
}

// noFamily reports whether the kernel lacks the address family, such as IPv6
// switched off at boot. A dump is then empty.
func noFamily(err error) bool {
	return errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EPFNOSUPPORT)
}
