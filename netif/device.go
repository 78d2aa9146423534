package netif

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// DeviceFacts is what a network device can be recognised by when its name is
// not known beforehand: USB devices are numbered anew at every plug-in.
type DeviceFacts struct {
	Name      string // now, such as "eth1"
	MAC       MAC    // in use; zero where there is none
	Permanent MAC    // burnt in, zero where the driver does not tell
	Driver    string // such as "cdc_ether"; empty for virtual devices
	Path      string // below /sys/devices, such as "pci0000:00/0000:00:14.0/usb1/1-2/1-2:1.0"; empty for virtual devices
}

// Match chooses a device by its facts. Empty fields match every device; the
// zero Match chooses none. Path may be the end of a path, from a slash on, and
// may leave out the last USB interface: "usb1/1-2" finds "…/usb1/1-2/1-2:1.0".
type Match struct {
	Path   string
	MAC    MAC
	Driver string
}

// IsZero reports whether m asks for nothing.
func (m Match) IsZero() bool { return m == Match{} }

// Matches reports whether d has everything that m asks for.
func (m Match) Matches(d DeviceFacts) bool {
	if m.IsZero() {
		return false
	}
	return (m.Driver == "" || m.Driver == d.Driver) &&
		(m.MAC.IsZero() || m.MAC == d.MAC || m.MAC == d.Permanent) &&
		(m.Path == "" || matchPath(m.Path, d.Path))
}

// Find returns the device that m chooses. Where several match, hardware wins
// over virtual devices: a bridge and a VLAN have the MAC of their port. An
// error means none or more than one; it names them.
func (m Match) Find(devices []DeviceFacts) (DeviceFacts, error) {
	var all, hardware []DeviceFacts
	for _, d := range devices {
		if !m.Matches(d) {
			continue
		}
		all = append(all, d)
		if d.Path != "" {
			hardware = append(hardware, d)
		}
	}
	if len(hardware) > 0 {
		all = hardware
	}
	switch len(all) {
	case 0:
		return DeviceFacts{}, fmt.Errorf("no device with %s", m)
	case 1:
		return all[0], nil
	}
	names := make([]string, len(all))
	for i, d := range all {
		names[i] = d.Name
	}
	slices.Sort(names)
	return DeviceFacts{}, fmt.Errorf("several devices with %s: %s", m, strings.Join(names, ", "))
}

func (m Match) String() string {
	var parts []string
	if m.Path != "" {
		parts = append(parts, "path "+m.Path)
	}
	if !m.MAC.IsZero() {
		parts = append(parts, "mac "+m.MAC.String())
	}
	if m.Driver != "" {
		parts = append(parts, "driver "+m.Driver)
	}
	if len(parts) == 0 {
		return "nothing asked for"
	}
	return strings.Join(parts, ", ")
}

// usbInterface is the last part of a USB network device's path: bus and ports,
// then configuration and interface.
var usbInterface = regexp.MustCompile(`^[0-9]+-[0-9.]+:[0-9]+\.[0-9]+$`)

func matchPath(want, path string) bool {
	if path == "" {
		return false
	}
	want = strings.Trim(strings.TrimPrefix(want, "/sys/devices/"), "/")
	if want == "" {
		return false
	}
	if path == want || strings.HasSuffix(path, "/"+want) {
		return true
	}
	i := strings.LastIndexByte(path, '/')
	return i >= 0 && usbInterface.MatchString(path[i+1:]) && matchPath(want, path[:i])
}
