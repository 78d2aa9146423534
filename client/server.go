package client

import (
	"fmt"
	"time"
)

// What LuatOS's servers say, byte for byte, and where (spec §4.3).
const (
	ServerPort    = 50003 // TCP and UDP
	BroadcastPort = 50000 // where the UDP server's broadcasts go
	ServerPause   = 15 * time.Second
	GreetingOne   = "TCP server is UP!"
	GreetingUDP   = "UDP Server is UP"
	Heartbeat     = "UDP Server Heartbeat"
)

// Greeting is what a TCP server says to a client that it took.
func Greeting(many bool, name string) string {
	if many {
		return GreetingOne + " you are " + name
	}
	return GreetingOne
}

// ClientName is what the n-th client of a server is called. LuatOS uses the
// number of clients at the moment, so that names repeat; here they do not.
func ClientName(n uint64) string { return fmt.Sprintf("client-%d", n) }

// Admission says who may connect to a TCP server.
type Admission struct {
	Max     int  // clients at a time: 1, or as many as a server for many takes
	KickOld bool // a client too many takes the place of the oldest
}

// Decide returns what to do with a client that comes while others are connected.
func (a Admission) Decide(connected int) (accept, kickOldest bool) {
	full := connected >= a.Max
	return !full || a.KickOld, full && a.KickOld
}

// Silence says when a UDP server's heartbeat is due: when nothing was sent or
// received for Every. A heartbeat is traffic, too.
type Silence struct {
	Every time.Duration // 0 for never
	last  time.Time
}

// Traffic notes that something was sent or received.
func (s *Silence) Traffic(now time.Time) {
	if now.After(s.last) {
		s.last = now
	}
}

// Due is when the next heartbeat is due, zero for never.
func (s *Silence) Due() time.Time {
	if s.Every <= 0 {
		return time.Time{}
	}
	return s.last.Add(s.Every)
}
