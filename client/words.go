package client

import "fmt"

// Kind is the protocol of a connection.
type Kind string

// The kinds. Mutual TLS is TLS with a client certificate.
const (
	TCP  Kind = "tcp"
	UDP  Kind = "udp"
	TLS  Kind = "tls"
	DTLS Kind = "dtls"
)

// State is what socket.state returns in LuatOS (LuatOS:luat_network_adapter.h).
type State uint8

// The states of LuatOS, with its numbers.
const (
	LinkOff       State = iota // no usable uplink
	OffLine                    // an uplink, no connection
	WaitDNS                    // resolving
	Connecting                 // TCP handshake
	ShakeHand                  // TLS or DTLS handshake
	OnLine                     // connected
	Listening                  // a server that waits for its client
	Disconnecting              // closing
)

var stateNames = [...]string{"LINK_OFF", "OFF_LINE", "WAIT_DNS", "CONNECTING", "SHAKEHAND", "ONLINE", "LISTEN", "DISCONNECTING"}

func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("STATE_%d", uint8(s))
}

// Event is what a socket tells its task (socket.LINK, socket.ON_LINE, …).
type Event uint8

// The events of LuatOS. Their numbers move there, so only names are used.
const (
	EventLink   Event = iota // result of waiting for the uplink
	EventOnLine              // result of connecting or listening, TLS included
	EventData                // socket.EVENT: data, or the connection broke
	EventTxOK                // everything handed over so far is confirmed
	EventClosed              // closing has finished
)

func (e Event) String() string {
	return [...]string{"LINK", "ON_LINE", "EVENT", "TX_OK", "CLOSED"}[e]
}

// Code is an lwIP err_t as LuatOS's logs show it, 0 for none.
type Code int

// The codes that LuatOS's logs show (SEED part 10).
const (
	CodeOK           Code = 0
	CodeMemory       Code = -1
	CodeTimeout      Code = -3
	CodeRoute        Code = -4
	CodeInUse        Code = -8
	CodeNotConnected Code = -11
	CodeAborted      Code = -13
	CodeReset        Code = -14
	CodeClosed       Code = -15
	CodeArgument     Code = -16
)

// Cause is why a connection ended or could not be made: LuatOS's code and a
// sentence for a person. Reached says that the server, not the network, is to
// blame: it answered, if only with a reset or a TLS alert.
type Cause struct {
	Code    Code
	Text    string
	Reached bool
}

func (c Cause) Error() string { return c.Text }
