package simnet

import (
	"math/rand/v2"
	"time"
)

// Question is a check: kind "icmp", "tcp", "dns", "http" or "gateway", and whom.
type Question struct{ Kind, Address string }

// Line is the truth about one uplink: what is behind its device.
type Line struct {
	Name    string
	Device  string
	Present bool // the device exists
	Carrier bool
	Lease   bool // the network gives it an address
	Closed  bool // by the operator
	// Questions are what the daemon may ask on this line.
	Questions []Question

	Dead    bool            // everything behind it is silent
	Blocked map[string]bool // kinds that are filtered: "tcp", "icmp", …
	Gone    map[string]bool // target addresses that do not answer
	Gateway bool            // the gateway answers even though the line is Dead
	Loss    float64         // of a request or its answer
	RTT     time.Duration

	answered map[string]time.Time // kind → first answer on the wire
	last     time.Time            // last answer on the wire
}

// Connected reports carrier and address, not closed.
func (l *Line) Connected() bool { return l.Present && l.Carrier && l.Lease && !l.Closed }

// Answers reports whether a question of that kind would be answered, loss aside.
func (l *Line) Answers(kind, address string) bool {
	switch {
	case !l.Present || !l.Carrier || !l.Lease:
		return false
	case kind == "gateway":
		return !l.Dead || l.Gateway
	}
	return !l.Dead && !l.Blocked[kind] && !l.Gone[address]
}

// Ask sends a question at the present moment of c and calls end with the
// outcome when it is known: the line is looked at when the question leaves and
// again when the answer would arrive.
func (l *Line) Ask(c *Clock, r *rand.Rand, kind, address string, timeout time.Duration, end func(ok bool, rtt time.Duration)) {
	rtt := l.RTT + time.Duration(r.Int64N(int64(l.RTT/4)+1))
	fail := func() { end(false, 0) }
	if !l.Answers(kind, address) || r.Float64() < l.Loss || rtt >= timeout {
		c.In(timeout, fail)
		return
	}
	c.In(rtt, func() {
		if !l.Answers(kind, address) {
			c.In(timeout-rtt, fail)
			return
		}
		l.note(c, kind)
		end(true, rtt)
	})
}

func (l *Line) note(c *Clock, kind string) {
	if l.answered == nil {
		l.answered = map[string]time.Time{}
	}
	if _, ok := l.answered[kind]; !ok {
		l.answered[kind] = c.Now()
	}
	l.last = c.Now()
}
