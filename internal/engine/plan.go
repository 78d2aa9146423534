package engine

import (
	"net/netip"
	"time"

	"luatnetd/internal/config"
	"luatnetd/router"
	"luatnetd/router/kernel"
)

// build makes the whole plan and hands it over if it differs from the last
// one, or if a full read is due.
func (e *Engine) build(now time.Time) {
	if e.settling(now) || e.releasing(now) {
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
		External: u.cfg.Mode == config.ModeExternal || u.modem.external(), MTU: u.cfg.MTU,
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
