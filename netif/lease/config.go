package lease

import (
	"net/netip"
	"time"

	"luatnetd/netif"
)

// Config is what the machine has to know. It must not change during its life.
type Config struct {
	ClientID    ClientID
	DUID        []byte           // of the box; empty: made from the device's MAC
	Hostname    string           // option 12, empty for none
	VendorClass string           // option 60, empty for none
	Options     map[uint8][]byte // further options in every message: 77, 124, 125 …
	Avoid       []netip.Prefix   // subnets that no lease may overlap
	// Ours are the MACs of this machine's other devices: an answer from one of
	// them is our own LAN server heard through a loop.
	Ours []netif.MAC
	// BootID names this boot: times in a record of another boot mean nothing.
	BootID string
	// Probes is how many ARP probes precede the use of a new address; 0 means
	// three, less than 0 none. ProbeInterval is the time after each; 0 means 200 ms.
	Probes        int
	ProbeInterval time.Duration
	// Defend asks for the ARP socket to stay open while a lease is in use, so
	// that a second user of the address is noticed (RFC 5227 §2.4).
	Defend bool
}

const (
	// CarrierGrace is how long a carrier may be away without a word: shorter
	// than any human notices, longer than a switch's renegotiation.
	CarrierGrace = 2 * time.Second

	collectOffers      = 200 * time.Millisecond // for offers after the first
	collectProvisional = 2 * time.Second        // if all of them are a modem's stopgap
	retransmitFirst    = 4 * time.Second        // RFC 2131 §4.1: 4, 8, 16, 32, 64 s …
	retransmitLast     = 64 * time.Second
	retransmitJitter   = time.Second // … each more or less by up to 1 s
	requestTries       = 3           // REQUESTs for an offer
	requestWaitMax     = 8 * time.Second
	rebootTries        = 2
	rebootWait         = 10 * time.Second // RFC 2131 §4.4.2 leaves it open
	renewFloor         = time.Minute      // RFC 2131 §4.4.5
	declineWait        = 10 * time.Second // RFC 2131 §3.1(5)
	troubleWaitMax     = 5 * time.Minute
	troubleForget      = time.Minute // a lease that lasted so long ends a NAK loop
	paceSends          = time.Second // between the first messages after flaps of the carrier
	announceAgain      = 2 * time.Second
	announceLinger     = time.Second // for the gateway's answer
	defendInterval     = 10 * time.Second
	saveEvery          = 10 * time.Minute // for records that differ in their times only

	leaseDefault     = time.Hour // for a server that does not tell
	leaseMin         = 10 * time.Second
	leaseProvisional = time.Minute     // shorter and private: a modem's stopgap …
	settleTime       = 2 * time.Minute // … unless it stays for so long

	silentBroadcast = 2 // rounds before answers are asked for by broadcast
	silentWinner    = 6 // rounds before the client id that won before is doubted

	probesDefault        = 3
	probeIntervalDefault = 200 * time.Millisecond

	offersMax = 16 // more than that is an attack
)

func (c Config) probes() (n int, interval time.Duration) {
	n, interval = c.Probes, c.ProbeInterval
	if n == 0 {
		n = probesDefault
	}
	if interval <= 0 {
		interval = probeIntervalDefault
	}
	return n, interval
}
