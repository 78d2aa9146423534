package health

import "time"

// Kind is a way of asking whether a network answers.
type Kind string

// The kinds of checks.
const (
	ICMP    Kind = "icmp"
	TCP     Kind = "tcp"
	DNS     Kind = "dns"
	HTTP    Kind = "http"
	Gateway Kind = "gateway"
)

// Target is one question. Address is an IP for ICMP, host:port with an IP
// literal for TCP, ip:port for DNS, a URL with an IP literal as host for HTTP,
// and empty for Gateway: the uplink's present gateway.
type Target struct {
	Kind    Kind
	Address string
}

// Request is a target to be asked now. Seq is unique per Monitor.
type Request struct {
	Target  Target
	Seq     uint64
	Timeout time.Duration
}

// Result is the end of a request: an answer, or the reason why there is none.
// Sent and At are boot times; RTT counts for answers only.
type Result struct {
	Target   Target
	Seq      uint64
	Sent, At time.Time
	OK       bool
	RTT      time.Duration
	Reason   string
}
