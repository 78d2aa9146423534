package router

import (
	"fmt"
	"math/bits"

	"luatnetd/netif"
)

// Protocol is the routing protocol number (rtm_protocol, FRA_PROTOCOL,
// IFA_PROTO) that every route, rule and address of ours carries. A fresh
// process recognises by it what a crashed one left.
const Protocol = 76

// Routing tables and rule preferences. n is the uplink's index.
const (
	TableMain   = 254  // RT_TABLE_MAIN
	TableUplink = 7600 // + n: one default via the uplink's gateway, nothing else
	TableLAN    = 7670 // + position of a LAN with its own upstream list: its uplinks by rank

	PrefLocalFirst = 7600 // lookup main suppress_prefixlength 0
	PrefOif        = 7700 // + n: oif DEVICE lookup table of n
	PrefMark       = 7800 // + n: fwmark of n lookup table of n
	PrefLAN        = 7870 // + position: iif LAN lookup table of the LAN
	PrefFrom       = 7900 // + n: from ADDRESS lookup table of n

	MetricMain      = 10   // + rank: a usable uplink's default in main
	MetricConnected = 7600 // + n: connected and option 121 routes of an uplink in main

	// IPv4 routes of LANs and of the tables above have metric 0: nothing wins
	// against a LAN. IPv6 turns 0 into 1024, so that a route would not read
	// back as it was written; these are the kernel's own values, spelt out.
	MetricLAN6   = 256  // IP6_RT_PRIO_ADDRCONF
	MetricTable6 = 1024 // IP6_RT_PRIO_USER
)

// MaxLANs is how many LANs may have an upstream list of their own: the tables
// between TableLAN and PrefOif.
const MaxLANs = 29

// NFT table and name prefixes. Reserved words load over netlink but not from
// text, so every chain, set and counter is prefixed.
const (
	TableName = "luatnetd"
	AcctName  = "luatnetd_acct"
)

// DefaultMask is the mark field used unless [state] mark_mask says otherwise.
const DefaultMask Marks = 0x3f00

// Marks is the mask of the bits in packet and conntrack marks that are ours:
// six adjacent bits. All other bits belong to others and are never written.
type Marks uint32

// Check reports why m cannot hold 62 uplinks and the untracked mark.
func (m Marks) Check() error {
	if bits.OnesCount32(uint32(m)) != 6 || uint32(m)>>m.shift() != 0x3f {
		return fmt.Errorf("mark mask %#x: want six adjacent bits such as 0x3f00", uint32(m))
	}
	return nil
}

func (m Marks) shift() int { return bits.TrailingZeros32(uint32(m)) }

// Of returns the mark of uplink n. It panics for an index out of range: value
// 0 under the mask would match every unmarked flow.
func (m Marks) Of(n netif.Index) uint32 {
	if !n.Valid() {
		panic(fmt.Sprintf("router: mark of invalid uplink index %d", n))
	}
	return uint32(n) << m.shift()
}

// Untracked is the mark of our own packets that conntrack must not learn.
func (m Marks) Untracked() uint32 { return uint32(m) }

// Index returns the uplink whose mark is in mark, 0 for none.
func (m Marks) Index(mark uint32) netif.Index {
	n := netif.Index(mark & uint32(m) >> m.shift())
	if !n.Valid() {
		return 0
	}
	return n
}
