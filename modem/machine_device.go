package modem

import (
	"slices"
	"time"
)

// The interface set of a device that appears must hold for steady, but is not
// waited for longer than patience: modules come up one interface at a time.
const (
	steady       = time.Second
	patience     = 8 * time.Second
	newIDWait    = time.Second
	enumerateMax = 60 * time.Second // spec 3.4: a reset until the device is there again
)

// deviceFacts are about the device on its bus.
type deviceFacts struct {
	present bool
	seen    bool // it has been there since the machine started
	came    time.Time
	changed time.Time
	left    time.Time // zero: it never was there, or is
	settled bool
	bound   bool // new_id has been written
}

// watchDevice compares the device with the last one.
func (m *Machine) watchDevice() {
	d, present := m.deviceNow()
	f := &m.devices
	switch {
	case !present && f.present:
		m.device = Device{}
		*f = deviceFacts{seen: true, left: m.now}
		m.lost()
	case present && !f.present:
		*f = deviceFacts{present: true, seen: true, came: m.now, changed: m.now, bound: f.bound}
		m.device = d
	case present && !sameDevice(d, m.device):
		old := m.device
		m.device, f.changed = d, m.now
		if d.Path != old.Path || d.ID() != old.ID() || m.ports.main != "" && !hasPort(d, m.ports.main) || m.netdevMoved(old, d) ||
			m.ports.none && len(d.Ports) > len(old.Ports) { // taken for one without AT: its ttys come late
			f.came, f.settled = m.now, false
			m.lost()
		}
	}
}

// deviceNow is the device of the level; a UART's is made of the configuration.
func (m *Machine) deviceNow() (Device, bool) {
	if m.level.Device != nil {
		return *m.level.Device, true
	}
	if m.set.Port == "" {
		return Device{}, false
	}
	d := Device{Ports: []Port{{Path: m.set.Port}}}
	if m.set.Netdev != "" {
		d.Nets = []Net{{Name: m.set.Netdev}}
	}
	return d, true
}

func sameDevice(a, b Device) bool {
	return a.Path == b.Path && a.VID == b.VID && a.PID == b.PID && a.Product == b.Product && a.Manufacturer == b.Manufacturer &&
		a.Serial == b.Serial && slices.Equal(a.Ports, b.Ports) && slices.Equal(a.Nets, b.Nets) &&
		slices.Equal(a.Control, b.Control) && slices.Equal(a.Interfaces, b.Interfaces)
}

func hasPort(d Device, path string) bool {
	return slices.ContainsFunc(d.Ports, func(p Port) bool { return p.Path == path })
}

// netdevMoved reports whether the device that carries our data has gone.
func (m *Machine) netdevMoved(old, d Device) bool {
	name := m.data.plan.Netdev
	had := func(d Device) bool { return slices.ContainsFunc(d.Nets, func(n Net) bool { return n.Name == name }) }
	return name != "" && m.data.state != dataOff && had(old) && !had(d)
}

// lost forgets everything about a modem that has gone, closes what is open and
// answers who waits.
func (m *Machine) lost() {
	m.closePorts()
	m.stopData()
	m.withdraw(ErrGone)
	m.refuseQueue(ErrGone)
	m.ports = portFacts{}
	m.profile = Profile{}
	m.ident = Identity{}
	m.forgetRadio()
	m.sms = smsFacts{}
	m.polls = pollFacts{}
	m.data = dataFacts{}
	m.epoch++
	m.devices.settled = false
	m.devices.came, m.devices.changed = m.now, m.now
}

// forgetRadio forgets what a radio that restarts loses.
func (m *Machine) forgetRadio() {
	m.sim = simFacts{}
	m.radio = radioFacts{}
	m.net = netFacts{}
}

// stageDevice waits until the device is there, whole.
func (m *Machine) stageDevice() bool {
	f := &m.devices
	if !f.present {
		if m.rescue.resetting(m.now) {
			m.alarm(m.rescue.until)
			return m.hold(Recovering, CodeRecovering, m.rescue.rung.String()+": waits until the modem is there again")
		}
		m.want.trouble = TroubleGone
		return m.hold(Absent, CodeAbsent, "")
	}
	if f.settled {
		return true
	}
	ready := f.changed.Add(steady)
	if limit := f.came.Add(patience); limit.Before(ready) {
		ready = limit
	}
	if m.device.VID == 0 || m.inherited() {
		ready = m.now // a UART has no interfaces, and a session that lives has all of them
	}
	if m.alarm(ready) {
		return m.hold(Enumerating, "", "its interfaces still come")
	}
	f.settled = true
	m.profile = m.profiles.For(m.device)
	if m.profile.NewID && !f.bound {
		f.bound = true
		m.want.state = Enumerating
		m.pull(LeverNewID, func(error) { m.pause(newIDWait, func() { m.devices.settled = false }) })
		return false
	}
	return true
}
