package probe

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"luatnetd/internal/bind"
)

// errByGateway marks a refusal that came from the next hop itself.
var errByGateway = errors.New("the gateway itself refused the connection, which proves nothing behind it")

// connect opens a TCP connection and closes it again. A refused connection
// proves the path as well as an accepted one, unless the gateway refuses.
func connect(ctx context.Context, b bind.Bind, to netip.AddrPort, gateway netip.Addr) (time.Duration, error) {
	start := time.Now()
	conn, err := b.Dialer(0).DialContext(ctx, "tcp", address(to, b.Device))
	rtt := time.Since(start)
	if errors.Is(err, unix.ECONNREFUSED) {
		if to.Addr().Unmap() == gateway.Unmap() {
			return 0, errByGateway
		}
		return rtt, nil
	}
	if err != nil {
		return 0, err
	}
	if err := conn.Close(); err != nil {
		return 0, fmt.Errorf("close connection: %w", err)
	}
	return rtt, nil
}

// address is to as a dialer wants it.
func address(to netip.AddrPort, device string) string {
	return netip.AddrPortFrom(zoned(to.Addr().Unmap(), device), to.Port()).String()
}
