package modem

import "time"

// netFacts are about the network.
type netFacts struct {
	known    bool
	reg      Registration
	at       time.Time // of the last answer
	since    time.Time // of searching, or of denied
	lost     time.Time // since when it is not registered any more; zero: it is
	told     bool      // the loss has been told
	operator Operator
	cell     string // told last
}

// stageNetwork waits for a network that the card may use.
func (m *Machine) stageNetwork() bool {
	if m.ports.none || m.ports.main == "" {
		return true
	}
	f := &m.net
	if !f.known {
		m.want.state = Searching
		m.askNetwork(func() {})
		return false
	}
	switch {
	case f.reg.Registered():
		return m.stageRoaming()
	case m.data.state == dataUp && !f.lost.IsZero() && m.keepLost():
		return true
	case m.inherited() && m.keepLost():
	default:
		m.stopData()
	}
	if f.since.IsZero() {
		f.since = m.now
	}
	every := searchPoll
	switch searched := m.now.Sub(f.since); {
	case searched < searchFirst:
		every = searchSoon
	case searched >= noSignalFor:
		every = searchLong
	}
	if !m.alarm(f.at.Add(every)) {
		m.want.state = Searching
		m.askNetwork(func() {})
		return false
	}
	return m.searching()
}

// keepLost reports whether a session is kept although the modem is not
// registered: for a moment, and as long as bytes arrive.
func (m *Machine) keepLost() bool {
	end := m.net.lost.Add(graceSearch)
	if m.alarm(end) {
		return true
	}
	return m.alive()
}

// searching says why there is no network.
func (m *Machine) searching() bool {
	f := &m.net
	if f.reg.Denied() {
		t := TroubleDenied
		if f.reg.CauseType == 0 && banned(f.reg.Cause) {
			t = TroubleBanned
		}
		return m.suffer(Denied, CodeDenied, regText(f.reg), t)
	}
	if m.now.Sub(m.sim.asked) >= simLocked {
		m.polls.simURC = true // a card that is pulled is not told by every modem
	}
	code := CodeSearching
	if m.now.Sub(f.since) >= noSignalFor {
		code = CodeNoSignal
	} else {
		m.alarm(f.since.Add(noSignalFor))
	}
	return m.suffer(Searching, code, "", TroubleSearch)
}

// banned reports whether a cause of TS 24.301 §9.9.3.9 will not go by itself:
// illegal UE, illegal ME, EPS services not allowed, also with non-EPS ones.
func banned(cause int) bool { return cause == 3 || cause == 6 || cause == 7 || cause == 8 }

// stageRoaming refuses a foreign network where the configuration says so.
func (m *Machine) stageRoaming() bool {
	if !m.net.reg.Roaming() || m.access().Roaming {
		return true
	}
	m.stopData()
	return m.hold(Registered, CodeRoamingOff, "")
}

// askNetwork asks for the registration in each domain until one is registered.
func (m *Machine) askNetwork(then func()) {
	m.askDomain([]string{"+CEREG?", "+CGREG?", "+CREG?"}, Registration{Stat: RegNone}, then)
}

func (m *Machine) askDomain(list []string, best Registration, then func()) {
	if len(list) == 0 {
		m.setNetwork(best)
		then()
		return
	}
	m.text(list[0], func(r Reply) {
		if silent(r.Err) {
			return
		}
		reg, ok := ParseRegistration(r.Lines)
		if ok && r.Err == nil && reg.Better(best) {
			best = reg
		}
		if best.Registered() {
			list = list[:1]
		}
		m.askDomain(list[1:], best, then)
	})
}

// setNetwork notes a registration.
func (m *Machine) setNetwork(reg Registration) {
	f := &m.net
	was := f.known && f.reg.Registered()
	changed := !f.known || f.reg.Registered() != reg.Registered() || f.reg.Denied() != reg.Denied()
	f.known, f.reg, f.at = true, reg, m.now
	switch {
	case reg.Registered():
		f.lost, f.since, f.told = time.Time{}, time.Time{}, false
		m.ladder.registered()
	case was || f.lost.IsZero():
		f.lost = m.now
	}
	if changed && !reg.Registered() && was {
		m.tell("modem", "the modem has lost its network: "+regText(reg), true)
	}
	m.tellCell()
}

// tellCell tells that the serving cell is another one.
func (m *Machine) tellCell() {
	reg := m.net.reg
	if !reg.Registered() || reg.Cell == "" || m.net.cell == reg.Cell {
		return
	}
	m.net.cell = reg.Cell
	m.tell("CELL_INFO_UPDATE", "the serving cell is "+reg.Cell, false, "cell", reg.Cell, "tac", reg.TAC)
}

// regText is a registration for people.
func regText(r Registration) string {
	if r.Stat != RegDenied || r.Cause == 0 {
		return r.Stat.String()
	}
	if r.CauseType != 0 {
		return r.Stat.String() + ": the maker's cause " + number64(uint64(r.Cause))
	}
	return r.Stat.String() + ": " + EMMCause(r.Cause)
}
