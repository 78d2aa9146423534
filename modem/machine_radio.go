package modem

import "time"

// The clocks of the radio.
const (
	radioRest   = 7 * time.Second // between off and on (spec 4.3, step 5)
	modeRetry   = 5 * time.Minute // until a mode that could not be read is read again
	searchSoon  = time.Second     // registration, while searching, in the first searchFirst
	searchFirst = 20 * time.Second
	searchPoll  = 3 * time.Second  // then
	searchLong  = 10 * time.Second // the same, after noSignalFor
	graceSearch = 15 * time.Second // a loss of registration that is shorter ends nothing (ModemManager)
	noSignalFor = 60 * time.Second // searching for longer is reported
)

// radioFacts are about the radio and what chooses a network.
type radioFacts struct {
	known, on bool
	mode      bool // the USB mode has been looked at
	unchanged bool // the mode is another one, and was written before
	selected  bool // RAT, bands, PLMN and slot are as configured
}

// stageMode writes the USB mode that is configured, once per modem.
func (m *Machine) stageMode() bool {
	modes := m.profile.Modes
	value, wanted := modes.Values[m.set.USBMode]
	if m.radio.mode || m.ports.main == "" || m.set.USBMode == "" || m.set.USBMode == "keep" || !wanted || modes.Query == "" {
		return true
	}
	m.radio.mode = true
	m.want.state = Probing
	m.text(modes.Query, func(r Reply) {
		now, known := modes.Mode(r.Lines)
		tried := m.mem.Modems[m.ident.IMEI].ModeTried == m.set.USBMode
		switch {
		case r.Err != nil || !known || now == m.set.USBMode:
		case tried:
			m.radio.unchanged = true
			m.tell("modem", CodeModeSwitch.Sentence(), true, "mode", now)
		default:
			m.setMode(value)
		}
	})
	return false
}

// setMode writes the mode, after it has noted that it does.
func (m *Machine) setMode(value string) {
	mem := m.modemMemory()
	mem.ModeTried = m.set.USBMode
	m.setModemMemory(mem)
	v := Values{CID: m.profile.CID, Mode: value}
	m.save(func(err error) {
		if err != nil {
			return
		}
		m.tell("modem", "the USB mode is set to "+m.set.USBMode, false)
		m.run(m.profile.Commands(m.profile.Modes.Set, v), func(err error) {
			if err != nil {
				return
			}
			m.rescue.expect(RungSoftReset, m.now)
			m.attempt(m.modeReset(), func(Reply) {})
		})
	})
}

func (m *Machine) modeReset() []Command {
	if reset := m.profile.Modes.Reset; reset != "" {
		return []Command{NewCommand(reset)}
	}
	return m.profile.Commands(m.profile.Reset, Values{CID: m.profile.CID})
}

// stageRadio has the radio on, or off in flight mode.
func (m *Machine) stageRadio() bool {
	if m.ports.none || m.ports.main == "" {
		return !m.mem.Flight || m.hold(RadioOff, CodeRadioOff, "flight mode")
	}
	f := &m.radio
	if !f.known {
		m.want.state = Searching
		m.text("+CFUN?", func(r Reply) {
			if silent(r.Err) {
				return
			}
			level, ok := ParseCFUN(r.Lines)
			f.known, f.on = true, !ok || level == 1
		})
		return false
	}
	switch {
	case m.mem.Flight && f.on:
		m.stopData()
		m.want.state = RadioOff
		m.radioOff(func() {})
		return false
	case m.mem.Flight:
		return m.hold(RadioOff, CodeRadioOff, "flight mode")
	case !f.on:
		m.want.state = RadioOff
		m.radioOn(func() {})
		return false
	}
	return true
}

// radioOff switches the radio off.
func (m *Machine) radioOff(then func()) {
	m.text("+CFUN="+number64(uint64(max(m.profile.Offline, 0))), func(r Reply) {
		if silent(r.Err) {
			return
		}
		m.radio.known, m.radio.on = true, false
		m.net = netFacts{}
		then()
	})
}

// radioOn switches it on; the card may be locked again.
func (m *Machine) radioOn(then func()) {
	m.text("+CFUN=1", func(r Reply) {
		if silent(r.Err) {
			return
		}
		if r.Err != nil {
			m.pause(radioRest, func() { m.radio.known = false })
			return
		}
		m.radio.known, m.radio.on = true, true
		m.net = netFacts{}
		m.sim = simFacts{}
		then()
	})
}

// stageSelection chooses RAT, bands, slot and network, only where configured:
// even "all bands" has broken a registration (ArduPilot#30601).
func (m *Machine) stageSelection() bool {
	f := &m.radio
	if f.selected || m.ports.main == "" {
		return true
	}
	m.want.state = Searching
	f.selected = true
	chosen := m.selection()
	if mem := m.modemMemory(); len(chosen) > 0 && mem.Selected != m.selectionMark() {
		m.run(chosen, func(err error) {
			if silent(err) {
				f.selected = false
				return
			}
			if err != nil {
				m.tell("modem", "the modem refuses RAT, bands or slot of the configuration: "+err.Error(), true)
			}
			mem := m.modemMemory()
			mem.Selected = m.selectionMark()
			m.setModemMemory(mem)
			m.save(func(error) { m.selectNetwork() })
		})
		return false
	}
	m.selectNetwork()
	return !m.busy()
}

// selectionMark stands for what is configured, as it is remembered.
func (m *Machine) selectionMark() string {
	return digest(m.set.RAT, m.set.Bands, number64(uint64(max(m.set.SIMSlot, 0))))
}

// selection are the commands for it.
func (m *Machine) selection() []Command {
	v := Values{CID: m.profile.CID, Bands: m.set.Bands, Slot: m.set.SIMSlot}
	var list []string
	if c := m.profile.RAT[m.set.RAT]; m.set.RAT != "" && c != "" {
		list = append(list, c)
	}
	if m.set.Bands != "" && m.profile.Bands != "" {
		list = append(list, m.profile.Bands)
	}
	if m.set.SIMSlot != 0 && m.profile.Slot != "" {
		list = append(list, m.profile.Slot)
	}
	return m.profile.Commands(list, v)
}

// selectNetwork sets the network of the configuration, where it is not set.
func (m *Machine) selectNetwork() {
	if m.set.PLMN == "" {
		return
	}
	m.text("+COPS?", func(r Reply) {
		op, ok := ParseCOPS(r.Lines)
		if silent(r.Err) || ok && op.Manual && op.PLMN == m.set.PLMN {
			return
		}
		m.text(`+COPS=1,2,"`+Quoted(m.set.PLMN)+`"`, func(Reply) {})
	})
}

func (m *Machine) modemMemory() ModemMemory { return m.mem.Modems[m.ident.IMEI] }

func (m *Machine) setModemMemory(mem ModemMemory) {
	if m.mem.Modems == nil {
		m.mem.Modems = map[string]ModemMemory{}
	}
	m.mem.Modems[m.ident.IMEI] = mem
}
