package dns

import (
	"net/netip"
	"slices"
	"time"
)

// Upstream is an uplink through which questions may be asked, and its servers.
type Upstream struct {
	Name    string           // the uplink's name in the configuration
	Device  string           // asked only through this device
	Mark    uint32           // and with this mark
	Source  netip.Addr       // and from this address, as far as the family is the same
	Servers []netip.AddrPort // in the order of Servers
	Domains []string         // the uplink's own domains: may answer with private addresses
}

// route is what a socket needs: when it changes, what was asked is lost.
type route struct {
	name, device string
	mark         uint32
	source       netip.Addr
}

func (u *Upstream) route() route { return route{u.Name, u.Device, u.Mark, u.Source} }

// uplink is an Upstream with what was learnt about its servers.
type uplink struct {
	spec    Upstream
	scope   uint16 // in cache keys
	servers []*server
	exempt  map[string]bool
}

// Bounds of a server's judgement.
const (
	badAfter    = 3 // timeouts, or refusals, in a row
	probeFirst  = time.Second
	probeMost   = time.Minute
	hedgeLeast  = 50 * time.Millisecond
	hedgeMost   = 300 * time.Millisecond
	answerLeast = time.Second // an answer later than this counts as a timeout
	answerMost  = 3 * time.Second
	muteAfter   = 2         // questions
	plainFor    = time.Hour // RFC 6891 §6.2.2: forget that a server cannot do EDNS
	slowerBy    = 10 * time.Millisecond
)

// server is one upstream server on one uplink.
//
//	good ──3 failures in a row──► bad ──any answer──► good
//
// A bad server gets a copy of a client's question at probeAt, and otherwise
// questions that no good server answered.
type server struct {
	addr    netip.AddrPort
	srtt    time.Duration // smoothed round trip time, 0: unknown
	streak  int           // timeouts in a row
	lame    int           // refusals in a row of questions that others answered
	bad     bool
	probeAt time.Time
	backoff time.Duration
	plain   time.Time // asked without EDNS until then
	edns    bool      // has answered a question with EDNS
	mute    int       // questions answered only without EDNS, while edns is false
	open    int       // asks without an answer whose question is already answered

	sent, answered, timeouts, refusals uint64
}

// heard notes an answer after rtt, 0 for one that says nothing about it.
// useful: it was more than a refusal. A server that answers, but refuses what
// others know, stays bad.
func (s *server) heard(rtt time.Duration, useful bool) {
	s.answered++
	s.streak = 0
	if useful {
		s.lame = 0
	}
	if s.lame < badAfter {
		s.bad = false
	}
	switch {
	case rtt <= 0:
	case s.srtt == 0:
		s.srtt = rtt
	default:
		s.srtt += (rtt - s.srtt) / 8 // RFC 6298 §2
	}
}

// missed notes a failure that is the server's own.
func (s *server) missed(now time.Time) {
	s.streak++
	if s.streak >= badAfter {
		s.condemn(now)
	}
}

// condemn makes a server bad.
func (s *server) condemn(now time.Time) {
	if !s.bad {
		s.bad, s.backoff = true, probeFirst
		s.probeAt = now.Add(s.backoff)
	}
}

// probe reports whether a bad server is due for a try, and plans the next.
func (s *server) probe(now time.Time) bool {
	if !s.bad || now.Before(s.probeAt) {
		return false
	}
	s.backoff = min(2*s.backoff, probeMost)
	s.probeAt = now.Add(s.backoff)
	return true
}

// hedge is how long to wait for s before the second server is asked too.
func (s *server) hedge() time.Duration {
	if s.bad {
		return hedgeLeast
	}
	if s.srtt == 0 {
		return hedgeMost
	}
	return min(max(2*s.srtt, hedgeLeast), hedgeMost)
}

// patience is how long an answer may take before it counts as a timeout.
func (s *server) patience() time.Duration { return min(max(4*s.srtt, answerLeast), answerMost) }

// order lists the servers to ask: the good ones, the best first, or all when
// none is good. The given order wins unless another is clearly faster.
func (u *uplink) order() []*server {
	list := slices.DeleteFunc(slices.Clone(u.servers), func(s *server) bool { return s.bad })
	if len(list) == 0 {
		return slices.Clone(u.servers)
	}
	best := 0
	for i, s := range list {
		if b := list[best]; s.srtt > 0 && b.srtt > 0 && s.srtt*3/2+slowerBy < b.srtt {
			best = i
		}
	}
	first := list[best]
	return slices.Insert(slices.Delete(list, best, best+1), 0, first)
}

// adopt takes a new description; servers that stay keep what was learnt.
func (u *uplink) adopt(spec Upstream, own []netip.Addr) {
	u.spec = spec
	u.spec.Servers, u.spec.Domains = slices.Clone(spec.Servers), slices.Clone(spec.Domains)
	u.exempt = map[string]bool{}
	for _, d := range spec.Domains {
		if w, err := wireName(d); err == nil { // a lease may hold any text
			u.exempt[w] = true
		}
	}
	old := u.servers
	u.servers = nil
	for _, addr := range usable(spec.Servers) {
		if slices.Contains(own, addr.Addr()) {
			continue // asking ourselves would go round for ever
		}
		s := &server{addr: addr}
		if i := slices.IndexFunc(old, func(o *server) bool { return o.addr == addr }); i >= 0 {
			s = old[i]
		}
		u.servers = append(u.servers, s)
	}
}

// equal reports whether a and b ask for the same.
func (u *Upstream) equal(b *Upstream) bool {
	return u.route() == b.route() && slices.Equal(u.Servers, b.Servers) && slices.Equal(u.Domains, b.Domains)
}
