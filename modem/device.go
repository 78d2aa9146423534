package modem

import (
	"fmt"
	"slices"

	"luatnetd/netif"
)

// Device is a modem as its bus shows it. It is a whole snapshot: a device that
// changes is another value.
type Device struct {
	Path         string // below /sys/devices, of the USB device: "pci0000:00/…/usb1/1-2"; "" for a UART
	VID, PID     uint16 // zero for a UART
	Manufacturer string // USB strings
	Product      string
	Serial       string   // many modules of one kind have the same
	Ports        []Port   // ttys, by interface number
	Nets         []Net    // netdevs, by interface number
	Control      []string // "/dev/cdc-wdm0": QMI or MBIM
	Interfaces   []Interface
}

// Class is the class of a USB interface.
type Class struct{ Class, Sub, Protocol uint8 }

func (c Class) String() string { return fmt.Sprintf("%02x/%02x/%02x", c.Class, c.Sub, c.Protocol) }

// Interface is one USB interface, with or without a driver.
type Interface struct {
	Number int
	Class  Class
	Driver string // "" while none has bound
}

// Port is a tty of a modem.
type Port struct {
	Path      string // "/dev/ttyUSB2"
	Interface int    // bInterfaceNumber; 0 for a UART
	Class     Class
	Driver    string // "option1", "cdc_acm", …
}

// Net is a netdev of a modem.
type Net struct {
	Name      string // "usb0", "wwan0"
	Interface int
	Driver    string // "cdc_ether", "rndis_host", "cdc_ncm", "cdc_mbim", "qmi_wwan"
	MAC       netif.MAC
}

// ID is "2c7c:0125"; "uart" for a UART.
func (d Device) ID() string {
	if d.VID == 0 && d.PID == 0 {
		return "uart"
	}
	return fmt.Sprintf("%04x:%04x", d.VID, d.PID)
}

// Equal reports whether d and o are the same device with the same parts.
func (d Device) Equal(o Device) bool {
	return d.Path == o.Path && d.VID == o.VID && d.PID == o.PID && d.Manufacturer == o.Manufacturer && d.Product == o.Product && d.Serial == o.Serial &&
		slices.Equal(d.Ports, o.Ports) && slices.Equal(d.Nets, o.Nets) && slices.Equal(d.Control, o.Control) && slices.Equal(d.Interfaces, o.Interfaces)
}
