package modem

import (
	"errors"
	"testing"
	"time"
)

// A port that cannot be opened after a reset has forgotten the errors before,
// but not who held the port. It panicked, in the VM, with every modem of the
// option driver.
func TestPortFailsAfterReset(t *testing.T) {
	m := NewMachine(Settings{Uplink: "4g"}, Profiles{}, Memory{}, 1, time.Unix(0, 0))
	m.portChanged(PortChanged{Port: "/dev/ttyUSB2", Open: true, Holder: "minicom (pid 812)"})
	m.ports.error = nil // as the rescue does
	m.portChanged(PortChanged{Port: "/dev/ttyUSB2", Err: errors.New("no such device")})
	if m.ports.error["/dev/ttyUSB2"] != "no such device" {
		t.Errorf("errors %q", m.ports.error)
	}
}
