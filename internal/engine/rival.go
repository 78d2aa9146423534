package engine

import (
	"log/slog"
	"time"

	"luatnetd/router/kernel"
)

// checkRival asks whether somebody else owns the packet filter. While one
// does, the kernel is left as it is and no configuration is taken over; when
// it has gone, everything goes on from the start.
func (e *Engine) checkRival() {
	why, err := kernel.Rival()
	if err != nil {
		e.log.Warn("nobody knows whether another firewall is active", "error", err)
		return
	}
	if why == e.rival {
		return
	}
	e.rival = why
	if why != "" {
		e.record(slog.LevelError, "rival", why)
		return
	}
	e.record(slog.LevelInfo, "rival", "the other firewall is gone")
	e.synced = time.Time{} // anything may have changed: read it back
	if e.snap != nil {
		e.adjust()
		e.adopt(e.now())
	}
}

// idle says why the kernel is left alone, "" if it is not: somebody else owns
// it, or nothing was configured yet.
func (e *Engine) idle() string {
	switch {
	case e.rival != "":
		return e.rival
	case !e.cfg.Gateway() && e.want == 0:
		return "nothing is configured"
	}
	return ""
}

// announce tells the service manager, once, that the daemon does its work.
func (e *Engine) announce(attrs ...any) {
	if e.ready {
		return
	}
	e.ready = true
	e.opt.Service.Notify("READY=1")
	e.log.Info("ready", attrs...)
}
