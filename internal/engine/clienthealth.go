package engine

import (
	"fmt"
	"time"

	"luatnetd/client"
	"luatnetd/internal/status"
)

// quiet is how long a port or server that has not been there yet may be missing
// before that is a fault: at boot, a USB adapter and a LAN need a moment.
const quiet = 30 * time.Second

// clientHealth are the standing faults of long connections and what is around
// them, each with a stable code (docs/api.md).
func (e *Engine) clientHealth(now time.Time) (list []note) {
	v := e.clients.view.Load()
	add := func(code status.HealthCode, severity, entry, text string) {
		list = append(list, note{Code: code, Severity: severity, Entry: entry, Text: text})
	}
	verified := false // a connection that judges certificates
	for _, name := range v.order {
		k := v.connections[name]
		verified = verified || (k.cfg.Kind == client.TLS || k.cfg.Kind == client.DTLS && k.cfg.TLS.PSK == "") && !k.cfg.TLS.Insecure
		if _, q := k.parts(); q != nil {
			if s := q.Stats(); s.Health != "" {
				add(status.HealthCode(s.Health), "warning", name, s.HealthText)
			}
		}
		s := k.status()
		if k.cfg.TLS.Insecure && len(k.cfg.TLS.Pin) == 0 {
			add("connection-insecure", "notice", name, "nobody checks who the server is: tls.insecure is written in the configuration")
		}
		if s.Warning != "" {
			add("certificate-expires", "warning", name, s.Warning)
		}
	}
	if _, trusted := e.clients.time(); verified && !trusted {
		add("time-untrusted", "warning", "", "no time server has answered since boot and nobody else keeps the clock: certificates are judged by a clock that may be wrong")
	}
	started := now.Sub(e.started)
	for name, p := range v.ports {
		if s := p.Status(); !s.Open && s.Err != "" && (started > quiet || !s.Since.IsZero()) {
			add("serial-closed", "error", name, s.Err)
		}
	}
	for name, s := range v.servers {
		if n := s.Status(); n.Listening == "" && n.Err != "" && (started > quiet || !n.Since.IsZero()) {
			add("server-down", "error", name, n.Err)
		}
	}
	if s := e.clients.sleep; s.cannot != "" {
		add("suspend-impossible", "warning", "", s.cannot)
	}
	if w := e.clients.watch; w != nil {
		if s := w.ladder.Status(now); w.alarm(now) {
			text := fmt.Sprintf("nothing was received or confirmed for %s; last step: %s, next: %s", s.Silence.Round(time.Second), s.Last, s.Next)
			if s.Blocked != "" {
				text += "; " + s.Blocked
			}
			add("watchdog-alarm", "error", "", text)
		}
	}
	return list
}
