package health

import (
	"net/netip"
	"slices"
	"time"
)

// Level is what is true of the uplink's link now, as seen by the sensors.
type Level struct {
	Enabled bool // not closed by the operator
	Present bool // the device exists
	Carrier bool
	Addr    netip.Prefix // zero: no address
	Gateway netip.Addr   // zero: none
	Single  bool         // the only uplink, and no check was asked for: never probed
}

// up reports whether packets can leave by the uplink at all.
func (l Level) up() bool { return l.Enabled && l.Present && l.Carrier && l.Addr.IsValid() }

// phase is what the checks have led to since the uplink was brought up.
type phase uint8

const (
	fresh    phase = iota // never decided
	believed              // usable on somebody's word, until the checks decide
	good                  // usable by its checks
	failed                // was usable or had its chance; has to recover
)

// Monitor holds one uplink's checks. Make it with New. It is not safe for
// concurrent use: the loop owns it.
type Monitor struct {
	policy   Policy
	level    Level
	observed bool // Observe was called
	targets  []*TargetStatus

	phase     phase
	lost      string              // why the phase is failed
	misses    int                 // missed rounds in a row
	goods     int                 // good rounds in a row
	goodSince time.Time           // first of these
	lastGood  time.Time           // end of the last good round, ever
	suspects  map[string]struct{} // passive evidence since the last good round

	round   round
	rounds  uint64 // how many were started
	next    time.Time
	again   bool // a hint came during a round
	pending []ask
	seq     uint64

	rtt     time.Duration
	tallies [window]tally
	verdict Verdict
}

// New returns a Monitor that knows nothing yet: the uplink is DISCONNECTED
// until the first Observe.
func New(p Policy) *Monitor {
	m := &Monitor{policy: p.normal()}
	m.merge()
	m.verdict = Verdict{State: Disconnected, Reason: reasonAbsent}
	return m
}

// merge makes the target list equal to the policy's and keeps what is known of
// the targets that stay.
func (m *Monitor) merge() {
	old := m.targets
	m.targets = nil
	for _, t := range m.policy.Targets {
		i := slices.IndexFunc(old, func(s *TargetStatus) bool { return s.Target == t })
		if i >= 0 {
			m.targets = append(m.targets, old[i])
		} else {
			m.targets = append(m.targets, &TargetStatus{Target: t})
		}
	}
}

// SetPolicy replaces the policy without disturbing the uplink: what is known of
// targets that stay is kept, and a usable uplink stays usable until the new
// checks say otherwise. An equal policy changes nothing.
func (m *Monitor) SetPolicy(now time.Time, p Policy) {
	p = p.normal()
	old := m.policy
	if p.equal(old) {
		return
	}
	usable := m.usable()
	m.policy = p
	m.merge()
	switch rank, _ := m.deciding(); {
	case !slices.Equal(p.Targets, old.Targets) || p.Trust != old.Trust:
		if usable && (old.Trust || rank == 0) {
			m.phase = believed
		}
		m.restart(now)
	case !m.round.open && !m.next.IsZero():
		m.plan(now)
	}
	m.publish(now)
}

// Observe tells the Monitor the link's present level. Repeating one changes nothing.
func (m *Monitor) Observe(now time.Time, l Level) {
	m.expire(now)
	old, usable := m.level, m.usable()
	m.level, m.observed = l, true
	if old.Gateway != l.Gateway {
		m.forgetGateway()
	}
	switch {
	case !l.up():
		m.down(old)
	case !old.up():
		m.restart(now)
	case old.Single != l.Single || old.Addr != l.Addr || old.Gateway != l.Gateway:
		// Answers to what was sent from the old address prove nothing of the
		// new one. The uplink keeps its traffic while that is checked: a new
		// lease and a second configured uplink are no failures.
		if usable {
			m.phase = believed
		}
		m.restart(now)
	}
	m.publish(now)
}

// down ends all checks. An uplink that was in use has failed and must recover;
// one that the operator closed starts from nothing when it is opened again.
func (m *Monitor) down(old Level) {
	switch {
	case !m.level.Enabled:
		m.phase, m.lost = fresh, ""
	case m.phase == believed && !old.up() && m.level.missing() == reasonAddress:
		// Left in use by a predecessor; its lease is still being confirmed.
	case m.phase == good || m.phase == believed:
		m.phase, m.lost = failed, m.level.missing()
	}
	if old.up() || m.round.open {
		m.abandon()
	}
}

// restart begins the checks anew, at once.
func (m *Monitor) restart(now time.Time) {
	m.abandon()
	if m.probing() {
		m.next = now
	}
}

// abandon forgets the round under way: results of it are unknown from now on.
func (m *Monitor) abandon() {
	m.pending, m.round, m.next, m.again = nil, round{}, time.Time{}, false
	m.misses, m.goods, m.goodSince, m.suspects = 0, 0, time.Time{}, nil
}

// forgetGateway makes the gateway an unknown target: another host has its role
// now, and it may be one that answers nothing.
func (m *Monitor) forgetGateway() {
	for _, t := range m.targets {
		if t.Target.Kind == Gateway {
			*t = TargetStatus{Target: t.Target}
		}
	}
}

// Adopt says that a predecessor left this uplink in use: it is believed until
// its first fail_after rounds say otherwise; one lost round at a restart is no
// verdict. It may wait for its address, not for its carrier: it does nothing
// for an uplink without one, or that was decided.
func (m *Monitor) Adopt(now time.Time) {
	if m.phase != fresh || m.observed && !m.level.up() && m.level.missing() != reasonAddress {
		return
	}
	m.phase = believed
	m.publish(now)
}

// Hint asks for a check now, because of why (a socket error, a person). It
// never changes the verdict by itself, and many hints make one round per
// MissInterval.
func (m *Monitor) Hint(now time.Time, why string) {
	m.expire(now)
	if !m.probing() {
		return
	}
	if m.round.open {
		m.again = true
		return
	}
	at := later(m.round.start.Add(m.policy.MissInterval), now)
	if m.round.start.IsZero() {
		at = now
	}
	if m.next.IsZero() || at.Before(m.next) {
		m.next = at
	}
	m.publish(now)
}

// Suspect brings passive evidence that the uplink is dead (retransmissions, no
// bytes received, DNS timeouts); why names its source. All targets are asked
// at once, every MissInterval, until a round is good or the uplink has failed.
// Each independent source stands for one missed round (as confirmations do in
// SWIM), but at least two rounds, or fail_after if that is less, must be
// missed: suspicion alone condemns nobody.
func (m *Monitor) Suspect(now time.Time, why string) {
	if !m.probing() || m.phase == failed {
		return
	}
	if m.suspects == nil {
		m.suspects = map[string]struct{}{}
	}
	m.suspects[why] = struct{}{}
	if m.round.open && len(m.round.rest) > 0 {
		m.round.restAt = now
	}
	m.Hint(now, why)
}

// need is how many missed rounds in a row condemn.
func (m *Monitor) need() int {
	return max(m.policy.FailAfter-len(m.suspects), min(2, m.policy.FailAfter))
}

// Probing reports whether the uplink is checked at all now: it has carrier and
// address, and somebody wants to know.
func (m *Monitor) Probing() bool { return m.probing() }

// probing reports whether there is anything to ask, and anybody who wants to know.
func (m *Monitor) probing() bool {
	return m.level.up() && !m.level.Single && !m.policy.Trust && len(m.askable()) > 0
}

// askable returns the targets that can be asked on the present link.
func (m *Monitor) askable() []*TargetStatus {
	if m.level.Gateway.IsValid() {
		return m.targets
	}
	var list []*TargetStatus
	for _, t := range m.targets {
		if t.Target.Kind != Gateway {
			list = append(list, t)
		}
	}
	return list
}

// later returns the later of a and b.
func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
