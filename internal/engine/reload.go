package engine

import (
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"reflect"
	"slices"

	"luatnetd/internal/config"
	"luatnetd/internal/ctl"
	"luatnetd/netif/health"
)

// reloadFile is a transaction: parse, validate, only then swap. A bad file
// leaves the running configuration untouched. reply may be nil (SIGHUP).
func (e *Engine) reloadFile(reply chan<- answer) {
	defer e.reloading()()
	cfg, err := loadStrict(e.opt.ConfigFile)
	if err == nil {
		err = e.immovable(cfg)
	}
	if err != nil {
		e.record(slog.LevelError, "config", "reload refused, the running configuration stays: "+err.Error(), "file", e.opt.ConfigFile)
		if reply != nil {
			reply <- answer{err: &ctl.Error{Status: http.StatusUnprocessableEntity, Message: err.Error(), Hint: "the running configuration is unchanged"}}
		}
		return
	}
	e.notes = nil
	e.cfg = cfg
	if cfg.Empty() {
		e.notes = append(e.notes, emptyNote(e.opt.ConfigFile))
	}
	e.checkRival()
	if err := e.loadIndexes(); err != nil {
		e.note("state-indexes", "error", "", "uplink numbers are not kept: "+err.Error())
	}
	e.adjust()
	text := fmt.Sprintf("%d uplinks and %d LANs are configured", len(cfg.Uplinks), len(cfg.LANs))
	e.record(slog.LevelInfo, "config", "reloaded: "+text, "file", e.opt.ConfigFile)
	if reply != nil {
		reply <- answer{reply: ctl.Reply{OK: true, Text: text}}
	}
}

func loadStrict(file string) (*config.Config, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	cfg, problems := config.Parse(file, text)
	if len(problems) > 0 {
		return nil, problems
	}
	return cfg, nil
}

// immovable refuses what only a restart can change.
func (e *Engine) immovable(c *config.Config) error {
	if c.State != e.cfg.State || c.Control != e.cfg.Control || c.Queue != e.cfg.Queue {
		return fmt.Errorf("[state], [control] and [queue] take effect at a restart only: put the old values back or restart luatnetd")
	}
	return nil
}

// adjust makes uplinks and LANs equal to the configuration. What did not
// change is not disturbed: its lease, its verdict and its flows stay.
func (e *Engine) adjust() {
	if e.rival != "" {
		return
	}
	var uplinks []*uplink
	for _, c := range e.cfg.Uplinks {
		u := e.byName(c.Name)
		if u == nil {
			u = &uplink{monitor: health.New(policyOf(c)), index: e.indexes[c.Name]}
			u.monitor.Remember(e.seen[c.Name])
		}
		e.configure(u, c)
		uplinks = append(uplinks, u)
	}
	for _, old := range e.uplinks {
		if !slices.Contains(uplinks, old) {
			e.closeClient(old, true)
			old.modem.end()
		}
	}
	e.uplinks = uplinks
	e.adjustModems()
	var lans []*lan
	for _, c := range e.cfg.LANs {
		l := &lan{cfg: c}
		for i, old := range e.lans {
			if old != nil && old.cfg.Name == c.Name && old.cfg.Device == c.Device {
				l.server, l.stopper = old.server, old.stopper
				e.lans[i] = nil
			}
		}
		lans = append(lans, l)
	}
	for _, old := range e.lans {
		if old != nil {
			old.stop()
		}
	}
	e.lans, e.namesStale = lans, true
	for _, l := range lans {
		e.startLAN(l)
	}
	e.adjustClients()
}

// configure gives u the configuration c and restarts its DHCP client only if
// the client's own settings changed.
func (e *Engine) configure(u *uplink, c config.Uplink) {
	old := u.cfg
	u.cfg = c
	if old.Power != c.Power {
		u.supply = nil // another switch
	}
	u.index = e.indexes[c.Name]
	if !reflect.DeepEqual(old.Check, c.Check) || old.Metered != c.Metered {
		u.monitor.SetPolicy(e.now(), policyOf(c))
	}
	same := old.Mode == c.Mode && old.ClientID == c.ClientID && old.Hostname == c.Hostname && old.Device == c.Device && old.Match == c.Match && (old.Driven() == c.Driven())
	if same || old.Name == "" {
		return
	}
	e.closeClient(u, true)
	e.setLease(u, nil, "its configuration changed")
}
