package engine

import (
	"context"
	"log/slog"
	"time"

	"luatnetd/client"
	"luatnetd/internal/host"
	"luatnetd/internal/store"
)

func (e *Engine) saveLadder(now time.Time, durable bool) {
	b := e.clients.watch.ladder.Saved(now)
	dirs := []string{e.opt.RunDir}
	if durable {
		dirs = append(dirs, e.stateDir)
	}
	for _, dir := range dirs {
		if _, err := store.WriteFile(e.ladderPath(dir), b, 0o600); err != nil {
			e.log.Warn("the network watchdog's state is not kept", "err", err)
		}
	}
}

// climb carries out one rung.
func (e *Engine) climb(w *watch, now time.Time, a client.Action) {
	text := "network watchdog: " + a.Rung.String() + ": " + a.Why
	if w.cfg.DryRun {
		e.record(slog.LevelWarn, "watchdog", text+" (dry run: nothing is done)", "rung", a.Rung)
		return
	}
	e.record(slog.LevelWarn, "watchdog", text, "rung", a.Rung)
	switch a.Rung {
	case client.RungReconnect:
		e.reconnectAll("the network watchdog makes every connection anew")
	case client.RungProbe:
		for _, u := range e.uplinks {
			u.monitor.Hint(now, "asked by the network watchdog")
		}
	case client.RungBounce:
		if u := e.byName(e.decision.Active); u != nil && !u.down {
			w.bounce, w.back = u.cfg.Name, now.Add(bouncePause)
		}
	case client.RungModem:
		e.resetModem()
	case client.RungRestart:
		e.restart = true
	case client.RungReboot:
		e.tasks.Go(e.ctx, "reboot", func(ctx context.Context) error {
			return host.Rebooter{Init: host.PID1()}.Reboot(ctx)
		})
	}
}

// reconnectAll makes every connection anew; names are resolved again.
func (e *Engine) reconnectAll(why string) {
	for _, p := range e.clients.parts {
		if p.conn == nil {
			continue
		}
		if k, _ := p.conn.parts(); k != nil {
			k.Reconnect(why)
		}
	}
}
