package netns

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"luatnetd/internal/lab"
)

// DEV-16 auto_socket_switch, both values: flows of an uplink that was left are
// reset at once, or left alone until the line comes back.
func TestDEV16AutoSocketSwitch(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		for _, on := range []bool{true, false} {
			t.Run(fmt.Sprint(on), func(t *testing.T) {
				b := newBox(t, 2)
				b.write(static + fmt.Sprintf("[failover]\nauto_socket_switch = %v\n", on))
				b.start()
				b.staticClient()
				b.active(20*time.Second, "wan", "wan1")
				b.ready(20*time.Second, "wan2")
				c, err := b.Client.Dial("tcp4", fmt.Sprintf("%s:%d", lab.WebAddr, lab.RPCPort), 3*time.Second)
				b.ok(err)
				defer c.Close()
				b.ok(ask(c, 3*time.Second))
				b.ok(b.ISPs[0].Blackhole(true))
				b.active(15*time.Second, "wan2", "wan2")
				flows := b.Gateway.MustRun(t, "conntrack", "-L", "-p", "tcp", "--mark", "0x100/0x3f00")
				if left := strings.Contains(flows, "ESTABLISHED"); left == on {
					t.Errorf("flows of wan after the switch: %q; want them left alone: %v", flows, !on)
				}
				if on {
					if err := ask(c, 3*time.Second); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
						t.Errorf("the session ended by %v, want a reset", err)
					}
					return
				}
				b.ok(b.ISPs[0].Blackhole(false))
				if err := ask(c, 15*time.Second); err != nil {
					t.Errorf("the session did not outlive the outage: %v", err)
				}
			})
		}
	})
}

// ask sends a byte and waits for the answer.
func ask(c net.Conn, limit time.Duration) error {
	if err := c.SetDeadline(time.Now().Add(limit)); err != nil {
		return err
	}
	if _, err := c.Write([]byte{1}); err != nil {
		return err
	}
	_, err := c.Read(make([]byte, 1))
	return err
}
