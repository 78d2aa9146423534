package host

import (
	"bufio"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"
)

// WallNow is the wall-clock time, for stamps that people read.
func WallNow() time.Time { return time.Now() }

// first returns the first of these files that says something, without the
// zero byte that a device tree ends its strings with.
func first(paths ...string) string {
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if s := strings.Trim(string(b), "\x00 \n"); err == nil && s != "" {
			return s
		}
	}
	return ""
}

// SerialNumber is the board's: of its device tree or its DMI tables, "" if it
// has none.
func SerialNumber() string {
	return first("/proc/device-tree/serial-number", "/sys/class/dmi/id/product_serial", "/sys/class/dmi/id/board_serial")
}

// Identity is what tells this box from others: its serial number, else its
// machine id, else its name.
func Identity() string {
	if s := SerialNumber(); s != "" {
		return s
	}
	return first("/etc/machine-id", "/proc/sys/kernel/hostname")
}

// CPUTemperature is the first thermal zone's, nil where there is none.
func CPUTemperature() *float64 {
	n, err := strconv.Atoi(first("/sys/class/thermal/thermal_zone0/temp"))
	if err != nil {
		return nil
	}
	c := float64(n) / 1000
	return &c
}

// Nameservers are those of /etc/resolv.conf, for what leaves by the system's
// own routes.
func Nameservers() (list []netip.AddrPort) {
	f, err := os.Open("/etc/resolv.conf")
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	for s := bufio.NewScanner(f); s.Scan(); {
		word, rest, _ := strings.Cut(strings.TrimSpace(s.Text()), " ")
		if a, err := netip.ParseAddr(strings.TrimSpace(rest)); word == "nameserver" && err == nil {
			list = append(list, netip.AddrPortFrom(a, 53))
		}
	}
	return list
}

// Received returns how many bytes a network device has ever received; false
// means that there is no such device.
func Received(netdev string) (uint64, bool) {
	b, err := os.ReadFile("/sys/class/net/" + netdev + "/statistics/rx_bytes")
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
	return n, err == nil
}
