package engine

import (
	"luatnetd/internal/config"
	"luatnetd/netif/health"
)

// policyOf is an uplink's check in the words of the health room.
func policyOf(c config.Uplink) health.Policy {
	p := health.Policy{
		Interval: c.Check.Interval, MissInterval: c.Check.IntervalMiss, Timeout: c.Check.Timeout,
		FailAfter: c.Check.FailAfter, RecoverAfter: c.Check.RecoverAfter, HoldDown: c.Check.HoldDown,
	}
	if c.Metered {
		p.Interval = c.Check.IntervalMetered
	}
	for _, m := range c.Check.Methods {
		switch m {
		case config.MethodNone:
			p.Trust = true
		case config.MethodGateway:
			p.Targets = append(p.Targets, health.Target{Kind: health.Gateway})
		}
	}
	for _, t := range c.Check.Targets {
		kind, address := config.SplitTarget(t)
		p.Targets = append(p.Targets, health.Target{Kind: health.Kind(kind), Address: address})
	}
	return p
}
