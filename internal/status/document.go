package status

import (
	"time"

	"luatnetd/internal/order"
)

// APIVersion is the version of the control protocol and of this document.
const APIVersion = 1

// Document is everything "luatnetd ctl status" can show. Durations are in
// seconds, times are wall-clock times as far as the clock can be trusted.
type Document struct {
	API     int       `json:"api"`
	Version string    `json:"version"`
	Config  string    `json:"config"`
	Started time.Time `json:"started"`
	At      time.Time `json:"at"`
	Turns   uint64    `json:"turns"`

	Active   string    `json:"active"`  // the uplink that was decided on, "" for none
	Adapter  string    `json:"adapter"` // its LuatOS adapter name
	Reason   string    `json:"reason"`
	Since    time.Time `json:"since"`
	Order    []string  `json:"order"`              // uplinks in main, best first
	Hold     bool      `json:"hold"`               // nothing is usable: main is left as it is
	Path     string    `json:"path"`               // the device of the kernel's best default, now
	Use      string    `json:"use,omitempty"`      // operator's choice
	UseUntil time.Time `json:"use_until,omitzero"` // zero: until "auto"

	Uplinks []Uplink `json:"uplinks"`
	LANs    []LAN    `json:"lans"`
	Health  []Code   `json:"health"` // what an operator should know, worst first
	Kernel  Kernel   `json:"kernel"`
	Why     []Why    `json:"why,omitempty"` // the decision, rule by rule
}

// Uplink is one configured uplink.
type Uplink struct {
	Name     string    `json:"name"`
	Adapter  string    `json:"adapter"`
	Print    string    `json:"print_name"` // exnetif's printable name
	Device   string    `json:"device"`
	Index    int       `json:"index"`
	Mark     string    `json:"mark"`
	Present  bool      `json:"present"`
	Carrier  bool      `json:"carrier"`
	Down     bool      `json:"down"` // closed by the operator
	Mode     string    `json:"mode"` // dhcp, static, external
	State    string    `json:"state"`
	Ready    bool      `json:"ready"` // may carry traffic
	Verified bool      `json:"verified"`
	Active   bool      `json:"active"`
	Since    time.Time `json:"since"`
	Reason   string    `json:"reason"`
	Address  string    `json:"address,omitempty"`
	Gateway  string    `json:"gateway,omitempty"`
	DNS      []string  `json:"dns,omitempty"`
	MTU      int       `json:"mtu,omitempty"`
	Metered  bool      `json:"metered"`
	Lease    string    `json:"lease,omitempty"` // state of the DHCP client
	LeaseFor float64   `json:"lease_left,omitempty"`
	RTTms    float64   `json:"rtt_ms,omitempty"`
	Loss     float64   `json:"loss"`  // 0 to 1
	Round    uint64    `json:"round"` // number of the last round of probes that has ended
	Targets  []Target  `json:"targets,omitempty"`
}

// Target is one probe target of an uplink.
type Target struct {
	Kind    string    `json:"kind"`
	Address string    `json:"address"`
	Alive   bool      `json:"alive"`
	Ever    bool      `json:"ever_alive"`
	At      time.Time `json:"at,omitzero"` // end of the last request
	Reason  string    `json:"reason,omitempty"`
	RTTms   float64   `json:"rtt_ms,omitempty"`
}

// LAN is one downstream network.
type LAN struct {
	Name     string   `json:"name"`
	Device   string   `json:"device"`
	Ports    []string `json:"ports,omitempty"`
	Address  string   `json:"address"`
	Carrier  bool     `json:"carrier"`
	Down     bool     `json:"down"`
	Upstream []string `json:"upstream,omitempty"`
	DHCP     bool     `json:"dhcp"`
	Pool     string   `json:"pool,omitempty"`
	Leases   []Lease  `json:"leases"`
}

// Lease is one binding of the DHCP server.
type Lease struct {
	LAN      string  `json:"lan"`
	Address  string  `json:"address"`
	MAC      string  `json:"mac"`
	Hostname string  `json:"hostname,omitempty"`
	State    string  `json:"state"`
	Static   bool    `json:"static"`
	Left     float64 `json:"left"` // seconds, 0 for an unlimited one
}

// HealthCode is what monitoring matches: it never changes its meaning. Those of
// the product are constants, so that a test can compare them with docs/api.md.
type HealthCode string

// Code is one thing that is wrong.
type Code struct {
	Code     HealthCode `json:"code"`
	Severity string     `json:"severity"` // error, warning, notice
	Entry    string     `json:"entry,omitempty"`
	Text     string     `json:"text"`
}

// Kernel is how the last change of the kernel went.
type Kernel struct {
	Seq      uint64    `json:"seq"`
	At       time.Time `json:"at"`
	TookMs   float64   `json:"took_ms"`
	Ops      []string  `json:"ops,omitempty"`
	Failures []string  `json:"failures,omitempty"`
}

// Why is one line of the explanation of a decision.
type Why struct {
	Uplink string `json:"uplink,omitempty"`
	Rule   string `json:"rule"`
	Text   string `json:"text"`
}

// EventKind is what a program that follows the events matches; docs/api.md has them all.
type EventKind string

// Event is one line of the journal.
type Event struct {
	Seq   uint64            `json:"seq"`
	At    time.Time         `json:"at"`
	Kind  EventKind         `json:"kind"`
	Text  string            `json:"text"`
	Attrs map[string]string `json:"attrs,omitempty"`
}

// Uplink returns the uplink called name, nil if there is none.
func (d *Document) Uplink(name string) *Uplink {
	for i := range d.Uplinks {
		if d.Uplinks[i].Name == name {
			return &d.Uplinks[i]
		}
	}
	return nil
}

// SortHealth puts the worst codes first; equals keep their order.
func (d *Document) SortHealth() {
	rank := map[string]int{"error": 0, "warning": 1, "notice": 2}
	order.Stable(d.Health, func(a, b Code) int { return rank[a.Severity] - rank[b.Severity] })
}

// UplinkNames returns the names of the uplinks, in order.
func (d *Document) UplinkNames() []string {
	names := make([]string, len(d.Uplinks))
	for i, u := range d.Uplinks {
		names[i] = u.Name
	}
	return names
}

// LANNames returns the names of the LANs, in order.
func (d *Document) LANNames() []string {
	names := make([]string, len(d.LANs))
	for i, l := range d.LANs {
		names[i] = l.Name
	}
	return names
}
