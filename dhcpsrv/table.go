package dhcpsrv

import (
	"container/list"
	"net/netip"
	"slices"
	"time"

	"luatnetd/internal/order"
	"luatnetd/netif"
)

// How long things last that are not leases.
const (
	// offerHold is how long an offer keeps its address. 120 s, as ISC dhcpd
	// does it, lets 20 fake clients close a small pool for two minutes (S52).
	offerHold = 15 * time.Second
	// quarantine keeps an address away that somebody else uses (S11: 10 to 60 min).
	quarantine = 30 * time.Minute
	// minLease bounds what a client can ask for with option 51.
	minLease = 2 * time.Minute
	// minRandom bounds how short the lease of a randomised MAC becomes (S24).
	minRandom = 10 * time.Minute
)

// state of a binding.
type state uint8

const (
	bound state = iota + 1
	expired
	released
	quarantined
)

var stateNames = [...]string{bound: "bound", expired: "expired", released: "released", quarantined: "quarantined"}

// binding is what the table knows about one address.
type binding struct {
	addr   netip.Addr
	state  state
	key    string // owner, "" in quarantine
	mac    netif.MAC
	name   string        // host name as granted, "" for none
	lease  time.Duration // as last granted
	expire time.Time     // zero: never. In quarantine: when it ends
	// boots counts the restarts of the machine since the owner was last heard
	// of: nobody knows how much of the lease is over.
	boots uint8
	idle  *list.Element // in Table.idle while expired or released
}

// live reports whether the binding keeps everybody else from the address.
func (b *binding) live() bool { return b != nil && (b.state == bound || b.state == quarantined) }

// offered is an address kept for a client that may ask for it.
type offered struct {
	addr    netip.Addr
	req     *request // the last DISCOVER
	lease   time.Duration
	expire  time.Time // of the offer, or of the probe while probing
	probing bool
	avoid   bool // the client's reserved address is in use: do not try it again
	tries   int  // addresses found in use so far
	elem    *list.Element
}

// Table is the DHCP server of one LAN. It is made by New.
type Table struct {
	rules *rules
	boot  string // identity of this boot, for records

	byAddr map[netip.Addr]*binding
	byKey  map[string]*binding // the binding of a client, live or remembered
	names  map[string]string   // host name of a live binding → key
	idle   *list.List          // expired and released bindings, least recently used first
	ends   time.Time           // no binding ends before it; zero: none ends

	offers   *list.List // *offered, oldest first
	offerTo  map[string]*offered
	offerOf  map[netip.Addr]*offered
	probing  []*offered // the same hold for all, so in order of their deadlines
	limit    limiter
	counters map[string]uint64
	out      *Output // of the call in progress
}

// New returns an empty table. boot identifies the running boot of the machine
// (/proc/sys/kernel/random/boot_id): two runs with the same one share a clock.
func New(cfg Config, boot string) *Table {
	return &Table{
		rules: newRules(cfg), boot: boot,
		byAddr: map[netip.Addr]*binding{}, byKey: map[string]*binding{}, names: map[string]string{},
		idle: list.New(), offers: list.New(),
		offerTo: map[string]*offered{}, offerOf: map[netip.Addr]*offered{},
		counters: map[string]uint64{},
	}
}

// Output is what a call asks its caller to do, in this order.
type Output struct {
	Records []Record     // append to the log
	Replies []Reply      // send; those that Wait only when the records are durable
	Probes  []netip.Addr // ask by ARP who has these; answers go to Heard
	Events  []Event      // tell who listens
}

// begin starts a call; the returned function ends it.
func (t *Table) begin(now time.Time) func() Output {
	t.out = &Output{}
	t.elapse(now)
	return func() Output {
		out := *t.out
		t.out = nil
		return out
	}
}

func (t *Table) count(reason string) { t.counters[reason]++ }

func (t *Table) event(now time.Time, kind string, b *binding, reason string) {
	t.out.Events = append(t.out.Events, Event{
		At: now, LAN: t.rules.LAN, Kind: kind, MAC: b.mac, Addr: b.addr,
		Hostname: b.name, ClientID: clientID(b.key), Reason: reason,
	})
}

// Tick does what is due at now: ends of leases, offers and probes. Call it at
// Next, or later.
func (t *Table) Tick(now time.Time) Output {
	return t.begin(now)()
}

// Next is when Tick has something to do, zero when it has not.
func (t *Table) Next() time.Time {
	next := t.ends
	if len(t.probing) > 0 {
		next = earlier(next, t.probing[0].expire)
	}
	if e := t.offers.Front(); e != nil {
		// The front may be a probe, which ends sooner than an offer does.
		next = earlier(next, e.Value.(*offered).expire)
	}
	return next
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

// elapse moves the table to now.
func (t *Table) elapse(now time.Time) {
	for len(t.probing) > 0 && !t.probing[0].expire.After(now) {
		t.settle(now, t.probing[0])
	}
	for e := t.offers.Front(); e != nil; e = t.offers.Front() {
		o := e.Value.(*offered)
		if o.expire.After(now) {
			break
		}
		t.dropOffer(o)
		t.count("offer not taken")
	}
	if !t.ends.IsZero() && !t.ends.After(now) {
		t.expireBindings(now)
	}
}

// expireBindings ends what is over and finds the next end.
func (t *Table) expireBindings(now time.Time) {
	t.ends = time.Time{}
	var over []*binding
	for _, b := range t.byAddr {
		switch {
		case !b.live() || b.expire.IsZero():
		case b.expire.After(now):
			t.ends = earlier(t.ends, b.expire)
		default:
			over = append(over, b)
		}
	}
	// In the order of their ends, so that the same history gives the same table.
	order.Sort(over, func(a, b *binding) int {
		if c := a.expire.Compare(b.expire); c != 0 {
			return c
		}
		return a.addr.Compare(b.addr)
	})
	for _, b := range over {
		if b.state == quarantined {
			t.remove(b)
			continue
		}
		t.event(now, "expired", b, "")
		t.rest(b, expired)
	}
}

// rest ends a binding but remembers its owner.
func (t *Table) rest(b *binding, s state) {
	t.freeName(b)
	b.state = s
	if b.idle == nil {
		b.idle = t.idle.PushBack(b)
	}
}

// remove forgets a binding.
func (t *Table) remove(b *binding) {
	t.freeName(b)
	if b.idle != nil {
		t.idle.Remove(b.idle)
		b.idle = nil
	}
	delete(t.byAddr, b.addr)
	if t.byKey[b.key] == b {
		delete(t.byKey, b.key)
	}
	t.rules.pool.set(b.addr, t.offerOf[b.addr] != nil)
}

func (t *Table) freeName(b *binding) {
	if b.name != "" && t.names[b.name] == b.key {
		delete(t.names, b.name)
	}
}

// insert puts a binding into the table; its address and owner must be free.
func (t *Table) insert(b *binding) {
	t.byAddr[b.addr] = b
	if b.key != "" {
		t.byKey[b.key] = b
	}
	t.rules.pool.set(b.addr, true)
	if b.live() && !b.expire.IsZero() {
		t.ends = earlier(t.ends, b.expire)
	}
}

func (t *Table) dropOffer(o *offered) {
	t.offers.Remove(o.elem)
	if o.probing {
		t.probing = slices.DeleteFunc(t.probing, func(p *offered) bool { return p == o })
	}
	delete(t.offerTo, o.req.key)
	delete(t.offerOf, o.addr)
	t.rules.pool.set(o.addr, t.byAddr[o.addr] != nil)
}

// Update changes the configuration and keeps every lease that is still inside
// the LAN's subnet. Offers are dropped. A lease that the new rules do not
// allow ends at its client's next request, by a NAK (S58).
func (t *Table) Update(now time.Time, cfg Config) Output {
	end := t.begin(now)
	for e := t.offers.Front(); e != nil; e = t.offers.Front() {
		t.dropOffer(e.Value.(*offered))
	}
	t.rules = newRules(cfg)
	for _, b := range t.sorted() {
		if t.rules.usable(b.addr) {
			t.rules.pool.set(b.addr, true)
			if b.state == bound {
				t.takeName(b, b.name) // it may belong to a host entry now
			}
			continue
		}
		if b.state == bound {
			t.event(now, "expired", b, "the address is not in the LAN any more")
		}
		t.remove(b)
		t.record(now, b, true)
	}
	return end()
}

// sorted lists the bindings by address.
func (t *Table) sorted() []*binding {
	all := make([]*binding, 0, len(t.byAddr))
	for _, b := range t.byAddr {
		all = append(all, b)
	}
	order.Sort(all, func(a, b *binding) int { return a.addr.Compare(b.addr) })
	return all
}
