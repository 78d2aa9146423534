package dhcp

import (
	"context"

	"luatnetd/netif/lease"
)

// step gives one event to the machine and does what it asks for.
func (c *Client) step(ctx context.Context, ev lease.Event) {
	now := c.cfg.Now()
	before := c.machine.Status().State
	actions := c.machine.Step(now, ev)
	st := c.machine.Status()
	c.status.Store(&st)
	if st.State != before {
		c.log.Debug("dhcp state", "from", before.String(), "to", st.State.String())
	}
	for _, a := range actions {
		if err := c.act(ctx, a, st); err != nil {
			c.log.Warn("dhcp client is held up", "state", st.State.String(), "err", err)
		}
	}
}

// act does one action. A failure needs no handling here: the machine sends
// again, and a socket that does not open is tried again by sync.
func (c *Client) act(ctx context.Context, a lease.Action, st lease.Status) error {
	now := c.cfg.Now()
	switch a := a.(type) {
	case lease.OpenRaw:
		c.socks.wantRaw = true
		c.socks.sync(now)
	case lease.CloseRaw:
		c.socks.wantRaw = false
		c.socks.sync(now)
	case lease.OpenARP:
		c.socks.wantARP = true
		c.socks.sync(now)
	case lease.CloseARP:
		c.socks.wantARP = false
		c.socks.sync(now)
	case lease.Send:
		return c.socks.send(a)
	case lease.Probe, lease.Announce, lease.AskGateway:
		return c.socks.sendARP(a)
	case lease.SetTimer:
		c.deadline = a.At
	case lease.Save:
		if c.cfg.Save != nil {
			return c.cfg.Save(a.Record.Bytes())
		}
	case lease.BoundTo:
		c.bound(ctx, a, st)
	case lease.Lost:
		c.log.Info("lease lost", "reason", a.Reason)
		c.publish(ctx, Event{Reason: a.Reason, State: st.State.String(), At: now})
	case lease.Refused:
		c.log.Warn("lease refused", "reason", a.Reason)
		c.publish(ctx, Event{Reason: a.Reason, State: st.State.String(), At: now})
	}
	return nil
}

func (c *Client) bound(ctx context.Context, a lease.BoundTo, st lease.Status) {
	if a.Renewed {
		c.log.Debug("lease renewed", "address", a.Lease.Addr, "server", a.Lease.ServerID)
	} else {
		c.log.Info("lease obtained", "address", a.Lease.Addr, "gateway", a.Lease.Gateway, "server", a.Lease.ServerID, "client_id", string(st.ClientID))
		for _, note := range a.Notes {
			c.log.Warn("dhcp server is odd", "server", a.Lease.ServerID, "note", note)
		}
	}
	l := a.Lease
	c.publish(ctx, Event{
		Lease: &l, State: st.State.String(), At: c.cfg.Now(),
		Renewed: a.Renewed, Provisional: a.Provisional, Extra: a.Extra,
	})
}

func (c *Client) publish(ctx context.Context, e Event) {
	select {
	case c.events <- e:
	case <-ctx.Done():
	}
}
