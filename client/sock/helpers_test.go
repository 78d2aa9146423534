package sock

import (
	"context"
	"net"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"luatnetd/client"
)

// sockopt is SO_KEEPALIVE as the kernel has it.
func sockopt(t *testing.T, c *Conn) (v int) {
	t.Helper()
	if err := c.control(func(fd int) (err error) {
		v, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return v
}

func portText(p uint16) string { return strconv.Itoa(int(p)) }

// freeUDP is a UDP port that nobody uses now.
func freeUDP(t *testing.T) uint16 {
	t.Helper()
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = pc.Close() }()
	return uint16(pc.LocalAddr().(*net.UDPAddr).Port)
}

// dialSoon dials a server that is just starting.
func dialSoon(t *testing.T, cfg Config) (*Conn, error) {
	t.Helper()
	for i := 0; ; i++ {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		c, err := Dial(ctx, cfg, Route{}, nil, nil)
		cancel()
		if err == nil || i == 5 || Cause(err).Code != client.CodeReset && Cause(err).Code != client.CodeTimeout {
			return c, err
		}
		time.Sleep(200 * time.Millisecond)
	}
}
