package modem

import (
	"net/netip"
	"slices"
	"time"
)

// Level is what holds now. It is shown to the machine at every step, so that a
// lost event costs a moment and never correctness.
type Level struct {
	Enabled  bool         // the operator wants it up: not closed, not in flight mode
	Device   *Device      // nil while nothing is plugged in
	Netdev   string       // the data plane's device, "" for none
	Addr     netip.Prefix // on the netdev, as leased; zero for none
	Path     Path         // the prober's verdict of the uplink
	Received uint64       // bytes that have come in on the netdev, ever: moving bytes are a living link
}

// Path is the prober's verdict.
type Path int

// The verdicts.
const (
	PathUnknown Path = iota // not probed
	PathAlive
	PathDead // the last probes failed
)

// Event is something that happened to a modem. It is one of the types below.
type Event interface{ event() }

// Replied is the answer to a Send.
type Replied struct {
	ID    uint64
	Reply Reply
}

// Heard is an unsolicited result code.
type Heard struct {
	Port string
	URC  URC
}

// PortChanged says what became of a port.
type PortChanged struct {
	Port   string
	Open   bool
	Err    error  // why it is not open: ErrStuck, ErrGone, ErrUnsynced or of open(2)
	Holder string // pid and program that have it open as well, "" for none
	Binary bool   // it emits what is no text: a DIAG, log or NMEA port
}

// DataChanged says what became of a data plane. One that comes up without a
// StartData is one that was found alive: then Kind is set, and Port for PPP.
type DataChanged struct {
	Up      bool
	Kind    DataKind
	Port    string
	Netdev  string // "ppp0", "usb0"
	Bearer  Bearer // addresses, where the plane gives them (PPP, QMI, MBIM); else zero
	Cause   DataCause
	Message string // the plane's own words, without secrets
}

// Bearer is what the network gave.
type Bearer struct {
	Addr4, Gateway4 netip.Addr
	Addr6           netip.Prefix
	DNS             []netip.Addr
	MTU             int
}

// Equal reports whether a and b give the same.
func (a Bearer) Equal(b Bearer) bool {
	return a.Addr4 == b.Addr4 && a.Gateway4 == b.Gateway4 && a.Addr6 == b.Addr6 && a.MTU == b.MTU && slices.Equal(a.DNS, b.DNS)
}

// DataCause is why a data plane ended.
type DataCause string

// The causes. DataPeer and the like follow pppd(8), EXIT STATUS.
const (
	DataOK       DataCause = ""
	DataAsked    DataCause = "asked"              // we stopped it
	DataPeer     DataCause = "peer closed"        // pppd 0, 16
	DataNoEcho   DataCause = "no echo"            // pppd 15, or 16 after "No response to … echo-requests"
	DataAuth     DataCause = "authentication"     // pppd 11, 19: stands until the configuration changes
	DataNegotiat DataCause = "negotiation"        // pppd 10
	DataConnect  DataCause = "no connection"      // NO CARRIER, pppd 8
	DataNoDial   DataCause = "port does not dial" // ATD is an error there, or has no answer
	DataSystem   DataCause = "system"             // pppd 1, 2, 4, 6, 7: this machine's fault
	DataMissing  DataCause = "program missing"    // pppd, uqmi, qmicli, umbim, mbimcli
	DataDeadline DataCause = "deadline"           // the program was killed
)

// Finished is the end of an action that is neither a Send nor a port's.
type Finished struct {
	ID  uint64
	Err error
}

// Asked is an operator's wish.
type Asked struct{ Request Request }

func (Replied) event()     {}
func (Heard) event()       {}
func (PortChanged) event() {}
func (DataChanged) event() {}
func (Finished) event()    {}
func (Asked) event()       {}

// Request is what an operator may ask for; the answer comes as an Answer with its ID.
type Request struct {
	ID      uint64        `json:"-"`
	Kind    RequestKind   `json:"kind"`
	Text    string        `json:"text,omitempty"` // +CMGS text, USSD code, AT command, reset's kind
	To      string        `json:"to,omitempty"`   // telephone number
	Timeout time.Duration `json:"timeout"`        // ns
}

// RequestKind names a request: the words of "ctl modem".
type RequestKind string

// The requests.
const (
	AskFlightOn  RequestKind = "flight on"
	AskFlightOff RequestKind = "flight off"
	AskReset     RequestKind = "reset" // Text: "radio", "modem", "usb", "power"
	AskScan      RequestKind = "scan"  // AT+COPS=?, up to 315 s
	AskCells     RequestKind = "cells"
	AskSMSSend   RequestKind = "sms send"
	AskUSSD      RequestKind = "ussd"
	AskAT        RequestKind = "at"
	AskUnlock    RequestKind = "sim unlock" // forget that a PIN was refused
)
