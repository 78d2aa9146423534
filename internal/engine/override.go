package engine

import (
	"encoding/json"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"luatnetd/internal/host"
	"luatnetd/internal/store"
	"luatnetd/netif"
	"luatnetd/router"
)

// override is what the operator said with ctl: kept over a restart of the
// daemon, not over a reboot of the box.
type override struct {
	use         string
	until       time.Time // since boot; zero: until "auto"
	downUplinks map[string]bool
	downLANs    map[string]bool
}

// overrideFile is the form on disk, below the runtime directory.
type overrideFile struct {
	Boot    string   `json:"boot"`
	Use     string   `json:"use,omitempty"`
	Until   int64    `json:"until,omitempty"` // ns since boot
	Uplinks []string `json:"down_uplinks,omitempty"`
	LANs    []string `json:"down_lans,omitempty"`
}

// expire ends a choice that was made for a while; it returns what was chosen,
// "" while that goes on.
func (o *override) expire(now time.Time) (ended string) {
	if o.use != "" && !o.until.IsZero() && !now.Before(o.until) {
		ended = o.use
		o.use, o.until = "", time.Time{}
	}
	return ended
}

func (e *Engine) overridePath() string { return filepath.Join(e.opt.RunDir, "override.json") }

func (e *Engine) loadOverride() {
	e.override = override{downUplinks: map[string]bool{}, downLANs: map[string]bool{}}
	var f overrideFile
	b, err := store.ReadFile(e.overridePath(), 64<<10)
	if err != nil || json.Unmarshal(b, &f) != nil || f.Boot != host.BootID() {
		return // nothing was said since boot
	}
	e.override.use = f.Use
	if f.Until != 0 {
		e.override.until = netif.Boot(time.Duration(f.Until))
	}
	for _, n := range f.Uplinks {
		e.override.downUplinks[n] = true
	}
	for _, n := range f.LANs {
		e.override.downLANs[n] = true
	}
}

func (e *Engine) saveOverride() error {
	f := overrideFile{Boot: host.BootID(), Use: e.override.use}
	if !e.override.until.IsZero() {
		f.Until = e.override.until.UnixNano()
	}
	f.Uplinks = slices.Sorted(maps.Keys(e.override.downUplinks))
	f.LANs = slices.Sorted(maps.Keys(e.override.downLANs))
	b, err := json.Marshal(f)
	if err != nil {
		return err
	}
	_, err = store.WriteFile(e.overridePath(), b, 0o600)
	return err
}

// loadIndexes gives every uplink the number its name had before.
func (e *Engine) loadIndexes() error {
	path := filepath.Join(e.stateDir, "uplinks.json")
	have := map[string]netif.Index{}
	b, err := store.ReadFile(path, 64<<10)
	switch {
	case errors.Is(err, store.ErrMissing):
	case err != nil:
		return err
	default:
		if err := json.Unmarshal(b, &have); err != nil {
			e.note("state-indexes", "warning", "", "the file of uplink numbers was unreadable; flows of before may move: "+err.Error())
			have = map[string]netif.Index{}
		}
	}
	names := make([]string, len(e.cfg.Uplinks))
	for i, u := range e.cfg.Uplinks {
		names[i] = u.Name
	}
	table, changed := router.Assign(have, names)
	e.indexes = table
	if !changed {
		return nil
	}
	if b, err = json.Marshal(table); err != nil {
		return err
	}
	_, err = store.WriteFile(path, b, 0o644)
	return err
}
