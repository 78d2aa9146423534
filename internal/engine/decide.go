package engine

import (
	"log/slog"
	"time"

	"luatnetd/netif/failover"
)

// decide asks the one decision function and notes what changed.
func (e *Engine) decide(now time.Time) {
	if was := e.override.expire(now); was != "" {
		e.record(slog.LevelInfo, "control", "the time of "+was+" is over, the configured order decides again", "uplink", was)
	}
	in := failover.Input{Use: e.override.use}
	for _, u := range e.uplinks {
		in.Uplinks = append(in.Uplinks, failover.Uplink{
			Name: u.cfg.Name, Verdict: u.monitor.Verdict(), Carrier: u.present && u.link.Carrier,
			HasAddr: u.lease != nil, Enabled: !u.down, Adopted: u.adopted, Addr: u.addr(),
		})
	}
	before := e.decision
	e.failover, e.decision = failover.Step(e.policy(), e.failover, in, now)
	if c, ok := failover.Changed(before, e.decision); ok {
		e.pending = append(e.pending, e.switched(c.Text))
	}
}

func (e *Engine) policy() failover.Policy {
	f := e.cfg.Failover
	return failover.Policy{StartupGrace: f.StartupGrace, FailOpen: f.FailOpen, AutoSocketSwitch: f.AutoSocketSwitch}
}

// switched is the event of a change of the active uplink, with the content of
// exnetif's notify callback: printable name and adapter, or nil and -1.
func (e *Engine) switched(text string) pendingEvent {
	ev := pendingEvent{level: slog.LevelInfo, kind: "NETWORK_STATUS", text: text}
	if u := e.byName(e.decision.Active); u != nil {
		ev.attrs = []any{"uplink", u.cfg.Name, "name", u.cfg.Adapter.PrintName(), "adapter", u.cfg.Adapter, "reason", e.decision.Reason}
	} else {
		ev.level = slog.LevelWarn
		ev.attrs = []any{"name", "nil", "adapter", -1, "reason", e.decision.Reason}
	}
	return ev
}
