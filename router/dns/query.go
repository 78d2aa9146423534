package dns

import (
	"net/netip"
	"time"
)

// waiter is a client's question that waits for a server.
type waiter struct {
	q    question // owns its memory
	from netip.AddrPort
	tcp  bool
	via  []string
	to   any
	born time.Time
}

// Query answers a client's message. The answer is appended to dst; nil means
// that there is none now: it comes with Take later, or the message deserved
// silence. in.Msg is not kept.
func (m *Machine) Query(now time.Time, in Query, dst []byte) []byte {
	m.stats.Queries++
	if in.TCP {
		m.stats.TCP++
	}
	q, v := parseQuery(in.Msg, in.TCP)
	switch {
	case in.From.Port() == 0 && !in.TCP, v == silence:
		m.stats.Dropped++
		return nil
	case v != asked:
		m.stats.Malformed++
		return refuse(dst, &q, v)
	}
	if rcode, ok := admit(&q); !ok {
		m.stats.Refused++
		return appendError(dst, &q, rcode, 0)
	}
	m.name = lower(m.name[:0], q.name)
	if q.class == classIN {
		if a := m.home.answer(now, &q, m.name); a != nil {
			m.stats.Local++
			return a.appendTo(dst, &q, aging{})
		}
	}
	return m.forward(now, &q, in, dst)
}

// refuse answers a message that is not a proper question.
func refuse(dst []byte, q *question, v verdict) []byte {
	switch v {
	case notImp:
		return appendError(dst, q, rcodeNotImp, 0)
	case badVers:
		return appendError(dst, q, rcodeBadVers, 0)
	}
	q.edns = false // RFC 6891 §7: the OPT may be what was wrong
	return appendError(dst, q, rcodeFormErr, 0)
}

// admit rules out what a forwarder does not forward: other classes than the
// internet's that are about servers themselves, transfers, and types that only
// exist in queries (RFC 6895 §3.1).
func admit(q *question) (rcode int, ok bool) {
	switch {
	case q.class == classCH:
		return rcodeRefused, false
	case q.typ == typeOPT || q.typ == 0:
		return rcodeFormErr, false
	case q.typ >= typeTKEY && q.typ <= typeMAILA: // TKEY TSIG IXFR AXFR MAILB MAILA
		return rcodeNotImp, false
	}
	return rcodeOK, true
}

// forward answers from the cache, or asks.
func (m *Machine) forward(now time.Time, q *question, in Query, dst []byte) []byte {
	up := m.via(in.Via)
	scope := uint16(0)
	if up != nil {
		scope = up.scope
	}
	m.key = appendKey(m.key[:0], q, m.name, scope)
	if e := m.cache.fresh(now, m.key); e != nil {
		m.stats.Hits++
		return e.answer.appendTo(dst, q, aging{passed: uint32(now.Sub(e.stored) / time.Second)})
	}
	switch {
	case up == nil:
		return m.without(now, q, dst, edeNoNetwork)
	case m.cache.holding(now, m.key):
		return m.without(now, q, dst, edeNoServer)
	}
	client := clientOf(in.From)
	if f := m.flights[string(m.key)]; f != nil && f.has(q, in) {
		m.stats.Repeated++
		return nil
	}
	if m.full() || m.clients[client] >= m.cfg.MaxPerClient {
		m.stats.Overflow++
		return m.without(now, q, dst, edeNoServer)
	}
	m.stats.Misses++
	m.join(now, up, waiter{q: q.clone(), from: in.From, tcp: in.TCP, via: in.Via, to: in.To, born: now})
	return nil
}

// full reports whether no further question can be worked on. Flights whose
// clients have a stale answer count less.
func (m *Machine) full() bool {
	return m.waiting >= m.cfg.MaxOutstanding || len(m.flights) >= asksPerQuestion*m.cfg.MaxOutstanding
}

// without answers when no server is to be asked: stale if possible (RFC 8767
// §4), else SERVFAIL. m.key is the question's key.
func (m *Machine) without(now time.Time, q *question, dst []byte, ede uint16) []byte {
	if e := m.cache.stale(now, m.key, uint16(len(m.scopes))); e != nil {
		m.stats.Stale++
		return e.answer.appendTo(dst, q, aging{stale: true})
	}
	m.stats.ServFail++
	return appendError(dst, q, rcodeServFail, ede)
}

// submit gives a question whose uplink is gone to the next one. Without one it
// waits a little: a switch may be under way.
func (m *Machine) submit(now time.Time, w waiter) {
	up := m.via(w.via)
	scope := uint16(0)
	if up != nil {
		scope = up.scope
	}
	m.name = lower(m.name[:0], w.q.name)
	m.key = appendKey(m.key[:0], &w.q, m.name, scope)
	if e := m.cache.fresh(now, m.key); e != nil {
		msg := e.answer.appendTo(nil, &w.q, aging{passed: uint32(now.Sub(e.stored) / time.Second)})
		m.reply(w, msg)
		return
	}
	m.stats.Reasked++
	m.join(now, up, w)
}

// join adds w to the flight with m.key, and starts it if there is none.
func (m *Machine) join(now time.Time, up *uplink, w waiter) {
	f := m.flights[string(m.key)]
	m.clients[clientOf(w.from)]++
	m.waiting++
	m.stats.Peak = max(m.stats.Peak, m.waiting)
	if f != nil {
		f.waiters = append(f.waiters, w)
		return
	}
	m.lastSeq++
	f = &flight{
		key: string(m.key), q: w.q, up: up, seq: m.lastSeq, waiters: []waiter{w}, begun: now, next: now,
		staleAt: w.born.Add(staleAfter), deadline: now.Add(giveUpAfter),
	}
	f.timer = timer{flight: f, pos: -1}
	m.flights[f.key] = f
	m.step(now, f)
}

// depart takes a waiter out of the books.
func (m *Machine) depart(w waiter) {
	client := clientOf(w.from)
	m.waiting--
	if m.clients[client]--; m.clients[client] <= 0 {
		delete(m.clients, client)
	}
}

func (m *Machine) reply(w waiter, msg []byte) {
	m.out.Replies = append(m.out.Replies, Reply{To: w.to, From: w.from, Msg: msg})
}

// clientOf is what the bounds are counted by: an IPv6 host has as many
// addresses as it likes, but its subnet is one.
func clientOf(from netip.AddrPort) netip.Addr {
	a := from.Addr().Unmap()
	if a.Is4() || a.IsLinkLocalUnicast() {
		return a
	}
	p, err := a.WithZone("").Prefix(64)
	if err != nil {
		return a
	}
	return p.Addr()
}
