package dhcpsrv

import (
	"net/netip"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"luatnetd/netif"
)

// Handle answers one packet. It never fails: what is not for this server, or
// makes no sense, is counted and gets no reply.
func (t *Table) Handle(now time.Time, in Packet) Output {
	end := t.begin(now)
	r, err := parse(in)
	switch {
	case err != nil:
		t.count("malformed")
	case r.giaddr.IsValid():
		t.count("relayed") // this server is for its own link only
	case r.msg.Options[82] != nil && !t.rules.Trust82:
		t.count("option 82 without relay")
	case r.kind == dhcpv4.MessageTypeNone:
		t.count("bootp") // a BOOTP lease would never end (S16)
	case r.key == "":
		t.count("no identity")
	case !t.limit.allow(now, source(in, r)):
		t.count("rate")
	default:
		t.dispatch(now, r)
	}
	return end()
}

// source is whom the rate limit counts.
func source(in Packet, r *request) netif.MAC {
	if !in.Src.IsZero() {
		return in.Src
	}
	return r.mac
}

func (t *Table) dispatch(now time.Time, r *request) {
	switch r.kind {
	case dhcpv4.MessageTypeDiscover:
		t.count("discover")
		t.discover(now, r)
	case dhcpv4.MessageTypeRequest:
		t.count("request")
		t.request(now, r)
	case dhcpv4.MessageTypeDecline:
		t.count("decline")
		t.decline(now, r)
	case dhcpv4.MessageTypeRelease:
		t.count("release")
		t.release(now, r)
	case dhcpv4.MessageTypeInform:
		t.count("inform")
		t.inform(r)
	default:
		t.count("unexpected kind") // replies of other servers, LEASEQUERY (N28)
	}
}

func (t *Table) send(r Reply) { t.out.Replies = append(t.out.Replies, r) }

func (t *Table) refuse(now time.Time, r *request, a netip.Addr, why string) {
	t.count("nak")
	if o := t.offerTo[r.key]; o != nil && o.addr == a {
		t.dropOffer(o)
	}
	t.event(now, "refused", &binding{addr: a, mac: r.mac, key: r.key}, why)
	t.send(t.nak(r, why))
}

// request answers DHCPREQUEST. The state that the client is in follows from
// what it sends (RFC 2131 §4.3.2 and table 4):
//
//	             server id  requested address  ciaddr
//	SELECTING    yes        yes                0        → selecting
//	INIT-REBOOT  no         yes                0        → confirm
//	RENEWING     no         no                 yes      → confirm (unicast)
//	REBINDING    no         no                 yes      → confirm (broadcast)
//
// Sloppy clients send ciaddr together with the others; ciaddr then counts,
// since it is the address that they use (N04).
func (t *Table) request(now time.Time, r *request) {
	switch {
	case r.server.IsValid() && !t.rules.own(r.server):
		t.count("chose another server")
		if o := t.offerTo[r.key]; o != nil {
			t.dropOffer(o)
		}
	case r.ciaddr.IsValid():
		t.confirm(now, r, r.ciaddr)
	case !r.want.IsValid():
		t.count("request without address")
	case r.server.IsValid():
		t.selecting(now, r)
	default:
		t.confirm(now, r, r.want)
	}
}

// selecting grants what was offered (S4, S6). An offer that is over, or that a
// server before us made, is good as long as the address is free (N35).
func (t *Table) selecting(now time.Time, r *request) {
	o, b := t.offerTo[r.key], t.byKey[r.key]
	switch {
	case o != nil && o.addr == r.want:
		t.grant(now, r, o.addr, o.lease)
	case o != nil:
		t.refuse(now, r, r.want, "not the address that was offered")
	case b.live() && b.addr != r.want:
		t.refuse(now, r, r.want, "another address is leased to this client")
	default:
		t.adopt(now, r, r.want)
	}
}

// confirm answers a client that says it has address a (S7, S8, S9). We are
// authoritative for the LAN, so a wrong address is refused at once.
func (t *Table) confirm(now time.Time, r *request, a netip.Addr) {
	b := t.byKey[r.key]
	switch {
	case !t.rules.subnet.Contains(a):
		t.refuse(now, r, a, "wrong network")
	case b.live() && b.addr != a:
		t.refuse(now, r, a, "another address is leased to this client")
	case t.moves(r, a):
		t.letGo(now, b)
		t.refuse(now, r, a, "another address is reserved for this client")
	default:
		t.adopt(now, r, a)
	}
}

// moves reports whether the client has a reservation elsewhere that it could
// use now. While somebody else holds it, the client keeps what it has (N34).
func (t *Table) moves(r *request, a netip.Addr) bool {
	h := t.rules.byMAC[r.mac]
	if h == nil || h.Address == a {
		return false
	}
	holder := t.byAddr[h.Address]
	return !holder.live() || holder.mac == r.mac && holder.state == bound
}

// letGo ends the binding of a client that was told to leave its address.
func (t *Table) letGo(now time.Time, b *binding) {
	if b != nil && b.state == bound {
		t.rest(b, released)
		t.record(now, b, false)
	}
}

// adopt grants a if the rules allow it and nobody else has it.
func (t *Table) adopt(now time.Time, r *request, a netip.Addr) {
	switch {
	case !t.rules.usable(a) || !t.rules.may(a, r.mac):
		if b := t.byKey[r.key]; b != nil && b.addr == a {
			t.letGo(now, b)
		}
		t.refuse(now, r, a, "address not for this client")
	case t.taken(r, a):
		t.refuse(now, r, a, "address in use")
	default:
		t.grant(now, r, a, t.terms(now, r, a))
	}
}

// taken reports whether somebody else holds a or was offered it. Who holds it
// stands above who was offered it in the belief that the holder is gone.
func (t *Table) taken(r *request, a netip.Addr) bool {
	b := t.byAddr[a]
	if b.live() && b.key == r.key {
		return false
	}
	if o := t.offerOf[a]; o != nil && o.req.key != r.key {
		return true
	}
	if !b.live() {
		return false
	}
	// A boot loader and the system after it identify themselves differently;
	// a reservation follows the hardware address (S22, N31).
	sameHost := b.state == bound && t.rules.byAddr[a] != nil && b.mac == r.mac
	return !sameHost
}

// release ends a lease early. The record stays, so the client gets the address
// back (RFC 2131 §4.3.4, S12, N06).
func (t *Table) release(now time.Time, r *request) {
	b := t.byKey[r.key]
	if b == nil || b.state != bound || b.addr != r.ciaddr || r.server.IsValid() && !t.rules.own(r.server) {
		t.count("release by a stranger")
		return
	}
	t.rest(b, released)
	t.record(now, b, false)
	t.event(now, "released", b, "")
}

// decline takes an address out of use that its client found in use already
// (RFC 2131 §4.3.3, S11). Only its holder may say so.
func (t *Table) decline(now time.Time, r *request) {
	b := t.byKey[r.key]
	if b == nil || b.state != bound || b.addr != r.want || r.server.IsValid() && !t.rules.own(r.server) {
		t.count("decline by a stranger")
		return
	}
	t.isolate(now, r.want, "declined", &binding{addr: r.want, mac: r.mac, key: r.key}, "its client found it in use")
}

// isolate quarantines a and tells about it.
func (t *Table) isolate(now time.Time, a netip.Addr, kind string, about *binding, why string) {
	if o := t.offerOf[a]; o != nil {
		t.dropOffer(o)
	}
	if b := t.byAddr[a]; b != nil {
		t.remove(b)
	}
	q := &binding{addr: a, state: quarantined, expire: now.Add(quarantine), lease: quarantine}
	t.insert(q)
	t.record(now, q, false)
	t.event(now, kind, about, why)
}

// inform answers a client that has its address from elsewhere (S13, N05). It
// makes no lease.
func (t *Table) inform(r *request) {
	to := r.ciaddr
	if !to.IsValid() {
		to = r.ipSrc
	}
	if !t.rules.subnet.Contains(to) || !to.Is4() {
		t.count("inform from elsewhere")
		return
	}
	t.send(t.informed(r, to))
}
