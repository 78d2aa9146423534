package host

import (
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"luatnetd/netif"
)

// Now is the time since boot, suspend included (CLOCK_BOOTTIME), in the form
// that pure code takes: see package netif.
func Now() time.Time {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic(fmt.Sprintf("host: CLOCK_BOOTTIME: %v", err)) // present since Linux 2.6.39
	}
	return netif.Boot(time.Duration(ts.Nano()))
}

// Wall converts an instant since boot into wall-clock time, as far as the
// machine's clock can be trusted. For people, never for decisions.
func Wall(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return time.Now().Add(t.Sub(Now())).Round(time.Millisecond)
}

// BootID is the random identity that the kernel drew at boot, "" if unknown.
func BootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
