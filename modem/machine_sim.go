package modem

import (
	"errors"
	"strings"
	"time"
)

// The clocks of the card (spec 3.2 and 4.1).
const (
	simBusy    = 2 * time.Second // from one +CPIN? to the next while the card starts
	simBusyFor = 30 * time.Second
	simAbsent  = 10 * time.Second // while there is no card, for ever
	simLocked  = 30 * time.Second // while it is locked: it may be exchanged
	simFiles   = 2 * time.Second  // from READY until the card's files can be read
	simTries   = 5                // for IMSI: CME 14 is normal at first
)

// simFacts are about the card.
type simFacts struct {
	state   string // as ParseCPIN gives it
	asked   time.Time
	since   time.Time // of a state that is not READY
	iccid   string
	imsi    string
	tries   int // left for the PIN
	ready   bool
	fileTry int
	entered bool // our PIN went out, its fate is unknown
}

// cardKey is the name of the card in memory.
func (m *Machine) cardKey() string { return CardKey(m.sim.iccid) }

// card is what is remembered of the card; its salt exists.
func (m *Machine) card() CardMemory {
	c := m.mem.Cards[m.cardKey()]
	if c.Salt == "" {
		c.Salt = digest("salt", number64(m.rng.Uint64()), number64(m.rng.Uint64()))
	}
	return c
}

func (m *Machine) setCard(c CardMemory) { m.putCard(m.cardKey(), c) }

func (m *Machine) putCard(key string, c CardMemory) {
	if m.mem.Cards == nil {
		m.mem.Cards = map[string]CardMemory{}
	}
	m.mem.Cards[key] = c
}

// access is what the configuration says for this card.
func (m *Machine) access() SIMSettings { return m.set.For(m.sim.iccid) }

// stageCard waits for a card that is ready.
func (m *Machine) stageCard() bool {
	f := &m.sim
	switch {
	case m.ports.none, m.ports.main == "", f.ready:
		return true
	case f.asked.IsZero() || !m.alarm(f.asked.Add(m.simPeriod())):
		if f.asked.IsZero() {
			m.want.state = SIMWait
		}
		m.askCard()
		return false
	}
	return m.cardState()
}

// simPeriod is the time from one +CPIN? to the next.
func (m *Machine) simPeriod() time.Duration {
	switch {
	case m.now.Sub(m.sim.since) < simBusyFor && m.sim.state != SIMPIN && m.sim.state != SIMPUK && !locked(m.sim.state):
		return simBusy
	case m.sim.state == SIMPIN, m.sim.state == SIMPUK, locked(m.sim.state):
		return simLocked
	}
	return simAbsent
}

// askCard asks for the state of the card, then does what it needs.
func (m *Machine) askCard() {
	m.text("+CPIN?", func(r Reply) {
		if silent(r.Err) {
			return
		}
		m.setSIM(cardWord(r))
		switch {
		case m.sim.state == SIMReady, m.sim.state == SIMPIN2, m.sim.state == SIMPUK2:
			m.cardReady()
		case m.sim.state == SIMPIN:
			m.readICCID(func() { m.askTries(m.unlock) })
		}
	})
}

// cardWord is the state that an answer to +CPIN? shows; an error tells it, too.
func cardWord(r Reply) string {
	if state, ok := ParseCPIN(r.Lines); ok {
		return state
	}
	switch n := cme(r.Err); {
	case n == 10:
		return SIMAbsent
	case n == 11:
		return SIMPIN
	case n == 12:
		return SIMPUK
	case n == 13 || n == 15:
		return SIMFailed
	case n == 14:
		return SIMBusy
	case n >= 5 && n <= 7:
		return "PH-SIM PIN"
	case n >= 40 && n <= 48:
		return "PH-NET PIN"
	}
	return ""
}

// locked reports whether the module takes other cards only.
func locked(state string) bool { return strings.HasPrefix(state, "PH") }

// setSIM notes the card's state.
func (m *Machine) setSIM(state string) {
	f := &m.sim
	f.asked = m.now
	if state == f.state {
		return
	}
	f.state, f.since = state, m.now
	m.tell("SIM_IND", "the SIM card: "+simText(state), state == SIMAbsent || state == SIMFailed, "state", simIndication(state))
}

func simText(state string) string {
	if state == "" {
		return "unknown"
	}
	return state
}

// simIndication is LuatOS's word of SIM_IND (mobile.lua).
func simIndication(state string) string {
	switch state {
	case SIMReady:
		return "RDY"
	case SIMPIN, SIMPUK:
		return "SIM_PIN"
	}
	return "NORDY"
}

// cardState says what is missing of the card.
func (m *Machine) cardState() bool {
	f := &m.sim
	switch f.state {
	case SIMReady, SIMPIN2, SIMPUK2:
		return m.hold(SIMWait, "", "the card's files cannot be read yet")
	case SIMPIN:
		code := m.card().judge(m.access().PIN, f.tries).code
		if m.shown.saveFailed && code == "" {
			code = CodeMemory
		}
		return m.hold(Failed, code, m.triesText())
	case SIMPUK:
		return m.hold(Failed, CodePUK, "")
	case SIMBusy:
		return m.hold(SIMWait, "", "the card starts")
	case SIMAbsent, SIMFailed, "":
		code := CodeSIMMissing
		if f.state == SIMFailed {
			code = CodeSIMFailed
		}
		if m.alarm(f.since.Add(simBusyFor)) {
			return m.hold(SIMWait, code, "")
		}
		m.stopData()
		return m.suffer(SIMWait, code, "", TroubleSIM)
	}
	return m.hold(Failed, CodeSIMLocked, "the card asks for "+f.state)
}

func (m *Machine) triesText() string {
	if m.sim.tries == triesUnknown {
		return ""
	}
	return number64(uint64(max(m.sim.tries, 0))) + " tries are left"
}

// askTries reads the counter of the PIN, where it can be read.
func (m *Machine) askTries(then func()) {
	m.sim.tries = triesUnknown
	m.triesBy(m.profile.Tries, then)
}

func (m *Machine) triesBy(list []string, then func()) {
	if len(list) == 0 {
		then()
		return
	}
	m.text(list[0], func(r Reply) {
		if silent(r.Err) {
			return
		}
		if n, ok := ParseTries(r.Lines); ok && r.Err == nil {
			m.sim.tries = n
			then()
			return
		}
		m.triesBy(list[1:], then)
	})
}

// readICCID reads the number of the card, by which everything of it is remembered.
func (m *Machine) readICCID(then func()) {
	if m.sim.iccid != "" {
		then()
		return
	}
	var list []Command
	for _, text := range m.profile.ICCID {
		list = append(list, NewCommand(text))
	}
	m.attempt(list, func(r Reply) {
		if silent(r.Err) {
			return
		}
		m.sim.iccid, _ = ParseICCID(r.Lines)
		then()
	})
}

// unlock sends the PIN if the rules allow it: what is not proved is noted on
// disk before.
func (m *Machine) unlock() {
	pin := m.access().PIN
	card := m.card()
	v := card.judge(pin, m.sim.tries)
	if !v.send || m.sim.entered && m.sim.tries == triesUnknown {
		return
	}
	if !v.note {
		m.enter(pin)
		return
	}
	m.setCard(card.try(pin, m.sim.tries))
	m.save(func(err error) {
		if err != nil {
			m.setCard(card) // what is not on disk does not count as noted
			return
		}
		m.enter(pin)
	})
}

// enter sends the PIN and notes its fate.
func (m *Machine) enter(pin string) {
	c := NewCommand(`+CPIN="` + pin + `"`)
	c.Secret = true
	m.sim.entered = true
	m.send(c, func(r Reply) {
		switch {
		case r.Err == nil:
			m.proved(pin)
		case refusedPIN(r.Err):
			m.sim.entered = false
			m.setCard(m.card().refusePIN(pin))
			m.tell("modem", CodePINWrong.Sentence(), true)
			m.save(func(error) { m.sim.asked = time.Time{} })
		case !silent(r.Err):
			m.pause(simBusy, func() { m.sim.asked = time.Time{} })
		}
	})
}

// proved notes that the PIN was right.
func (m *Machine) proved(pin string) {
	m.sim.entered = false
	card := m.card()
	next := func(error) { m.pause(simFiles, func() { m.sim.asked = time.Time{} }) }
	if card.Proved == card.hash(pin) {
		next(nil)
		return
	}
	m.setCard(card.prove(pin))
	m.save(next)
}

// cardReady reads what identifies the card.
func (m *Machine) cardReady() {
	if m.sim.entered { // the answer was lost, but the card is open: the PIN was right
		m.readICCID(func() { m.proved(m.access().PIN) })
		return
	}
	m.readICCID(func() {
		m.text("+CIMI", func(r Reply) {
			if silent(r.Err) {
				return
			}
			imsi, _ := ParseIMSI(r.Lines)
			m.sim.fileTry++
			if r.Err != nil && errors.As(r.Err, new(CMEError)) && imsi == "" && m.sim.fileTry < simTries {
				return // asked again after simBusy
			}
			m.sim.imsi, m.sim.ready = imsi, true
		})
	})
}

// cardGone has the card looked at again: a URC or an error says that it has changed.
func (m *Machine) cardGone() {
	if m.sim.ready || m.sim.state != "" {
		m.sim = simFacts{}
		m.net = netFacts{}
	}
}
