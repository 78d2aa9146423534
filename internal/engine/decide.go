package engine

import (
	"log/slog"
	"net/netip"
	"time"

	"luatnetd/internal/config"
	"luatnetd/netif/failover"
	"luatnetd/router"
	"luatnetd/router/kernel"
)

// pendingEvent is an event that is true only once the kernel is as it says.
type pendingEvent struct {
	seq   uint64 // of the job that makes it true
	level slog.Level
	kind  string
	text  string
	attrs []any
}

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

// build makes the whole plan and hands it over if it differs from the last
// one, or if a full read is due.
func (e *Engine) build(now time.Time) {
	if e.settling(now) {
		return
	}
	if why := e.idle(); why != "" {
		e.pending = nil // what was decided does not come true
		e.announce("idle", why)
		return
	}
	plan := router.Build(e.input())
	full := e.want == 0 || now.Sub(e.synced) >= resync
	changed := plan.Changed(e.plan) != 0
	if changed || full {
		e.want++
		e.plan = plan
		if full {
			e.synced = now
		}
		e.applier.Submit(kernel.Job{Plan: plan, Full: full, Seq: e.want})
	}
	for _, u := range e.uplinks {
		if u.lease != nil && u.inPlan == 0 {
			u.inPlan = e.want
		}
	}
	for i := range e.pending {
		if e.pending[i].seq == 0 {
			e.pending[i].seq = e.want
		}
	}
	e.flushEvents()
}

// input is what the plan is computed from, in the router's words.
func (e *Engine) input() router.Input {
	in := router.Input{
		Marks: e.marks, Main: e.decision.Main, HoldMain: e.decision.Hold, Kill: e.decision.Kill,
		Verify: verifyTarget, Firewall: e.firewall(), NoStaleReset: !e.cfg.Failover.AutoSocketSwitch,
	}
	for _, u := range e.uplinks {
		in.Uplinks = append(in.Uplinks, u.forRouter())
	}
	for _, l := range e.lans {
		in.LANs = append(in.LANs, e.lanForRouter(l))
	}
	for _, f := range e.cfg.Forwards {
		in.Forwards = append(in.Forwards, router.Forward{Proto: f.Proto, Uplink: f.Uplink, Port: f.Port, PortEnd: f.PortEnd, To: f.To})
	}
	return in
}

// verifyTarget is what the FIB is asked for after a switch: an address that is
// never on-link (RFC 5737). Nothing is sent to it.
var verifyTarget = netip.MustParseAddr("203.0.113.1")

func (e *Engine) firewall() router.Firewall {
	f := router.Firewall{ICMPRate: e.cfg.Firewall.ICMPRate, IsolateLANs: e.cfg.Firewall.IsolateLANs, IPv6Pass: e.cfg.Firewall.IPv6 == "pass"}
	for _, a := range e.cfg.Firewall.Allow {
		f.Allow = append(f.Allow, router.Allow{From: a.From, To: a.To, Proto: a.Proto, Port: a.Port, PortEnd: a.PortEnd, Src: a.Src})
	}
	return f
}

func (u *uplink) forRouter() router.Uplink {
	r := router.Uplink{
		Name: u.cfg.Name, Index: u.index, Device: u.device, Present: u.present, Down: u.down,
		External: u.cfg.Mode == config.ModeExternal, DHCP: u.cfg.Mode == config.ModeDHCP, MTU: u.cfg.MTU,
	}
	if u.lease != nil {
		r.Lease = *u.lease
		if r.MTU == 0 {
			r.MTU = u.lease.MTU
		}
	}
	if mtu := u.link.MTU; u.present && mtu < 1500 {
		r.PathMTU = mtu
	}
	if r.MTU != 0 && r.MTU < 1500 {
		r.PathMTU = r.MTU
	}
	return r
}

// applied takes the applier's report.
func (e *Engine) applied(r kernel.Result) {
	e.done, e.doneAt = r, e.now()
	for _, f := range r.Failures {
		e.record(slog.LevelWarn, "kernel", f.Error())
	}
	if len(r.Failures) == 0 {
		e.announce("took", r.Took)
	}
	e.flushEvents()
}

// flushEvents records the events whose job is done.
func (e *Engine) flushEvents() {
	for len(e.pending) > 0 && e.pending[0].seq != 0 && e.pending[0].seq <= e.done.Seq {
		p := e.pending[0]
		e.pending = e.pending[1:]
		e.record(p.level, p.kind, p.text, p.attrs...)
	}
}

// foreign is told that somebody else changed nftables: read everything back.
func (e *Engine) foreign(who string) {
	e.log.Debug("nftables changed by somebody else", "who", who)
	e.synced = time.Time{}
	e.checkRival()
}

// settleTime is how long a start waits for the DHCP clients to say whether the
// addresses that a predecessor left are still theirs.
const settleTime = 500 * time.Millisecond

// settling reports whether that wait goes on. A plan made before would take
// the addresses away.
func (e *Engine) settling(now time.Time) bool {
	if !now.Before(e.settle) {
		return false
	}
	for _, u := range e.uplinks {
		if u.inherits {
			return true
		}
	}
	return false
}

// adopt notes what a predecessor left: addresses of DHCP uplinks, and which
// uplinks were usable, by their defaults in main.
func (e *Engine) adopt(now time.Time) {
	e.settle = now.Add(settleTime)
	for _, u := range e.uplinks {
		l, ok := e.snap.LinkByName(u.device)
		for _, a := range e.snap.AddrsOf(l.Index) {
			u.inherits = u.inherits || ok && u.cfg.Mode == config.ModeDHCP && a.Proto == router.Protocol
		}
	}
	for _, r := range e.snap.Routes {
		if r.Protocol != router.Protocol || r.Table != router.TableMain || r.Dst.Bits() != 0 {
			continue
		}
		for _, u := range e.uplinks {
			if l, ok := e.snap.LinkByName(u.device); ok && l.Index == r.Link {
				u.adopted = true
				u.monitor.Adopt(now)
			}
		}
	}
}
