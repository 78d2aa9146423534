package dns

import (
	"slices"
	"time"
)

// The course of a flight; the picture is in doc.go.
const (
	allAfter    = 300 * time.Millisecond
	secondRound = time.Second
	thirdRound  = 2500 * time.Millisecond
	staleAfter  = 1800 * time.Millisecond // RFC 8767 §5
	giveUpAfter = 4500 * time.Millisecond // before the client's usual 5 s
	maxOrphans  = 8                       // asks per server kept open only to learn whether it is alive
)

// flight is one question that servers are working on.
type flight struct {
	key     string
	q       question
	up      *uplink // nil: waits for one
	seq     uint64  // order of arrival
	waiters []waiter
	asks    []*ask // open ones

	order    []*server // this round's servers
	turn     int       // the next of them
	phase    int
	begun    time.Time
	next     time.Time // when the next phase is due
	staleAt  time.Time // zero once passed
	deadline time.Time
	timer    timer

	said   []*server // servers that said SERVFAIL, REFUSED or garbage
	broken bool      // some server could not be reached or did not answer
}

// has reports whether the same client already waits for the same message: it
// asks again because it is impatient (RFC 5452 §5).
func (f *flight) has(q *question, in Query) bool {
	return slices.ContainsFunc(f.waiters, func(w waiter) bool {
		return w.q.id == q.id && w.from == in.From && w.to == in.To
	})
}

// step does what is due for f and arms its timer.
func (m *Machine) step(now time.Time, f *flight) {
	for f.up != nil && !now.Before(f.next) && f.phase < len(phases) {
		phases[f.phase](m, now, f)
		f.phase++
		f.next = f.begun.Add(f.phaseAt())
	}
	if !f.staleAt.IsZero() && !now.Before(f.staleAt) {
		f.staleAt = time.Time{}
		if m.rescue(now, f) {
			return
		}
	}
	if !now.Before(f.deadline) {
		m.fail(now, f)
		return
	}
	at := f.deadline
	if f.up != nil && f.phase < len(phases) && f.next.Before(at) {
		at = f.next
	}
	if !f.staleAt.IsZero() && f.staleAt.Before(at) {
		at = f.staleAt
	}
	m.timers.set(&f.timer, at)
}

// phases are the steps of a flight.
var phases = []func(*Machine, time.Time, *flight){
	func(m *Machine, now time.Time, f *flight) {
		f.order, f.turn = f.up.order(), 0
		m.askNext(now, f)
		for _, s := range f.up.servers {
			if !slices.Contains(f.order, s) && s.probe(now) {
				m.ask(now, f, s, false)
			}
		}
	},
	(*Machine).askNext,
	(*Machine).askRest,
	(*Machine).askAll,
	(*Machine).askAll,
}

// phaseAt is when the phase to come begins, counted from f.begun.
func (f *flight) phaseAt() time.Duration {
	switch f.phase {
	case 1:
		if len(f.order) > 0 {
			return f.order[0].hedge()
		}
		return hedgeMost
	case 2:
		return allAfter
	case 3:
		return secondRound
	}
	return thirdRound
}

// askNext asks the next server of the round that can be asked, if one is left.
func (m *Machine) askNext(now time.Time, f *flight) {
	for f.turn < len(f.order) {
		s := f.order[f.turn]
		f.turn++
		if m.ask(now, f, s, false) {
			return
		}
	}
}

// askRest asks all that are left in the round.
func (m *Machine) askRest(now time.Time, f *flight) {
	for f.turn < len(f.order) {
		m.askNext(now, f)
	}
}

// askAll begins a round with every server, good or bad. A question may have
// been lost on the way, so those that have not answered are asked again.
func (m *Machine) askAll(now time.Time, f *flight) {
	f.order, f.turn = slices.Clone(f.up.servers), 0
	f.order = slices.DeleteFunc(f.order, func(s *server) bool { return slices.Contains(f.said, s) })
	m.askRest(now, f)
}

// rescue is called when clients have waited as long as they should. It answers
// stale if possible; the flight goes on, for the cache. Where nothing is
// under way any more the flight fails, which it reports.
func (m *Machine) rescue(now time.Time, f *flight) (ended bool) {
	m.key = append(m.key[:0], f.key...)
	if e := m.cache.stale(now, m.key, uint16(len(m.scopes))); e != nil {
		for _, w := range f.waiters {
			m.stats.Stale++
			m.depart(w)
			m.reply(w, e.answer.appendTo(nil, &w.q, aging{stale: true}))
		}
		f.waiters = nil
		if f.up != nil {
			m.cache.failed(now, m.key, true)
		}
	}
	if len(f.asks) == 0 {
		m.fail(now, f)
		return true
	}
	return false
}

// succeed answers everybody who waits for f.
func (m *Machine) succeed(now time.Time, f *flight, r response) {
	m.key = append(m.key[:0], f.key...)
	m.cache.put(now, m.key, r.answer, r.ttl)
	for _, w := range f.waiters {
		m.depart(w)
		m.reply(w, r.answer.appendTo(nil, &w.q, aging{}))
	}
	m.land(f)
}

// fail answers that nobody knows, or stale.
func (m *Machine) fail(now time.Time, f *flight) {
	ede := uint16(edeNoServer)
	if f.up == nil {
		ede = edeNoNetwork
	}
	for _, w := range f.waiters {
		m.key = append(m.key[:0], f.key...)
		m.depart(w)
		m.reply(w, m.without(now, &w.q, nil, ede))
	}
	if f.up != nil {
		m.key = append(m.key[:0], f.key...)
		m.cache.failed(now, m.key, m.cache.stale(now, m.key, uint16(len(m.scopes))) != nil)
	}
	m.land(f)
}

// land ends a flight. Some asks stay open, to learn whether a server that was
// too slow is alive.
func (m *Machine) land(f *flight) {
	m.timers.stop(&f.timer)
	delete(m.flights, f.key)
	asks := f.asks
	f.asks = nil
	for _, a := range asks {
		a.flight = nil
		if a.counted || a.tcp || a.server.open >= maxOrphans {
			m.close(a)
			continue
		}
		a.orphan = true
		a.server.open++
	}
}

// abandon takes a flight out of the air with its uplink: nothing that is still
// under way counts for or against a server.
func (m *Machine) abandon(f *flight) {
	m.timers.stop(&f.timer)
	delete(m.flights, f.key)
	asks := f.asks
	f.asks = nil
	for _, a := range asks {
		a.flight = nil
		m.close(a)
	}
}
