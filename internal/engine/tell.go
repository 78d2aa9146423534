package engine

import (
	"fmt"
	"strings"

	"luatnetd/internal/config"
)

// tell gives the service manager its one line ("systemctl status"), when it
// changes.
func (e *Engine) tell() {
	if text := e.summary(); text != e.told {
		e.told = text
		e.opt.Service.Notify("STATUS=" + text)
	}
}

// summary says what an operator wants to know first.
func (e *Engine) summary() string {
	if e.rival != "" {
		return "idle: " + e.rival
	}
	if e.cfg.Empty() {
		return emptyNote(e.opt.ConfigFile).Text
	}
	var parts []string
	switch u := e.byName(e.decision.Active); {
	case u != nil:
		parts = append(parts, fmt.Sprintf("online through %s (%s)", u.cfg.Name, u.device))
	case len(e.uplinks) > 0:
		parts = append(parts, "no uplink is usable: "+e.decision.Reason)
	}
	var backups []string
	for _, name := range e.decision.Main {
		if name != e.decision.Active {
			backups = append(backups, name)
		}
	}
	if len(backups) > 0 {
		parts = append(parts, "backup: "+strings.Join(backups, ", "))
	}
	if n := len(e.done.Failures); n > 0 {
		parts = append(parts, fmt.Sprintf("%d operations in the kernel failed", n))
	}
	if n := len(e.notes); n > 0 {
		parts = append(parts, fmt.Sprintf("%d notes, see \"luatnetd ctl status\"", n))
	}
	if len(parts) == 0 {
		return fmt.Sprintf("serving %d LANs, no uplinks", len(e.lans))
	}
	return strings.Join(parts, "; ")
}

// reloading brackets a reload for the service manager. Before the first plan
// is in the kernel there is no READY=1 to give back.
func (e *Engine) reloading() (done func()) {
	if !e.ready {
		return func() {}
	}
	e.opt.Service.Notify("RELOADING=1")
	return func() { e.opt.Service.Notify("READY=1") }
}

// stateDir is where cfg keeps its state: what the command line names is used
// where the configuration does not name another directory.
func stateDir(opt Options, cfg *config.Config) string {
	if opt.StateDir != "" && cfg.State.Dir == config.DefaultStateDir {
		return opt.StateDir
	}
	return cfg.State.Dir
}
