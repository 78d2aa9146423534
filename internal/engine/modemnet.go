package engine

import (
	"context"
	"net/netip"
	"strconv"
	"time"

	"luatnetd/internal/status"
	"luatnetd/modem"
	"luatnetd/netif"
)

// pathOf is the prober's verdict in the modem's words. A verdict of the time
// without an address says nothing of the path.
func pathOf(u *uplink) modem.Path {
	v := u.monitor.Verdict()
	switch {
	case u.lease == nil:
		return modem.PathUnknown
	case v.Verified:
		return modem.PathAlive
	case v.Misses >= u.cfg.Check.FailAfter:
		return modem.PathDead
	}
	return modem.PathUnknown
}

// bearerLease is what the network gave by the modem, nil where DHCP is asked.
func bearerLease(b modem.Bearer) *netif.Lease {
	if !b.Addr4.IsValid() && !b.Addr6.IsValid() {
		return nil
	}
	l := &netif.Lease{Addr6: b.Addr6, Gateway: b.Gateway4, MTU: b.MTU}
	if b.Addr4.IsValid() {
		l.Addr = netip.PrefixFrom(b.Addr4, b.Addr4.BitLen())
	}
	for _, a := range b.DNS {
		l.DNS = append(l.DNS, netip.AddrPortFrom(a, 53))
	}
	return l
}

// renewModem makes the lease anew: the address behind the modem has changed.
func (e *Engine) renewModem(u *uplink, r modem.Release) {
	e.log.Info("new lease", "uplink", u.cfg.Name, "why", r.Why)
	e.closeClient(u, false)
	e.setLease(u, nil, r.Why)
	if r.Cycle {
		u.modem.cycle = e.now().Add(netdevPause)
	}
}

// netdevPause is how long a netdev is down before it comes up again.
const netdevPause = time.Second

// closed reports whether the operator, or the network watchdog for a moment,
// has closed an uplink.
func (e *Engine) closed(u *uplink) bool {
	return e.override.downUplinks[u.cfg.Name] || e.clients.watch.bounced(u.cfg.Name)
}

// cycling reports whether a modem's netdev is down to come up again.
func (p *modemPart) cycling(now time.Time) bool { return p != nil && now.Before(p.cycle) }

// due is when the netdev is to come up again, zero while it is not down for that.
func (p *modemPart) due(now time.Time) time.Time {
	if !p.cycling(now) {
		return time.Time{}
	}
	return p.cycle
}

// wantsDHCP reports whether a DHCP client gives the address; nil is an uplink
// without a modem.
func (p *modemPart) wantsDHCP() bool {
	return p == nil || p.link.Up && bearerLease(p.link.Bearer) == nil
}

// external reports whether link and address are the data plane's own.
func (p *modemPart) external() bool { return p != nil && p.link.External }

// modemLease takes the address where the modem gives it.
func (e *Engine) modemLease(u *uplink) {
	switch p := u.modem; {
	case !p.link.Up:
		e.closeClient(u, false)
		e.setLease(u, nil, "the modem has no data connection")
	case !p.wantsDHCP():
		e.closeClient(u, false)
		e.setLease(u, bearerLease(p.link.Bearer), "")
	}
}

// modemHealth are the standing faults of the modems.
func (e *Engine) modemHealth() (list []note) {
	for _, u := range e.uplinks {
		if u.modem == nil {
			continue
		}
		if s := u.modem.driver.Status(); s.Code != "" {
			list = append(list, note{Code: status.HealthCode(s.Code), Severity: modem.Code(s.Code).Severity(), Entry: u.cfg.Name, Text: s.Cause})
		}
	}
	return list
}

// resetModem is the network watchdog's rung: the active uplink's modem, else
// the first, is switched off and on, or reset where nothing can cut its power.
func (e *Engine) resetModem() {
	var p *modemPart
	for _, u := range e.uplinks {
		if u.modem != nil && (p == nil || u.cfg.Name == e.decision.Active) {
			p = u.modem
		}
	}
	if p == nil {
		return
	}
	how := "modem"
	if p.cfg.Power {
		how = "power"
	}
	e.tasks.Go(e.ctx, "modem reset", func(ctx context.Context) error {
		_, err := p.driver.Ask(ctx, modem.Request{Kind: modem.AskReset, Text: how, Timeout: time.Minute})
		return err
	})
}

// modemValues are what registrations and heartbeats may name of the modem that
// carries the traffic, else of the first.
func (e *Engine) modemValues(values map[string]string) {
	list := e.modemEntries()
	if len(list) == 0 {
		return
	}
	m := list[0]
	if d := e.doc.Load(); d != nil {
		for _, x := range list {
			if x.uplink == d.Active {
				m = x
			}
		}
	}
	id := m.driver.Identity()
	values["imei"], values["imsi"], values["iccid"] = id.IMEI, id.IMSI, id.ICCID
	if s := m.driver.Status().Signal; s.CSQ != nil {
		values["csq"] = strconv.Itoa(*s.CSQ)
	}
}
