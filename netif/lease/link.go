package lease

import (
	"net/netip"
	"slices"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

func (m *Machine) linkUp(now time.Time, e LinkUp) {
	first := m.fresh
	m.fresh = false
	changed := m.link.MAC != e.MAC
	if m.up && !changed {
		m.link = e
		return
	}
	if !first && changed {
		m.lose(now, "hardware address changed") // the lease belongs to the old one
	}
	m.link, m.up = e, true
	if m.memory != nil && !m.ourMemory() {
		m.memory = nil
	}
	m.clear(tCarrier)
	m.began, m.silent = now, 0
	if first {
		m.adopt(now, e.Addrs)
	}
	m.startSearch(now)
}

// ourMemory reports whether the remembered lease was won by this device in a
// name that the configuration still allows.
func (m *Machine) ourMemory() bool {
	b := m.memory
	if b.mac != m.link.MAC || !slices.Contains(m.cfg.forms(m.link.MAC, ""), b.id.form) {
		return false
	}
	return b.id.form != FormHex || slices.Equal(b.id.bytes, m.cfg.ClientID.Bytes)
}

// adopt goes on using the remembered lease that a predecessor of this process
// left on the device, so that a restart loses no packet. It had not expired
// when the predecessor ended, or the address would be gone; the file may be
// older than its last renewal by saveEvery. Either way the server is asked.
func (m *Machine) adopt(now time.Time, present []netip.Prefix) {
	b := m.memory
	if b == nil || !b.certain || m.over(now.Add(-saveEvery), b) {
		return
	}
	on := func(p netip.Prefix) bool { return p.Addr() == b.lease.Addr.Addr() }
	if !slices.ContainsFunc(present, on) || m.overlap(b.lease.Addr) != "" {
		return
	}
	m.use(now, b)
}

// use publishes the remembered lease before the server has confirmed it. Its
// end is certain, or the end of REBOOTING settles it.
func (m *Machine) use(now time.Time, b *binding) {
	m.held, m.boundAt, m.why = b, now, ""
	if !b.lease.Expire.IsZero() && !m.over(now, b) {
		m.due[tExpire] = b.lease.Expire
	}
	m.do(BoundTo{Lease: b.lease})
}

// over reports whether the lease had ended at that time.
func (m *Machine) over(at time.Time, b *binding) bool {
	return !b.lease.Expire.IsZero() && !at.Before(b.lease.Expire)
}

// startSearch begins with the remembered address where there is one that the
// server may still know: not one that ended in this boot for certain.
func (m *Machine) startSearch(now time.Time) {
	b := m.memory
	if b == nil || m.overlap(b.lease.Addr) != "" || m.held == nil && b.certain && m.over(now, b) {
		m.restartSearch(now)
		m.due[tSend] = later(m.due[tSend], m.pace(now))
		return
	}
	m.enter(now, InitReboot)
	m.due[tSend] = m.pace(now)
}

// restartSearch goes to INIT, or stays DOWN without carrier.
func (m *Machine) restartSearch(now time.Time) {
	if !m.up {
		return
	}
	if m.held == nil {
		m.closeARP()
	}
	m.began, m.silent = now, 0
	m.xid, m.id = 0, identity{}
	m.enter(now, Init)
	m.due[tSend] = later(now, m.notBefore)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// pace is now, or later where a flapping carrier would make us shout.
func (m *Machine) pace(now time.Time) time.Time {
	if m.lastSent.IsZero() {
		return now
	}
	return later(now, m.lastSent.Add(paceSends))
}

func (m *Machine) linkDown(now time.Time, e LinkDown) {
	if b := m.checking; b != nil {
		m.memory = b // the server believes that it is ours
	}
	if m.up || m.state != Down {
		m.up = false
		m.enter(now, Down)
		m.closeARP()
		m.clear(tAnnounce)
		if m.held != nil {
			m.due[tCarrier] = now.Add(CarrierGrace)
		}
	}
	if e.Gone {
		m.lose(now, "device gone")
	}
}

// lose withdraws the lease in use. What the server said is remembered.
func (m *Machine) lose(now time.Time, reason string) {
	if m.held == nil {
		return
	}
	m.held = nil
	m.why = reason
	m.clear(tExpire, tCarrier, tRenew, tRebind, tAnnounce)
	m.closeARP()
	m.do(Lost{Reason: reason})
}

// forget drops the remembered address, not the client identifier that won.
func (m *Machine) forget(now time.Time) {
	m.memory = nil
	m.save(now, false)
}

func (m *Machine) restart(now time.Time, reason string) {
	m.lose(now, reason)
	m.memory = nil
	m.notBefore = time.Time{}
	m.restartSearch(now)
}

// avoid takes the LANs' subnets. A lease inside of one is given up: the LAN
// stays, the uplink says why it does not come up.
func (m *Machine) avoid(now time.Time, list []netip.Prefix) {
	m.cfg.Avoid = slices.Clone(list)
	if m.held == nil {
		if m.refused != "" && m.state == Selecting {
			m.due[tSend] = m.pace(now) // the offer may be welcome now
		}
		m.refused = ""
		return
	}
	if reason := m.overlap(m.held.lease.Addr); reason != "" {
		m.lose(now, reason)
		m.memory = nil
		m.restartSearch(now)
	}
}

// overlap says which subnet to avoid p overlaps, "" for none. A /32 is judged
// by its address.
func (m *Machine) overlap(p netip.Prefix) string {
	for _, lan := range m.cfg.Avoid {
		if lan.IsValid() && p.Overlaps(lan) {
			return "offered " + p.String() + " overlaps the LAN " + lan.Masked().String()
		}
	}
	return ""
}

func (m *Machine) stop(now time.Time) {
	if m.held != nil {
		m.save(now, true) // the next process should know the times exactly
	}
	m.end(now)
}

// release gives the address back by unicast, as the RFC asks. It is not for
// crashes and reboots: the address would go to somebody else.
func (m *Machine) release(now time.Time) {
	if b := m.held; b != nil {
		if m.up {
			m.newExchange()
			m.id = b.id
			m.send(now, message{kind: dhcpv4.MessageTypeRelease, client: b.lease.Addr.Addr(), server: b.lease.ServerID}, b.lease.ServerID)
		}
		m.lose(now, "released")
	}
	m.forget(now)
	m.end(now)
}

func (m *Machine) end(now time.Time) {
	m.closeARP()
	m.enter(now, Stopped)
	m.due = [timers]time.Time{}
}
