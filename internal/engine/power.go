package engine

import (
	"context"
	"errors"
	"time"

	"luatnetd/internal/config"
	"luatnetd/internal/host"
)

// powerOf makes the switch of a supply; nil where there is none.
func powerOf(c config.PowerSwitch, off time.Duration) *host.PowerSwitch {
	if c.IsZero() {
		return nil
	}
	return &host.PowerSwitch{Chip: c.Chip, Line: c.Line, File: c.File, Command: c.Command, ActiveLow: c.ActiveLow, Off: off}
}

// errNoSwitch says that a lever is not there.
var errNoSwitch = errors.New("no switch of the supply is configured")

// cycler is the switch as the modem's last lever.
func cycler(p *host.PowerSwitch) func(context.Context) error {
	if p == nil {
		return func(context.Context) error { return errNoSwitch }
	}
	return p.Cycle
}

// supply keeps the supply of an uplink's device on while it is wanted
// (ethpower_en): a modem's recovery has its own way.
func (e *Engine) supply(u *uplink) {
	want := !u.down
	if u.cfg.Power.IsZero() || u.supplied != nil && *u.supplied == want {
		return
	}
	u.supplied = &want
	if u.power == nil {
		u.power = powerOf(u.cfg.Power, 0)
	}
	name, p := u.cfg.Name, u.power
	e.tasks.Go(e.ctx, "power "+name, func(ctx context.Context) error {
		if err := p.Set(ctx, want); err != nil {
			e.log.Error("the supply is not switched", "uplink", name, "on", want, "err", err)
		}
		return nil
	})
}
