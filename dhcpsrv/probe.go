package dhcpsrv

import (
	"net/netip"
	"slices"
	"time"

	"luatnetd/netif"
)

const (
	// probeWait is how long an address is listened for before a fresh offer
	// (S50). Others wait up to 3 s and serve nobody meanwhile.
	probeWait = 150 * time.Millisecond
	// maxProbes is how many probes run at a time. Beyond it, offers are made
	// without: a storm after a power cut must not queue behind them (S51).
	maxProbes = 64
	// maxTries is how many addresses in use are passed over for one client.
	maxTries = 8
)

// ARP is an ARP packet seen on the LAN, not one of ours.
type ARP struct {
	Sender   netif.MAC
	SenderIP netip.Addr // zero or unspecified in a probe (RFC 5227)
	TargetIP netip.Addr
}

// canProbe reports whether one more probe may run, for that client.
func (t *Table) canProbe(o *offered) bool {
	return len(t.probing) < maxProbes && o.tries < maxTries
}

// probe starts asking for o's address.
func (t *Table) probe(now time.Time, o *offered) {
	o.probing, o.expire = true, now.Add(probeWait)
	t.probing = append(t.probing, o)
	t.out.Probes = append(t.out.Probes, o.addr)
}

// settle ends a probe that nobody answered: the offer is made.
func (t *Table) settle(now time.Time, o *offered) {
	t.endProbe(o)
	t.makeOffer(now, o)
}

func (t *Table) endProbe(o *offered) {
	o.probing = false
	t.probing = slices.DeleteFunc(t.probing, func(p *offered) bool { return p == o })
}

// Probing reports whether a probe runs, so that Heard has something to learn.
func (t *Table) Probing() bool { return len(t.probing) > 0 }

// Heard takes note of an ARP packet. If it shows that an address being probed
// is in use, the address is put aside and another one is tried.
func (t *Table) Heard(now time.Time, p ARP) Output {
	end := t.begin(now)
	a := p.SenderIP
	if !a.IsValid() || a.IsUnspecified() {
		a = p.TargetIP // somebody else is about to take it (N07)
	}
	o := t.offerOf[a]
	if o == nil || !o.probing || p.Sender == o.req.mac {
		return end() // the client itself may answer for its old address (N08)
	}
	r := o.req
	t.dropOffer(o)
	next := &offered{req: r, avoid: o.avoid, tries: o.tries + 1}
	holder := t.byAddr[a]
	switch {
	case t.rules.byAddr[a] != nil && holder.live() && holder.mac == p.Sender:
		next.avoid = true // the other device of this host is there (N33)
		t.event(now, "conflict", &binding{addr: a, mac: r.mac, key: r.key}, "another device of this host uses the reserved address")
	case holder != nil && holder.state == bound && holder.mac == p.Sender:
		holder.boots = 0 // given up for lost, but it is there
	default:
		t.isolate(now, a, "conflict", &binding{addr: a, mac: p.Sender}, "it answers ARP but has no lease")
	}
	t.propose(now, r, next)
	return end()
}
