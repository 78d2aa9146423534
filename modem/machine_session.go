package modem

import "time"

// dataChanged notes what became of the data plane.
func (m *Machine) dataChanged(e DataChanged) {
	if e.Up {
		m.dataCame(e)
		return
	}
	f := &m.data
	was, lasted := f.state, m.now.Sub(f.since)
	for _, p := range m.pending {
		if p.data {
			m.end(p.id, Reply{})
			break
		}
	}
	if e.Cause == DataAsked || e.Cause == DataOK || was == dataOff && e.Cause != DataMissing {
		return
	}
	kind := f.plan.Kind
	f.state, f.since, f.context = dataOff, m.now, false
	switch e.Cause {
	case DataMissing:
		if f.missing == nil {
			f.missing = map[DataKind]bool{}
		}
		f.missing[kind] = true
		f.cause, f.dialled = e.Message, time.Time{}
		m.tell("modem", CodeProgram.Sentence()+": "+e.Message, true, "data", string(kind))
	case DataAuth:
		m.giveUp(CodeAuth, e.Message)
	case DataNoDial:
		m.tell("modem", "the port "+f.plan.Port+" does not dial: "+e.Message, true, "port", f.plan.Port)
		if !m.nextDialPort() {
			m.giveUp(CodePDPRefused, string(e.Cause)+" "+e.Message)
		}
	default:
		m.tell("modem", "the data connection ended: "+string(e.Cause)+" "+e.Message, true, "data", string(kind))
		if was != dataUp || lasted < time.Minute {
			m.giveUp(CodePDPRefused, string(e.Cause)+" "+e.Message)
		}
	}
	m.again()
}

// dataCame notes a data plane that is up: the one that was asked for, or one
// that a predecessor left alive.
func (m *Machine) dataCame(e DataChanged) {
	f := &m.data
	if f.state == dataOff {
		if e.Kind == "" {
			return // it came up after it had been stopped
		}
		f.plan = DataPlan{Kind: e.Kind, Port: e.Port}
		f.adopted, f.first, f.context = true, false, true
	}
	f.state, f.since = dataUp, m.now
	f.refused, f.cause = "", ""
	if e.Netdev != "" {
		f.plan.Netdev = e.Netdev
	}
	if e.Bearer.Addr4.IsValid() || e.Bearer.Addr6.IsValid() {
		f.bearer = e.Bearer
	}
}

// stageAddress waits for an address on the netdev: only then the modem is online.
func (m *Machine) stageAddress() bool {
	f := &m.data
	if a := m.level.Addr; a.IsValid() && a.Addr().Unmap().Is4() {
		return true
	}
	if m.level.Addr.IsValid() || f.bearer.Addr6.IsValid() && !f.bearer.Addr4.IsValid() {
		return m.suffer(Addressing, CodeIPv6Only, "", TroubleSix)
	}
	if m.alarm(f.since.Add(leaseWait)) {
		return m.hold(Addressing, "", "waits for an address")
	}
	return m.suffer(Addressing, CodeNoAddress, "", TroubleAddress)
}

// stagePath says how well the connection works.
func (m *Machine) stagePath() bool {
	m.remember()
	switch {
	case m.level.Path == PathDead:
		return m.suffer(Degraded, CodePathDead, "", TroublePath)
	case !m.net.lost.IsZero() && !m.ports.none && m.ports.main != "":
		return m.hold(Degraded, CodeUnregistered, regText(m.net.reg))
	case m.ports.main == "" && !m.ports.none && m.data.port() == "":
		return m.hold(Degraded, CodePortStuck, "")
	case !m.ports.stuck.IsZero():
		return m.hold(Connected, CodePortStuck, "another port serves")
	}
	for _, port := range []string{m.ports.main, m.ports.spare} {
		if who := m.ports.holder[port]; who != "" {
			return m.hold(Connected, CodePortBusy, port+" is also open by "+who)
		}
	}
	if m.radio.unchanged {
		return m.hold(Connected, CodeModeSwitch, "")
	}
	return m.hold(Connected, "", "")
}

// bearerPolled compares the address with the last one: a modem's NAT hides that
// it has changed, and the carrier does not toggle (dhcpcd#75).
func (m *Machine) bearerPolled(b Bearer, known bool) {
	f := &m.data
	if f.state != dataUp || !known {
		return
	}
	switch old := f.bearer; {
	case !b.Addr4.IsValid() && old.Addr4.IsValid():
		m.bearerGone()
	case b.Addr4.IsValid() && old.Addr4.IsValid() && b.Addr4 != old.Addr4:
		f.bearer.Addr4, m.polls.missed = b.Addr4, 0
		m.tell("modem", "the network gave another address", false)
		if f.plan.Kind == DataNetdev && !m.profile.Static {
			m.do(Release{Why: "the address behind the modem has changed"})
			return
		}
		m.redial()
	case b.Addr4.IsValid():
		f.bearer.Addr4, m.polls.missed = b.Addr4, 0
	}
}

// bearerGone redials once the address has been missing twice and nothing arrives.
func (m *Machine) bearerGone() {
	m.polls.missed++
	if m.polls.missed < 2 || m.alive() {
		return
	}
	m.polls.missed = 0
	m.tell("modem", "the network ended the data connection", true)
	m.redial()
}

// redial stops the data call; the stages start it again.
func (m *Machine) redial() {
	f := &m.data
	f.refused, f.context = "", false
	if f.state == dataOff {
		return
	}
	var stop []Command
	if m.ports.main != "" && (m.profile.Dialling() && f.plan.Kind == DataNetdev || f.plan.Kind == DataPPP) {
		stop = m.stopCommands()
	}
	m.stopData()
	m.run(stop, func(error) {})
}

// stopCommands end the call at the modem.
func (m *Machine) stopCommands() []Command {
	if m.data.plan.Kind == DataPPP {
		return nil // DTR has dropped with pppd
	}
	return m.profile.Commands(m.profile.Stop, m.values())
}
