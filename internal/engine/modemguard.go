package engine

import (
	"context"
	"path/filepath"
	"slices"

	"luatnetd/internal/host"
	"luatnetd/modem/data"
	"luatnetd/modem/usb"
)

// guard keeps the devices that are given out awake, and ModemManager off them:
// by a rule for one that starts later, by its own inhibition for one that runs.
func (e *Engine) guard() {
	var paths []string
	for _, u := range e.uplinks {
		if u.modem != nil && u.modem.device != nil && u.modem.path != "" {
			paths = append(paths, u.modem.path)
		}
	}
	old := e.modems.guarded
	if slices.Equal(paths, old) {
		return
	}
	e.modems.guarded = paths
	levers, inhibitor := e.modems.levers, &e.modems.inhibitor
	e.tasks.Go(e.ctx, "modem guard", func(ctx context.Context) error {
		if err := host.UdevRules(usb.IgnoreRules(paths)); err != nil {
			e.log.Warn("a ModemManager that starts later is not kept off", "err", err)
		}
		for _, p := range old {
			if !slices.Contains(paths, p) {
				inhibitor.Release(p)
			}
		}
		for _, p := range paths {
			if slices.Contains(old, p) {
				continue
			}
			if err := levers.KeepAwake(ctx, p); err != nil {
				e.log.Warn("the modem may fall asleep", "device", p, "err", err)
			}
			if err := levers.Announce(ctx, p); err != nil {
				e.log.Debug("udevd does not hear of the rule", "device", p, "err", err)
			}
			if err := inhibitor.Hold(ctx, p); err != nil {
				e.log.Debug("no ModemManager to keep off", "device", p, "err", err)
			}
		}
		return nil
	})
}

// unguard gives the devices back when the daemon ends.
func (e *Engine) unguard() {
	e.modems.inhibitor.Close()
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
