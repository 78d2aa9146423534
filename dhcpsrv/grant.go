package dhcpsrv

import (
	"net/netip"
	"time"

	"luatnetd/netif"
)

// terms is the lease time that the client would get for a now. A lease of
// which three quarters are left is given as it stands, shortened to what
// remains: no write for a client that renews early or restarts (S54).
func (t *Table) terms(now time.Time, r *request, a netip.Addr) time.Duration {
	want := t.leaseTime(r)
	if b := t.byAddr[a]; t.early(now, b, r.key, want) && !b.expire.IsZero() {
		return b.expire.Sub(now).Truncate(time.Second)
	}
	return want
}

// early reports whether b is a lease of that client that needs no renewal yet.
func (t *Table) early(now time.Time, b *binding, key string, want time.Duration) bool {
	if b == nil || b.state != bound || b.key != key {
		return false
	}
	if b.expire.IsZero() || want == Infinite {
		return b.expire.IsZero() && want == Infinite
	}
	left := b.expire.Sub(now)
	return left <= want && left >= want/4*3 && left >= time.Second
}

// leaseTime is the length of a new lease (N01, S24).
func (t *Table) leaseTime(r *request) time.Duration {
	if h := t.rules.byMAC[r.mac]; h != nil && h.Lease > 0 {
		return h.Lease
	}
	lease := t.rules.Lease
	if asked := r.asked(); asked > 0 {
		lease = min(max(asked, min(minLease, lease)), lease)
	}
	if randomised(r.mac) && t.crowded() {
		lease = min(lease, max(lease/4, minRandom))
	}
	return lease
}

// randomised reports whether mac is one that a phone made up.
func randomised(mac netif.MAC) bool { return mac[0]&2 != 0 }

// crowded reports whether more than half of the pool is leased.
func (t *Table) crowded() bool {
	return 2*(len(t.byAddr)-t.idle.Len()) > t.rules.pool.capacity()
}

// grant leases a to the client and acknowledges it. Who calls it has checked
// that nobody else holds a, or nobody who may.
func (t *Table) grant(now time.Time, r *request, a netip.Addr, lease time.Duration) {
	for _, o := range []*offered{t.offerTo[r.key], t.offerOf[a]} {
		if o != nil && t.offerOf[o.addr] == o {
			t.dropOffer(o)
		}
	}
	b := t.byAddr[a]
	renewal := b != nil && b.state == bound && b.key == r.key
	if b != nil && b.key != r.key {
		t.remove(b)
	}
	if old := t.byKey[r.key]; old != nil && old.addr != a {
		t.remove(old)
		t.record(now, old, true)
	}
	if b == nil || b.key != r.key {
		b = &binding{addr: a, key: r.key, name: ""}
	}
	quiet := renewal && t.early(now, b, r.key, t.leaseTime(r)) && b.mac == r.mac
	name := t.nameFor(r)
	quiet = quiet && (name == b.name || name != "" && uniqueName(name, t.heldFrom(r.key)) == b.name)
	switch {
	case !quiet:
		t.bind(now, b, r, lease, name)
	case !b.expire.IsZero():
		lease = min(lease, b.expire.Sub(now).Truncate(time.Second)) // an offer is some seconds old
	}
	b.boots = 0
	kind := "renewed"
	if !renewal {
		kind = "bound"
	}
	t.event(now, kind, b, "")
	t.count("ack")
	t.send(t.ack(r, a, lease))
}

// bind writes a new lease into b, the table and the log.
func (t *Table) bind(now time.Time, b *binding, r *request, lease time.Duration, name string) {
	if b.idle != nil {
		t.idle.Remove(b.idle)
		b.idle = nil
	}
	b.state, b.mac, b.lease = bound, r.mac, lease
	b.expire = time.Time{}
	if lease != Infinite {
		b.expire = now.Add(lease)
	}
	b.boots = 0
	t.takeName(b, name)
	t.insert(b)
	t.record(now, b, false)
}

// nameFor is the name that the client should get: that of its reservation,
// else what it calls itself.
func (t *Table) nameFor(r *request) string {
	if h := t.rules.byMAC[r.mac]; h != nil {
		if name := cleanName(h.Name); name != "" {
			return name
		}
	}
	return r.name()
}

// takeName gives b that name, or another where somebody else has it (S25).
func (t *Table) takeName(b *binding, name string) {
	t.freeName(b)
	if h := t.rules.byMAC[b.mac]; h == nil || cleanName(h.Name) != name {
		name = uniqueName(name, t.heldFrom(b.key))
	}
	b.name = name
	if name != "" {
		t.names[name] = b.key
	}
}

// heldFrom reports which names a client may not have.
func (t *Table) heldFrom(key string) func(string) bool {
	return func(name string) bool {
		holder, ok := t.names[name]
		return t.rules.names[name] || ok && holder != key
	}
}
