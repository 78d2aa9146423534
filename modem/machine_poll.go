package modem

import (
	"strings"
	"time"
)

// The clocks of the polls (spec 4, "Polls"). One round is at most four
// commands: registration, address, signal and one of the others in turn.
const (
	round       = 30 * time.Second
	lostPoll    = 3 * time.Second // registration, while it is lost
	suspectPoll = 5 * time.Second // address, while the path is dead
	signalFirst = 3 * time.Second
	signalTimes = 5 // at the start
	urcPause    = time.Second
	spareEvery  = 5 * time.Minute // a port that was stuck is tried again
	smsEvery    = time.Minute     // where +CNMI is not known
)

// pollFacts are about what is asked for again and again.
type pollFacts struct {
	at       time.Time // of the last round
	bearerAt time.Time
	signalAt time.Time
	signals  int  // asked for so far
	turn     int  // of the others
	between  bool // the last of the others was +COPS?, out of turn
	missed   int  // how often the address was missing
	suspect  time.Time
	regURC   bool // a URC says that the registration has changed
	dataURC  bool // likewise the data call
	simURC   bool
	spareAt  time.Time

	radio       Radio
	temperature *float64
	supply      int
	clock       string
}

// poll asks for what is due. It runs when the stages have nothing to do.
func (m *Machine) poll() {
	if m.ports.main == "" || !m.ports.initialised {
		return
	}
	for _, due := range []func(*Machine) bool{
		(*Machine).pollCard, (*Machine).pollNetwork, (*Machine).pollBearer, (*Machine).pollSMS, (*Machine).pollSpare, (*Machine).pollRound, (*Machine).pollSignal,
	} {
		if due(m) || m.busy() || m.redo {
			return
		}
	}
}

// overdue reports whether it is time, and has Step called then if it is not.
func (m *Machine) overdue(at time.Time) bool { return !m.alarm(at) }

// pollCard looks at the card again after a URC about it.
func (m *Machine) pollCard() bool {
	if !m.polls.simURC || !m.sim.ready {
		m.polls.simURC = false
		return false
	}
	m.polls.simURC = false
	m.text("+CPIN?", func(r Reply) {
		m.sim.asked = m.now
		if s := cardWord(r); !silent(r.Err) && s != SIMReady && s != SIMPIN2 && s != SIMPUK2 {
			m.setSIM(s)
			m.cardGone()
		}
	})
	return true
}

// pollNetwork asks for the registration when a URC says that it has changed,
// and more often while it is lost.
func (m *Machine) pollNetwork() bool {
	f := &m.net
	if !f.known {
		return false
	}
	due := f.at.Add(round + round/2) // the rounds ask for it
	switch {
	case m.polls.regURC:
		due = f.at.Add(urcPause)
	case !f.lost.IsZero():
		due = f.at.Add(lostPoll)
	}
	if !m.overdue(due) {
		return false
	}
	m.polls.regURC = false
	m.askNetwork(func() {})
	return true
}

// pollBearer asks for the address when a URC says that it has changed, and
// more often while something is wrong.
func (m *Machine) pollBearer() bool {
	p := &m.polls
	if m.data.state != dataUp || !m.net.known {
		return false
	}
	var due time.Time
	switch {
	case p.dataURC:
		due = p.bearerAt.Add(urcPause)
	case m.level.Path == PathDead || p.missed > 0:
		due = p.bearerAt.Add(suspectPoll)
	default:
		return false
	}
	if !m.overdue(due) {
		return false
	}
	p.dataURC = false
	m.askBearer(func() {})
	return true
}

func (m *Machine) askBearer(then func()) {
	m.polls.bearerAt = m.now
	m.readBearer(func(b Bearer, known bool) {
		m.bearerPolled(b, known)
		if !m.busy() {
			then()
		}
	})
}

// pollSpare looks for a second port once there is time.
func (m *Machine) pollSpare() bool {
	p := &m.polls
	if !m.net.known || m.data.state == dataStarting {
		return false
	}
	if m.ports.looked && m.ports.spare == "" && len(m.ports.dead) > 0 && m.overdue(p.spareAt.Add(spareEvery)) {
		m.ports.looked, m.ports.dead = false, nil
	}
	if m.ports.looked {
		return false
	}
	p.spareAt = m.now
	return m.lookForSpare()
}

// pollRound asks for registration, address, signal and one more.
func (m *Machine) pollRound() bool {
	p := &m.polls
	if !m.net.known || !m.overdue(p.at.Add(round)) {
		return false
	}
	first := p.at.IsZero()
	p.at = m.now
	m.askNetwork(func() {
		signal := func() { m.askSignal(func() { m.askOther(func() { p.at = m.now }) }) }
		if m.data.state != dataUp || first {
			signal()
			return
		}
		m.askBearer(signal)
	})
	return true
}

// pollSignal asks for the signal more often at the start.
func (m *Machine) pollSignal() bool {
	p := &m.polls
	if !m.net.known || p.signals >= signalTimes || !m.overdue(p.signalAt.Add(signalFirst)) {
		return false
	}
	m.askSignal(func() {})
	return true
}

// askSignal sends one of the signal commands, in turn.
func (m *Machine) askSignal(then func()) {
	p := &m.polls
	list := m.profile.Signal
	p.signalAt = m.now
	if len(list) == 0 {
		p.signals = signalTimes
		then()
		return
	}
	text := list[p.signals%len(list)]
	p.signals++
	m.poke(text, func(lines []string) { m.signalRead(lines); then() }, then)
}

// poke sends a poll: its failure means nothing, its silence counts.
func (m *Machine) poke(text string, then func([]string), failed func()) {
	c := NewCommand(text)
	c.Priority = PollPriority
	m.send(c, func(r Reply) {
		switch {
		case silent(r.Err):
		case r.Err != nil:
			failed()
		default:
			then(r.Lines)
		}
	})
}

// askOther asks for the rest, one at a time. A round ends with it: the next one
// begins a round's time later.
func (m *Machine) askOther(then func()) {
	p := &m.polls
	if m.sms.poll && m.smsDue() {
		m.sms.dirty = true // the next look lists them
		then()
		return
	}
	others := []string{"+COPS?"}
	if m.profile.Cell != "" {
		others = append(others, m.profile.Cell)
	}
	if m.profile.Temperature != "" {
		others = append(others, m.profile.Temperature)
	}
	others = append(others, "+CBC", "+CCLK?", "+COPS=3,0", "+COPS?", "+COPS=3,2") // the last three: the operator's name
	text := others[p.turn%len(others)]
	if p.between = !p.between && m.net.operator.PLMN == ""; p.between {
		text = "+COPS?" // it was asked too early: a person looks for the network first
	} else {
		p.turn++
	}
	m.poke(text, func(lines []string) { m.otherRead(text, lines); then() }, then)
}

// signalRead notes what the radio says.
func (m *Machine) signalRead(lines []string) {
	r := ParseRadio(lines)
	r.Signal.At = m.now
	m.polls.radio = m.polls.radio.With(r)
}

// otherRead notes the answer to one of the others.
func (m *Machine) otherRead(text string, lines []string) {
	p := &m.polls
	switch text {
	case "+COPS?":
		if op, ok := ParseCOPS(lines); ok {
			m.net.operator = m.net.operator.with(op)
		}
	case "+CBC":
		if mv, ok := ParseCBC(lines); ok {
			p.supply = mv
		}
	case "+CCLK?":
		if t, ok := ParseClock(lines); ok {
			p.clock = t.Format(time.RFC3339)
		}
	case m.profile.Temperature:
		if t, ok := ParseTemperature(lines); ok {
			p.temperature = &t
		}
	default:
		p.radio = p.radio.With(ParseRadio(lines))
	}
}

// heard deals with a URC. None is believed: what it says has changed is asked for.
func (m *Machine) heard(e Heard) {
	switch p := e.URC.Prefix; p {
	case "+CREG", "+CGREG", "+CEREG", "+C5GREG":
		m.polls.regURC = true
		if m.net.known && !m.net.reg.Registered() && m.now.Sub(m.net.at) >= urcPause {
			m.net.at = time.Time{} // searching: ask now
		}
	case "+CGEV", "+ECNETDEVCTL", "+QNETDEVCTL", "+RNDISCALL", "^NDISSTAT", "^NDISEND", "NO CARRIER":
		m.polls.dataURC = true
		if strings.Contains(e.URC.Line, "DETACH") {
			m.polls.regURC = true
		}
	case "+CPIN", "+SIM", "^SIMST", "+QSIMSTAT", "+QUSIM", "^SMSRDY":
		m.polls.simURC = true
		if !m.sim.ready {
			m.sim.asked = time.Time{}
		}
	case "+CUSD":
		m.heardUSSD(e.URC.Line)
	case "+CMTI", "+CDSI", "+CMT":
		m.sms.dirty = true
	}
	if restarted(e.URC) && m.ports.initialised {
		m.tell("modem", "the modem has restarted by itself", true)
		m.ports.initialised = false
		m.stopData()
		m.withdraw(ErrGone)
		m.forgetRadio()
	}
}

// restarted reports whether a line is what a modem says when it starts.
func restarted(u URC) bool {
	switch u.Line {
	case "RDY", "*ATREADY: 1", "^SYSSTART", "AT Ready":
		return true
	}
	return false
}
