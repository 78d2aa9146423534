package engine

import (
	"errors"
	"log/slog"
	"path/filepath"
	"reflect"
	"time"

	"luatnetd/client"
	"luatnetd/internal/config"
	"luatnetd/internal/host"
	"luatnetd/internal/store"
	"luatnetd/netif"
)

// ErrRestart ends Run when the network watchdog asks for a new process: the
// service manager starts it.
var ErrRestart = errors.New("the network watchdog asks for a restart of the service")

// bouncePause is how long a bounced uplink stays closed.
const bouncePause = 3 * time.Second

// watch is the network watchdog at work.
type watch struct {
	cfg    config.Watchdog
	ladder *client.Ladder
	hard   *host.HardwareWatchdog // nil where PID 1 has it, or there is none
	seen   int64                  // the food that the ladder knows of
	bounce string                 // uplink that is closed for a moment
	back   time.Time              // until when
}

// watchConfig starts, replaces or ends the network watchdog. Without a
// connection that feeds it there is nothing to watch.
func (e *Engine) watchConfig() {
	fed := false
	for _, c := range e.cfg.Connections {
		fed = fed || c.FeedsWatchdog
	}
	old := e.clients.watch
	c := e.cfg.Watchdog
	c.Pos = config.Position{}
	if old != nil && fed && reflect.DeepEqual(old.cfg, c) {
		return // a reload for something else is no reason to begin its silence anew
	}
	if !c.Enabled || !fed {
		old.close()
		e.clients.watch = nil
		return
	}
	p := client.LadderPolicy{Timeout: c.Timeout, Grace: c.Grace, MaxWait: c.MaxWait, RebootsPerDay: c.RebootsPerDay, BlameNetwork: c.BlameNetwork}
	for _, s := range c.Ladder {
		r, err := client.ParseRung(s.Rung)
		if err != nil {
			e.note("config-item-ignored", "error", "", err.Error())
			continue
		}
		p.Rungs = append(p.Rungs, client.RungPolicy{Rung: r, Wait: s.Wait})
	}
	if len(p.Rungs) == 0 {
		old.close()
		e.clients.watch = nil
		return
	}
	saved, err := store.ReadFile(e.ladderPath(e.opt.RunDir), 64<<10)
	if err != nil {
		saved, _ = store.ReadFile(e.ladderPath(e.stateDir), 64<<10) // missing at a first start
	}
	w := &watch{cfg: c, seen: e.clients.fed.Load()}
	if w.ladder, err = client.NewLadder(p, host.BootID(), e.now(), saved); err != nil {
		e.note("watchdog-state", "error", "", err.Error())
	}
	if old != nil && old.cfg.Device == c.Device {
		w.hard = old.hard
	} else if old.close(); c.Device != "" {
		w.hard, err = host.OpenWatchdog(host.PID1(), c.Device, 2*resync)
		if err != nil && !errors.Is(err, host.ErrNotOurs) {
			e.log.Info("no hardware watchdog", "why", err)
		}
	}
	e.clients.watch = w
}

func (e *Engine) ladderPath(dir string) string { return filepath.Join(dir, "watchdog.json") }

func (w *watch) close() {
	if w != nil && w.hard != nil {
		_ = w.hard.Close()
	}
}

// bounced reports whether the watchdog has closed an uplink for a moment. It is
// no operator's wish: nothing of it is kept.
func (w *watch) bounced(uplink string) bool { return w != nil && w.bounce == uplink }

// watchTurn feeds the ladder and does what it wants; it returns when it wants
// to be called again, zero for never.
func (e *Engine) watchTurn(now time.Time) time.Time {
	w := e.clients.watch
	if w == nil {
		return time.Time{}
	}
	if w.hard != nil {
		if err := w.hard.Feed(); err != nil {
			e.log.Error("hardware watchdog", "err", err)
		}
	}
	if fed := e.clients.fed.Load(); fed > w.seen {
		w.seen = fed
		if w.ladder.Feed(netif.Boot(time.Duration(fed))) {
			e.record(slog.LevelInfo, "watchdog", "the network works again; what helped: "+w.ladder.Status(now).Helped)
			e.saveLadder(now, false)
		}
	}
	soon := w.bounce != "" && !now.Before(w.back)
	if soon {
		w.bounce = ""
	}
	in := client.LadderInput{}
	for _, u := range e.uplinks {
		in.Verified = in.Verified || u.monitor.Verdict().Verified
		in.Modem = in.Modem || u.modem != nil
	}
	if a, ok := w.ladder.Step(now, in); ok {
		e.saveLadder(now, a.Durable)
		e.climb(w, now, a)
		soon = true
	}
	if soon {
		return now // what was decided here takes effect in the next turn
	}
	next := w.ladder.Next()
	if w.hard != nil {
		next = sooner(now.Add(w.hard.Every()), next)
	}
	if w.bounce != "" {
		next = sooner(next, w.back)
	}
	return next
}

// alarm reports whether nobody fed the network watchdog for too long.
func (w *watch) alarm(now time.Time) bool {
	return w != nil && w.ladder.Status(now).Silence > w.cfg.Timeout+w.cfg.Grace
}
