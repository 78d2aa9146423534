package modem

import "time"

// stageContext has the context in the module as wanted. It is read before it is
// written: writing it has some modems attach anew.
func (m *Machine) stageContext() bool {
	f := &m.data
	switch {
	case f.context, f.state != dataOff:
		return true
	case f.round.After(m.now):
		m.alarm(f.round)
		m.want.next = f.round
		return m.hold(Backoff, CodeAPNRefused, f.cause)
	case f.refused != "":
		return m.troubled()
	case m.ports.none, m.ports.main == "":
		s := m.access()
		f.access = DataAccess{APN: s.APN, User: s.User, Password: s.Password, Auth: s.Auth, PDPType: s.PDPType}
		f.origin, f.context = APNConfigured, true
		return true
	}
	m.want.state = Attaching
	m.text("+CGDCONT?", func(r Reply) {
		if silent(r.Err) {
			return
		}
		defined := ParseCGDCONT(r.Lines)
		if f.choice != nil {
			m.writeContext(defined)
			return
		}
		m.text("+CGCONTRDP", func(r Reply) {
			if silent(r.Err) {
				return
			}
			f.choice = NewAPNChoice(APNInput{
				Set: m.access(), Card: m.mem.Cards[m.cardKey()], CID: m.profile.CID, Defined: defined,
				Given: ParseCGCONTRDP(r.Lines), IMSI: m.sim.imsi, ICCID: m.sim.iccid,
			}, m.now)
			m.writeContext(defined)
		})
	})
	return false
}

// writeContext writes the candidate's context where the module has another.
func (m *Machine) writeContext(defined []Context) {
	f := &m.data
	c := f.choice.Current()
	f.access, f.origin = c.Access, c.Origin
	command, differs := c.Context(defined, m.profile.CID)
	if !differs {
		f.context = true
		return
	}
	m.send(command, func(r Reply) {
		switch {
		case silent(r.Err):
		case r.Err != nil:
			m.giveUp(CodePDPRefused, "the modem refuses the APN: "+r.Err.Error())
		default:
			f.context = true
			m.authenticate(m.attachAnew) // a module that dials by itself gets its credentials nowhere else
		}
	})
}

// attachAnew has a changed attach context take effect: on LTE the network is
// told of it at the attach only.
func (m *Machine) attachAnew() {
	m.text("+CGATT=0", func(r Reply) {
		if silent(r.Err) {
			return
		}
		m.text("+CGATT=1", func(Reply) { m.net = netFacts{} })
	})
}

// refusal finds out why the network refused the data call, and what follows
// from it: the next APN or PDP type, or another try later.
func (m *Machine) refusal(err error) {
	m.text("+CEER", func(r Reply) {
		if silent(r.Err) {
			return
		}
		report, _ := ParseCEER(r.Lines)
		m.refusedFor(err, report)
	})
}

func (m *Machine) refusedFor(err error, report CEER) {
	f := &m.data
	cause := err.Error()
	if report.Text != "" {
		cause += ": " + report.Text
	}
	why := JudgeRefusal(err, report)
	switch {
	case why.Kind == RefusedAuth:
		m.giveUp(CodeAuth, cause)
	case why.Kind == NotRefused || f.choice == nil:
		m.giveUp(CodePDPRefused, cause)
	default:
		m.tell("modem", "the network refuses "+f.access.String()+": "+cause, true, "rung", RungNextAPN.String())
		wait := f.choice.Refused(m.now, why)
		f.context, f.cause = false, cause
		if wait > 0 {
			f.round = m.now.Add(wait)
		}
	}
}

// remember notes the APN that has worked with this card.
func (m *Machine) remember() {
	f := &m.data
	if f.remembered || f.choice == nil || m.cardKey() == "" || m.level.Path == PathDead {
		return
	}
	f.remembered = true
	c := m.card()
	if c.APN == f.access.APN && c.PDPType == f.access.PDPType {
		return
	}
	c.APN, c.PDPType = f.access.APN, f.access.PDPType
	m.setCard(c)
	m.note()
}

// forgetAPN begins the choice anew.
func (m *Machine) forgetAPN() {
	f := &m.data
	f.choice, f.remembered, f.context, f.round = nil, false, false, time.Time{}
}
