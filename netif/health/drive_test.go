package health

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"luatnetd/netif"
)

// The targets of most tests.
var (
	tcpA  = Target{TCP, "192.0.2.1:443"}
	tcpB  = Target{TCP, "192.0.2.2:443"}
	tcpC  = Target{TCP, "192.0.2.3:443"}
	dnsA  = Target{DNS, "192.0.2.1:53"}
	pingA = Target{ICMP, "192.0.2.1"}
	pingB = Target{ICMP, "192.0.2.2"}
	gate  = Target{Gateway, ""}
)

// basic is the policy of most tests.
func basic(targets ...Target) Policy {
	return Policy{
		Targets: targets, Interval: 5 * time.Second, MissInterval: time.Second, Timeout: 2 * time.Second,
		FailAfter: 3, RecoverAfter: 3, HoldDown: 10 * time.Second,
	}
}

// upLevel is a link with everything.
func upLevel() Level {
	return Level{
		Enabled: true, Present: true, Carrier: true,
		Addr: netip.MustParsePrefix("198.51.100.7/24"), Gateway: netip.MustParseAddr("198.51.100.1"),
	}
}

// world answers a Monitor's requests on a virtual clock: the shortest thing
// that can be called a network. The simulation has a real one.
type world struct {
	t     *testing.T
	m     *Monitor
	now   time.Time
	alive func(Target) bool
	rtt   time.Duration
	queue []Result
	asked []asked
	log   []string // states and usability as they changed, with seconds
	last  string
}

type asked struct {
	at  time.Duration // since boot
	req Request
}

// newWorld starts a Monitor on a link that is up; everybody answers.
func newWorld(t *testing.T, p Policy) *world {
	w := &world{t: t, m: New(p), now: netif.Boot(time.Minute), rtt: 20 * time.Millisecond}
	w.alive = func(Target) bool { return true }
	return w
}

func (w *world) observe(l Level) { w.m.Observe(w.now, l); w.note() }

func (w *world) note() {
	v := w.m.Verdict()
	s := v.State.String()
	if v.Usable {
		s += "+"
	}
	if s != w.last {
		w.log, w.last = append(w.log, s), s
	}
}

// run lets d pass.
func (w *world) run(d time.Duration) {
	w.t.Helper()
	end := w.now.Add(d)
	for turns := 0; ; turns++ {
		if turns > 200_000 {
			w.t.Fatalf("the monitor spins at %v: next %v", w.now, w.m.Next())
		}
		for _, r := range w.m.Due(w.now) {
			w.asked = append(w.asked, asked{w.now.Sub(netif.Boot(0)), r})
			res := Result{Target: r.Target, Seq: r.Seq, Sent: w.now, OK: w.alive(r.Target), RTT: w.rtt}
			if res.At = w.now.Add(w.rtt); !res.OK || w.rtt > r.Timeout {
				res.OK, res.At, res.RTT, res.Reason = false, w.now.Add(r.Timeout), 0, "timeout"
			}
			w.queue = append(w.queue, res)
		}
		w.note()
		at := w.m.Next()
		slices.SortStableFunc(w.queue, func(a, b Result) int { return a.At.Compare(b.At) })
		if len(w.queue) > 0 && (at.IsZero() || !w.queue[0].At.After(at)) {
			at = w.queue[0].At
		}
		if at.IsZero() || at.After(end) {
			w.now = end
			return
		}
		w.now = later(at, w.now)
		if len(w.queue) > 0 && !w.queue[0].At.After(w.now) {
			r := w.queue[0]
			w.queue = w.queue[1:]
			w.m.Result(w.now, r)
		}
		w.note()
	}
}

// until runs until the verdict is as wanted and returns how long it took.
func (w *world) until(limit time.Duration, want func(Verdict) bool) time.Duration {
	w.t.Helper()
	from := w.now
	for step := 10 * time.Millisecond; w.now.Sub(from) <= limit; {
		if want(w.m.Verdict()) {
			return w.now.Sub(from)
		}
		w.run(step)
	}
	w.t.Fatalf("not within %v: %+v", limit, w.m.Verdict())
	return 0
}

// count returns the requests since from, by target.
func (w *world) count(from int) map[Target]int {
	n := map[Target]int{}
	for _, a := range w.asked[from:] {
		n[a.req.Target]++
	}
	return n
}

func usable(v Verdict) bool   { return v.Usable }
func unusable(v Verdict) bool { return !v.Usable }

// settled returns a world whose uplink has been CONNECTED for a minute.
func settled(t *testing.T, p Policy) *world {
	t.Helper()
	w := newWorld(t, p)
	w.observe(upLevel())
	w.run(time.Minute)
	if v := w.m.Verdict(); !v.Usable || !v.Verified || v.State != Connected {
		t.Fatalf("not connected after a minute: %+v", v)
	}
	return w
}

func nobody(Target) bool { return false }
func all(Target) bool    { return true }

// only answers for the given kinds.
func only(kinds ...Kind) func(Target) bool {
	return func(t Target) bool { return slices.Contains(kinds, t.Kind) }
}
