package lease

import (
	"net/netip"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"luatnetd/netif"
)

// check probes a granted address before its first use (RFC 5227 §2.1).
func (m *Machine) check(now time.Time, b *binding) {
	n, _ := m.cfg.probes()
	if n <= 0 || m.link.MAC.IsZero() {
		m.bind(now, b)
		return
	}
	m.enter(now, Checking)
	m.checking, m.probed = b, 0
	m.openARP()
	m.probe(now)
}

// probe sends the next probe; after the last one has had its time, the address
// is free.
func (m *Machine) probe(now time.Time) {
	if m.checking == nil {
		return
	}
	n, interval := m.cfg.probes()
	if m.probed >= n {
		m.bind(now, m.checking)
		return
	}
	m.probed++
	m.do(Probe{Addr: m.checking.lease.Addr.Addr()})
	m.due[tProbe] = now.Add(interval)
}

// bind begins to use a lease, or goes on with it.
func (m *Machine) bind(now time.Time, b *binding) {
	renewed := m.held != nil && m.held.lease.Equal(b.lease)
	if m.held == nil {
		m.boundAt = now
	}
	m.broadcast = m.askBroadcast()
	m.held, m.memory, m.won = b, b, b.id.form
	m.silent, m.why, m.refused = 0, "", ""
	m.enter(now, Bound)
	m.due[tRenew], m.due[tRebind], m.due[tExpire] = b.lease.Renew, b.lease.Rebind, b.lease.Expire
	m.do(BoundTo{Lease: b.lease, Renewed: renewed, Provisional: b.provisional, Extra: b.extra, Notes: b.notes})
	if renewed {
		m.endARP()
	} else {
		m.announce(now)
	}
	m.save(now, false)
}

// announce tells the link about our address, twice, and learns the gateway's
// link address for the next INIT-REBOOT.
func (m *Machine) announce(now time.Time) {
	if m.link.MAC.IsZero() {
		return
	}
	m.openARP()
	m.announced = 1
	m.do(Announce{Addr: m.held.lease.Addr.Addr()})
	m.askGateway()
	m.due[tAnnounce] = now.Add(announceAgain)
}

func (m *Machine) announceMore(now time.Time) {
	if m.held == nil || m.announced >= 2 {
		m.endARP()
		return
	}
	m.announced++
	m.do(Announce{Addr: m.held.lease.Addr.Addr()})
	if m.held.gatewayMAC.IsZero() {
		m.askGateway()
	}
	m.due[tAnnounce] = now.Add(announceLinger)
}

func (m *Machine) askGateway() {
	if l := m.held.lease; l.Gateway.IsValid() {
		m.do(AskGateway{From: l.Addr.Addr(), Gateway: l.Gateway})
	}
}

// endARP closes the ARP socket, unless the address is to be defended.
func (m *Machine) endARP() {
	m.clear(tAnnounce)
	if m.cfg.Defend && m.held != nil {
		m.openARP()
		return
	}
	m.closeARP()
}

// renew serves T1. A modem's stopgap is not renewed but replaced, if any other
// server answers by now.
func (m *Machine) renew(now time.Time) {
	if m.held == nil || !m.up {
		return
	}
	rebind := m.due[tRebind]
	m.began = now
	m.id = m.held.id
	if m.held.provisional {
		m.enter(now, Selecting)
		m.discover(now)
		return
	}
	m.enter(now, Renewing)
	m.due[tRebind] = rebind
	m.newExchange()
	m.sendRenewal(now)
}

// rebind serves T2: any server may keep us alive.
func (m *Machine) rebind(now time.Time) {
	if m.held == nil || !m.up {
		return
	}
	m.id = m.held.id
	m.enter(now, Rebinding)
	m.newExchange()
	m.sendRenewal(now)
}

// sendRenewal asks for more time, and again after half of the time left, but
// not more often than once a minute, or 8 times in a phase shorter than that.
func (m *Machine) sendRenewal(now time.Time) {
	l := m.held.lease
	dst, from, until := l.ServerID, l.Renew, l.Rebind
	if m.state == Rebinding {
		dst, from, until = netip.Addr{}, l.Rebind, l.Expire
	}
	if m.tries > 0 {
		m.newExchange() // hours may lie between: an answer now is to this one
	}
	m.send(now, message{kind: dhcpv4.MessageTypeRequest, secs: m.elapsed(now), client: l.Addr.Addr()}, dst)
	if l.Expire.IsZero() {
		m.due[tSend] = now.Add(m.backoff(m.tries)) // asked for by hand
		return
	}
	floor := min(renewFloor, max(until.Sub(from)/8, time.Second))
	if next := now.Add(max(until.Sub(now)/2, floor)); next.Before(until) {
		m.due[tSend] = next
	}
}

// renewNow is T1 at another time; without a lease it is the next try.
func (m *Machine) renewNow(now time.Time) {
	switch m.state {
	case Bound:
		m.clear(tRenew)
		m.renew(now)
	case Selecting, Renewing, Rebinding:
		m.due[tSend] = m.pace(now)
	case Init:
		m.due[tSend] = m.pace(now) // an operator may overrule the wait
	}
}

// arp takes an ARP packet: a conflict, or the gateway's answer.
func (m *Machine) arp(now time.Time, e ARP) {
	if !m.arpOn || e.SenderMAC == m.link.MAC || e.SenderMAC.IsZero() {
		return // !arpOn: it was on its way when the socket was closed
	}
	if b := m.checking; b != nil {
		if e.claims(b.lease.Addr.Addr()) && !m.proxy(e, b) {
			m.decline(now, e, b)
		}
		return
	}
	if m.held != nil && e.Sender == m.held.lease.Addr.Addr() {
		m.defend(now, e)
		return
	}
	m.gatewayAnswer(now, e)
}

// claims reports whether the sender uses addr or is about to (RFC 5227 §2.1.1).
func (e ARP) claims(addr netip.Addr) bool {
	return e.Sender == addr || e.Request && e.Sender == netip.IPv4Unspecified() && e.Target == addr
}

// proxy reports whether the claim comes from a router that answers for every
// address (proxy ARP in access networks): it is the server itself, or it
// claimed another address that was offered to us just before. Believing it
// would keep the uplink down for ever.
func (m *Machine) proxy(e ARP, b *binding) bool {
	if e.SenderMAC == b.lease.ServerMAC {
		return true
	}
	return e.SenderMAC == m.claimed.SenderMAC && m.claimed.Sender.IsValid() && m.claimed.Sender != b.lease.Addr.Addr()
}

// decline gives back an address that somebody else uses and looks for another.
func (m *Machine) decline(now time.Time, e ARP, b *binding) {
	addr := b.lease.Addr.Addr()
	m.claimed = ARP{SenderMAC: e.SenderMAC, Sender: addr}
	m.trouble(now, declineWait)
	reason := addr.String() + " is used by " + e.SenderMAC.String()
	m.lose(now, reason)
	m.why = reason
	m.id = b.id
	if !m.state.raw() {
		m.enter(now, Init) // opens the socket that the DECLINE leaves by
	}
	m.newExchange()
	m.send(now, message{kind: dhcpv4.MessageTypeDecline, requested: addr, server: b.lease.ServerID}, netip.Addr{})
	m.forget(now)
	m.restartSearch(now)
}

// defend answers the first claim of our address and believes the second one
// within ten seconds (RFC 5227 §2.4(b)).
func (m *Machine) defend(now time.Time, e ARP) {
	if !m.up || m.proxy(e, m.held) {
		return
	}
	if m.defended.IsZero() || now.Sub(m.defended) >= defendInterval {
		m.defended = now
		m.do(Announce{Addr: m.held.lease.Addr.Addr()})
		return
	}
	m.decline(now, e, m.held)
}

// gatewayAnswer learns the gateway's link address, or recognises the old
// network by it.
func (m *Machine) gatewayAnswer(now time.Time, e ARP) {
	if b := m.held; b != nil {
		asked := !m.due[tAnnounce].IsZero()
		if asked && e.Sender == b.lease.Gateway && b.gatewayMAC != e.SenderMAC {
			b.gatewayMAC = e.SenderMAC
			m.save(now, false)
		}
		return
	}
	b := m.memory
	if m.state != Rebooting || b == nil || e.Sender != b.lease.Gateway || e.SenderMAC != b.gatewayMAC {
		return
	}
	if b.gatewayMAC == (netif.MAC{}) || !b.certain || m.over(now, b) || e.Request {
		return
	}
	m.use(now, b)
	m.do(Announce{Addr: b.lease.Addr.Addr()})
}
