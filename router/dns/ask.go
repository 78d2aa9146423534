package dns

import (
	"slices"
	"time"
)

// ask is one message to one server, in a socket of its own.
type ask struct {
	id      uint64
	flight  *flight // nil once answered by another
	up      *uplink
	server  *server
	msg     []byte
	tcp     bool
	plain   bool // without EDNS
	counted bool // already counted as a timeout
	orphan  bool // counted in server.open
	sent    time.Time
	timer   timer
}

// ask sends f's question to s and reports whether it could.
func (m *Machine) ask(now time.Time, f *flight, s *server, tcp bool) bool {
	if len(m.asks) >= asksPerQuestion*m.cfg.MaxOutstanding && len(f.asks) > 0 {
		return false // hedges and repetitions are the first to go
	}
	m.lastAsk++
	a := &ask{id: m.lastAsk, flight: f, up: f.up, server: s, tcp: tcp, sent: now}
	// RFC 6891 §7: some servers and middle boxes swallow what they do not know.
	a.plain = now.Before(s.plain) || f.phase >= 3 && !s.edns
	a.msg = f.q.appendQuery(nil, m.cfg.ID(), !a.plain)
	a.timer = timer{ask: a, pos: -1}
	m.asks[a.id] = a
	f.asks = append(f.asks, a)
	s.sent++
	m.timers.set(&a.timer, now.Add(s.patience()))
	m.out.Asks = append(m.out.Asks, Ask{ID: a.id, Via: f.up.spec, Server: s.addr, TCP: tcp, Msg: a.msg})
	return true
}

// Answer takes what came back for an ask. It reports whether the ask is over;
// if not, the message was somebody else's and the wait goes on (RFC 5452 §9.1).
func (m *Machine) Answer(now time.Time, id uint64, msg []byte) (over bool) {
	a := m.asks[id]
	if a == nil {
		return true
	}
	if !matches(msg, a.msg) {
		m.stats.Spoofed++
		return false
	}
	m.heard(now, a, msg)
	f := a.flight
	m.remove(a)
	if f == nil {
		return true
	}
	if !a.tcp && u16(msg, 2)&flagTC != 0 { // RFC 7766 §5; RFC 1123 §6.1.3.2
		m.stats.Truncated++
		m.ask(now, f, a.server, true)
		return true
	}
	m.judge(now, f, a, msg)
	return true
}

// heard books an answer with the server. The time of a TCP exchange says
// nothing about one datagram.
func (m *Machine) heard(now time.Time, a *ask, msg []byte) {
	rtt := now.Sub(a.sent)
	if a.tcp {
		rtt = 0
	}
	s := a.server
	rcode := u16(msg, 2) & maskRcode
	s.heard(rtt, rcode == rcodeOK || rcode == rcodeNXDomain)
	switch {
	case !a.plain:
		s.edns, s.mute = true, 0
	case !s.edns:
		if s.mute++; s.mute >= muteAfter {
			s.plain = now.Add(plainFor)
		}
	}
}

// judge decides what an answer is worth.
func (m *Machine) judge(now time.Time, f *flight, a *ask, msg []byte) {
	r, err := readResponse(msg, &f.q, m.judgeOf(a.up, &f.q))
	switch {
	case err != nil:
		m.stats.Garbage++
		m.refused(now, f, a.server)
	case !a.plain && (r.rcode == rcodeFormErr || r.rcode == rcodeNotImp || r.rcode == rcodeBadVers):
		a.server.plain, a.server.edns = now.Add(plainFor), false
		m.ask(now, f, a.server, a.tcp)
	case r.rcode != rcodeOK && r.rcode != rcodeNXDomain, u16(msg, 2)&flagTC != 0:
		m.refused(now, f, a.server)
	case r.private:
		m.stats.Rebind++
		b := build(&f.q, rcodeOK)
		b.ede, b.ownData = edeBlocked, false
		f.better(now)
		m.succeed(now, f, response{answer: b.answer, ttl: localTTL})
	default:
		f.better(now)
		m.succeed(now, f, r)
	}
}

// judgeOf returns the test for private addresses that goes with a question.
func (m *Machine) judgeOf(up *uplink, q *question) func([]byte, *record) bool {
	if m.guard.off {
		return nil
	}
	m.name = lower(m.name[:0], q.name)
	m.home.split.split(m.name)
	uplinkOwn := guard{exempt: up.exempt}
	if m.guard.exempted(m.name, &m.home.split) || uplinkOwn.exempted(m.name, &m.home.split) {
		return nil
	}
	return m.guard.private
}

// refused notes that a server will not or cannot answer f's question.
func (m *Machine) refused(now time.Time, f *flight, s *server) {
	s.refusals++
	if !slices.Contains(f.said, s) {
		f.said = append(f.said, s)
	}
	m.onward(now, f)
}

// better counts against the servers that refused a question which another
// could answer. A name that is broken everywhere counts for none.
func (f *flight) better(now time.Time) {
	for _, s := range f.said {
		if s.lame++; s.lame >= badAfter {
			s.condemn(now)
		}
	}
}

// Failed tells that an ask could not be sent, or was refused by the network or
// the server's host.
func (m *Machine) Failed(now time.Time, id uint64) {
	a := m.asks[id]
	if a == nil {
		return
	}
	if !a.counted {
		a.server.timeouts++
		a.server.missed(now)
	}
	f := a.flight
	m.remove(a)
	if f != nil {
		f.broken = true
		m.onward(now, f)
	}
}

// onward asks the next server after one was no help. When all have said no the
// client need not wait; when some could not be reached, the next round tries.
func (m *Machine) onward(now time.Time, f *flight) {
	m.askNext(now, f)
	switch {
	case len(f.asks) > 0:
	case !f.broken, f.staleAt.IsZero():
		m.fail(now, f)
	}
}

// askTimeout counts a timeout. The socket stays open while somebody waits: a
// late answer is better than none.
func (m *Machine) askTimeout(now time.Time, a *ask) {
	a.counted = true
	a.server.timeouts++
	a.server.missed(now)
	if a.flight == nil {
		m.close(a)
		return
	}
	a.flight.broken = true
	m.timers.stop(&a.timer)
}

// remove forgets an ask whose outcome is known.
func (m *Machine) remove(a *ask) {
	delete(m.asks, a.id)
	m.timers.stop(&a.timer)
	if a.orphan {
		a.server.open--
	}
	if f := a.flight; f != nil {
		f.asks = slices.DeleteFunc(f.asks, func(o *ask) bool { return o == a })
	}
}

// close ends an ask whose outcome is of no interest.
func (m *Machine) close(a *ask) {
	m.remove(a)
	m.out.Cancels = append(m.out.Cancels, a.id)
}
