package engine

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"

	"luatnetd/internal/status"
	"luatnetd/modem"
	"luatnetd/modem/drive"
	"luatnetd/modem/usb"
)

// modems are the modems on USB and who drives which.
type modems struct {
	watcher  *usb.Watcher // nil while no uplink asks for one
	stop     context.CancelFunc
	devices  []modem.Device
	imeis    map[string]string // by path of the device, as far as known
	profiles modem.Profiles
	levers   *usb.Levers
	guardian guardian
	view     atomic.Pointer[[]modemEntry] // read by the control socket and by connections
}

// modemEvent is what a driver says.
type modemEvent struct {
	uplink string
	driver *drive.Driver
	drive.Event
}

// devicesEvent is what is plugged in.
type devicesEvent []modem.Device

// adjustModems makes the drivers equal to the configuration. A modem whose
// settings did not change is not disturbed.
func (e *Engine) adjustModems() {
	e.loadProfiles()
	onUSB := false
	for _, u := range e.uplinks {
		if !u.cfg.Driven() {
			u.modem.end()
			u.modem = nil
			continue
		}
		onUSB = onUSB || u.cfg.Modem.Port == ""
		if u.modem != nil && u.modem.elsewhere(*u.cfg.Modem) {
			u.modem.end()
			u.modem = nil
		}
		if u.modem == nil {
			e.startModem(u)
		} else {
			u.modem.update(*u.cfg.Modem)
		}
	}
	switch m := &e.modems; {
	case onUSB && m.watcher == nil:
		e.watchUSB()
	case !onUSB && m.watcher != nil:
		m.stop()
		m.watcher, m.devices = nil, nil
	}
	e.assignModems()
	e.showModems()
	e.endOrphans()
}

// profilesFile is where a user adds module families to those we know.
const profilesFile = "modems.toml"

// loadProfiles reads the user's families, beside the configuration file. A bad
// file is a health code: those built in are there.
func (e *Engine) loadProfiles() {
	path := filepath.Join(filepath.Dir(e.opt.ConfigFile), profilesFile)
	text, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		e.note("modem-profiles", "error", "", err.Error())
	}
	p, err := modem.LoadProfiles(path, text)
	if err != nil {
		e.note("modem-profiles", "error", "", err.Error())
		p, _ = modem.LoadProfiles("", nil) // those built in; a test loads them
	}
	e.modems.profiles = p
}

// modemSaid takes what a driver says.
func (e *Engine) modemSaid(ev modemEvent) {
	u := e.byName(ev.uplink)
	if u == nil || u.modem == nil || u.modem.driver != ev.driver {
		return // it was replaced while the event was on its way
	}
	switch {
	case ev.Tell != nil:
		level := slog.LevelInfo
		if ev.Tell.Bad {
			level = slog.LevelWarn
		}
		attrs := []any{"uplink", ev.uplink}
		for k, v := range ev.Tell.Attr {
			attrs = append(attrs, k, v)
		}
		e.record(level, status.EventKind(ev.Tell.Kind), ev.uplink+": "+ev.Tell.Text, attrs...)
	case ev.Release != nil:
		e.renewModem(u, *ev.Release)
	}
	if s := ev.driver.Status(); s.IMEI != "" && u.modem.device != nil && u.modem.path != "" && e.modems.imeis[u.modem.path] != s.IMEI {
		e.modems.imeis[u.modem.path] = s.IMEI
		e.assignModems()
	}
}
