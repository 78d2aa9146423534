package bind

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Bind says what a socket is tied to. A zero field ties nothing; the zero Bind
// gives ordinary sockets. Methods may be called from any goroutine.
type Bind struct {
	Device string     // SO_BINDTODEVICE
	Mark   uint32     // SO_MARK, needs CAP_NET_ADMIN
	Source netip.Addr // local address; an IPv6 link-local one belongs to Device
}

// errName is why a name cannot be dialled: the system's resolver would ask
// through whatever uplink is the default, which is not the one asked for.
var errName = errors.New("only IP addresses can be reached through a bound socket; resolve the name first")

// literal is a resolver that refuses every question.
var literal = &net.Resolver{
	PreferGo: true,
	Dial:     func(context.Context, string, string) (net.Conn, error) { return nil, errName },
}

// Dialer returns a dialer for "tcp", "udp" and "ip:…" networks whose sockets
// are tied to b. It dials literal addresses only. A timeout of 0 means none.
func (b Bind) Dialer(timeout time.Duration) *net.Dialer {
	d := &net.Dialer{
		Timeout:  timeout,
		Resolver: literal,
		// The source is bound here and not through LocalAddr: that one has a
		// type per protocol, so one dialer could not serve TCP and UDP.
		ControlContext: func(_ context.Context, network, address string, c syscall.RawConn) error {
			return onFD(c, func(fd int) error {
				if err := b.Apply(fd); err != nil {
					return err
				}
				return b.bindSource(fd, network, address)
			})
		},
	}
	d.SetMultipathTCP(false) // several paths would defeat the binding
	return d
}

// ListenConfig returns a configuration whose sockets are tied to the device and
// mark of b. The caller gives the address to listen on.
func (b Bind) ListenConfig() *net.ListenConfig {
	lc := &net.ListenConfig{
		Control: func(_, _ string, c syscall.RawConn) error { return onFD(c, b.Apply) },
	}
	lc.SetMultipathTCP(false)
	return lc
}

// ListenPacket opens a datagram socket ("udp", "udp4", "udp6", "ip4:icmp", …)
// on b's source address and a free port.
func (b Bind) ListenPacket(ctx context.Context, network string) (net.PacketConn, error) {
	return b.ListenPacketOn(ctx, network, 0)
}

// ListenPacketOn is ListenPacket on a given port, 0 for a free one.
func (b Bind) ListenPacketOn(ctx context.Context, network string, port uint16) (net.PacketConn, error) {
	conn, err := b.ListenConfig().ListenPacket(ctx, network, b.local(network, port))
	if err != nil {
		return nil, b.explain(err)
	}
	return conn, nil
}

// Listen opens a listener ("tcp", "tcp4", "tcp6") on b's source address and
// the given port, 0 for a free one.
func (b Bind) Listen(ctx context.Context, network string, port uint16) (net.Listener, error) {
	l, err := b.ListenConfig().Listen(ctx, network, b.local(network, port))
	if err != nil {
		return nil, b.explain(err)
	}
	return l, nil
}

// Apply ties an existing socket to the device and mark of b. The source is
// not bound: only the owner of the socket knows its family and port.
func (b Bind) Apply(fd int) error {
	if b.Device != "" {
		// The kernel cuts a longer name silently and may find another device.
		if len(b.Device) >= unix.IFNAMSIZ {
			return fmt.Errorf("bind socket to device %s: a device name has at most %d bytes: %w", b.Device, unix.IFNAMSIZ-1, unix.ENODEV)
		}
		if err := unix.BindToDevice(fd, b.Device); err != nil {
			return fmt.Errorf("bind socket to device %s: %w", b.Device, err)
		}
	}
	if b.Mark != 0 {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, int(b.Mark)); err != nil {
			return fmt.Errorf("set mark %#x on socket: %w", b.Mark, err)
		}
	}
	return nil
}

// local is the address to listen on: b's source, or every address. A raw
// network such as "ip4:icmp" has no port.
func (b Bind) local(network string, port uint16) string {
	var host string
	if b.Source.IsValid() {
		host = b.zoned().String()
	}
	if strings.HasPrefix(network, "ip") {
		return host
	}
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}

// zoned is the source with the zone that a link-local address needs.
func (b Bind) zoned() netip.Addr {
	a := b.Source.Unmap()
	if a.IsLinkLocalUnicast() && a.Is6() && a.Zone() == "" && b.Device != "" {
		return a.WithZone(b.Device)
	}
	return a
}

// bindSource binds the socket to b's source before it connects.
func (b Bind) bindSource(fd int, network, address string) error {
	if !b.Source.IsValid() {
		return nil
	}
	src := b.Source.Unmap()
	domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return fmt.Errorf("family of socket: %w", err)
	}
	if (domain == unix.AF_INET) != src.Is4() {
		return fmt.Errorf("source %s cannot reach %s: the families differ: %w", src, address, unix.EAFNOSUPPORT)
	}
	if strings.HasPrefix(network, "tcp") {
		// Else every source port is taken alone, whatever the destination.
		_ = unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1) // absent before Linux 4.2: only costs ports
	}
	var sa unix.Sockaddr = &unix.SockaddrInet6{Addr: src.As16()} // a link-local one takes its zone from the bound device
	if src.Is4() {
		sa = &unix.SockaddrInet4{Addr: src.As4()}
	}
	if err := unix.Bind(fd, sa); err != nil {
		return fmt.Errorf("bind socket to source %s on device %s: %w", src, b.Device, err)
	}
	return nil
}

// explain names the device in an error of the listening calls, whose own text
// has only the address. Errors of Apply name it already.
func (b Bind) explain(err error) error {
	if b.Device == "" || errors.Is(err, unix.ENODEV) {
		return err
	}
	return fmt.Errorf("device %s: %w", b.Device, err)
}

func onFD(c syscall.RawConn, f func(fd int) error) error {
	var inner error
	if err := c.Control(func(fd uintptr) { inner = f(int(fd)) }); err != nil {
		return err
	}
	return inner
}
