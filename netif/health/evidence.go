package health

import (
	"slices"
	"time"
)

// rank is the strength of a kind as evidence. Who answers TCP or HTTP carries
// traffic; a gateway's answer says nothing of the network behind it.
func (k Kind) rank() int {
	switch k {
	case HTTP, TCP:
		return 4
	case DNS:
		return 3
	case ICMP:
		return 2
	case Gateway:
		return 1
	}
	return 0
}

// String names the target for people: "tcp 223.5.5.5:443".
func (t Target) String() string {
	if t.Address == "" {
		return string(t.Kind)
	}
	return string(t.Kind) + " " + t.Address
}

// TargetStatus is what is known of one target on this uplink.
type TargetStatus struct {
	Target   Target
	Seen     bool          // it has answered here, ever
	OK       bool          // its last request was answered
	At       time.Time     // end of the last request; zero: never asked
	RTT      time.Duration // of the last answer
	Asked    uint64        // requests that have ended
	Answered uint64
	Reason   string // why the last request failed
}

// ask is one request under way.
type ask struct {
	target   *TargetStatus
	seq      uint64
	round    uint64
	deadline time.Time
}

// note records the end of a request.
func (t *TargetStatus) note(now time.Time, ok bool, rtt time.Duration, reason string) {
	t.At, t.OK, t.Reason = now, ok, reason
	t.Asked++
	if ok {
		t.Answered++
		t.Seen, t.RTT, t.Reason = true, rtt, ""
	}
}

// tally counts the requests of one round.
type tally struct {
	round       uint64
	ended, lost int
}

// count adds a request's end to its round in the window.
func (m *Monitor) count(round uint64, ok bool) {
	t := &m.tallies[round%window]
	if t.round != round {
		*t = tally{round: round}
	}
	t.ended++
	if !ok {
		t.lost++
	}
}

// loss returns the share of requests without answer over the last rounds, of
// targets that have answered here before.
func (m *Monitor) loss() float64 {
	ended, lost := 0, 0
	for _, t := range m.tallies {
		if t.round+window > m.rounds {
			ended += t.ended
			lost += t.lost
		}
	}
	if ended == 0 {
		return 0
	}
	return float64(lost) / float64(ended)
}

// smooth updates the averaged round trip time as TCP does (RFC 6298 §2, α = 1/8).
func (m *Monitor) smooth(rtt time.Duration) {
	if m.rtt == 0 {
		m.rtt = rtt
		return
	}
	m.rtt += (rtt - m.rtt) / 8
}

// deciding returns the rank of the strongest kind that ever answered here, and
// its name; 0 while nothing has.
func (m *Monitor) deciding() (rank int, kind Kind) {
	for _, t := range m.targets {
		if r := t.Target.Kind.rank(); t.Seen && r > rank {
			rank, kind = r, t.Target.Kind
		}
	}
	return rank, kind
}

// Seen returns the targets that have answered on this uplink, ever.
func (m *Monitor) Seen() []Target {
	var list []Target
	for _, t := range m.targets {
		if t.Seen {
			list = append(list, t.Target)
		}
	}
	return list
}

// Remember tells a fresh Monitor which targets have answered on this uplink in
// an earlier run, so that a fault that is present before the start ("ping
// works, TCP does not") is seen like one that comes later. Targets that the
// policy does not hold are ignored.
func (m *Monitor) Remember(seen []Target) {
	for _, t := range m.targets {
		if slices.Contains(seen, t.Target) {
			t.Seen = true
		}
	}
}
