package modem

import (
	"errors"
	"time"
)

// want is what the last look at the facts came to.
type want struct {
	state   State
	code    Code
	cause   string
	trouble Trouble
	wake    time.Time // look again then
	next    time.Time // of the next try, where it is not the ladder's; zero: the next look
}

// stages are looked at in this order; the first that is not fulfilled says
// what the state is, and may have asked for something.
var stages = []func(*Machine) bool{
	(*Machine).stageOwner,
	(*Machine).stageDevice,
	(*Machine).stagePort,
	(*Machine).stageInit,
	(*Machine).stageCard,
	(*Machine).stageMode,
	(*Machine).stageRadio,
	(*Machine).stageSelection,
	(*Machine).stageNetwork,
	(*Machine).stageAllowed,
	(*Machine).stageContext,
	(*Machine).stageData,
	(*Machine).stageAddress,
	(*Machine).stagePath,
}

// advance looks at the stages until something is under way or nothing is left
// to do.
func (m *Machine) advance() {
	for range turns {
		if m.busy() {
			return
		}
		m.redo = false
		m.look()
		if !m.redo {
			return
		}
	}
}

// look looks at the stages once, and then at recovery and polls.
func (m *Machine) look() {
	before := m.want
	m.want = want{}
	defer func() {
		if m.want.state == "" || m.busy() && m.want.state == before.state {
			m.want.state, m.want.code, m.want.cause = before.state, before.code, before.cause
		}
	}()
	for _, stage := range stages {
		if !stage(m) || m.busy() {
			break
		}
	}
	if m.busy() || m.redo {
		return
	}
	m.mind()
	if m.climb(); m.busy() || m.redo {
		return
	}
	m.poll()
}

// hold says why a stage is not fulfilled.
func (m *Machine) hold(s State, c Code, cause string) bool {
	m.want.state, m.want.code, m.want.cause = s, c, cause
	return false
}

// suffer is hold with a trouble, whose clock runs.
func (m *Machine) suffer(s State, c Code, cause string, t Trouble) bool {
	m.want.trouble = t
	return m.hold(s, c, cause)
}

// again has the stages looked at once more in this step.
func (m *Machine) again() { m.redo = true }

// alarm has Step called at t at the latest. It reports whether t is still to come.
func (m *Machine) alarm(t time.Time) bool {
	if !t.After(m.now) {
		return false
	}
	m.want.wake = sooner(m.want.wake, t)
	return true
}

// stageOwner leaves a modem alone that somebody else drives.
func (m *Machine) stageOwner() bool {
	switch {
	case !m.set.System:
		return true
	case m.level.Addr.IsValid():
		return m.hold(Connected, "", "driven by the system")
	}
	return m.hold(Addressing, CodeNoAddress, "driven by the system")
}

// silent reports whether an error says that no answer came, rather than a bad one.
func silent(err error) bool {
	return errors.Is(err, ErrTimeout) || errors.Is(err, ErrStuck) || errors.Is(err, ErrGone) ||
		errors.Is(err, ErrUnsynced) || errors.Is(err, ErrCancelled)
}

// cme returns the number of a CME error, -1 if it is none.
func cme(err error) int {
	var e CMEError
	if errors.As(err, &e) {
		return e.Code
	}
	return -1
}
