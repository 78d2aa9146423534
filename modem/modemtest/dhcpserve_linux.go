package modemtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// ServeDHCP answers on a device (the modem's side of its netdev) until ctx ends.
func (m *Modem) ServeDHCP(ctx context.Context, device string) error {
	pc, err := m.listenDHCP(ctx, device)
	if err != nil {
		return err
	}
	return m.answerDHCP(ctx, pc)
}

// listenDHCP is the server's socket, bound to the device.
func (m *Modem) listenDHCP(ctx context.Context, device string) (net.PacketConn, error) {
	lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var err error
		ctl := func(fd uintptr) {
			err = errors.Join(
				unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
				unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BROADCAST, 1),
				unix.BindToDevice(int(fd), device))
		}
		return errors.Join(raw.Control(ctl), err)
	}}
	pc, err := lc.ListenPacket(ctx, "udp4", "0.0.0.0:67")
	if err != nil {
		return nil, fmt.Errorf("DHCP server on %s: %w", device, err)
	}
	return pc, nil
}

// answerDHCP answers until ctx ends.
func (m *Modem) answerDHCP(ctx context.Context, pc net.PacketConn) error {
	stop := context.AfterFunc(ctx, func() { _ = pc.Close() })
	defer stop()
	defer pc.Close()
	buf := make([]byte, 1500)
	for {
		n, _, err := pc.ReadFrom(buf)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return fmt.Errorf("DHCP server: %w", err)
		}
		if reply, after := m.DHCPReply(buf[:n]); reply != nil {
			m.clk.AfterFunc(after, func() { _, _ = pc.WriteTo(reply, &net.UDPAddr{IP: net.IPv4bcast, Port: 68}) })
		}
	}
}
