package modemtest

import (
	"context"
	"fmt"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// ServeDHCP answers on a device (the modem's side of its netdev) until ctx ends.
func (m *Modem) ServeDHCP(ctx context.Context, device string) error {
	lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var err error
		ctl := func(fd uintptr) {
			if err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err == nil {
				err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BROADCAST, 1)
			}
			if err == nil {
				err = unix.BindToDevice(int(fd), device)
			}
		}
		if e := raw.Control(ctl); e != nil {
			return e
		}
		return err
	}}
	pc, err := lc.ListenPacket(ctx, "udp4", "0.0.0.0:67")
	if err != nil {
		return fmt.Errorf("DHCP server on %s: %w", device, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = pc.Close() })
	defer stop()
	buf := make([]byte, 1500)
	for {
		n, _, err := pc.ReadFrom(buf)
		if err != nil {
			return ctx.Err()
		}
		reply, after := m.DHCPReply(buf[:n])
		if reply == nil {
			continue
		}
		m.clk.AfterFunc(after, func() {
			_, _ = pc.WriteTo(reply, &net.UDPAddr{IP: net.IPv4bcast, Port: 68})
		})
	}
}
