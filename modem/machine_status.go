package modem

import "time"

// shownFacts are what was shown last.
type shownFacts struct {
	state      State
	code       Code
	since      time.Time
	saveFailed bool
}

// display is the state for people: a session that lives while its AT port does
// not is degraded, not searching.
func (m *Machine) display() (State, Code, string) {
	w := m.want
	cause := w.cause
	if cause == "" {
		cause = w.code.Sentence()
	}
	lives := m.data.state == dataUp && m.level.Addr.IsValid()
	switch w.state {
	case "":
		return Probing, w.code, cause
	case Connected, Degraded, Absent, Failed, Recovering, Stopped, RadioOff:
	case Enumerating, Probing:
		if lives && w.code != "" {
			return Degraded, w.code, cause
		}
	}
	if w.state != Recovering && w.trouble == NoTrouble && m.rescue.resetting(m.now) && w.code == "" && !lives && w.state != Connected {
		return Recovering, CodeRecovering, m.rescue.rung.String()
	}
	return w.state, w.code, cause
}

// show tells a change of state.
func (m *Machine) show() {
	state, code, cause := m.display()
	s := &m.shown
	if state == s.state && code == s.code {
		return
	}
	text := string(state)
	if cause != "" {
		text += ": " + cause
	}
	m.tell("modem", text, code != "", "from", string(s.state), "to", string(state), "code", string(code))
	s.state, s.code, s.since = state, code, m.now
}

// Status is what the modem does, for people.
func (m *Machine) Status(now time.Time) Status {
	state, code, cause := m.display()
	s := Status{
		State: state, Code: string(code), Cause: cause, Since: m.shown.since,
		Tries: m.ladder.progress(), Helped: m.ladder.Helped, Profile: m.profile.ID,
		Data: m.data.plan.Kind, Netdev: m.data.plan.Netdev,
		Frozen:       m.data.port() != "" && m.ports.main == "",
		Manufacturer: m.ident.Manufacturer, Model: m.ident.Model, Revision: m.ident.Revision, IMEI: m.ident.IMEI,
		IMSI: Masked(m.sim.imsi), ICCID: Masked(m.sim.iccid), SIM: simText(m.sim.state),
		APN: m.data.access.APN, APNOrigin: string(m.data.origin), PDPType: pdpType(m.data.access.PDPType),
		Signal: m.polls.radio.Signal, Cell: m.polls.radio.Cell, Band: m.polls.radio.Band,
		Temperature: m.polls.temperature, Supply: m.polls.supply, Clock: m.polls.clock,
	}
	switch {
	case m.rescue.trouble != NoTrouble && m.rescue.any && m.rescue.at.After(now):
		s.Next = m.rescue.at
	case m.want.next.After(now):
		s.Next = m.want.next
	case state != Failed && code != "" && m.want.wake.After(now): // else it is the next poll
		s.Next = m.want.wake
	}
	if m.ladder.progress() > 0 {
		s.Rung = m.ladder.Rung.String()
	}
	if m.devices.present {
		s.Device = m.device.ID()
		if m.device.Path != "" {
			s.Device += " at " + m.device.Path
		}
	}
	for _, p := range []string{m.ports.main, m.ports.spare} {
		if p != "" {
			s.Ports = append(s.Ports, p)
		}
	}
	m.networkStatus(&s)
	return s
}

func (m *Machine) networkStatus(s *Status) {
	reg := m.net.reg
	if !m.net.known {
		return
	}
	s.Registration, s.Roaming = regText(reg), reg.Roaming()
	s.Operator, s.PLMN = m.net.operator.Name, m.net.operator.PLMN
	for _, rat := range []string{RATName(m.net.operator.AcT), m.polls.radio.RAT, RATName(reg.AcT)} {
		if rat != "" {
			s.RAT = rat
		}
	}
	if s.Cell.ID == "" {
		s.Cell.ID, s.Cell.TAC = reg.Cell, reg.TAC
	}
	if a := m.data.bearer.Addr4; a.IsValid() && m.data.state == dataUp {
		s.Addr = a.String()
	} else if m.level.Addr.IsValid() {
		s.Addr = m.level.Addr.Addr().String()
	}
}
