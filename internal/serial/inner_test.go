package serial

import (
	"encoding/binary"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestTermios: the flags that a pseudo terminal does not keep.
func TestTermios(t *testing.T) {
	for _, tt := range []struct {
		cfg            Config
		control, input uint32
	}{
		{Config{}, unix.CS8, unix.IGNPAR},
		{Config{DataBits: 7, Parity: Even}, unix.CS7 | unix.PARENB, 0},
		{Config{DataBits: 5, Parity: Odd, StopBits: 2}, unix.CS5 | unix.PARENB | unix.PARODD | unix.CSTOPB, 0},
		{Config{Parity: Mark}, unix.CS8 | unix.PARENB | unix.PARODD | unix.CMSPAR, 0},
		{Config{Parity: Space}, unix.CS8 | unix.PARENB | unix.CMSPAR, 0},
		{Config{DataBits: 6, Flow: XONXOFF}, unix.CS6, unix.IGNPAR | unix.IXON | unix.IXOFF},
	} {
		got := tt.cfg.termios()
		if want := tt.control | unix.CREAD | unix.CLOCAL | unix.BOTHER; got.Cflag != want || got.Iflag != tt.input {
			t.Errorf("%s: cflag %#x iflag %#x, want %#x %#x", tt.cfg, got.Cflag, got.Iflag, want, tt.input)
		}
	}
}

// TestRS485Words checks the bits against linux/serial.h.
func TestRS485Words(t *testing.T) {
	r := RS485{Direction: ByKernel, Before: 2 * time.Millisecond, After: 3 * time.Millisecond}
	if got, want := r.kernel(), (rs485{flags: 3, before: 2, after: 3}); got != want {
		t.Errorf("high: %+v", got)
	}
	r.ActiveLow = true
	if got := r.kernel().flags; got != 5 {
		t.Errorf("low: flags %d", got)
	}
}

// event is one struct inotify_event.
func event(mask uint32, name string) []byte {
	b := make([]byte, 16)
	binary.NativeEndian.PutUint32(b[4:], mask)
	if name != "" {
		name += "\x00\x00"
	}
	binary.NativeEndian.PutUint32(b[12:], uint32(len(name)))
	return append(b, name...)
}

func FuzzMatches(f *testing.F) {
	f.Add(append(event(unix.IN_CREATE, "ttyS9"), event(unix.IN_CREATE, "ttyUSB0")...))
	f.Add(event(unix.IN_DELETE_SELF, ""))
	f.Add(event(unix.IN_Q_OVERFLOW, ""))
	f.Add([]byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, b []byte) {
		matches(b, "ttyUSB0") // any bytes: an answer, no panic
	})
}

func TestMatches(t *testing.T) {
	other, ours := event(unix.IN_CREATE, "ttyS9"), event(unix.IN_ATTRIB, "ttyUSB0")
	if matches(other, "ttyUSB0") || !matches(append(other, ours...), "ttyUSB0") || !matches(event(unix.IN_DELETE_SELF, ""), "x") {
		t.Error("the name is not told from others")
	}
}
