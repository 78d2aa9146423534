package client

import (
	"fmt"
	"time"
)

// Limits of a sleep between two reports. LuatOS's demo sleeps at least 80 s.
const (
	// SleepLead is how long before the next report the machine is awake: uplinks
	// need an address and a first check.
	SleepLead = 30 * time.Second
	// SleepLeast is the shortest sleep that is worth it.
	SleepLeast = 60 * time.Second
	// SleepGrace belongs to whoever wants to log in after a start: a machine
	// that always sleeps could not be told to stop that.
	SleepGrace = 5 * time.Minute
)

// Sleep is what decides whether the machine may be suspended after a report.
type Sleep struct {
	Now, Next time.Time     // wall clock; the next scheduled report of any, zero for none
	Running   int           // scheduled reports under way
	Up        time.Duration // since the daemon started
	Alarm     bool          // the network watchdog waits for a sign of life
}

// For is how long to sleep from now on, or why not to.
func (s Sleep) For() (d time.Duration, why string) {
	d = s.Next.Round(0).Sub(s.Now.Round(0)) - SleepLead
	switch {
	case s.Running > 0:
		return 0, "another report is under way"
	case s.Alarm:
		return 0, "the network watchdog is at work"
	case s.Up < SleepGrace:
		return 0, fmt.Sprintf("it never sleeps in the first %s after a start", SleepGrace)
	case s.Next.IsZero():
		return 0, "there is no next report to wake up for"
	case d < SleepLeast:
		return 0, fmt.Sprintf("the next report is due in %s", (d + SleepLead).Round(time.Second))
	}
	return d.Truncate(time.Second), ""
}
