package sock

import (
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
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
