package serve

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"luatnetd/internal/bind"
)

// dial opens a connected socket to a server through an uplink. The kernel
// picks the source port, at random within net.ipv4.ip_local_port_range, and
// drops what does not come from the server's address and port.
func dial(ctx context.Context, network string, via *Upstream, server netip.AddrPort) (net.Conn, error) {
	tie := bind.Bind{Device: via.Device, Mark: via.Mark}
	if src := via.Source.Unmap(); src.IsValid() && src.Is4() == server.Addr().Is4() {
		tie.Source = src // a server of the other family is asked without
	}
	conn, err := tie.Dialer(exchangeLife).DialContext(ctx, network, server.String())
	if err != nil {
		return nil, fmt.Errorf("server %s by %s: %w", server, via.Name, err)
	}
	return conn, nil
}

// sockets opens the UDP and the TCP socket of a listening address.
func sockets(ctx context.Context, l Listen, port uint16) (*net.UDPConn, *net.TCPListener, error) {
	lc := bind.Bind{Device: l.Device}.ListenConfig()
	lc.KeepAlive = -1
	addr := l.Addr.Unmap()
	if addr.IsLinkLocalUnicast() && addr.Is6() {
		addr = addr.WithZone(l.Device)
	}
	at := netip.AddrPortFrom(addr, port).String()
	u, err := lc.ListenPacket(ctx, "udp", at)
	if err != nil {
		return nil, nil, fmt.Errorf("listen on %s: %w", l.Device, err)
	}
	t, err := lc.Listen(ctx, "tcp", at)
	if err != nil {
		_ = u.Close()
		return nil, nil, fmt.Errorf("listen on %s: %w", l.Device, err)
	}
	udp := u.(*net.UDPConn)
	_ = udp.SetReadBuffer(readBuffer) // the kernel may allow less, which only loses bursts
	return udp, t.(*net.TCPListener), nil
}

// ifindex returns the number of a device, 0 if there is none of that name.
func ifindex(device string) uint32 {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq(device)
	if err != nil || unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, req) != nil {
		return 0
	}
	return req.Uint32()
}

// readBuffer holds a burst of questions, in bytes as the kernel counts them
// (about 700 for each).
const readBuffer = 1 << 20

// exchangeLife ends an exchange that the machine forgot; it never should.
const exchangeLife = 10 * time.Second
