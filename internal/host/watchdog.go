package host

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// ErrNotOurs says that PID 1 feeds the hardware watchdog: two feeders would
// hide each other's death.
var ErrNotOurs = errors.New("the hardware watchdog belongs to PID 1")

// HardwareWatchdog resets the machine when nobody feeds it
// (Documentation/watchdog/watchdog-api.rst). It is used by one goroutine.
type HardwareWatchdog struct {
	f       *os.File
	Timeout time.Duration // what the driver made of the wish
}

// OpenWatchdog opens the watchdog device, which starts it. The error is
// ErrNotOurs under systemd and procd: they feed it, and they supervise us.
func OpenWatchdog(init Init, path string, timeout time.Duration) (*HardwareWatchdog, error) {
	if init != Other {
		return nil, fmt.Errorf("%s: %w (%s); its own setting feeds it", path, ErrNotOurs, init)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("hardware watchdog: %w", err)
	}
	w := &HardwareWatchdog{f: f}
	if err := unix.IoctlSetPointerInt(int(f.Fd()), unix.WDIOC_SETTIMEOUT, int(timeout/time.Second)); err != nil {
		if _, err := unix.IoctlGetInt(int(f.Fd()), unix.WDIOC_GETTIMEOUT); err != nil {
			_ = w.Close()
			return nil, fmt.Errorf("hardware watchdog %s: it has no time-out to set: %w", path, err)
		}
	}
	got, err := unix.IoctlGetInt(int(f.Fd()), unix.WDIOC_GETTIMEOUT)
	if err != nil {
		_ = w.Close()
		return nil, fmt.Errorf("hardware watchdog %s: time-out: %w", path, err)
	}
	w.Timeout = time.Duration(got) * time.Second
	return w, nil
}

// Feed keeps the machine alive for another Timeout.
func (w *HardwareWatchdog) Feed() error {
	if _, err := w.f.Write([]byte{0}); err != nil {
		return fmt.Errorf("feed the hardware watchdog: %w", err)
	}
	return nil
}

// Every is how often it has to be fed: twice in a Timeout, as a turn of the loop
// may be late. Many boards refuse a wish of minutes and stay at 15 or 30 s.
func (w *HardwareWatchdog) Every() time.Duration { return w.Timeout / 2 }

// Close stops the watchdog: the magic "V" says that the end is meant. A driver
// with nowayout goes on and resets the machine; nobody can change that.
func (w *HardwareWatchdog) Close() error {
	_, err := w.f.Write([]byte("V"))
	return errors.Join(err, w.f.Close())
}
