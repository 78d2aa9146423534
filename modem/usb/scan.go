package usb

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"

	"luatnetd/internal/order"
	"luatnetd/modem"
	"luatnetd/netif"
)

// Classes of USB devices and interfaces (usb.org, "Defined Class Codes").
const (
	classComm     = 0x02 // CDC control: ACM, ECM, NCM, MBIM, and RNDIS in Linux' form
	classData     = 0x0a // CDC data
	classWireless = 0xe0 // RNDIS of most modules
	classMisc     = 0xef // RNDIS of some
	classVendor   = 0xff // AT, DIAG and QMI ports
)

// maxString is the length of the longest USB string: a descriptor has 255 bytes.
const maxString = 126

// Scan reads the USB devices that may be modems from sysfs, mounted at root
// ("/sys"): those with a tty, a netdev or a cdc-wdm, and those with an
// interface that could get one. Hubs, disks, keyboards and the like are left
// out. The devices are ordered by their path, their parts by interface number.
// A device that goes away meanwhile is left out; an error means that sysfs
// cannot be read at all.
func Scan(root string) ([]modem.Device, error) {
	dir := filepath.Join(root, "bus/usb/devices")
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // a kernel without USB
	}
	if err != nil {
		return nil, fmt.Errorf("read the USB devices: %w", err)
	}
	base, err := filepath.EvalSymlinks(filepath.Join(root, "devices"))
	if err != nil {
		return nil, fmt.Errorf("read the USB devices: %w", err)
	}
	var list []modem.Device
	for _, e := range entries {
		if strings.Contains(e.Name(), ":") || strings.HasPrefix(e.Name(), "usb") {
			continue // an interface, or a root hub
		}
		to, err := filepath.EvalSymlinks(filepath.Join(dir, e.Name()))
		if err != nil {
			continue
		}
		path, err := filepath.Rel(base, to)
		if err != nil {
			continue
		}
		if d, ok := device(to, path); ok {
			list = append(list, d)
		}
	}
	order.Sort(list, func(a, b modem.Device) int { return natural(a.Path, b.Path) })
	return list, nil
}

// device reads one device's directory, and whether it may be a modem.
func device(dir, path string) (modem.Device, bool) {
	vid, errV := hex(dir, "idVendor", 16)
	pid, errP := hex(dir, "idProduct", 16)
	if errV != nil || errP != nil {
		return modem.Device{}, false
	}
	d := modem.Device{
		Path: path, VID: uint16(vid), PID: uint16(pid),
		Manufacturer: text(dir, "manufacturer"), Product: text(dir, "product"), Serial: text(dir, "serial"),
	}
	possible := false
	for _, sub := range globbed(dir, filepath.Base(dir)+":*") {
		i, ok := readInterface(sub)
		if !ok {
			continue
		}
		d.Interfaces = append(d.Interfaces, i)
		possible = possible || speaks(i.Class.Class)
		addParts(&d, sub, i)
	}
	order.Sort(d.Interfaces, func(a, b modem.Interface) int { return a.Number - b.Number })
	order.Sort(d.Ports, func(a, b modem.Port) int {
		return cmp.Or(a.Interface-b.Interface, natural(a.Path, b.Path))
	})
	order.Sort(d.Nets, func(a, b modem.Net) int { return cmp.Or(a.Interface-b.Interface, natural(a.Name, b.Name)) })
	order.Sort(d.Control, natural)
	return d, possible || len(d.Ports)+len(d.Nets)+len(d.Control) > 0
}

// speaks reports whether a driver for modems may bind to such an interface.
func speaks(class uint8) bool {
	switch class {
	case classComm, classData, classWireless, classMisc, classVendor:
		return true
	}
	return false
}

func readInterface(dir string) (modem.Interface, bool) {
	var v [4]uint64
	for i, name := range []string{"bInterfaceNumber", "bInterfaceClass", "bInterfaceSubClass", "bInterfaceProtocol"} {
		n, err := hex(dir, name, 8)
		if err != nil {
			return modem.Interface{}, false // it goes away just now
		}
		v[i] = n
	}
	class := modem.Class{Class: uint8(v[1]), Sub: uint8(v[2]), Protocol: uint8(v[3])}
	return modem.Interface{Number: int(v[0]), Class: class, Driver: driver(dir)}, true
}

// addParts adds the ttys, netdevs and control devices of an interface. cdc_acm
// has its tty below the interface; usb-serial puts a port device between, whose
// driver ("option1") tells more than the interface's ("option").
func addParts(d *modem.Device, dir string, i modem.Interface) {
	port := func(tty, drv string) {
		d.Ports = append(d.Ports, modem.Port{Path: "/dev/" + filepath.Base(tty), Interface: i.Number, Class: i.Class, Driver: drv})
	}
	for _, tty := range globbed(dir, "tty/tty*") {
		port(tty, i.Driver)
	}
	for _, tty := range globbed(dir, "tty*/tty/tty*") {
		port(tty, cmp.Or(driver(filepath.Dir(filepath.Dir(tty))), i.Driver))
	}
	for _, net := range globbed(dir, "net/*") {
		mac, _ := netif.ParseMAC(text(net, "address")) // zero for what has none (raw IP)
		d.Nets = append(d.Nets, modem.Net{Name: filepath.Base(net), Interface: i.Number, Driver: i.Driver, MAC: mac})
	}
	// "usb" instead of "usbmisc" before Linux 3.x is of no interest.
	for _, wdm := range globbed(dir, "usbmisc/cdc-wdm*") {
		d.Control = append(d.Control, "/dev/"+filepath.Base(wdm))
	}
}

// globbed lists what matches below dir, whose own name is taken as it is.
func globbed(dir, pattern string) []string {
	names, _ := fs.Glob(os.DirFS(dir), pattern)
	for i, n := range names {
		names[i] = filepath.Join(dir, n)
	}
	return names
}

func driver(dir string) string {
	to, err := os.Readlink(filepath.Join(dir, "driver"))
	if err != nil {
		return ""
	}
	return filepath.Base(to)
}

func hex(dir, name string, bits int) (uint64, error) {
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(strings.TrimSpace(string(b)), 16, bits)
}

// text reads an attribute that a device may have filled with anything.
func text(dir, name string) string {
	b, _ := os.ReadFile(filepath.Join(dir, name))
	n := 0
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if n++; n > maxString || !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, string(b)))
}

// natural orders names as people do: 1-2 before 1-10, ttyUSB2 before ttyUSB10.
func natural(a, b string) int {
	for a != "" && b != "" {
		na, nb := digits(a), digits(b)
		if na > 0 && nb > 0 {
			x, y := strings.TrimLeft(a[:na], "0"), strings.TrimLeft(b[:nb], "0")
			if c := cmp.Or(len(x)-len(y), strings.Compare(x, y)); c != 0 {
				return c
			}
			a, b = a[na:], b[nb:]
			continue
		}
		if a[0] != b[0] {
			return int(a[0]) - int(b[0])
		}
		a, b = a[1:], b[1:]
	}
	return len(a) - len(b)
}

// digits is the length of the number that s begins with.
func digits(s string) int { return len(s) - len(strings.TrimLeft(s, "0123456789")) }
