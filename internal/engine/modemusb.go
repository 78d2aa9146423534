package engine

import (
	"context"

	"luatnetd/modem"
	"luatnetd/modem/usb"
)

// watchUSB follows what is plugged in.
func (e *Engine) watchUSB() {
	m := &e.modems
	m.watcher = usb.New(sysfs)
	ctx, stop := context.WithCancel(e.ctx)
	m.stop = stop
	watcher := m.watcher
	e.tasks.Go(ctx, "usb", watcher.Run)
	e.tasks.Go(ctx, "usb events", func(ctx context.Context) error {
		for {
			select {
			case <-ctx.Done():
				return nil
			case list := <-watcher.Devices():
				if !e.post(ctx, devicesEvent(list)) {
					return nil
				}
			}
		}
	})
}

const sysfs = "/sys"

// plugged takes a new snapshot of what is on USB.
func (e *Engine) plugged(list devicesEvent) {
	if e.modems.watcher == nil {
		return // it was on its way when the last modem was removed
	}
	e.modems.devices = list
	for path := range e.modems.imeis {
		if !hasDevice(list, path) {
			delete(e.modems.imeis, path) // another module may come to this socket
		}
	}
	e.assignModems()
}

func hasDevice(list []modem.Device, path string) bool {
	for i := range list {
		if list[i].Path == path {
			return true
		}
	}
	return false
}

// assignModems gives each uplink its modem.
func (e *Engine) assignModems() {
	var claims []modem.Claim
	for _, u := range e.uplinks {
		if u.modem != nil && u.cfg.Modem.Port == "" {
			claims = append(claims, modem.Claim{Uplink: u.cfg.Name, Match: u.cfg.Modem.Match, Has: u.modem.path})
		}
	}
	given := modem.Assign(e.modems.devices, claims, e.modems.imeis, e.modems.profiles)
	for _, c := range claims {
		p := e.byName(c.Uplink).modem
		p.device = nil // its path stays: the same modem comes back there
		if d, ok := given[c.Uplink]; ok {
			p.device, p.path = &d, d.Path
		}
	}
	e.guard()
}
