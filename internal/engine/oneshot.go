package engine

import (
	"context"
	"fmt"
	"log/slog"

	"luatnetd/client"
	"luatnetd/client/local"
	"luatnetd/client/sock"
	"luatnetd/internal/config"
	"luatnetd/internal/host"
	"luatnetd/internal/status"
)

// oneshotConfig is a short connection with the [[connection]] whose settings it
// has: a change of either makes it anew.
type oneshotConfig struct {
	config.OneShot
	conn config.Connection
}

// connectionConfig is the [[connection]] of a name, zero for none.
func (e *Engine) connectionConfig(name string) config.Connection {
	for _, k := range e.cfg.Connections {
		if k.Name == name {
			k.Pos = config.Position{} // a line that moved is no change
			return k
		}
	}
	return config.Connection{}
}

// oneshot is a short connection at work.
type oneshot struct {
	cfg   oneshotConfig
	send  local.Oneshot
	cache sock.Cache
	look  chan struct{} // capacity 1: the machine has slept
}

// makeOneshot makes the short connection, and its schedule where it has one.
func (e *Engine) makeOneshot(p *part, c oneshotConfig) func(context.Context) error {
	o := &oneshot{cfg: c, look: make(chan struct{}, 1)}
	o.send = local.Oneshot{
		Connect: c.ConnectTimeout, Send: c.conn.ConfirmTimeout, Reply: c.ReplyTimeout,
		Dial:    func(ctx context.Context) (local.Conn, error) { return e.dialShort(ctx, o) },
		Confirm: func(ctx context.Context, c local.Conn) error { return c.(*sock.Conn).Settled(ctx) },
		Shut:    func(ctx context.Context, c local.Conn) error { return c.(*sock.Conn).Shut(ctx) },
	}
	p.shot = o
	if c.Every == 0 {
		return func(ctx context.Context) error { <-ctx.Done(); return nil }
	}
	s := &local.Scheduled{
		Schedule: client.Schedule{Every: c.Every}, Oneshot: o.send, Now: host.WallNow, Look: o.look,
		Data: func() []byte { e.clients.reports.Add(1); return []byte(c.Text) },
		Done: func(a local.Answer) {
			e.clients.reports.Add(-1)
			level := slog.LevelInfo
			text := fmt.Sprintf("%s: %s", c.Name, a.Status)
			if a.Err != nil {
				level = slog.LevelWarn
				text += ": " + a.Err.Error()
			}
			e.post(e.ctx, happened{level, "oneshot", text, []any{"oneshot", c.Name, "status", a.Status, "reply_bytes", len(a.Reply)}})
			if c.Suspend {
				e.post(e.ctx, reported{c.Name})
			}
		},
	}
	return s.Run
}

func (e *Engine) dialShort(ctx context.Context, o *oneshot) (local.Conn, error) {
	r, ok := e.clients.way(o.cfg.conn.Uplink)
	if !ok {
		return nil, fmt.Errorf("no usable uplink")
	}
	c, err := sock.Dial(ctx, e.sockConfig(o.cfg.conn), r, &o.cache, nil)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// happened is an event of another goroutine on its way to the loop.
type happened struct {
	level slog.Level
	kind  status.EventKind
	text  string
	attrs []any
}
