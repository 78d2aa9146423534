package engine

import (
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"

	"luatnetd/internal/host"
	"luatnetd/modem/data"
	"luatnetd/modem/usb"
)

// guardian keeps the devices that are given out awake, and ModemManager off
// them: by a rule for one that starts later, by its own inhibition for one that
// runs. What is wanted is a level: a task that comes late does what is wanted then.
type guardian struct {
	want      atomic.Pointer[[]string]
	inhibitor usb.Inhibitor

	mu   sync.Mutex // guards have, while it is made equal to want
	have []string
}

// guard tells the guardian which devices are ours now.
func (e *Engine) guard() {
	paths := []string{}
	for _, u := range e.uplinks {
		if u.modem != nil && u.modem.device != nil && u.modem.path != "" {
			paths = append(paths, u.modem.path)
		}
	}
	g, levers := &e.modems.guardian, e.modems.levers
	if old := g.want.Swap(&paths); old != nil && slices.Equal(*old, paths) || old == nil && len(paths) == 0 {
		return
	}
	e.tasks.Go(e.ctx, "modem guard", func(ctx context.Context) error {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.make(ctx, *g.want.Load(), levers, e.log)
		return nil
	})
}

// make takes over what is new and gives back what is not ours any more.
func (g *guardian) make(ctx context.Context, want []string, levers *usb.Levers, log *slog.Logger) {
	if err := host.UdevRules(usb.IgnoreRules(want)); err != nil {
		log.Warn("a ModemManager that starts later is not kept off", "err", err)
	}
	for _, p := range g.have {
		if !slices.Contains(want, p) {
			g.inhibitor.Release(p)
		}
	}
	for _, p := range want {
		if slices.Contains(g.have, p) {
			continue
		}
		if err := levers.KeepAwake(ctx, p); err != nil {
			log.Warn("the modem may fall asleep", "device", p, "err", err)
		}
		if err := levers.Announce(ctx, p); err != nil {
			log.Debug("udevd does not hear of the rule", "device", p, "err", err)
		}
		if err := g.inhibitor.Hold(ctx, p); err != nil {
			log.Debug("no ModemManager to keep off", "device", p, "err", err)
		}
	}
	g.have = want
}

// unguard gives the devices back when the daemon ends.
func (e *Engine) unguard() {
	e.modems.guardian.inhibitor.Close()
	if err := host.UdevRules(""); err != nil {
		e.log.Warn("ModemManager is kept off until the machine restarts", "err", err)
	}
}

// dataDir is where data planes keep what outlives the daemon.
func dataDir(opt Options) string { return filepath.Join(opt.RunDir, "modem") }

// endOrphans ends the sessions of modems that are not configured any more.
func (e *Engine) endOrphans() {
	wanted := map[string]bool{}
	for _, u := range e.uplinks {
		wanted[u.cfg.Name] = u.modem != nil
	}
	e.tasks.Go(e.ctx, "modem orphans", func(ctx context.Context) error {
		return data.Clean(ctx, dataDir(e.opt), func(uplink string) bool { return wanted[uplink] })
	})
}
