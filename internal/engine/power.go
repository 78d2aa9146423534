package engine

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
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

// supply is the switch of an uplink's device.
type supply struct {
	power *host.PowerSwitch
	want  atomic.Bool // what it is to be: a task that comes late sets what is wanted then
	mu    sync.Mutex  // held from the look at want to the end of the switching
}

// supply keeps the supply of an uplink's device on while it is wanted
// (ethpower_en): a modem's recovery has its own way.
func (e *Engine) supply(u *uplink) {
	want := !u.down
	if u.cfg.Power.IsZero() || u.supply != nil && u.supply.want.Load() == want {
		return
	}
	if u.supply == nil {
		u.supply = &supply{power: powerOf(u.cfg.Power, 0)}
	}
	name, s := u.cfg.Name, u.supply
	s.want.Store(want)
	e.tasks.Go(e.ctx, "power "+name, func(ctx context.Context) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		on := s.want.Load()
		if err := s.power.Set(ctx, on); err != nil {
			e.log.Error("the supply is not switched", "uplink", name, "on", on, "err", err)
		}
		return nil
	})
}
