package engine

import (
	"context"
	"reflect"
	"sync/atomic"
	"time"

	"luatnetd/internal/config"
	"luatnetd/internal/host"
	"luatnetd/modem"
	"luatnetd/modem/data"
	"luatnetd/modem/drive"
)

// modemPart is the modem of an uplink and what runs for it.
type modemPart struct {
	cfg    config.Modem
	driver *drive.Driver
	remove context.CancelCauseFunc
	device *modem.Device // given to it, nil while there is none
	path   string        // of device
	link   drive.Link    // as of this turn
	cycle  time.Time     // until when its netdev is down, to come up again

	power atomic.Pointer[host.PowerSwitch] // nil: nothing can cut its supply; read by the driver
}

// startModem starts the driver of an uplink's modem.
func (e *Engine) startModem(u *uplink) {
	name, cfg := u.cfg.Name, *u.cfg.Modem
	p := &modemPart{cfg: cfg}
	p.power.Store(powerOf(cfg.Switch, cfg.PowerOff))
	env := data.Env{Dir: dataDir(e.opt), Name: name, Write: host.Sysfs{}.Write}
	d := drive.New(drive.Config{
		Settings: cfg.Settings, Profiles: e.modems.profiles, Dir: e.stateDir, RunDir: e.opt.RunDir, Now: e.now, Log: e.log.With("uplink", name),
		Seed:  uint64(time.Now().UnixNano()),
		Plane: func(plan modem.DataPlan) (data.Plane, error) { return data.New(plan, env) },
		Pull: func(ctx context.Context, l modem.Lever, dev *modem.Device) error {
			return drive.Pull(ctx, l, dev, e.modems.levers, cycler(p.power.Load()))
		},
		Received: host.Received,
		Clean: func(ctx context.Context) error {
			return data.Clean(ctx, env.Dir, func(uplink string) bool { return uplink != name })
		},
	})
	ctx, cancel := context.WithCancelCause(e.ctx)
	u.modem, p.driver, p.remove = p, d, cancel
	if cfg.Port != "" {
		u.modem.device = uart(cfg)
	}
	e.tasks.Go(ctx, "modem "+name, func(ctx context.Context) error {
		if power := p.power.Load(); power != nil {
			if err := power.Set(ctx, true); err != nil {
				e.log.Error("the modem's supply is not switched on", "uplink", name, "err", err)
			}
		}
		return d.Run(ctx)
	})
	e.tasks.Go(ctx, "modem events "+name, func(ctx context.Context) error {
		for {
			select {
			case <-ctx.Done():
				return nil
			case ev := <-d.Events():
				if !e.post(ctx, modemEvent{name, d, ev}) {
					return nil
				}
			}
		}
	})
}

// uart is the modem of a serial line as a device that is always there.
func uart(c config.Modem) *modem.Device {
	d := &modem.Device{Ports: []modem.Port{{Path: c.Port}}}
	if c.Netdev != "" {
		d.Nets = []modem.Net{{Name: c.Netdev}}
	}
	return d
}

// elsewhere reports whether c is a modem at another line: another session.
func (p *modemPart) elsewhere(c config.Modem) bool {
	return p.cfg.Port != c.Port || p.cfg.Netdev != c.Netdev
}

// update gives the driver new settings, if they are new.
func (p *modemPart) update(c config.Modem) {
	c.Pos = p.cfg.Pos
	if !reflect.DeepEqual(p.cfg, c) {
		if c.Switch != p.cfg.Switch || c.PowerOff != p.cfg.PowerOff {
			p.power.Store(powerOf(c.Switch, c.PowerOff))
		}
		p.cfg = c
		p.driver.Update(c.Settings)
	}
}

// end removes the modem; its session ends, too.
func (p *modemPart) end() {
	if p != nil {
		p.remove(drive.ErrRemoved)
	}
}

// senseModem shows the driver what holds, and takes its link.
func (e *Engine) senseModem(u *uplink) {
	p := u.modem
	p.link = p.driver.Link()
	u.device = p.link.Netdev
	out := drive.Outside{Enabled: !e.closed(u), Device: p.device, Path: pathOf(u)}
	if u.lease != nil {
		out.Lease = u.lease.Addr
	}
	p.driver.Show(out)
}
