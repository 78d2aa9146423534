package dns

import (
	"net/netip"
	"time"
)

// Stats counts since the start. The gauges are of the moment.
type Stats struct {
	Queries   uint64 // messages from clients
	TCP       uint64 // of which by TCP
	Dropped   uint64 // not even a question
	Malformed uint64 // answered with FORMERR, NOTIMP or BADVERS
	Refused   uint64 // classes and types that are not forwarded
	Local     uint64 // answered from local and special names
	Hits      uint64 // answered from the cache
	Misses    uint64 // had to wait for a server
	Repeated  uint64 // a client repeated a question that is being worked on
	Stale     uint64 // answered stale
	ServFail  uint64 // answered SERVFAIL
	Overflow  uint64 // over the bound of open questions
	Spoofed   uint64 // messages from servers that answer nothing we asked
	Garbage   uint64 // answers that cannot be read
	Truncated uint64 // answers fetched again by TCP
	Rebind    uint64 // answers with private addresses
	Reasked   uint64 // questions moved to another uplink
	Switches  uint64 // changes of the upstreams
	Evicted   uint64 // cache entries that made room

	Waiting    int // gauge: open questions
	Peak       int // most open questions at once
	Asks       int // gauge: messages to servers without an answer
	CacheBytes int // gauge
	Entries    int // gauge

	Servers []ServerStats
}

// ServerStats is one server of one usable uplink.
type ServerStats struct {
	Uplink   string
	Server   netip.AddrPort
	Good     bool
	SRTT     time.Duration // 0: never heard
	Sent     uint64
	Answered uint64
	Timeouts uint64 // no answer, or unreachable
	Refusals uint64 // SERVFAIL, REFUSED, garbage
}

// Stats returns the counters.
func (m *Machine) Stats() Stats {
	s := m.stats
	s.Waiting, s.Asks = m.waiting, len(m.asks)
	s.CacheBytes, s.Entries, s.Evicted = m.cache.used, len(m.cache.entries), m.cache.evicted
	for _, u := range m.uplinks {
		for _, v := range u.servers {
			s.Servers = append(s.Servers, ServerStats{
				Uplink: u.spec.Name, Server: v.addr, Good: !v.bad, SRTT: v.srtt,
				Sent: v.sent, Answered: v.answered, Timeouts: v.timeouts, Refusals: v.refusals,
			})
		}
	}
	return s
}
