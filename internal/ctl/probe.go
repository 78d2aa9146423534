package ctl

import (
	"context"
	"fmt"
	"time"

	"luatnetd/internal/status"
)

// probeLimit bounds how long Probe waits; a round ends within the timeouts of
// its checks, seconds at most.
const probeLimit = 10 * time.Second

// probePause is how long Probe waits before it looks again.
const probePause = 50 * time.Millisecond

// Probed is the outcome of a round of probes.
type Probed struct {
	Reply
	Uplink status.Uplink `json:"uplink"` // as it was after the round
}

// Probe is exnetif.check_network_status for one uplink: it asks for a round of
// probes and waits for its end. The reply is OK if the uplink passed
// it, or has carrier and address and needs no check.
func (c *Client) Probe(ctx context.Context, name string) (Probed, error) {
	asked, err := c.Post(ctx, "probe", name)
	if err != nil {
		return Probed{}, err
	}
	limit := time.NewTimer(probeLimit)
	defer limit.Stop()
	for {
		d, err := c.Status(ctx)
		if err != nil {
			return Probed{}, err
		}
		u := d.Uplink(name)
		if u == nil {
			return Probed{}, fmt.Errorf("uplink %s is no longer configured", name)
		}
		if u.Round >= asked.Round || !u.Carrier || u.Down || u.Address == "" {
			return outcome(*u, asked.Round), nil
		}
		select {
		case <-ctx.Done():
			return Probed{}, ctx.Err()
		case <-limit.C:
			p := outcome(*u, asked.Round)
			p.Text = fmt.Sprintf("%s: no round of probes has ended within %v: %s", name, probeLimit, u.Reason)
			return p, nil
		case <-time.After(probePause):
		}
	}
}

// outcome says what the round that was asked for has shown.
func outcome(u status.Uplink, asked uint64) Probed {
	p := Probed{Uplink: u}
	p.Round, p.OK = u.Round, u.Round >= asked && u.Verified
	said := "did not pass"
	switch {
	case asked == 0 || u.Round < asked:
		said = "was not probed"
	case p.OK:
		said = "passed"
	}
	p.Text = fmt.Sprintf("%s %s (%s): %s", u.Name, said, u.State, u.Reason)
	for _, t := range u.Targets {
		p.Lines = append(p.Lines, t.Line())
	}
	return p
}
