package modemtest

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// SIM is a card. Its counters stay with it, whatever the module does.
type SIM struct {
	ICCID, IMSI string
	PIN, PUK    string // PIN "" asks for none
	PINTries    int    // left; 0 with a PIN is a blocked card, -1 sets 3
	PUKTries    int    // left; 0 sets 10, -1 is a dead card
}

// Lock returns the card with a PIN and all its tries.
func (s SIM) Lock(pin, puk string) SIM {
	s.PIN, s.PUK, s.PINTries, s.PUKTries = pin, puk, 3, 10
	return s
}

func (s SIM) withDefaults() SIM {
	if s.PINTries == 0 && s.PIN == "" || s.PINTries < 0 {
		s.PINTries = 3
	}
	if s.PUKTries == 0 {
		s.PUKTries = 10
	}
	return s
}

// simState is the card as the module knows it.
type simState struct {
	card     SIM
	verified bool
	ready    bool // initialised after a boot
}

// Insert changes the card; the module notices if it is on.
func (m *Modem) Insert(card SIM) {
	m.lock()
	defer m.unlock()
	m.sim.card = card.withDefaults()
	m.simChangedLocked()
}

// Card is the card with its counters.
func (m *Modem) Card() SIM {
	m.lock()
	defer m.unlock()
	return m.sim.card
}

// simChangedLocked starts the card anew.
func (m *Modem) simChangedLocked() {
	m.sim.verified, m.sim.ready = false, false
	if !m.running {
		return
	}
	m.afterLocked(m.pace.SIM, func() {
		m.sim.ready = true
		if code := m.cpinLocked(); code != "" {
			m.urcLocked("+CPIN: "+code, nil)
		}
		m.moveLocked()
	})
	m.moveLocked()
}

// cpinLocked is the word of +CPIN?, or "" where it is an error.
func (m *Modem) cpinLocked() string {
	switch {
	case m.simErrorLocked() != 0:
		return ""
	case m.onLocked("ph-net", nil):
		return "PH-NET PIN"
	case m.sim.card.PIN == "" || m.sim.verified:
		return "READY"
	case m.sim.card.PINTries <= 0:
		return "SIM PUK"
	}
	return "SIM PIN"
}

// simErrorLocked is the CME error that stands for the card, 0 for none.
func (m *Modem) simErrorLocked() int {
	switch {
	case m.onLocked("no-sim", nil) || m.onLocked("sim-removed", nil):
		return 10
	case m.onLocked("sim-failure", nil) || m.sim.card.PUKTries < 0:
		return 13
	case m.onLocked("sim-busy", nil) || !m.sim.ready:
		return 14
	}
	return 0
}

// simUsableLocked says whether files of the card can be read.
func (m *Modem) simUsableLocked() bool { return m.cpinLocked() == "READY" }

// needSIM answers for a command that reads the card.
func needSIM(f handler) handler {
	return func(k *call) result {
		if code := k.m.simErrorLocked(); code != 0 {
			return k.cme(code)
		}
		switch k.m.cpinLocked() {
		case "SIM PIN":
			return k.cme(11)
		case "SIM PUK":
			return k.cme(12)
		case "PH-NET PIN":
			return k.cme(40)
		}
		return f(k)
	}
}

var simCommands = map[string]handler{
	"+CPIN":  cpin,
	"+CIMI":  needSIM(func(k *call) result { return ok(k.m.sim.card.IMSI) }),
	"+ICCID": iccid("+ICCID: "),
	"+CCID":  iccid("+CCID: "),
	"+CSIM":  csim,
	"+CPINR": cpinr,
	"+CLCK":  clck,
	"+CPWD":  func(k *call) result { return k.cme(3) },
	"+CRSM":  func(k *call) result { return k.cme(4) },
	"+CNUM":  needSIM(func(*call) result { return ok() }),
}

// iccid is readable while the card waits for its PIN.
func iccid(prefix string) handler {
	return func(k *call) result {
		if code := k.m.simErrorLocked(); code != 0 {
			return k.cme(code)
		}
		return ok(prefix + k.m.sim.card.ICCID)
	}
}

func cpin(k *call) result {
	m := k.m
	if code := m.simErrorLocked(); code != 0 {
		return k.cme(code)
	}
	switch k.op {
	case "?":
		return ok("+CPIN: " + m.cpinLocked())
	case "=?":
		return ok()
	}
	if len(k.args) == 2 {
		return k.unblock()
	}
	return k.verify(k.str(0))
}

// verify tries a PIN.
func (k *call) verify(pin string) result {
	m := k.m
	m.count.PINs++
	switch state := m.cpinLocked(); {
	case state == "READY", m.sim.card.PIN == "":
		return k.cme(3)
	case state == "SIM PUK":
		return k.cme(12)
	case state != "SIM PIN":
		return k.cme(16)
	}
	if pin != m.sim.card.PIN || m.onLocked("pin-wrong", nil) {
		m.count.WrongPINs++
		m.sim.card.PINTries--
		if m.sim.card.PINTries <= 0 {
			return k.cme(12)
		}
		return k.cme(16)
	}
	m.sim.card.PINTries, m.sim.verified = 3, true
	m.afterLocked(m.pace.SIM, func() {
		m.urcLocked("+CPIN: READY", nil)
		m.moveLocked()
	})
	return ok().wait(200 * time.Millisecond)
}

// unblock tries a PUK and sets a PIN.
func (k *call) unblock() result {
	m := k.m
	m.count.PUKs++
	if m.cpinLocked() != "SIM PUK" {
		return k.cme(3)
	}
	if k.str(0) != m.sim.card.PUK {
		if m.sim.card.PUKTries--; m.sim.card.PUKTries == 0 {
			m.sim.card.PUKTries = -1
		}
		return k.cme(16)
	}
	m.sim.card.PIN, m.sim.card.PINTries, m.sim.card.PUKTries, m.sim.verified = k.str(1), 3, 10, true
	m.moveLocked()
	return ok()
}

// csim knows VERIFY and UNBLOCK without data (TS 102 221 §11.1.9): they tell the tries.
func csim(k *call) result {
	if k.m.counterHiddenLocked() {
		return k.unknown()
	}
	if code := k.m.simErrorLocked(); code != 0 {
		return k.cme(code)
	}
	left := k.m.sim.card.PINTries
	switch strings.ToUpper(k.str(1)) {
	case "0020000100":
	case "002C000100":
		left = k.m.sim.card.PUKTries
	default:
		return ok(`+CSIM: 4,"6D00"`)
	}
	if left <= 0 {
		return ok(`+CSIM: 4,"6983"`)
	}
	return okf(`+CSIM: 4,"63C%X"`, left)
}

func cpinr(k *call) result {
	if k.m.counterHiddenLocked() {
		return k.unknown()
	}
	if code := k.m.simErrorLocked(); code != 0 {
		return k.cme(code)
	}
	c := k.m.sim.card
	return ok(fmt.Sprintf("+CPINR: SIM PIN,%d,3", max(c.PINTries, 0)), fmt.Sprintf("+CPINR: SIM PUK,%d,10", max(c.PUKTries, 0)))
}

func (m *Modem) counterHiddenLocked() bool {
	return m.pers.NoCounter || m.onLocked("pin-no-counter", nil)
}

func clck(k *call) result {
	if k.str(0) != "SC" || k.num(1, -1) != 2 {
		return k.cme(3)
	}
	on := 0
	if k.m.sim.card.PIN != "" {
		on = 1
	}
	return ok("+CLCK: " + strconv.Itoa(on))
}
