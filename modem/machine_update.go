package modem

import "time"

// Update takes over another configuration. A session whose settings are the
// same is not disturbed.
func (m *Machine) Update(s Settings) {
	old, was := m.set, m.access()
	m.set = s
	now := m.access()
	if old.Match != s.Match || old.Port != s.Port || old.Netdev != s.Netdev || old.System != s.System {
		m.out = nil
		m.restart = true
		return
	}
	if was.PIN != now.PIN {
		m.sim.asked = time.Time{}
	}
	was.PIN, now.PIN = "", ""
	was.Roaming, now.Roaming = false, false
	if was != now || old.Data != s.Data {
		m.anew = true
	}
	if old.RAT != s.RAT || old.Bands != s.Bands || old.PLMN != s.PLMN || old.SIMSlot != s.SIMSlot {
		m.radio.selected = false
	}
	if old.USBMode != s.USBMode {
		m.radio.mode = false
	}
}

// updated carries out what Update left for the next step.
func (m *Machine) updated() {
	if m.restart {
		m.restart = false
		m.lost()
		m.devices = deviceFacts{}
		m.device = Device{}
	}
	if m.anew {
		m.anew = false
		m.data.auth, m.data.refused, m.data.missing = false, "", nil
		m.data.undialled = nil
		m.forgetAPN()
		m.redial()
	}
}
