package health

import (
	"fmt"
	"slices"
	"time"

	"luatnetd/internal/order"
)

// round is one round of questions.
type round struct {
	id     uint64
	start  time.Time
	open   bool            // not decided yet
	rest   []*TargetStatus // asked at restAt, if nobody has answered by then
	restAt time.Time
	weaker Kind // a kind too weak to decide that has answered
}

// Due advances the Monitor to now and returns the requests to send. Call it at
// Next and after every event.
func (m *Monitor) Due(now time.Time) []Request {
	m.expire(now)
	var list []Request
	switch {
	case !m.probing():
	case m.round.open && len(m.round.rest) > 0 && !now.Before(m.round.restAt):
		rest := m.round.rest
		m.round.rest = nil
		list = m.ask(now, rest)
	case !m.round.open && !m.next.IsZero() && !now.Before(m.next):
		m.rounds++
		first, rest := m.pick()
		m.round = round{id: m.rounds, start: now, open: true, rest: rest, restAt: now.Add(m.policy.hedge())}
		m.next, m.again = time.Time{}, false
		list = m.ask(now, first)
	}
	m.publish(now)
	return list
}

// Rounds returns how many rounds were started, and the number of the last one
// that has ended: who asks by Hint waits for the end of the next one to start.
func (m *Monitor) Rounds() (started, ended uint64) {
	if m.round.open {
		return m.rounds, m.rounds - 1
	}
	return m.rounds, m.rounds
}

// Next returns when Due has something to do. Zero: not before the next event.
func (m *Monitor) Next() time.Time {
	var at time.Time
	first := func(t time.Time) {
		if !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	for _, a := range m.pending {
		first(a.deadline)
	}
	if m.round.open && len(m.round.rest) > 0 {
		first(m.round.restAt)
	}
	first(m.next)
	return at
}

// pick chooses who is asked first in a round, and who only if they stay silent.
func (m *Monitor) pick() (ask, rest []*TargetStatus) {
	all := m.askable()
	rank, _ := m.deciding()
	if rank == 0 || m.goods == 0 || len(m.suspects) > 0 {
		return m.twice(all, rank), nil
	}
	strong := slices.DeleteFunc(slices.Clone(all), func(t *TargetStatus) bool { return t.Target.Kind.rank() < rank })
	// Who answered last time first; the rest keeps the order of the file.
	order.Stable(strong, func(a, b *TargetStatus) int { return b.standing() - a.standing() })
	n := min(firstAsked, len(strong))
	for n > 1 && !strong[n-1].Seen {
		n--
	}
	if m.rounds%discoverEvery == 0 {
		n = len(strong)
	}
	ask = strong[:n]
	for _, t := range all {
		if !slices.Contains(ask, t) {
			rest = append(rest, t)
		}
	}
	return ask, rest
}

// twice adds a second question to the only target that can decide, when its
// silence may condemn the uplink: on a line that loses one packet in twenty
// three single questions in a row stay without answer twice a day.
func (m *Monitor) twice(all []*TargetStatus, rank int) []*TargetStatus {
	var only *TargetStatus
	for _, t := range all {
		if t.Seen && t.Target.Kind.rank() >= rank {
			if only != nil {
				return all
			}
			only = t
		}
	}
	if only == nil || m.misses == 0 && len(m.suspects) == 0 || m.phase == failed {
		return all
	}
	return append(slices.Clone(all), only)
}

// standing sorts targets: 2 answers, 1 has answered once, 0 never did.
func (t *TargetStatus) standing() int {
	switch {
	case t.Seen && (t.OK || t.At.IsZero()):
		return 2
	case t.Seen:
		return 1
	}
	return 0
}

// ask makes the requests for targets.
func (m *Monitor) ask(now time.Time, targets []*TargetStatus) []Request {
	var list []Request
	for _, t := range targets {
		m.seq++
		deadline := now.Add(m.policy.Timeout + slack)
		m.pending = append(m.pending, ask{target: t, seq: m.seq, round: m.round.id, deadline: deadline})
		list = append(list, Request{Target: t.Target, Seq: m.seq, Timeout: m.policy.Timeout})
	}
	return list
}

// Result takes the end of a request. One that was not asked for, is of another
// target, or came after its request was given up, is ignored.
func (m *Monitor) Result(now time.Time, r Result) {
	i := slices.IndexFunc(m.pending, func(a ask) bool { return a.seq == r.Seq && a.target.Target == r.Target })
	if i >= 0 {
		a := m.pending[i]
		m.pending = slices.Delete(m.pending, i, i+1)
		m.settle(now, a, r.OK, r.RTT, r.Reason)
	}
	m.expire(now)
	m.publish(now)
}

// expire gives up requests whose end nobody has reported.
func (m *Monitor) expire(now time.Time) {
	for i := 0; i < len(m.pending); {
		a := m.pending[i]
		if now.Before(a.deadline) {
			i++
			continue
		}
		m.pending = slices.Delete(m.pending, i, i+1)
		m.settle(now, a, false, 0, fmt.Sprintf("no answer within %v", m.policy.Timeout))
	}
}

// settle books the end of a request and decides its round if it can.
func (m *Monitor) settle(now time.Time, a ask, ok bool, rtt time.Duration, reason string) {
	rank, _ := m.deciding()
	a.target.note(now, ok, rtt, reason)
	if a.target.Seen {
		m.count(a.round, ok)
	}
	strong := a.target.Target.Kind.rank() >= rank
	if ok && strong {
		m.smooth(rtt)
	}
	if !m.round.open || a.round != m.round.id {
		return
	}
	switch {
	case ok && strong:
		m.won(now)
	case ok:
		m.round.weaker = a.target.Target.Kind
	}
	if !m.round.open || slices.ContainsFunc(m.pending, func(p ask) bool { return p.round == m.round.id }) {
		return
	}
	if len(m.round.rest) > 0 {
		m.round.restAt = now
		return
	}
	m.missed(now)
}

// won ends a good round.
func (m *Monitor) won(now time.Time) {
	m.round.open = false
	m.misses, m.suspects = 0, nil
	m.lastGood = now
	if m.goods == 0 {
		m.goodSince = now
	}
	m.goods++
	if m.phase != failed || m.goods >= m.policy.RecoverAfter && now.Sub(m.goodSince) >= m.policy.HoldDown {
		m.phase, m.lost = good, ""
	}
	m.plan(now)
}

// missed ends a round in which nobody of the deciding strength has answered.
func (m *Monitor) missed(now time.Time) {
	m.round.open = false
	m.misses++
	m.goods, m.goodSince = 0, time.Time{}
	switch {
	case m.phase == failed:
		m.lost = m.silence()
	case m.misses >= m.need():
		m.phase, m.lost = failed, m.silence()
	}
	m.plan(now)
}

// plan sets the start of the next round.
func (m *Monitor) plan(now time.Time) {
	if !m.probing() {
		m.next = time.Time{}
		return
	}
	at := m.round.start.Add(m.pace())
	if end := m.goodSince.Add(m.policy.HoldDown); m.phase == failed && m.goods > 0 && end.After(now) && at.After(end) {
		at = end // usable on fresh evidence the moment hold-down ends
	}
	if soon := m.round.start.Add(m.policy.MissInterval); m.again && soon.Before(at) {
		at = soon
	}
	m.next = later(at, now)
}

// pace is the time between the starts of two rounds.
func (m *Monitor) pace() time.Duration {
	rank, _ := m.deciding()
	p := m.policy
	switch {
	case m.phase == failed && m.goods > 0:
		return p.recoverPace()
	case m.phase == failed:
		d := p.MissInterval
		for i := p.FailAfter; i < m.misses && d < p.RetryInterval; i++ {
			d *= 2
		}
		return min(d, p.RetryInterval)
	case m.misses > 0 || rank == 0 || len(m.suspects) > 0:
		return p.MissInterval
	}
	return p.Interval
}
