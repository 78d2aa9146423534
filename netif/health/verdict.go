package health

import (
	"fmt"
	"time"
)

// Verdict is what is known of the uplink, and why. It is a value of its own:
// who gets one may keep it.
type Verdict struct {
	State State
	// Usable says that traffic may use the uplink now.
	Usable bool
	// Verified says that it passed its last check: its last round was good,
	// or it has carrier and address and needs no check. Verified without
	// Usable: it answers again and sits out its hold-down.
	Verified bool
	// Failed says that it had its chance: fail_after rounds were missed, or
	// it was usable and lost carrier or address, and has not recovered.
	Failed   bool
	Since    time.Time // of State and Usable
	Reason   string    // in words; it changes only with the verdict
	LastGood time.Time // end of the last good round; zero: never
	Deciding Kind      // the kind of check that decides; "" while none has answered
	RTT      time.Duration
	Loss     float64 // of requests in the last 32 rounds, 0 to 1
	Misses   int     // missed rounds in a row
	Targets  []TargetStatus
}

const (
	reasonAbsent  = "the device does not exist"
	reasonStopped = "closed by the operator"
	reasonCarrier = "no carrier"
	reasonAddress = "no address is in use" // none, or not set by the kernel yet
)

// missing says what the link lacks.
func (l Level) missing() string {
	switch {
	case !l.Enabled:
		return reasonStopped
	case !l.Present:
		return reasonAbsent
	case !l.Carrier:
		return reasonCarrier
	}
	return reasonAddress
}

// Verdict returns the present verdict, as of the last call that took a time.
func (m *Monitor) Verdict() Verdict {
	v := m.verdict
	v.RTT, v.Loss = m.rtt, m.loss()
	v.Targets = make([]TargetStatus, len(m.targets))
	for i, t := range m.targets {
		v.Targets[i] = *t
	}
	return v
}

// usable reports whether traffic may use the uplink.
func (m *Monitor) usable() bool {
	return m.level.up() && (m.level.Single || m.policy.Trust || m.phase == good || m.phase == believed)
}

// publish computes the verdict from what is known.
func (m *Monitor) publish(now time.Time) {
	unchecked := m.level.Single || m.policy.Trust
	v := Verdict{
		State:    m.state(),
		Usable:   m.usable(),
		Verified: m.level.up() && (unchecked || m.goods > 0),
		Failed:   !unchecked && m.phase == failed,
		Since:    m.verdict.Since,
		LastGood: m.lastGood,
		Misses:   m.misses,
	}
	_, v.Deciding = m.deciding()
	v.Reason = m.reason(v)
	if v.State != m.verdict.State || v.Usable != m.verdict.Usable || v.Since.IsZero() {
		v.Since = now
	}
	m.verdict = v
}

// state derives the LuatOS state; see the drawing in doc.go.
func (m *Monitor) state() State {
	l := m.level
	switch {
	case !l.Enabled && m.observed:
		return Stopped
	case !l.Present:
		return Disconnected
	case l.Single:
		return SingleNetwork
	case !l.up():
		return Opened
	case m.usable():
		return Connected
	case m.misses > 0:
		return Opened
	}
	return Connecting
}

// reason puts the verdict into words.
func (m *Monitor) reason(v Verdict) string {
	p := m.policy
	switch {
	case !m.level.up():
		return m.level.missing()
	case m.level.Single:
		return "the only uplink: not checked"
	case p.Trust:
		return "has carrier and address, no check asked for"
	case m.phase == believed && v.Verified, m.phase == good:
		return fmt.Sprintf("%s answers", v.Deciding)
	case m.phase == believed:
		return "was in use before, being checked"
	case m.phase == failed && v.Verified:
		return fmt.Sprintf("answers again: usable after %d good rounds and %v", p.RecoverAfter, p.HoldDown)
	case m.phase == failed && m.misses > 0:
		return m.lost
	case m.phase == failed:
		return "being checked after: " + m.lost
	case len(m.askable()) == 0:
		return "nothing to ask: no targets, or only a gateway that it does not have"
	case m.misses > 0:
		return "no target has ever answered here"
	}
	return "being checked for the first time"
}

// silence says what a missed round means.
func (m *Monitor) silence() string {
	_, kind := m.deciding()
	switch {
	case kind == "":
		return fmt.Sprintf("unverified: none of %d targets has ever answered here", len(m.askable()))
	case m.round.weaker != "":
		return fmt.Sprintf("%s does not answer, %s does", kind, m.round.weaker)
	}
	return fmt.Sprintf("%s does not answer", kind)
}
