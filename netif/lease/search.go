package lease

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// transmit serves tSend: the next message of the state, or its end.
func (m *Machine) transmit(now time.Time) {
	switch m.state {
	case Init:
		m.enter(now, Selecting)
		m.discover(now)
	case Selecting:
		if !m.answered {
			m.silent++
		}
		m.discover(now)
	case Requesting:
		if m.tries >= requestTries {
			m.silent++
			m.enter(now, Selecting)
			m.discover(now)
			return
		}
		m.request(now)
	case InitReboot:
		m.enter(now, Rebooting)
		m.newExchange()
		m.id = m.memory.id
		m.reboot(now)
		m.testGateway(now)
	case Rebooting:
		m.rebootAgain(now)
	case Renewing:
		m.sendRenewal(now)
	case Rebinding:
		m.sendRenewal(now)
	}
}

// discover sends one DISCOVER. Another client identifier is another exchange:
// an offer to the old one would be asked for in the wrong name.
func (m *Machine) discover(now time.Time) {
	id := m.searchIdentity()
	if m.xid == 0 || !id.equal(m.id) || m.tries == 0 {
		m.newExchange()
	}
	m.id = id
	m.offers, m.answered = nil, false
	m.secs = m.elapsed(now)
	msg := message{kind: dhcpv4.MessageTypeDiscover, secs: m.secs}
	if m.memory != nil {
		msg.requested = m.memory.lease.Addr.Addr()
	}
	m.send(now, msg, netip.Addr{})
	m.due[tSend] = now.Add(m.backoff(m.tries))
}

// searchIdentity is the client identifier of the next DISCOVER: the lease's
// own as long as one is in use.
func (m *Machine) searchIdentity() identity {
	if m.held != nil {
		return m.held.id
	}
	forms := m.cfg.forms(m.link.MAC, m.won)
	won := m.won != "" && forms[0] == m.won
	return m.cfg.identity(formFor(forms, m.silent, won), m.link.MAC)
}

// offer keeps an offer until the choice.
func (m *Machine) offer(now time.Time, r reply) {
	if m.state != Selecting || len(m.offers) >= offersMax || !r.server.IsValid() {
		return
	}
	c, ok := m.candidate(now, r)
	if !ok {
		return
	}
	m.answered = true
	if reason := m.overlap(c.lease.Addr); reason != "" {
		m.refuse(reason)
		return
	}
	m.offers = append(m.offers, c)
	wait := collectOffers
	switch {
	case m.rank(c) == rankSame:
		wait = 0 // nothing better can come
	case c.provisional:
		wait = collectProvisional
	}
	if at := now.Add(wait); m.due[tCollect].IsZero() || at.Before(m.due[tCollect]) {
		m.due[tCollect] = at
	}
}

// candidate makes a binding of an offer or ACK, without its times.
func (m *Machine) candidate(now time.Time, r reply) (candidate, bool) {
	l, notes, ok := parameters(r, m.link.MTU)
	if !ok {
		return candidate{}, false
	}
	c := candidate{reply: r, binding: binding{
		lease: l, id: m.id, mac: m.link.MAC, extra: extra(r.options), notes: notes, certain: true,
	}}
	d := times(r.options)
	c.provisional = d.expire > 0 && d.expire < leaseProvisional && l.Addr.Addr().IsPrivate() && !m.settled(now, l.Addr.Addr())
	return c, true
}

// settled reports whether addr is what this network usually gives us: a short
// lease that stays is a server's habit, not a modem's stopgap.
func (m *Machine) settled(now time.Time, addr netip.Addr) bool {
	if m.memory == nil || m.memory.lease.Addr.Addr() != addr {
		return false
	}
	return !m.memory.provisional || m.held != nil && now.Sub(m.boundAt) >= settleTime
}

// The ranks of offers, best last.
const (
	rankProvisional = iota
	rankAny
	rankServer  // the remembered server, another address
	rankAddress // the remembered address, another server
	rankSame    // both as remembered
)

func (m *Machine) rank(c candidate) int {
	if c.provisional {
		return rankProvisional
	}
	if m.memory == nil {
		return rankAny
	}
	server := m.memory.lease.ServerID == c.lease.ServerID
	addr := m.memory.lease.Addr.Addr() == c.lease.Addr.Addr()
	switch {
	case server && addr:
		return rankSame
	case addr:
		return rankAddress
	case server:
		return rankServer
	}
	return rankAny
}

// choose takes the best offer, of equals the first.
func (m *Machine) choose(now time.Time) {
	if m.state != Selecting || len(m.offers) == 0 {
		return
	}
	best := m.offers[0]
	for _, c := range m.offers[1:] {
		if m.rank(c) > m.rank(best) {
			best = c
		}
	}
	m.enter(now, Requesting)
	m.chosen = best
	m.request(now)
}

// request asks for the chosen offer, with the xid and secs of the DISCOVER, so
// that relays treat both alike (RFC 2131 §3.1(3)).
func (m *Machine) request(now time.Time) {
	m.send(now, message{
		kind: dhcpv4.MessageTypeRequest, secs: m.secs,
		requested: m.chosen.lease.Addr.Addr(), server: m.chosen.lease.ServerID,
	}, netip.Addr{})
	m.due[tSend] = now.Add(min(m.backoff(m.tries), requestWaitMax))
}

// reboot asks any server to confirm the remembered address.
func (m *Machine) reboot(now time.Time) {
	m.secs = m.elapsed(now)
	m.send(now, message{kind: dhcpv4.MessageTypeRequest, secs: m.secs, requested: m.memory.lease.Addr.Addr()}, netip.Addr{})
	wait := m.backoff(m.tries)
	if m.tries >= rebootTries {
		wait = m.firstSent.Add(rebootWait).Sub(now)
	}
	m.due[tSend] = now.Add(max(wait, time.Second))
}

// rebootAgain repeats the question, or gives the silent server up. A lease in
// use stays in use until it ends, while any server is looked for.
func (m *Machine) rebootAgain(now time.Time) {
	if m.tries < rebootTries {
		m.reboot(now)
		return
	}
	if m.held != nil && m.over(now, m.held) {
		m.lose(now, "lease expired") // adopted with times too old to tell
	}
	m.closeARP()
	m.enter(now, Selecting)
	m.discover(now)
}

// testGateway asks the old gateway by unicast whether this is the old network
// (RFC 4436): its answer lets traffic start before the server's.
func (m *Machine) testGateway(now time.Time) {
	b := m.memory
	if m.held != nil || !b.certain || m.over(now, b) || b.gatewayMAC.IsZero() || m.link.MAC.IsZero() {
		return
	}
	m.openARP()
	m.do(AskGateway{From: b.lease.Addr.Addr(), Gateway: b.lease.Gateway, MAC: b.gatewayMAC})
}

// refuse tells once why an offer is not taken.
func (m *Machine) refuse(reason string) {
	m.why = reason
	if m.refused != reason {
		m.refused = reason
		m.do(Refused{Reason: reason})
	}
}

// trouble notes a NAK or a conflict and sets when the next DISCOVER may go
// out: a server that offers and refuses in turn must not make us shout. The
// first NAK costs no wait; least is the wait that the first trouble costs.
func (m *Machine) trouble(now time.Time, least time.Duration) {
	if !m.boundAt.IsZero() && now.Sub(m.boundAt) >= troubleForget {
		m.troubles = 0
	}
	m.boundAt = time.Time{}
	wait := least
	if m.troubles > 0 {
		wait = min(declineWait<<min(m.troubles-1, 5), troubleWaitMax)
	}
	m.troubles++
	m.notBefore = now.Add(max(wait, least))
}

// nak gives up whatever the exchange was about.
func (m *Machine) nak(now time.Time, r reply) {
	reason := "refused by the server"
	if text := name(r.options.Get(dhcpv4.OptionMessage)); text != "" {
		reason = fmt.Sprintf("refused by the server: %s", text)
	}
	m.trouble(now, 0)
	m.lose(now, reason)
	m.why = reason
	m.forget(now)
	m.restartSearch(now)
}
