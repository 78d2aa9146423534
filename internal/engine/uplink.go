package engine

import (
	"context"
	"log/slog"
	"time"

	"luatnetd/internal/config"
	"luatnetd/netif"
	"luatnetd/netif/dhcp"
	"luatnetd/netif/health"
	"luatnetd/netif/probe"
	"luatnetd/router"
)

// uplink is one configured uplink and what runs for it.
type uplink struct {
	cfg     config.Uplink
	index   netif.Index
	device  string // resolved, "" while no device matches
	monitor *health.Monitor
	link    netif.Link
	present bool

	client       *dhcp.Client // nil unless address = "dhcp"
	clientDevice string
	stopClient   context.CancelFunc
	lease        *netif.Lease // nil: no address
	leaseState   string
	refused      string // why a lease that was offered is not used
	inPlan       uint64 // first job whose plan holds the lease
	adopted      bool   // a predecessor left its default in main
	inherits     bool   // a predecessor left its address, and the DHCP client has not said a word yet
	down         bool   // closed by the operator
	state        health.State
	modem        *modemPart // nil: a device that is there by itself
	supply       *supply    // nil before it is switched for the first time
}

// observe brings the levels of every uplink up to date.
func (e *Engine) observe(now time.Time) {
	for _, u := range e.uplinks {
		e.sense(u, now)
	}
}

func (e *Engine) sense(u *uplink, now time.Time) {
	if u.modem != nil {
		e.senseModem(u)
	} else {
		u.device = e.resolve(u.cfg)
	}
	u.link, u.present = e.snap.LinkByName(u.device)
	u.down = e.closed(u) || u.modem.cycling(now)
	e.supply(u)
	e.runClient(u)
	switch {
	case u.modem != nil:
		e.modemLease(u)
	case u.cfg.Mode == config.ModeStatic:
		e.setLease(u, staticLease(u.cfg), "")
	case u.cfg.Mode == config.ModeExternal:
		e.setLease(u, netif.ExternalLease(e.snap, u.link.Index, router.Protocol), "its owner took it away")
	}
	level := health.Level{
		Enabled: !u.down, Present: u.present, Carrier: u.present && u.link.Carrier,
		Single: len(e.uplinks) == 1 && !u.cfg.Check.Explicit,
	}
	if u.lease != nil && u.inPlan > 0 && e.done.Seq >= u.inPlan {
		level.Addr, level.Gateway = u.lease.Addr, u.lease.Gateway
	}
	u.monitor.Observe(now, level)
	e.noteState(u)
}

// noteState records a change of the LuatOS state.
func (e *Engine) noteState(u *uplink) {
	v := u.monitor.Verdict()
	if v.State == u.state {
		return
	}
	e.record(slog.LevelInfo, "UPLINK", u.cfg.Name+" is "+v.State.String()+": "+v.Reason,
		"uplink", u.cfg.Name, "from", u.state.String(), "to", v.State.String())
	u.state = v.State
}

// setLease makes l the uplink's addresses; nil withdraws them.
func (e *Engine) setLease(u *uplink, l *netif.Lease, reason string) {
	if l != nil {
		if p := config.CheckLeased(e.cfg, u.cfg.Name, l.Addr); p != nil {
			if u.refused == "" {
				e.record(slog.LevelWarn, "lease", p.String(), "uplink", u.cfg.Name, "offered", l.Addr)
			}
			u.refused, l = p.Want, nil
		} else {
			u.refused = ""
		}
	}
	switch {
	case l == nil && u.lease == nil:
	case l == nil:
		e.record(slog.LevelWarn, "IP_LOSE", u.cfg.Name+" lost its address: "+reason, "uplink", u.cfg.Name, "adapter", u.cfg.Adapter)
		u.lease, u.inPlan = nil, 0
	case u.lease == nil || !u.lease.Equal(*l):
		e.record(slog.LevelInfo, "IP_READY", u.cfg.Name+" has address "+l.Addr.String(), "uplink", u.cfg.Name, "adapter", u.cfg.Adapter, "address", l.Addr)
		u.lease, u.inPlan = l, 0
	default:
		u.lease = l // only its clocks changed
	}
}

// probed hands a probe's result to the uplink it belongs to.
func (e *Engine) probed(r probe.Result) {
	if u := e.byName(r.Uplink); u != nil {
		u.monitor.Result(e.now(), r.Result)
		e.noteSeen(u)
		e.noteState(u)
	}
}

// probe starts the probes that are due.
func (e *Engine) probe(now time.Time) {
	for _, u := range e.uplinks {
		for _, req := range u.monitor.Due(now) {
			e.prober.Start(e.ctx, e.probeRequest(u, req))
		}
	}
}

func (e *Engine) probeRequest(u *uplink, req health.Request) probe.Request {
	r := probe.Request{Uplink: u.cfg.Name, Device: u.device, Mark: e.marks.Of(u.index), Request: req}
	if u.lease != nil {
		r.Source, r.Gateway = u.lease.Addr.Addr(), u.lease.Gateway
	}
	return r
}

func (e *Engine) byName(name string) *uplink {
	for _, u := range e.uplinks {
		if u.cfg.Name == name {
			return u
		}
	}
	return nil
}
