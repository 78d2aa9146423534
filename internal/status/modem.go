package status

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"luatnetd/modem"
)

// Modem is a modem and the uplink that it carries.
type Modem struct {
	Uplink string `json:"uplink"`
	modem.Status
}

// ModemsText shows every modem for a person.
func ModemsText(list []Modem, now time.Time) string {
	if len(list) == 0 {
		return "no modem is configured\n"
	}
	var b strings.Builder
	for i, m := range list {
		if i > 0 {
			b.WriteString("\n")
		}
		b.WriteString(m.Text(now))
	}
	return b.String()
}

// Text is the modem for a person: the verdict first, then what is known, a
// line each; what the modem does not tell is left out.
func (m Modem) Text(now time.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s for %s", m.Uplink, m.State, age(now, m.Since))
	if m.Cause != "" {
		fmt.Fprintf(&b, ": %s", m.Cause)
	}
	if m.Code != "" {
		fmt.Fprintf(&b, " [%s]", m.Code)
	}
	b.WriteString("\n")
	if !m.Next.IsZero() {
		fmt.Fprintf(&b, "next try in %s (tries so far: %d)\n", max(m.Next.Sub(now), 0).Round(time.Second), m.Tries)
	}
	w := tabwriter.NewWriter(&b, 0, 4, 2, ' ', 0)
	line := func(name, value string) {
		if value = strings.TrimSpace(value); value != "" {
			fmt.Fprintf(w, "  %s\t%s\n", name, value)
		}
	}
	line("device", m.Device)
	line("profile", m.Profile)
	line("module", strings.Join(strings.Fields(m.Manufacturer+" "+m.Model+" "+m.Revision), " "))
	line("IMEI", m.IMEI)
	line("ports", strings.Join(m.Ports, " "))
	line("data", string(m.Data)+" "+m.Netdev)
	line("card", strings.Join(strings.Fields(m.SIM+" "+m.ICCID), " "))
	line("IMSI", m.IMSI)
	line("registration", m.Registration+word(m.Roaming, " (roaming)", ""))
	line("operator", strings.Join(strings.Fields(m.Operator+" "+m.PLMN+" "+m.RAT+" "+m.Band), " "))
	line("cell", cellText(m.Cell))
	line("signal", SignalText(m.Signal))
	line("APN", m.APN+origin(m.APNOrigin))
	line("address", m.Addr)
	if m.Temperature != nil {
		line("temperature", fmt.Sprintf("%.0f °C", *m.Temperature))
	}
	if m.Supply > 0 {
		line("supply", fmt.Sprintf("%.2f V", float64(m.Supply)/1000))
	}
	line("network time", m.Clock)
	line("ladder", m.Rung)
	line("what helped last", m.Helped)
	if m.Frozen {
		line("note", "the only port carries data: radio values are those from before")
	}
	_ = w.Flush()
	return b.String()
}

func origin(s string) string {
	if s == "" {
		return ""
	}
	return " (" + s + ")"
}

// SignalText is a signal in one line; unknown values are left out.
func SignalText(s modem.Signal) string {
	var parts []string
	add := func(format string, v any) { parts = append(parts, fmt.Sprintf(format, v)) }
	if s.CSQ != nil {
		add("CSQ %d", *s.CSQ)
	}
	if s.RSSI != nil {
		add("RSSI %d dBm", *s.RSSI)
	}
	if s.RSRP != nil {
		add("RSRP %d dBm", *s.RSRP)
	}
	if s.RSRQ != nil {
		add("RSRQ %.1f dB", *s.RSRQ)
	}
	if s.SINR != nil {
		add("SINR %.1f dB", *s.SINR)
	}
	if len(parts) > 0 {
		add("%s", strings.Repeat("▮", s.Bars)+strings.Repeat("▯", max(5-s.Bars, 0)))
	}
	return strings.Join(parts, "  ")
}

func cellText(c modem.Cell) string {
	if c == (modem.Cell{}) {
		return ""
	}
	return fmt.Sprintf("EARFCN %d  PCI %d  TAC %s  cell %s", c.EARFCN, c.PCI, dash(c.TAC), dash(c.ID))
}
