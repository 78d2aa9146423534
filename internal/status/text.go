package status

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
)

// Text renders the document for a person: the verdict first, then uplinks,
// LANs and what is wrong.
func (d *Document) Text() string {
	var b strings.Builder
	b.WriteString(d.headline())
	if d.Use != "" {
		fmt.Fprintf(&b, "operator's choice: %s%s\n", d.Use, until(d.UseUntil))
	}
	b.WriteString("\n" + d.UplinksText())
	b.WriteString("\n" + d.LANsText())
	for _, c := range d.Health {
		fmt.Fprintf(&b, "\n%s: %s [%s]", c.Severity, c.Text, c.Code)
	}
	if len(d.Health) > 0 {
		b.WriteString("\n")
	}
	return b.String()
}

func (d *Document) headline() string {
	switch {
	case len(d.Uplinks) == 0:
		return "no uplink is configured\n"
	case d.Active == "" && d.Hold && d.Path != "":
		return fmt.Sprintf("OFFLINE: no uplink is usable, the last way out (%s) is left alone\n%s\n", d.Path, d.Reason)
	case d.Active == "":
		return fmt.Sprintf("OFFLINE: %s\n", d.Reason)
	}
	return fmt.Sprintf("ONLINE through %s (%s) for %s\n%s\n", d.Active, d.Adapter, age(d.At, d.Since), d.Reason)
}

// UplinksText renders the uplinks as a table.
func (d *Document) UplinksText() string {
	return table("UPLINK\tADAPTER\tDEVICE\tSTATE\tADDRESS\tGATEWAY\tRTT\tLOSS\tFOR\tWHY", len(d.Uplinks), func(i int) string {
		u := d.Uplinks[i]
		mark := " "
		if u.Active {
			mark = "*"
		}
		return fmt.Sprintf("%s%s\t%s\t%s\t%s\t%s\t%s\t%s\t%.0f%%\t%s\t%s", mark, u.Name, u.Adapter, dash(u.Device), u.State,
			dash(u.Address), dash(u.Gateway), rtt(u.RTTms), 100*u.Loss, age(d.At, u.Since), u.Reason)
	})
}

// LANsText renders the LANs as a table.
func (d *Document) LANsText() string {
	return table("LAN\tDEVICE\tADDRESS\tCARRIER\tLEASES\tUPSTREAM", len(d.LANs), func(i int) string {
		l := d.LANs[i]
		carrier := word(l.Carrier, "yes", "no")
		if l.Down {
			carrier = "closed"
		}
		return fmt.Sprintf("%s\t%s\t%s\t%s\t%d\t%s", l.Name, dash(l.Device), dash(l.Address), carrier,
			len(l.Leases), dash(strings.Join(l.Upstream, ",")))
	})
}

// LeasesText renders the bindings of every LAN as a table.
func (d *Document) LeasesText() string {
	all := d.Leases()
	return table("ADDRESS\tMAC\tNAME\tLAN\tSTATE\tLEFT", len(all), func(i int) string {
		l := all[i]
		left := "unlimited"
		if l.Left > 0 {
			left = (time.Duration(l.Left) * time.Second).String()
		}
		return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s", l.Address, l.MAC, dash(l.Hostname), l.LAN, l.State+word(l.Static, " (fixed)", ""), left)
	})
}

// Leases returns the bindings of every LAN, in the order of the LANs.
func (d *Document) Leases() []Lease {
	all := []Lease{}
	for _, l := range d.LANs {
		all = append(all, l.Leases...)
	}
	return all
}

// ExplainText renders why the active uplink is active.
func (d *Document) ExplainText() string {
	var b strings.Builder
	b.WriteString(d.headline())
	for _, w := range d.Why {
		if w.Uplink != "" {
			fmt.Fprintf(&b, "  %-12s %-18s %s\n", w.Uplink, w.Rule, w.Text)
		} else {
			fmt.Fprintf(&b, "  %-12s %-18s %s\n", "—", w.Rule, w.Text)
		}
	}
	return b.String()
}

// Line renders a probe target as one line.
func (t Target) Line() string {
	name := strings.TrimSpace(t.Kind + " " + t.Address)
	switch {
	case t.Alive:
		return fmt.Sprintf("%s answered in %.1f ms", name, t.RTTms)
	case t.At.IsZero():
		return name + " was not asked yet"
	case t.Ever:
		return fmt.Sprintf("%s: %s", name, t.Reason)
	}
	return fmt.Sprintf("%s: %s (it has never answered here)", name, t.Reason)
}

// Line renders an event as one line.
func (e Event) Line() string {
	return fmt.Sprintf("%s %-14s %s", e.At.Format("15:04:05.000"), e.Kind, e.Text)
}

func table(head string, n int, row func(int) string) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, head)
	for i := range n {
		fmt.Fprintln(w, row(i))
	}
	_ = w.Flush() // a strings.Builder does not fail
	return b.String()
}

func age(now, since time.Time) string {
	if since.IsZero() {
		return "-"
	}
	return max(now.Sub(since), 0).Round(time.Second).String()
}

func until(t time.Time) string {
	if t.IsZero() {
		return ", until \"ctl auto\""
	}
	return ", until " + t.Format("15:04:05")
}

func rtt(ms float64) string {
	if ms == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f ms", ms)
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func word(b bool, yes, no string) string {
	if b {
		return yes
	}
	return no
}
