package config

import "fmt"

// Warning is something that is allowed and probably not meant.
type Warning struct {
	File string `json:"file"`
	Line int    `json:"line"`
	Key  string `json:"key"`
	Text string `json:"text"`
}

func (w Warning) String() string {
	return fmt.Sprintf("%s:%d: %s: warning: %s", w.File, w.Line, w.Key, w.Text)
}

// shortest is the shortest sensible timeout of the network watchdog: a machine
// that boots and attaches to a network needs that long (LuatOS's rule, T1).
const shortest = 2 * 60 * 1e9

// Warnings lists what check says besides problems. A valid file may have some.
func (c *Config) Warnings() []Warning {
	var list []Warning
	add := func(p Position, key, text string, args ...any) {
		list = append(list, Warning{c.File, p.Line, key, fmt.Sprintf(text, args...)})
	}
	w, fed := &c.Watchdog, false
	for i := range c.Connections {
		n := &c.Connections[i]
		fed = fed || n.FeedsWatchdog
		if n.TLS.Insecure {
			add(n.Pos, "connection.tls.insecure", "%s talks to anybody who answers: write ca, or pin", n.Name)
		}
		if h := n.Heartbeat.Interval; w.Enabled && n.FeedsWatchdog && h > 0 && w.Timeout < 3*h {
			add(w.Pos, "watchdog.timeout", "%v is less than three heartbeats of %s, %v: one lost heartbeat may bring the alarm", w.Timeout, n.Name, h)
		}
	}
	if w.Enabled && w.Timeout < shortest {
		add(w.Pos, "watchdog.timeout", "%v is less than 2m: a start and the way into the network take that long", w.Timeout)
	}
	if w.Enabled && !fed {
		add(w.Pos, "watchdog", "no connection feeds it: it will raise an alarm for ever")
	}
	return list
}
