package lease

import (
	"bytes"
	"slices"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// packet takes a message from a server, if it is for us and answers what was
// asked last.
func (m *Machine) packet(now time.Time, e Packet) {
	r, err := parseReply(e.Payload)
	if err != nil || !m.forUs(r, e) {
		return
	}
	r.from = e.From
	switch r.kind {
	case dhcpv4.MessageTypeOffer:
		m.offer(now, r)
	case dhcpv4.MessageTypeAck:
		if m.answers(&r) {
			m.ack(now, r)
		}
	case dhcpv4.MessageTypeNak:
		if m.answers(&r) {
			m.nak(now, r)
		}
	}
}

// forUs checks what every answer must have.
func (m *Machine) forUs(r reply, e Packet) bool {
	if m.xid == 0 || r.xid != m.xid {
		return false
	}
	// A loop brings our own LAN's server, or ourselves.
	if !e.From.IsZero() && (e.From == m.link.MAC || slices.Contains(m.cfg.Ours, e.From)) {
		return false
	}
	if !m.link.MAC.IsZero() && !bytes.Equal(r.chaddr, m.link.MAC[:]) {
		return false
	}
	// RFC 6842: a server that repeats the client identifier repeats ours.
	id := r.options.Get(dhcpv4.OptionClientIdentifier)
	return len(id) == 0 || bytes.Equal(id, m.id.bytes)
}

// answers reports whether an ACK or NAK answers the REQUEST of this state. A
// server that leaves its identifier out is taken for the one that was asked.
func (m *Machine) answers(r *reply) bool {
	switch m.state {
	case Requesting:
		if !r.server.IsValid() {
			r.server = m.chosen.lease.ServerID
		}
		return r.server == m.chosen.lease.ServerID
	case Renewing:
		if !r.server.IsValid() {
			r.server = m.held.lease.ServerID
		}
		return r.server == m.held.lease.ServerID
	case Rebooting, Rebinding:
		return r.server.IsValid() || r.kind == dhcpv4.MessageTypeNak
	}
	return false
}

// ack takes a granted lease.
func (m *Machine) ack(now time.Time, r reply) {
	c, ok := m.candidate(now, r)
	if !ok {
		return
	}
	if reason := m.overlap(c.lease.Addr); reason != "" {
		m.trouble(now, declineWait)
		m.lose(now, reason)
		m.refuse(reason)
		m.forget(now)
		m.restartSearch(now)
		return
	}
	b := &c.binding
	m.stamp(now, b, times(r.options))
	b.inherit(m.memory)
	if m.held != nil && m.held.lease.Addr.Addr() == b.lease.Addr.Addr() {
		m.bind(now, b)
		return
	}
	m.lose(now, "another address")
	m.check(now, b)
}

// stamp sets the lease's clocks. They count from the REQUEST, not from the
// ACK (RFC 2131 §4.4.1). T1 is a little early, so that boards that were powered
// up together do not renew together for ever.
func (m *Machine) stamp(now time.Time, b *binding, d durations) {
	b.lease.Acquired = now
	if d.expire == 0 {
		return
	}
	start := m.lastSent
	if m.state == Requesting || m.state == Rebooting {
		start = m.firstSent
	}
	early := time.Duration(m.rng.Int64N(int64(d.renew/32) + 1))
	b.lease.Renew = start.Add(d.renew - early)
	b.lease.Rebind = start.Add(d.rebind)
	b.lease.Expire = start.Add(d.expire)
}

// inherit keeps what this answer did not show, from the lease before.
func (b *binding) inherit(old *binding) {
	if old == nil {
		return
	}
	if b.lease.ServerMAC.IsZero() && old.lease.ServerID == b.lease.ServerID {
		b.lease.ServerMAC = old.lease.ServerMAC // a UDP socket does not tell
	}
	if old.lease.Gateway == b.lease.Gateway {
		b.gatewayMAC = old.gatewayMAC
	}
}
