package client

import "time"

// Confirmation is what makes a message confirmed.
type Confirmation string

// From the weakest to the strongest promise; docs/delivery.md says what each
// one is worth.
const (
	Handed  Confirmation = "handed" // the kernel took it
	ByTCP   Confirmation = "tcp"    // the TCP at the other end acknowledged every byte (TX_OK)
	ByReply Confirmation = "reply"  // the server answered it
)

// SwitchMode is what a connection does when another uplink becomes active.
type SwitchMode string

// The ways to follow an uplink.
const (
	Follow     SwitchMode = "follow"      // the new session first, then the old one is settled and closed
	BreakFirst SwitchMode = "break_first" // the old session is closed first: servers with one session per device
	Stay       SwitchMode = "stay"        // as long as it lives
)

// Policy is how one connection behaves. Times must not be zero unless said.
type Policy struct {
	Confirmed      Confirmation
	Datagrams      bool // UDP and DTLS: nothing is acknowledged
	Switch         SwitchMode
	Connect        time.Duration // for one attempt, DNS and TLS included
	Confirm        time.Duration // unconfirmed for so long: the connection is broken
	Close          time.Duration // for an orderly close
	Backoff        Backoff
	WindowBytes    int // unconfirmed at most
	WindowMessages int

	Heartbeat       Template      // sent when nothing was sent for HeartbeatEvery
	HeartbeatEvery  time.Duration // 0: no heartbeat
	HeartbeatExpect []byte        // what the server answers to it, empty for nothing

	Register     Template // sent on connect or, with RegisterEach, before each message
	RegisterEach bool

	Reply     ReplyPattern  // ByReply only
	ReplyWait time.Duration // no answer for so long: sent again under the same id

	Prefix bool // "send from <tag>: " before what a source gave
	Send   FrameSend
	Recv   Cutter // how received bytes are cut; a value without state
}

// settleMax is how long the old session of a connection that follows an uplink
// may take to confirm what it has sent, while its own uplink still works.
const settleMax = 300 * time.Millisecond

// trusted is how long a session must have lived before the next failure counts
// as the first one again, if nothing was confirmed or received on it.
const trusted = 30 * time.Second

// NetView is what a connection has to know about uplinks. Want is the one to
// use, "" while there is none.
type NetView struct {
	Want   string
	Usable map[string]bool
}
