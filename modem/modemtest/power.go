package modemtest

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"luatnetd/modem"
	"luatnetd/netif"
)

// bootLocked starts the firmware: everything that does not live in flash or on
// the card is new.
func (m *Modem) bootLocked() {
	m.boots++
	m.running = true
	m.count.Enumerations++
	m.comp = m.next
	m.fun = 1
	m.net.stat, m.net.detached, m.net.manual = 0, false, ""
	m.bound = false
	if m.pdp == nil {
		m.pdp = map[int]*context3{}
	}
	m.contextLocked(m.pers.Attach)
	for _, c := range m.pdp {
		c.active = false
	}
	for iface, l := range m.lines { // a UART's port stays open
		if l.conn == nil {
			delete(m.lines, iface)
			continue
		}
		l.defaults()
	}
	m.simChangedLocked()
	m.brownOutLocked()
	m.dataLocked()
}

// rebootLocked leaves the bus after d and comes back when the firmware has booted.
func (m *Modem) rebootLocked(d time.Duration, why string) {
	boot := m.boots
	m.alwaysAfter(d, func() {
		if m.boots != boot || !m.running {
			return
		}
		m.cureLocked(why, nil)
		m.vanishLocked()
		m.returnLocked(m.bootTimeLocked())
	})
}

// bootTimeLocked is how long the bus stays empty.
func (m *Modem) bootTimeLocked() time.Duration {
	if m.onLocked("slow-reset", nil) {
		return m.durationLocked("slow-reset", 20*time.Second)
	}
	return m.pace.Boot
}

// vanishLocked takes the module off the bus.
func (m *Modem) vanishLocked() {
	if !m.running {
		return
	}
	m.running = false
	m.boots++
	m.net.stat, m.bound = 0, false
	for _, c := range m.pdp {
		c.active = false
	}
	if !m.pers.uart() {
		for iface, l := range m.lines {
			if l.conn != nil {
				l.conn.end(ErrVanished)
				l.conn = nil
			}
			delete(m.lines, iface)
		}
	}
	m.dataLocked()
	if f := m.opt.Vanished; f != nil {
		m.pending = append(m.pending, f)
	}
}

// returnLocked boots after d, twice with the fault "double-enum".
func (m *Modem) returnLocked(d time.Duration) {
	boot := m.boots
	m.alwaysAfter(d, func() {
		if m.boots != boot || m.running || !m.power {
			return
		}
		if m.onLocked("double-enum", nil) && !m.inROM() {
			m.romLocked()
			return
		}
		m.leaveROM()
		m.enumerateLocked()
	})
}

// enumerateLocked comes back onto the bus.
func (m *Modem) enumerateLocked() {
	m.identifyLocked()
	m.bootLocked()
	if f := m.opt.Returned; f != nil {
		m.pending = append(m.pending, f)
	}
}

const romMode = "boot rom"

func (m *Modem) inROM() bool { return m.vendor["rom"] != "" }
func (m *Modem) leaveROM()   { delete(m.vendor, "rom") }

// romLocked shows the boot ROM on the bus: other IDs, no port; then it goes.
func (m *Modem) romLocked() {
	m.vendor["rom"] = romMode
	m.boots++
	m.count.Enumerations++
	if f := m.opt.Returned; f != nil {
		m.pending = append(m.pending, f)
	}
	boot := m.boots
	m.alwaysAfter(1500*time.Millisecond, func() {
		if m.boots != boot || m.running {
			return
		}
		if f := m.opt.Vanished; f != nil {
			m.pending = append(m.pending, f)
		}
		m.boots++
		m.returnLocked(time.Second)
	})
}

// identifyLocked gives other names where a fault says so.
func (m *Modem) identifyLocked() {
	if m.onLocked("vanish-imei", nil) {
		m.imei = m.textLocked("vanish-imei", 0, "860000000000777")
		delete(m.faults, "vanish-imei")
	}
	if m.onLocked("vanish-tty", nil) {
		m.ttyBase += m.intLocked("vanish-tty", 0, 1)
		delete(m.faults, "vanish-tty")
	}
}

// Power switches the rail: off takes the module away at once, on boots it.
func (m *Modem) Power(on bool) {
	m.lock()
	defer m.unlock()
	switch {
	case on == m.power:
	case !on:
		m.power = false
		m.vanishLocked()
		m.cureLocked("power", nil)
	default:
		m.power = true
		m.count.PowerCycles++
		m.returnLocked(m.bootTimeLocked())
	}
}

// Unplug takes the cable out; Plug puts it back. A bus-powered module boots anew.
func (m *Modem) Unplug() {
	m.lock()
	defer m.unlock()
	m.vanishLocked()
	m.cureLocked("rebind", nil)
}

// Plug undoes Unplug after d.
func (m *Modem) Plug(d time.Duration) {
	m.lock()
	defer m.unlock()
	m.returnLocked(d)
}

// brownOutLocked is the fault "brown-out": a reset every n seconds.
func (m *Modem) brownOutLocked() {
	if !m.onLocked("brown-out", nil) {
		return
	}
	m.rebootLocked(m.durationLocked("brown-out", 45*time.Second), "brown-out")
}

// Device is the modem as its bus shows it, nil while it is not there. A UART
// has one port, "/dev/ttyS0".
func (m *Modem) Device() *modem.Device {
	m.lock()
	defer m.unlock()
	path := cmp.Or(m.opt.Path, devicePath)
	if m.inROM() && !m.running {
		return &modem.Device{Path: path, VID: 0x17d1, PID: 0x0001, Product: "boot rom"}
	}
	if !m.running {
		return nil
	}
	c, _ := m.pers.composition(m.comp)
	if c.UART {
		return &modem.Device{Ports: []modem.Port{{Path: "/dev/ttyS0"}}}
	}
	d := &modem.Device{Path: path, VID: c.VID, PID: c.PID, Manufacturer: m.pers.Manufacturer, Product: m.pers.Product, Serial: m.pers.Serial}
	if m.onLocked("same-serial", nil) {
		d.Serial = "000000000001"
	}
	if m.onLocked("vanish-ids", nil) {
		d.VID, d.PID = 0x05c6, 0x9008 // a Qualcomm module in its loader
		return d
	}
	if !m.onLocked("net-first", nil) {
		m.portsLocked(d, c)
	}
	m.netLocked(d, c)
	slices.SortFunc(d.Interfaces, func(a, b modem.Interface) int { return a.Number - b.Number })
	return d
}

const devicePath = "pci0000:00/0000:00:14.0/usb1/1-2"

func (m *Modem) portsLocked(d *modem.Device, c Composition) {
	driver, name := "option1", "ttyUSB"
	if c.ACM {
		driver, name = "cdc_acm", "ttyACM"
	}
	for i, p := range c.Ports {
		class := p.Class
		if class == (modem.Class{}) {
			class = modem.Class{Class: 0xff}
			if c.ACM {
				class = modem.Class{Class: 2, Sub: 2, Protocol: 1}
			}
		}
		bound := driver
		if c.Unbound && !m.newID() {
			bound = ""
		} else {
			d.Ports = append(d.Ports, modem.Port{Path: fmt.Sprintf("/dev/%s%d", name, m.ttyBase+i), Interface: p.Interface, Class: class, Driver: driver})
		}
		d.Interfaces = append(d.Interfaces, modem.Interface{Number: p.Interface, Class: class, Driver: bound})
	}
}

func (m *Modem) newID() bool { return m.vendor["new_id"] != "" }

// NewID binds the option driver to a module that no driver knows (the lever
// modem.LeverNewID).
func (m *Modem) NewID() {
	m.lock()
	defer m.unlock()
	m.vendor["new_id"] = "ff"
	m.seenLocked()
}

// seenLocked tells that the device looks different.
func (m *Modem) seenLocked() {
	if f := m.opt.Returned; f != nil && m.running {
		m.pending = append(m.pending, f)
	}
}

func (m *Modem) netLocked(d *modem.Device, c Composition) {
	if c.Net.Driver == "" {
		return
	}
	class := map[string]modem.Class{
		"rndis_host": {Class: 0xe0, Sub: 1, Protocol: 3}, "cdc_ether": {Class: 2, Sub: 6}, "cdc_ncm": {Class: 2, Sub: 0x0d},
		"cdc_mbim": {Class: 2, Sub: 0x0e}, "qmi_wwan": {Class: 0xff, Sub: 0xff, Protocol: 0xff}, "huawei_cdc_ncm": {Class: 0xff, Sub: 2, Protocol: 0x76},
	}[c.Net.Driver]
	if c.First != (modem.Class{}) && c.Net.Interface == 0 {
		class = c.First
	}
	name := "usb0"
	if c.Control {
		name = "wwan0"
		d.Control = []string{"/dev/cdc-wdm0"}
	}
	d.Nets = []modem.Net{{Name: cmp.Or(m.opt.Net, name), Interface: c.Net.Interface, Driver: c.Net.Driver, MAC: netif.MAC{2, 0, 0x5e, 0, 0x53, 1}}}
	d.Interfaces = append(d.Interfaces, modem.Interface{Number: c.Net.Interface, Class: class, Driver: c.Net.Driver})
}
