package health

import "time"

// Kind is a way to ask whether an uplink reaches the world.
type Kind string

// The kinds of probes, see package netif/probe for what each one sends.
const (
	ICMP    Kind = "icmp"
	TCP     Kind = "tcp"
	DNS     Kind = "dns"
	HTTP    Kind = "http"
	Gateway Kind = "gateway"
)

// Target is one thing to ask. Address is an IP for ICMP, IP:port for TCP and
// DNS, a URL with a literal IP for HTTP and empty for Gateway.
type Target struct {
	Kind    Kind
	Address string
}

// Request asks for one probe, to be answered within Timeout.
type Request struct {
	Target  Target
	Seq     uint64
	Timeout time.Duration
}

// Result is how the probe with the same Target and Seq ended. Sent and At are
// boot times; Reason says why OK is false.
type Result struct {
	Target   Target
	Seq      uint64
	Sent, At time.Time
	OK       bool
	RTT      time.Duration
	Reason   string
}
