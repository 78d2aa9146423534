package sock

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"luatnetd/internal/pcap"
)

// Opening is a socket that is about to connect.
type Opening struct {
	device string
	remote netip.AddrPort
	proto  uint8
	raw    syscall.RawConn
}

// tell has opened called for each socket of the dialer once it is bound.
func tell(d *net.Dialer, opened func(Opening), device string, remote netip.AddrPort) {
	tie := d.ControlContext
	d.ControlContext = func(ctx context.Context, network, address string, c syscall.RawConn) error {
		if err := tie(ctx, network, address, c); err != nil {
			return err
		}
		o := Opening{device: device, remote: plain(remote), proto: unix.IPPROTO_TCP, raw: c}
		if !strings.HasPrefix(network, "tcp") {
			o.proto = unix.IPPROTO_UDP
		}
		opened(o)
		return nil
	}
}

// Flow is what its packets will look like; false: it has no port yet, or has
// ended. With early, which Config.Opened may ask for, it gets its port now, so
// that the very first packet can be told from others.
func (o Opening) Flow(early bool) (f pcap.Flow, ok bool) {
	var inner error
	var local netip.AddrPort
	err := o.raw.Control(func(fd uintptr) {
		if local, inner = localOf(int(fd)); inner != nil || local.Port() != 0 || !early {
			return
		}
		if inner = bindEarly(int(fd)); inner == nil {
			local, inner = localOf(int(fd))
		}
	})
	f = pcap.Flow{Device: o.device, Proto: o.proto, Local: local, Remote: o.remote}
	return f, errors.Join(err, inner) == nil && local.Port() != 0
}

// Flow is what the connection's packets look like, on a device.
func (c *Conn) Flow(device string) pcap.Flow {
	f := pcap.Flow{Device: device, Proto: unix.IPPROTO_TCP, Local: addrPort(c.wire.LocalAddr()), Remote: addrPort(c.wire.RemoteAddr())}
	if c.datagrams() {
		f.Proto = unix.IPPROTO_UDP
	}
	return f
}

func addrPort(a net.Addr) netip.AddrPort {
	switch a := a.(type) {
	case *net.TCPAddr:
		return plain(a.AddrPort())
	case *net.UDPAddr:
		return plain(a.AddrPort())
	}
	return netip.AddrPort{}
}

// plain is an address as packets carry it.
func plain(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

func localOf(fd int) (netip.AddrPort, error) {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return netip.AddrPort{}, err
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port)), nil
	case *unix.SockaddrInet6:
		return plain(netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port))), nil
	}
	return netip.AddrPort{}, fmt.Errorf("a socket of family %T", sa)
}

// bindEarly takes a free port before connect(2) would. A socket that has an
// address but, by IP_BIND_ADDRESS_NO_PORT, no port yet may be bound once more.
func bindEarly(fd int) error {
	_ = unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 0)
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return err
	}
	return unix.Bind(fd, sa)
}
