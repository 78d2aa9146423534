package engine

import (
	"net/netip"
	"time"

	"luatnetd/internal/config"
	"luatnetd/netif"
)

// sensed takes a new snapshot; the first one tells what a predecessor left.
func (e *Engine) sensed(s *netif.Snapshot) {
	first := e.snap == nil
	if !first && s.Foreign != e.snap.Foreign {
		e.synced = time.Time{} // something of ours is gone: read everything back
	}
	e.snap = s
	if first {
		e.adjust()
		for _, u := range e.uplinks {
			u.device = e.resolve(u.cfg)
		}
		e.adopt(e.now())
	}
}

// resolve returns the device of an uplink, "" while none matches.
func (e *Engine) resolve(c config.Uplink) string {
	if c.Match.IsZero() {
		return c.Device
	}
	m := netif.Match{Path: c.Match.Path, MAC: c.Match.MAC, Driver: c.Match.Driver}
	d, err := m.Find(e.snap.Facts)
	if err != nil {
		return ""
	}
	return d.Name
}

// addr is the uplink's address, zero for none.
func (u *uplink) addr() netip.Prefix {
	if u.lease == nil {
		return netip.Prefix{}
	}
	return u.lease.Addr
}
