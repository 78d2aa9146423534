package engine

import (
	"time"

	"luatnetd/internal/config"
	"luatnetd/router"
)

// settleTime is how long a start waits for the DHCP clients to say whether the
// addresses that a predecessor left are still theirs.
const settleTime = 500 * time.Millisecond

// settling reports whether that wait goes on. A plan made before would take
// the addresses away.
func (e *Engine) settling(now time.Time) bool {
	if !now.Before(e.settle) {
		return false
	}
	for _, u := range e.uplinks {
		if u.inherits {
			return true
		}
	}
	return false
}

// adopt notes what a predecessor left: addresses of DHCP uplinks, and which
// uplinks were usable, by their defaults in main.
func (e *Engine) adopt(now time.Time) {
	e.settle = now.Add(settleTime)
	for _, u := range e.uplinks {
		l, ok := e.snap.LinkByName(u.device)
		for _, a := range e.snap.AddrsOf(l.Index) {
			u.inherits = u.inherits || ok && u.cfg.Mode == config.ModeDHCP && a.Proto == router.Protocol
		}
	}
	for _, r := range e.snap.Routes {
		if r.Protocol != router.Protocol || r.Table != router.TableMain || r.Dst.Bits() != 0 {
			continue
		}
		for _, u := range e.uplinks {
			if l, ok := e.snap.LinkByName(u.device); ok && l.Index == r.Link {
				u.adopted = true
				u.monitor.Adopt(now)
			}
		}
	}
}
