package dhcpsrv

import (
	"net/netip"
	"time"
)

// discover answers DHCPDISCOVER: the same client gets the same offer (S3), any
// other one an address of its own, asked for by ARP first if nobody knows it.
func (t *Table) discover(now time.Time, r *request) {
	if o := t.offerTo[r.key]; o != nil {
		if t.rules.usable(o.addr) && t.rules.may(o.addr, r.mac) {
			o.req = r
			if !o.probing {
				t.makeOffer(now, o)
			}
			return
		}
		t.dropOffer(o)
	}
	t.propose(now, r, &offered{req: r})
}

// propose finds an address for the client of o and offers it, or starts the
// probe that comes before the offer.
func (t *Table) propose(now time.Time, r *request, o *offered) {
	a, proof := t.choose(r, o.avoid)
	if proof == noAddress || proof == mustProbe && !t.canProbe(o) {
		t.count("pool full")
		return
	}
	if other := t.offerOf[a]; other != nil {
		t.dropOffer(other) // a is this client's, see taken
	}
	o.req, o.addr = r, a
	o.elem = t.offers.PushBack(o)
	t.offerTo[r.key], t.offerOf[a] = o, o
	t.rules.pool.set(a, true)
	switch {
	case proof == heldBefore:
		t.makeOffer(now, o)
	case t.canProbe(o):
		t.probe(now, o)
	default:
		t.count("offer without probe")
		t.makeOffer(now, o)
	}
}

// makeOffer sends the offer and keeps the address from now on.
func (t *Table) makeOffer(now time.Time, o *offered) {
	o.lease = t.terms(now, o.req, o.addr)
	o.expire = now.Add(offerHold)
	t.offers.MoveToBack(o.elem)
	t.count("offer")
	t.send(t.offer(o.req, o.addr, o.lease))
}

// proof says what is known about an address before it is offered.
type proof uint8

const (
	noAddress  proof = iota // there is none
	heldBefore              // by this client: no probe (S50)
	mayProbe                // free by all we know
	mustProbe               // only to be offered if nobody answers
)

// choose finds an address for a client that has no offer (RFC 2131 §4.3.1,
// S2). avoid says that its reserved address turned out to be in use.
func (t *Table) choose(r *request, avoid bool) (netip.Addr, proof) {
	b := t.byKey[r.key]
	if h := t.rules.byMAC[r.mac]; h != nil && !avoid {
		if p := t.reserved(r, h); p != noAddress {
			return h.Address, p
		}
	}
	if b != nil && t.rules.usable(b.addr) && t.rules.may(b.addr, r.mac) && !t.taken(r, b.addr) {
		return b.addr, heldBefore
	}
	if a := r.want; a.IsValid() && t.rules.usable(a) && t.rules.pool.has(a) && !t.taken(r, a) {
		return a, mayProbe
	}
	if n := t.rules.pool.size; n > 0 {
		if a, ok := t.rules.pool.next(int(hash(r.key) % uint64(n))); ok {
			return a, mayProbe
		}
	}
	return t.reclaim()
}

// reserved reports whether the client can have the address of its host entry.
// Another device of the same host that holds it must answer the probe to keep
// it (N33); a stranger keeps it to the end of its lease (S58).
func (t *Table) reserved(r *request, h *Host) proof {
	holder := t.byAddr[h.Address]
	mine := holder != nil && holder.mac == r.mac && holder.state != quarantined
	if o := t.offerOf[h.Address]; o != nil && !mine {
		return noAddress
	}
	switch {
	case mine:
		return heldBefore
	case !holder.live():
		return mayProbe
	case holder.state == bound && t.rules.may(h.Address, holder.mac):
		return mustProbe
	}
	return noAddress
}

// reclaim makes room in a full pool. In this order: addresses of clients that
// are gone, the longest first (S24); the oldest offer, since most of a flood
// is never taken up (S53); leases whose clients have not been heard of since
// the machine restarted, since their time may be over; the oldest quarantine
// (S11).
func (t *Table) reclaim() (netip.Addr, proof) {
	for e := t.idle.Front(); e != nil; e = e.Next() {
		b := e.Value.(*binding)
		if t.rules.pool.has(b.addr) && t.offerOf[b.addr] == nil {
			return b.addr, mayProbe
		}
	}
	for e := t.offers.Front(); e != nil; e = e.Next() {
		o := e.Value.(*offered)
		if t.rules.pool.has(o.addr) && !t.byAddr[o.addr].live() {
			t.dropOffer(o)
			t.count("offer evicted")
			return o.addr, mayProbe
		}
	}
	var best *binding
	for _, b := range t.byAddr {
		if b.live() && t.rules.pool.has(b.addr) && t.offerOf[b.addr] == nil && better(b, best) {
			best = b
		}
	}
	if best == nil {
		return netip.Addr{}, noAddress
	}
	return best.addr, mustProbe
}

// better reports whether b is to be given up before other. A lease of this
// boot never is.
func better(b, other *binding) bool {
	if b.state == bound && b.boots == 0 {
		return false
	}
	switch {
	case other == nil:
		return true
	case b.state != other.state:
		return b.state == bound
	case b.boots != other.boots:
		return b.boots > other.boots
	case !b.expire.Equal(other.expire):
		return b.expire.Before(other.expire)
	}
	return b.addr.Less(other.addr)
}
