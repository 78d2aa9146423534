package engine

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"luatnetd/client/sock"
	"luatnetd/internal/bind"
	"luatnetd/internal/host"
)

// timeEvent is NTP_UPDATE or NTP_ERROR on its way to the loop.
type timeEvent struct{ host.TimeEvent }

// wantedClock keeps the SNTP client in step with [time].
func (e *Engine) wantedClock() []wanted {
	c := e.cfg.Time
	if !c.Enabled {
		return nil
	}
	return []wanted{{task: "time", name: "time", cfg: c, make: func(p *part) func(context.Context) error {
		s := host.NewSNTP(host.SNTPConfig{
			Servers: c.Servers, Port: c.Port, Timeout: c.Timeout, Try: 30 * time.Second, Retry: c.Retry, Interval: c.Interval,
			Bind: func() (bind.Bind, bool) { r, ok := e.clients.way(c.Uplink); return r.Bind, ok },
			Resolve: func(ctx context.Context, name string) ([]netip.Addr, error) {
				r, _ := e.clients.way(c.Uplink)
				return sock.Resolve(ctx, sock.Config{Host: name}, r, nil)
			},
			Now: e.now, Event: func(ev host.TimeEvent) { e.post(e.ctx, timeEvent{ev}) },
		})
		p.clock = s
		return s.Run
	}}}
}

// way is how something of ours leaves now: by the named uplink or, with "", by
// the active one.
func (c *clients) way(uplink string) (sock.Route, bool) {
	n := c.view.Load().network
	if uplink == "" {
		uplink = n.Active
	}
	r, ok := n.Routes[uplink]
	return r, ok
}

// time is the wall-clock time and whether it can be trusted.
func (c *clients) time() (time.Time, bool) {
	if v := c.view.Load(); v != nil && v.clock != nil {
		return v.clock.Time()
	}
	return time.Now(), host.KernelSynced()
}

func (c *clients) wall() time.Time { t, _ := c.time(); return t }

func (c *clients) trusted() bool { _, ok := c.time(); return ok }

// timeChanged records NTP_UPDATE, and NTP_ERROR when it is news.
func (e *Engine) timeChanged(ev timeEvent) {
	if ev.Err != nil {
		if !e.timeFailed {
			e.record(slog.LevelWarn, "NTP_ERROR", "no time: "+ev.Err.Error())
		}
		e.timeFailed = true
		return
	}
	e.timeFailed = false
	e.record(slog.LevelInfo, "NTP_UPDATE", "time from "+ev.Server, "server", ev.Server, "offset", ev.Offset, "delay", ev.Delay)
}
