package engine

import (
	"fmt"
	"time"

	"luatnetd/internal/config"
	"luatnetd/internal/host"
	"luatnetd/internal/status"
	"luatnetd/netif"
	"luatnetd/router"
)

// note is a standing health code.
type note = status.Code

// note adds a standing health code.
func (e *Engine) note(code status.HealthCode, severity, entry, text string) {
	e.notes = append(e.notes, note{Code: code, Severity: severity, Entry: entry, Text: text})
}

func (e *Engine) events(after uint64) []status.Event {
	list, _ := e.journal.After(after)
	return list
}

// publish makes the status document of this turn.
func (e *Engine) publish(now time.Time) {
	d := &status.Document{
		API: status.APIVersion, Version: e.opt.Version, Config: e.opt.ConfigFile,
		Started: host.Wall(e.started), At: host.Wall(now), Turns: e.turns,
		Active: e.decision.Active, Reason: e.decision.Reason, Since: host.Wall(e.decision.Since),
		Order: append([]string{}, e.decision.Main...), Hold: e.decision.Hold, Path: e.path(), Use: e.override.use,
		UseUntil: host.Wall(e.override.until),
		Health:   append([]status.Code{}, e.notes...),
		Kernel:   e.kernelStatus(),
		Uplinks:  []status.Uplink{}, LANs: []status.LAN{},
	}
	if e.rival != "" {
		d.Health = append(d.Health, note{Code: "firewall-rival", Severity: "error", Text: e.rival})
	}
	for _, p := range e.done.Paused {
		d.Health = append(d.Health, note{Code: "repairs-paused", Severity: "error", Entry: p.Room.String(), Text: p.String()})
	}
	if u := e.byName(e.decision.Active); u != nil {
		d.Adapter = string(u.cfg.Adapter)
	}
	for _, u := range e.uplinks {
		d.Uplinks = append(d.Uplinks, e.uplinkStatus(u, now))
		if u.refused != "" {
			d.Health = append(d.Health, note{Code: status.HealthCode(config.ScopeLease.Code()), Severity: "error", Entry: u.cfg.Name, Text: u.refused})
		}
	}
	for _, l := range e.lans {
		d.LANs = append(d.LANs, e.lanStatus(l))
	}
	for _, w := range e.decision.Why {
		d.Why = append(d.Why, status.Why{Uplink: w.Uplink, Rule: w.Rule, Text: w.Text})
	}
	for _, t := range e.tasks.States() {
		if !t.Running && t.Err != "" {
			d.Health = append(d.Health, note{Code: "task-restarting", Severity: "error", Entry: t.Name, Text: t.Name + " failed and is started again: " + t.Err})
		}
	}
	d.Health = append(d.Health, e.clientHealth(now)...)
	d.Health = append(d.Health, e.modemHealth()...)
	d.SortHealth()
	e.doc.Store(d)
}

// path is the device of the kernel's best default in main, ours or not.
func (e *Engine) path() string {
	var best *netif.Route
	for i := range e.snap.Routes {
		r := &e.snap.Routes[i]
		if r.Table == router.TableMain && r.Dst.Bits() == 0 && r.Dst.Addr().Is4() && !r.LinkDown &&
			(best == nil || r.Metric < best.Metric) {
			best = r
		}
	}
	if best == nil {
		return ""
	}
	l, _ := e.snap.LinkByIndex(best.Link)
	return l.Name
}

func (e *Engine) kernelStatus() status.Kernel {
	k := status.Kernel{Seq: e.done.Seq, At: host.Wall(e.doneAt), TookMs: e.done.Took.Seconds() * 1e3, Ops: e.done.Ops}
	for _, f := range e.done.Failures {
		k.Failures = append(k.Failures, f.Error())
	}
	return k
}

func (e *Engine) uplinkStatus(u *uplink, now time.Time) status.Uplink {
	v := u.monitor.Verdict()
	s := status.Uplink{
		Name: u.cfg.Name, Adapter: string(u.cfg.Adapter), Print: u.cfg.Adapter.PrintName(), Device: u.device,
		Index: int(u.index), Mark: fmt.Sprintf("%#x", e.marks.Of(u.index)), Present: u.present,
		Carrier: u.present && u.link.Carrier, Down: u.down, Mode: u.cfg.Mode, State: v.State.String(), Ready: v.Usable,
		Verified: v.Verified, Active: u.cfg.Name == e.decision.Active, Since: host.Wall(v.Since), Reason: v.Reason,
		Metered: u.cfg.Metered, Lease: u.leaseState, RTTms: v.RTT.Seconds() * 1e3, Loss: v.Loss, MTU: u.link.MTU,
	}
	if l := u.lease; l != nil {
		s.Address = l.Addr.String()
		if l.Gateway.IsValid() {
			s.Gateway = l.Gateway.String()
		}
		for _, a := range l.DNS {
			s.DNS = append(s.DNS, a.Addr().String())
		}
		if !l.Expire.IsZero() {
			s.LeaseFor = l.Expire.Sub(now).Seconds()
		}
	}
	if u.refused != "" {
		s.Reason = u.refused
	}
	_, s.Round = u.monitor.Rounds()
	for _, t := range v.Targets {
		s.Targets = append(s.Targets, status.Target{
			Kind: string(t.Target.Kind), Address: t.Target.Address, Alive: t.OK, Ever: t.Seen,
			At: host.Wall(t.At), Reason: t.Reason, RTTms: t.RTT.Seconds() * 1e3,
		})
	}
	return s
}

func (e *Engine) lanStatus(l *lan) status.LAN {
	s := status.LAN{
		Name: l.cfg.Name, Device: l.cfg.Device, Ports: l.cfg.Ports, Address: l.cfg.Address.String(), Down: l.down,
		Upstream: l.cfg.Upstream, DHCP: l.server != nil, Leases: []status.Lease{},
	}
	link, ok := e.snap.LinkByName(l.cfg.Device)
	s.Carrier = ok && link.Carrier
	if l.server == nil {
		return s
	}
	s.Pool = fmt.Sprintf("%s-%s", l.cfg.DHCP.PoolStart, l.cfg.DHCP.PoolEnd)
	for _, i := range l.server.Leases() {
		s.Leases = append(s.Leases, status.Lease{
			LAN: l.cfg.Name, Address: i.Addr.String(), MAC: i.MAC.String(), Hostname: i.Hostname,
			State: i.State, Static: i.Static, Left: i.ExpiresIn.Seconds(),
		})
	}
	return s
}
