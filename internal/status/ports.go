package status

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
)

// Port is a serial port.
type Port struct {
	Name     string    `json:"name"`
	Device   string    `json:"device"`
	Open     bool      `json:"open"`
	Since    time.Time `json:"since"`
	Error    string    `json:"error,omitempty"` // why it is not open
	Notes    []string  `json:"notes,omitempty"`
	Waiting  bool      `json:"waiting"` // a target is full: nothing is read
	In       uint64    `json:"in_bytes"`
	Out      uint64    `json:"out_bytes"`
	Messages uint64    `json:"messages"` // accepted by every target
	Refused  uint64    `json:"refused"`
	Unsent   uint64    `json:"unsent"`            // received messages that the port did not take
	GapFrom  time.Time `json:"gap_from,omitzero"` // nobody listened from then,
	GapTo    time.Time `json:"gap_to,omitzero"`   // to then: bytes of that time are lost
}

// Server waits for clients in a LAN.
type Server struct {
	Name      string         `json:"name"`
	Kind      string         `json:"kind"`
	LAN       string         `json:"lan"`
	Listening string         `json:"listening,omitempty"`
	Error     string         `json:"error,omitempty"`
	Refused   uint64         `json:"refused"` // clients too many
	In        uint64         `json:"in"`
	Out       uint64         `json:"out"`
	Failed    uint64         `json:"failed"`
	Clients   []ServerClient `json:"clients"`
}

// ServerClient is one client of a server.
type ServerClient struct {
	Name  string    `json:"name,omitempty"`
	Addr  string    `json:"addr"`
	Since time.Time `json:"since"`
}

// PortsText is the list of serial ports for a person.
func PortsText(list []Port) string {
	if len(list) == 0 {
		return "no serial port is configured\n"
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tDEVICE\tSTATE\tIN\tOUT\tMESSAGES\tREFUSED\tUNSENT")
	for _, p := range list {
		state := "open"
		switch {
		case !p.Open:
			state = "closed"
		case p.Waiting:
			state = "waiting"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\n", p.Name, p.Device, state, p.In, p.Out, p.Messages, p.Refused, p.Unsent)
	}
	_ = w.Flush() // into memory
	for _, p := range list {
		if p.Error != "" {
			fmt.Fprintf(&b, "%s: %s\n", p.Name, p.Error)
		}
		for _, n := range p.Notes {
			fmt.Fprintf(&b, "%s: %s\n", p.Name, n)
		}
		switch {
		case p.GapTo.IsZero():
		case p.GapFrom.IsZero():
			fmt.Fprintf(&b, "%s: nobody listened before %s; bytes of then are lost\n", p.Name, p.GapTo.Format(time.DateTime))
		default:
			fmt.Fprintf(&b, "%s: nobody listened for %s until %s; bytes of then are lost\n", p.Name, p.GapTo.Sub(p.GapFrom).Round(100*time.Millisecond), p.GapTo.Format(time.DateTime))
		}
	}
	return b.String()
}

// ServersText is the list of LAN servers for a person.
func ServersText(list []Server) string {
	if len(list) == 0 {
		return "no server is configured\n"
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tKIND\tLAN\tLISTENING\tCLIENTS\tIN\tOUT\tFAILED\tREFUSED")
	for _, s := range list {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\n", s.Name, s.Kind, s.LAN, dash(s.Listening), len(s.Clients), s.In, s.Out, s.Failed, s.Refused)
	}
	_ = w.Flush() // into memory
	for _, s := range list {
		if s.Error != "" {
			fmt.Fprintf(&b, "%s: %s\n", s.Name, s.Error)
		}
		for _, c := range s.Clients {
			fmt.Fprintf(&b, "%s: %s %s since %s\n", s.Name, c.Name, c.Addr, c.Since.Format(time.DateTime))
		}
	}
	return b.String()
}
