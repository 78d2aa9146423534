package dhcpsrv

import (
	"encoding/hex"
	"maps"
	"net/netip"
	"time"

	"luatnetd/netif"
)

// Event says what happened to an address. Kind is "bound", "renewed",
// "released", "expired", "declined", "conflict" or "refused" (a NAK).
type Event struct {
	At       time.Time // boot time
	LAN      string
	Kind     string
	MAC      netif.MAC // zero where unknown
	Addr     netip.Addr
	Hostname string
	ClientID string // option 61 in hex, "" for none
	Reason   string // "" where the kind says it all
}

// LeaseInfo is one line of the list of clients.
type LeaseInfo struct {
	MAC       netif.MAC
	Addr      netip.Addr
	Hostname  string
	ClientID  string        // option 61 in hex, "" for none
	ExpiresIn time.Duration // Infinite for a lease without end, 0 for one that is over
	Static    bool          // the address is reserved for this client
	// Pending is set while a reservation waits: for its address to become
	// free, or for its client to renew.
	Pending bool
	State   string // "bound", "expired", "released", "quarantined"
}

// Stats are numbers of one LAN since the table was made.
type Stats struct {
	Pool        int // addresses for dynamic clients
	Bound       int // of all, dynamic or not
	Remembered  int // expired or released, kept for their clients
	Quarantined int
	Offered     int
	Counters    map[string]uint64 // messages by kind, drops by reason
}

// Leases lists every address that is bound, remembered or quarantined, by address.
func (t *Table) Leases(now time.Time) []LeaseInfo {
	all := t.sorted()
	list := make([]LeaseInfo, 0, len(all))
	for _, b := range all {
		host := t.rules.byMAC[b.mac]
		info := LeaseInfo{
			MAC: b.mac, Addr: b.addr, Hostname: b.name, ClientID: clientID(b.key),
			Static:  host != nil && host.Address == b.addr,
			Pending: b.state == bound && host != nil && host.Address != b.addr,
			State:   stateNames[b.state],
		}
		switch {
		case !b.live():
		case b.expire.IsZero():
			info.ExpiresIn = Infinite
		case b.expire.After(now):
			info.ExpiresIn = b.expire.Sub(now)
		default:
			info.State = stateNames[expired]
		}
		list = append(list, info)
	}
	return list
}

// Stats returns the numbers of the LAN.
func (t *Table) Stats() Stats {
	s := Stats{Pool: t.rules.pool.capacity(), Offered: t.offers.Len(), Counters: maps.Clone(t.counters)}
	for _, b := range t.byAddr {
		switch b.state {
		case bound:
			s.Bound++
		case quarantined:
			s.Quarantined++
		default:
			s.Remembered++
		}
	}
	return s
}

// clientID is the identifier inside a key, in hex.
func clientID(key string) string {
	if len(key) == 0 || key[:1] != keyID {
		return ""
	}
	return hex.EncodeToString([]byte(key[1:]))
}
